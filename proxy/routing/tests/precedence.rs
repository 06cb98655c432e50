//! Each rule of the API on which match wins, by name. `oracle.rs` covers their combinations.

mod fixture;

use fixture::{And, Ask, Fixture, exact, get, grpc, prefix, regex, value};
use http::Method;
use rauta_routing::{BackendTarget, Match, PathMatch, RouteEntry, RouteTable};
use std::sync::Arc;

#[track_caller]
fn check(table: &RouteTable, cases: &[(Ask, Option<&str>)]) {
    for (ask, expected) in cases {
        assert_eq!(ask.to(table), *expected, "{ask:?}");
    }
}

#[test]
fn the_routes_own_hostname_decides_before_age_and_path_length() {
    let table = Fixture::on("abc.example.com")
        .route(
            "older",
            1,
            &["*.example.com"],
            vec![vec![prefix("/path/prefix")]],
        )
        .route(
            "newer",
            2,
            &["abc.example.com"],
            vec![vec![prefix("/path")]],
        )
        .table();
    check(
        &table,
        &[
            (get("abc.example.com/path/prefix/longer"), Some("newer/0")),
            (get("abc.example.com/path"), Some("newer/0")),
            (get("abc.example.com/other"), None),
            (get("x.example.com/path/prefix"), None),
        ],
    );
}

#[test]
fn what_the_more_specific_route_does_not_match_falls_through() {
    let table = Fixture::on("abc.example.com")
        .route(
            "older",
            1,
            &["*.example.com"],
            vec![vec![prefix("/path/prefix")]],
        )
        .route(
            "newer",
            2,
            &["abc.example.com"],
            vec![vec![prefix("/path").header("x-a", "1")]],
        )
        .route("any", 0, &[], vec![vec![exact("/path/prefix/longer")]])
        .table();
    let ask = get("abc.example.com/path/prefix/longer");
    check(
        &table,
        &[
            (ask.clone().header("x-a", "1"), Some("newer/0")),
            (ask, Some("older/0")),
        ],
    );
}

#[test]
fn a_longer_wildcard_precedes_a_shorter_one() {
    let table = Fixture::on("abc.example.com")
        .route("short", 1, &["*.com"], vec![vec![prefix("/path/prefix")]])
        .route(
            "long",
            2,
            &["*.example.com"],
            vec![vec![prefix("/path").header("x-a", "1")]],
        )
        .table();
    let ask = get("abc.example.com/path/prefix");
    check(
        &table,
        &[
            (ask.clone().header("x-a", "1"), Some("long/0")),
            (ask, Some("short/0")),
        ],
    );
}

#[test]
fn a_wildcard_route_matches_many_labels_and_not_the_bare_domain() {
    let table = Fixture::default()
        .route("wild", 0, &["*.example.com"], vec![vec![prefix("/")]])
        .table();
    check(
        &table,
        &[
            (get("a.example.com/"), Some("wild/0")),
            (get("a.b.c.example.com/"), Some("wild/0")),
            (get("example.com/"), None),
            (get("1.2.3.4/"), None),
            (get("/"), None),
        ],
    );
}

#[test]
fn paths_go_from_exact_over_expressions_and_long_prefixes_to_short_ones() {
    let table = Fixture::default()
        .route(
            "route",
            0,
            &[],
            vec![
                vec![prefix("/")],
                vec![prefix("/shop")],
                vec![prefix("/shop/cart/")],
                vec![regex("/shop/cart/[0-9]+")],
                vec![exact("/shop/cart/7")],
            ],
        )
        .table();
    check(
        &table,
        &[
            (get("h/shop/cart/7"), Some("route/4")),
            (get("h/shop/cart/8"), Some("route/3")),
            (get("h/shop/cart/x"), Some("route/2")),
            (get("h/shop/cart"), Some("route/2")),
            (get("h/shop/cartoon"), Some("route/1")),
            (get("h/shop/"), Some("route/1")),
            (get("h/shopping"), Some("route/0")),
        ],
    );
}

#[test]
fn paths_are_compared_byte_for_byte() {
    let table = Fixture::default()
        .route(
            "route",
            0,
            &[],
            vec![
                vec![prefix("/a%2Fb")],
                vec![exact("/x//y")],
                vec![prefix("/Case")],
            ],
        )
        .table();
    check(
        &table,
        &[
            (get("h/a%2Fb/c"), Some("route/0")),
            (get("h/a%2fb/c"), None),
            (get("h/a/b/c"), None),
            (get("h/x//y"), Some("route/1")),
            (get("h/x/y"), None),
            (get("h/case"), None),
        ],
    );
}

