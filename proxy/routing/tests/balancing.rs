//! Shares of weighted backends, the choice of endpoints, and clients that stick to theirs.

mod fixture;

use fixture::{Fixture, addresses, backend, prefix, rule, snapshot};
use proptest::prelude::*;
use rauta_routing::{
    Affinity, Backend, Balancer, EndpointChoice, Maglev, RouteEntry, RouteTable, Rule, RuleEntry,
    client_ip_hash,
};
use rauta_schemas::{EndpointId, Names};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

fn of_weights(weights: &[u32]) -> Rule {
    rule(&Names::default(), "split", "split/0", weights)
}

/// How many of `requests` each backend takes.
fn shares(balancer: &mut Balancer, rule: &Rule, requests: u32) -> Vec<u32> {
    let mut shares = vec![0; rule.backends.len()];
    for _ in 0..requests {
        shares[balancer.pick_backend(rule).expect("a weight is positive")] += 1;
    }
    shares
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_cycle_gives_each_backend_exactly_its_weight(
        weights in proptest::collection::vec(0_u32..40, 1..8),
        workers in 1_usize..9,
        worker in 0_usize..9,
        cycles in 1_u32..4,
    ) {
        let rule = of_weights(&weights);
        let total: u32 = weights.iter().sum();
        let mut balancer = Balancer::new(worker, workers);
        if total == 0 {
            prop_assert_eq!(balancer.pick_backend(&rule), None);
            return Ok(());
        }
        for _ in 0..cycles {
            prop_assert_eq!(&shares(&mut balancer, &rule, total), &weights);
        }
    }

    #[test]
    fn no_run_of_requests_strays_far_from_the_weights(
        weights in proptest::collection::vec(1_u32..=1_000_000, 2..6),
        requests in 1_u32..500,
    ) {
        let rule = of_weights(&weights);
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let counts = shares(&mut Balancer::new(0, 1), &rule, requests);
        for (count, weight) in counts.iter().zip(&weights) {
            let fair = f64::from(requests) * f64::from(*weight) / total;
            prop_assert!((f64::from(*count) - fair).abs() <= weights.len() as f64);
        }
    }

    #[test]
    fn changed_weights_hold_at_once(
        before in proptest::collection::vec(0_u32..=1_000_000, 3),
        after in proptest::collection::vec(1_u32..20, 3),
        requests in 0_u32..50,
    ) {
        prop_assume!(before.iter().any(|weight| *weight > 0));
        let names = Names::default();
        let mut balancer = Balancer::new(0, 1);
        let old = rule(&names, "split", "split/0", &before);
        shares(&mut balancer, &old, requests);
        let new = rule(&names, "split", "split/0", &after);
        prop_assert_eq!(old.id(), new.id());
        let total: u32 = after.iter().sum();
        let counts = shares(&mut balancer, &new, 10 * total);
        for (count, weight) in counts.iter().zip(&after) {
            prop_assert!(count.abs_diff(10 * weight) <= *weight.max(&3), "{counts:?} of {after:?}");
        }
    }
}

#[test]
fn rotation_is_smooth() {
    let rule = of_weights(&[5, 1, 1]);
    let mut balancer = Balancer::new(0, 1);
    let order: Vec<_> = (0..7)
        .filter_map(|_| balancer.pick_backend(&rule))
        .collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn workers_start_at_different_places() {
    let rule = of_weights(&[1, 1, 1, 1]);
    let firsts: HashSet<_> = (0..4)
        .map(|worker| Balancer::new(worker, 4).pick_backend(&rule))
        .collect();
    assert_eq!(firsts.len(), 4);
}

#[test]
fn the_position_survives_a_swap_and_goes_with_its_rule() {
    let names = Names::default();
    let split = Arc::new(rule(&names, "split", "split/0", &[1, 2]));
    let table = |rules: &[&Arc<Rule>]| {
        RouteTable::new(vec![RouteEntry {
            hostnames: Vec::new(),
            created: SystemTime::UNIX_EPOCH,
            key: "default/split".to_owned(),
            rules: rules
                .iter()
                .map(|rule| RuleEntry {
                    matches: vec![prefix("/")],
                    rule: Arc::clone(rule),
                })
                .map(Arc::new)
                .collect(),
        }])
    };
    let live = snapshot(&names, table(&[&split]));
    assert_eq!(live.rules_len(), 1);
    let mut balancer = Balancer::new(0, 1);
    assert_eq!(balancer.pick_backend(&split), Some(1));
    balancer.retain(&live);
    assert_eq!(balancer.pick_backend(&split), Some(0), "goes on");
    balancer.retain(&snapshot(&names, table(&[])));
    assert_eq!(balancer.pick_backend(&split), Some(1), "starts afresh");
}

#[test]
fn one_positive_weight_takes_all_and_none_takes_nothing() {
    let mut balancer = Balancer::new(3, 4);
    assert_eq!(shares(&mut balancer, &of_weights(&[0, 7, 0]), 5), [0, 5, 0]);
    assert_eq!(balancer.pick_backend(&of_weights(&[0, 0])), None);
    assert_eq!(balancer.pick_backend(&of_weights(&[])), None);
}

fn choice(random: [u64; 2]) -> EndpointChoice<'static> {
    EndpointChoice {
        client_ip_hash: 0,
        tried: &[],
        now_ms: 5_000,
        random,
    }
}

