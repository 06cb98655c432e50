//! Certificates replaced under handshakes at a fixed rate: each handshake meets the old one or the
//! new one, and none but the new one once that is live.

use crate::clients::{Asking, Client, HOST, follow};
use crate::ledger::{Answer, Exchange, Ledger, histogram};
use crate::pace::{self, Lane, Pace};
use crate::rewriting::Rewritten;
use crate::{ALONE, LIVE, PATIENCE, is_soak, println_line};
use anyhow::Context;
use rauta_integration::{Manifests, Rauta, get, route, scaled, service};
use rauta_test_support::Origin;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Handshakes a second, and by how many clients.
const HANDSHAKES: (u32, usize) = (200, 20);
/// A replacement each.
const EVERY: Duration = Duration::from_millis(300);

/// Two authorities, by turns, and what they signed.
struct Certificates {
    leaves: Vec<CertificateDer<'static>>,
    manifests: Vec<String>,
    trust: Arc<ClientConfig>,
}

impl Certificates {
    fn new(count: usize) -> anyhow::Result<Self> {
        let authorities = [authority()?, authority()?];
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.as_ref().der().clone())?;
        }
        let mut trust = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A session that is resumed shows no certificate.
        trust.resumption = Resumption::disabled();
        let (mut leaves, mut manifests) = (Vec::new(), Vec::new());
        for number in 0..count {
            let key = KeyPair::generate()?;
            let params = CertificateParams::new([HOST.to_owned()])?;
            let leaf = params.signed_by(&key, &authorities[number % 2])?;
            manifests.push(secret(&leaf.pem(), &key.serialize_pem()));
            leaves.push(leaf.der().clone());
        }
        Ok(Self {
            leaves,
            manifests,
            trust: Arc::new(trust),
        })
    }
}

fn authority() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn secret(chain: &str, key: &str) -> String {
    let block = |name: &str, text: &str| -> String {
        let lines = text.lines().map(|line| format!("    {line}\n"));
        format!("  {name}: |\n{}", lines.collect::<String>())
    };
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: shop}}\ntype: kubernetes.io/tls\n\
         stringData:\n{}{}",
        block("tls.crt", chain),
        block("tls.key", key)
    )
}

fn gateway(address: SocketAddr) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: rauta}}\n\
         spec: {{controllerName: rauta.dev/gateway-controller}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge}}\nspec:\n  \
         gatewayClassName: rauta\n  addresses: [{{type: IPAddress, value: {}}}]\n  listeners:\n  \
         - {{name: https, port: {}, protocol: HTTPS, tls: {{certificateRefs: [{{name: shop}}]}}}}\n",
        address.ip(),
        address.port(),
    )
}

/// Shakes hands anew for each request, and tells which certificate it met.
struct Handshakes {
    asking: Asking,
    trust: TlsConnector,
    leaves: Arc<[CertificateDer<'static>]>,
}

impl Client for Handshakes {
    async fn ask(&mut self, turn: usize) -> anyhow::Result<Answer> {
        let tcp = TcpStream::connect(self.asking.gateway).await?;
        let mut stream = self.trust.connect(ServerName::try_from(HOST)?, tcp).await?;
        self.asking.over(&mut stream, turn).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let met = chain.and_then(<[_]>::first).context("a certificate")?;
        let known = self.leaves.iter().position(|leaf| leaf == met);
        known.context("an unknown certificate")
    }
}

fn generation(admin: SocketAddr) -> f64 {
    let page = get(admin, "localhost", "/metrics").expect("answers").body;
    let line = page
        .lines()
        .find(|line| line.starts_with("rauta_routing_generation "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .expect("a generation")
}

/// A replacement: when its file was closed, and when every worker was known to have it.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    closed: Instant,
    live: Instant,
}

/// Replaces the certificate by each of the rest.
async fn replace(mut file: Rewritten, admin: SocketAddr, manifests: Vec<String>) -> Vec<Replaced> {
    let mut pace = tokio::time::interval(EVERY);
    pace.tick().await;
    let mut replaced = Vec::new();
    for text in manifests.into_iter().skip(1) {
        pace.tick().await;
        let before = generation(admin);
        let closed = file.rewrite(&text).expect("written");
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while generation(admin) <= before {
            look.tick().await;
            assert!(closed.elapsed() < PATIENCE, "never went live");
        }
        let live = pace::now();
        replaced.push(Replaced { closed, live });
    }
    // For handshakes that meet the last one.
    pace.tick().await;
    replaced
}

/// Whether a request met a certificate that was to be met at its time: of the last replacement that
/// was live when it began, or of a later one that had begun before it ended.
fn met_in_time(exchange: &Exchange, met: Answer, replaced: &[Replaced]) -> bool {
    let least = replaced
        .iter()
        .take_while(|one| one.live < exchange.sent)
        .count();
    let most = replaced
        .iter()
        .take_while(|one| one.closed < exchange.done)
        .count();
    (least..=most).contains(&met)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_under_handshakes_and_none_fails() {
    let _alone = ALONE.lock().await;
    let replacements = scaled(100);
    let Certificates {
        leaves,
        manifests: secrets,
        trust,
    } = Certificates::new(replacements + 1).expect("certificates");
    let leaves: Arc<[_]> = leaves.into();
    let origin = Origin::saying("shop").await;
    let manifests = Manifests::new().expect("a folder");
    let others = service("shop", origin.address()) + &route("r0", "/r0", "shop");
    manifests
        .write("gateway.yaml", &gateway(manifests.gateway()))
        .expect("written");
    manifests.write("others.yaml", &others).expect("written");
    let file = Rewritten::new(manifests.path(), &secrets[0]).expect("written");
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    let asking = Asking {
        gateway: manifests.gateway(),
        routes: 1,
        backends: ["shop", "shop"],
        heard: Arc::default(),
    };
    let (lane, due) = Lane::new(HANDSHAKES.0, HANDSHAKES.1);
    let clients: JoinSet<_> = due
        .into_iter()
        .map(|due| {
            let client = Handshakes {
                asking: asking.clone(),
                trust: TlsConnector::from(Arc::clone(&trust)),
                leaves: Arc::clone(&leaves),
            };
            follow(client, 0, due)
        })
        .collect();
    let pace = Pace::start(vec![lane]);
    let admin = rauta.admin();
    let replaced = replace(file, admin, secrets).await;
    pace.stop();
    let exchanges = clients.join_all().await.into_iter().flatten().collect();
    let ledger = Ledger {
        name: "handshakes",
        exchanges,
    };
    check(&ledger, &replaced);
}

/// Nothing failed, each met what was to be met, and changes were live in time.
fn check(ledger: &Ledger, replaced: &[Replaced]) {
    let count = replaced.len();
    println_line(&format!(
        "{count} certificates replaced:\n  {}",
        ledger.line()
    ));
    let lives: Vec<Duration> = replaced.iter().map(|one| one.live - one.closed).collect();
    let bars = histogram(&lives);
    println_line(&format!("from closed to live on every worker:\n{bars}"));
    assert_eq!(ledger.failed().next(), None);
    for exchange in &ledger.exchanges {
        if let Ok(met) = exchange.answer {
            assert!(
                met_in_time(exchange, met, replaced),
                "{met} in {exchange:?}"
            );
        }
    }
    let met_last = ledger.exchanges.iter().any(|one| one.answer == Ok(count));
    assert!(met_last, "the last certificate was never met");
    if is_soak() {
        assert!(
            lives.iter().all(|live| *live <= LIVE),
            "live after {lives:?}"
        );
    }
}