#[test]
fn a_prefix_covers_its_own_bytes_and_other_matches_the_whole_path() {
    let table = Fixture::default()
        .route(
            "route",
            0,
            &[],
            vec![
                vec![prefix("/")],
                vec![prefix("/shop/")],
                vec![exact("/exact")],
                vec![regex("/regex.*")],
            ],
        )
        .table();
    let cases = [
        ("h/x", 0),
        ("h/shop/x", 5),
        ("h/shop", 5),
        ("h/exact", 6),
        ("h/regex1", 7),
    ];
    for (url, covered) in cases {
        let found = table.find(&get(url).view()).map(|found| found.prefix_len);
        assert_eq!(found, Some(covered), "{url}");
    }
}

#[test]
fn method_then_headers_then_query_decide_between_equal_paths() {
    let table = Fixture::default()
        .route(
            "query",
            0,
            &[],
            vec![vec![prefix("/").query("a", "1").query("b", "2")]],
        )
        .route("headers", 1, &[], vec![vec![prefix("/").header("x", "1")]])
        .route(
            "more",
            2,
            &[],
            vec![vec![prefix("/").header("x", "1").header("y", "2")]],
        )
        .route(
            "method",
            3,
            &[],
            vec![vec![prefix("/").method(Method::GET)]],
        )
        .table();
    let all = get("h/?a=1&b=2").header("x", "1").header("y", "2");
    let post = all.clone().method(Method::POST);
    check(
        &table,
        &[
            (all, Some("method/0")),
            (post.clone(), Some("more/0")),
            (
                get("h/?a=1&b=2").header("x", "1").method(Method::POST),
                Some("headers/0"),
            ),
            (get("h/?b=2&a=1").method(Method::POST), Some("query/0")),
            (get("h/?a=1").method(Method::POST), None),
        ],
    );
}

#[test]
fn age_then_name_then_place_decide_between_equal_matches() {
    let rules = || vec![vec![prefix("/")], vec![prefix("/")]];
    let by_age = Fixture::default()
        .route("a", 2, &[], rules())
        .route("b", 1, &[], rules());
    check(&by_age.table(), &[(get("h/"), Some("b/0"))]);
    let by_name = Fixture::default()
        .route("b", 1, &[], rules())
        .route("a", 1, &[], rules());
    check(&by_name.table(), &[(get("h/"), Some("a/0"))]);
}

#[test]
fn rules_that_differ_in_the_order_of_headers_are_identical_and_the_first_wins() {
    let first = prefix("/").header("x", "1").header("y", "2");
    let second = prefix("/").header("y", "2").header("x", "1");
    let table = Fixture::default()
        .route("route", 0, &[], vec![vec![first], vec![second]])
        .table();
    let ask = get("h/").header("x", "1").header("y", "2");
    let found = table.find(&ask.view()).expect("both match");
    assert_eq!(found.rule.name.name().rule, "route/0");
    // The rules here have invalid backends only: that never makes the next rule win.
    assert!(matches!(
        found.rule.backends[0].target,
        BackendTarget::Invalid(_)
    ));
}

#[test]
fn any_match_of_a_rule_is_enough() {
    let matches = vec![prefix("/foo").header("version", "v2"), prefix("/v2/foo")];
    let table = Fixture::default()
        .route("route", 0, &[], vec![matches])
        .table();
    check(
        &table,
        &[
            (get("h/foo").header("version", "v2"), Some("route/0")),
            (get("h/v2/foo"), Some("route/0")),
            (get("h/foo"), None),
        ],
    );
}

#[test]
fn several_fields_of_a_name_count_joined_and_a_name_twice_in_a_match_once() {
    let table = Fixture::default()
        .route("joined", 0, &[], vec![vec![exact("/a").header("x", "1,2")]])
        .route(
            "twice",
            0,
            &[],
            vec![vec![exact("/b").header("x", "1").header("X", "2")]],
        )
        .route(
            "pattern",
            0,
            &[],
            vec![vec![exact("/c").header("x", "~[0-9],[0-9]")]],
        )
        .table();
    check(
        &table,
        &[
            (
                get("h/a").header("x", "1").header("x", "2"),
                Some("joined/0"),
            ),
            (get("h/a").header("x", "1,2"), Some("joined/0")),
            (get("h/a").header("x", "2").header("x", "1"), None),
            (get("h/a").header("x", "1"), None),
            (get("h/b").header("x", "1"), Some("twice/0")),
            (get("h/b").header("x", "2"), None),
            (
                get("h/c").header("x", "1").header("x", "2"),
                Some("pattern/0"),
            ),
            (get("h/c").header("x", "11,2"), None),
        ],
    );
}