fn eject(backend: &Backend, place: usize) {
    assert!(backend.endpoints[place].health.fail(4_900).is_some());
}

/// The endpoints chosen over many random numbers.
fn chosen(balancer: &Balancer, backend: &Backend, tried: &[EndpointId]) -> HashSet<EndpointId> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..500)
        .filter_map(|_| {
            let choice = EndpointChoice {
                tried,
                ..choice([random.u64(..), random.u64(..)])
            };
            balancer.pick_endpoint(backend, &choice).map(|e| e.id())
        })
        .collect()
}

fn ids(backend: &Backend, places: &[usize]) -> HashSet<EndpointId> {
    places
        .iter()
        .map(|place| backend.endpoints[*place].id())
        .collect()
}

#[test]
fn the_less_busy_of_two_is_chosen() {
    let backend = backend(&Names::default(), Affinity::None, &addresses(2));
    let mut balancer = Balancer::new(0, 1);
    let busy = backend.endpoints[0].id();
    balancer.open(busy);
    assert_eq!(chosen(&balancer, &backend, &[]), ids(&backend, &[1]));
    balancer.close(busy);
    balancer.close(busy);
    assert_eq!(balancer.open_requests(busy), 0);
    assert_eq!(chosen(&balancer, &backend, &[]), ids(&backend, &[0, 1]));
}

#[test]
fn idle_endpoints_share_the_load_evenly() {
    let backend = backend(&Names::default(), Affinity::None, &addresses(5));
    let balancer = Balancer::new(0, 1);
    let mut random = fastrand::Rng::with_seed(1);
    let mut counts = [0_u32; 5];
    for _ in 0..50_000 {
        let choice = choice([random.u64(..), random.u64(..)]);
        let endpoint = balancer
            .pick_endpoint(&backend, &choice)
            .expect("there are five");
        let place = backend
            .endpoints
            .iter()
            .position(|e| e.id() == endpoint.id());
        counts[place.expect("it is one of them")] += 1;
    }
    assert!(
        counts.iter().all(|count| count.abs_diff(10_000) < 500),
        "{counts:?}"
    );
}

#[test]
fn ejected_and_tried_endpoints_come_last_but_are_never_refused() {
    for affinity in [Affinity::None, Affinity::ClientIp] {
        let backend = backend(&Names::default(), affinity, &addresses(4));
        let balancer = Balancer::new(0, 1);
        eject(&backend, 0);
        eject(&backend, 1);
        let fit = ids(&backend, &[2, 3]);
        assert!(chosen(&balancer, &backend, &[]).is_subset(&fit));
        let tried: Vec<_> = ids(&backend, &[2]).into_iter().collect();
        assert_eq!(chosen(&balancer, &backend, &tried), ids(&backend, &[3]));
        let tried: Vec<_> = fit.iter().copied().collect();
        let again = chosen(&balancer, &backend, &tried);
        assert!(
            !again.is_empty() && again.is_subset(&fit),
            "healthy before untried"
        );
        eject(&backend, 2);
        eject(&backend, 3);
        let untried = chosen(&balancer, &backend, &tried);
        assert!(!untried.is_empty() && untried.is_subset(&ids(&backend, &[0, 1])));
    }
}

#[test]
fn a_lone_endpoint_is_chosen_whatever_its_state_and_none_only_without_any() {
    let names = Names::default();
    let lone = backend(&names, Affinity::None, &addresses(1));
    eject(&lone, 0);
    let balancer = Balancer::new(0, 1);
    assert!(balancer.pick_endpoint(&lone, &choice([0, 0])).is_some());
    let empty = backend(&names, Affinity::ClientIp, &[]);
    assert!(balancer.pick_endpoint(&empty, &choice([0, 0])).is_none());
}