#[test]
fn the_first_parameter_of_a_name_counts_decoded() {
    let table = Fixture::default()
        .route("route", 0, &[], vec![vec![prefix("/").query("a b", "x&y")]])
        .route("plus", 0, &[], vec![vec![prefix("/").query("p", "1+1")]])
        .route("empty", 0, &[], vec![vec![prefix("/").query("e", "~")]])
        .table();
    check(
        &table,
        &[
            (get("h/?a%20b=x%26y"), Some("route/0")),
            (get("h/?z=1&a%20b=%78%26y&a%20b=other"), Some("route/0")),
            (get("h/?a%20b=other&a%20b=x%26y"), None),
            (get("h/?A%20b=x%26y"), None),
            (get("h/?p=1+1"), Some("plus/0")),
            (get("h/?p=1%2B1"), Some("plus/0")),
            (get("h/?p=1%2"), None),
            (get("h/?e"), Some("empty/0")),
            (get("h/?e=1"), None),
            (get("h/"), None),
        ],
    );
}

#[test]
fn grpc_goes_by_service_then_method_then_headers() {
    let is = |text| Some(value(text));
    let table = Fixture::default()
        .route(
            "route",
            0,
            &[],
            vec![
                vec![grpc(None, None)],
                vec![grpc(None, is("Get"))],
                vec![grpc(is("shop.Cart"), None)],
                vec![grpc(is("shop.Cart"), is("Get"))],
                vec![grpc(is("shop.Cart"), is("Get")).header("x", "1")],
                vec![grpc(is("~shop[.].*"), is("Get"))],
            ],
        )
        .table();
    check(
        &table,
        &[
            (get("h/shop.Cart/Get").header("x", "1"), Some("route/4")),
            (get("h/shop.Cart/Get"), Some("route/3")),
            (get("h/shop.Cart/Put"), Some("route/2")),
            (get("h/shop.Order/Get"), Some("route/5")),
            (get("h/other/Get"), Some("route/1")),
            (get("h/other/Put"), Some("route/0")),
            (get("h/neither"), Some("route/0")),
        ],
    );
}

#[test]
fn an_expression_is_anchored_and_a_field_that_is_no_text_never_matches_one() {
    let table = Fixture::default()
        .route("path", 0, &[], vec![vec![regex("/a|/b")]])
        .route("header", 0, &[], vec![vec![exact("/c").header("x", "~.*")]])
        .table();
    let mut broken = get("h/c");
    broken.headers.insert(
        "x",
        http::HeaderValue::from_bytes(b"\xff").expect("a legal field"),
    );
    check(
        &table,
        &[
            (get("h/a"), Some("path/0")),
            (get("h/b"), Some("path/0")),
            (get("h/ax"), None),
            (get("h/x/b"), None),
            (get("h/c").header("x", ""), Some("header/0")),
            (broken, None),
        ],
    );
    assert!(rauta_routing::anchored_regex("a)|(b").is_err());
    assert!(
        rauta_routing::anchored_regex("(a{1000}){1000}").is_err(),
        "bounded size"
    );
}

#[test]
fn a_table_shares_a_route_unless_it_has_to_mend_it() {
    for (path, is_shared) in [("/a", true), ("/a/", false)] {
        let matched = Match {
            path: PathMatch::Prefix(path.to_owned()),
            ..prefix("")
        };
        let fixture = Fixture::default().route("one", 0, &[], vec![vec![matched]]);
        let routes: Vec<Arc<RouteEntry>> = fixture.routes.into_iter().map(Arc::new).collect();
        let table = RouteTable::new(routes.iter().cloned());
        assert_eq!(
            Arc::ptr_eq(&table.routes()[0], &routes[0]),
            is_shared,
            "{path}"
        );
        check(&table, &[(get("h/a/b"), Some("one/0"))]);
    }
}

#[test]
fn an_empty_table_answers_nothing() {
    check(&RouteTable::default(), &[(get("h/"), None)]);
    let compiled = RouteTable::new(Vec::<RouteEntry>::new());
    check(&compiled, &[(get("h/"), None)]);
}

#[test]
fn hostile_requests_cost_little() {
    let table = Fixture::default()
        .route(
            "route",
            0,
            &["*.example.com"],
            vec![vec![prefix(&"/a".repeat(500))]],
        )
        .table();
    let mut ask = get(&format!(
        "{}example.com{}",
        "a.".repeat(10_000),
        "/a".repeat(10_000)
    ));
    check(&table, &[(ask.clone(), Some("route/0"))]);
    ask.path = "/".repeat(100_000);
    ask.host = ".".repeat(100_000);
    check(&table, &[(ask, None)]);
}