/// The address chosen for each of many clients.
fn owners(endpoints: &[SocketAddr]) -> Vec<SocketAddr> {
    let table = Maglev::new(endpoints.iter().copied());
    (0..100_000_u32)
        .map(|client| {
            client_ip_hash(IpAddr::from(
                client.wrapping_mul(2_654_435_761).to_be_bytes(),
            ))
        })
        .map(|hash| endpoints[table.pick(hash).expect("the table is not empty")])
        .collect()
}

#[test]
fn few_clients_move_when_one_endpoint_goes() {
    for count in [2_u16, 3, 5, 10, 33, 100, 257, 600] {
        let all = addresses(count);
        let before = owners(&all);
        for gone in [0, usize::from(count) / 2, usize::from(count) - 1] {
            let mut rest = all.clone();
            rest.remove(gone);
            let after = owners(&rest);
            let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
            let share = moved as f64 / before.len() as f64;
            // 1/n + 1 %, and what sampling 100,000 clients may add to it.
            let allowed = 1.0 / f64::from(count) + 0.01 + 0.002;
            assert!(
                share <= allowed,
                "{share} of the clients of {count} endpoints moved"
            );
        }
    }
}

#[test]
fn clients_spread_evenly_over_endpoints() {
    for count in [2_u16, 3, 10, 100] {
        let all = addresses(count);
        let owners = owners(&all);
        let fair = owners.len() as f64 / f64::from(count);
        for endpoint in &all {
            let clients = owners.iter().filter(|owner| *owner == endpoint).count() as f64;
            // Four standard deviations of the sample around an exact share.
            assert!(
                (clients - fair).abs() <= 4.0 * fair.sqrt() + 0.01 * fair,
                "{clients} of {fair}"
            );
        }
    }
}

#[test]
fn the_order_of_the_list_does_not_matter() {
    let all = addresses(7);
    let mut turned = all.clone();
    turned.reverse();
    assert_eq!(owners(&all), owners(&turned));
}

#[test]
fn a_client_keeps_its_endpoint_on_every_worker() {
    let backend = backend(&Names::default(), Affinity::ClientIp, &addresses(9));
    let hash = client_ip_hash("192.0.2.1".parse().expect("an address"));
    let mut random = fastrand::Rng::with_seed(3);
    let chosen: HashSet<_> = (0..8)
        .flat_map(|worker| {
            let balancer = Balancer::new(worker, 8);
            let choice = EndpointChoice {
                client_ip_hash: hash,
                ..choice([random.u64(..), random.u64(..)])
            };
            balancer.pick_endpoint(&backend, &choice).map(|e| e.address)
        })
        .collect();
    // The address itself: no build and no node may ever choose another.
    assert_eq!(
        chosen,
        HashSet::from(["10.0.0.1:8080".parse().expect("an address")])
    );
}

#[test]
fn clients_of_an_ejected_endpoint_spread_over_the_others() {
    let backend = backend(&Names::default(), Affinity::ClientIp, &addresses(5));
    let balancer = Balancer::new(0, 1);
    let owner = |client: u32| {
        let choice = EndpointChoice {
            client_ip_hash: client_ip_hash(IpAddr::from(client.to_be_bytes())),
            ..choice([0, 0])
        };
        balancer
            .pick_endpoint(&backend, &choice)
            .expect("there are five")
            .id()
    };
    let before: Vec<_> = (0..2_000).map(owner).collect();
    eject(&backend, 2);
    let after: Vec<_> = (0..2_000).map(owner).collect();
    let ejected = backend.endpoints[2].id();
    let moved: HashSet<_> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(before, after)| {
            assert_eq!(*before, ejected, "only its own clients move");
            *after
        })
        .collect();
    assert_eq!(moved, ids(&backend, &[0, 1, 3, 4]));
}

#[test]
fn a_table_of_rules_counts_each_once() {
    let fixture = Fixture::default()
        .route(
            "one",
            0,
            &["a.com", "b.com"],
            vec![vec![prefix("/")], vec![prefix("/x")]],
        )
        .route("two", 0, &[], vec![vec![prefix("/")]]);
    let names = fixture.names.clone();
    assert_eq!(snapshot(&names, fixture.table()).rules_len(), 3);
}
