//! `rauta run`, as its users meet it: the real program, real files, real signals.

use rauta_integration::{Manifests, Rauta, built, get, route, service};
use rauta_test_support::Origin;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn admin(rauta: &Rauta, path: &str) -> String {
    get(rauta.admin(), "localhost", path)
        .expect("the admin server answers")
        .body
}

/// The value of the first sample whose line begins so.
fn sample(rauta: &Rauta, start: &str) -> f64 {
    let page = admin(rauta, "/metrics");
    let line = page.lines().find(|line| line.starts_with(start));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no sample {start} in:\n{page}"))
}

/// Asks until it is so; each asking takes a round trip, so this is bounded in time too.
fn await_that(what: &str, is_so: impl Fn() -> bool) {
    assert!((0..20_000).any(|_| is_so()), "it never was so: {what}");
}

#[test]
fn every_mistake_of_the_configuration_is_told_at_once_and_the_code_is_64() {
    let output = Command::new(built())
        .args(["run", "--mode", "mesh", "--admin", "here"])
        .env("RAUTA_PROXY_WORKERS", "none")
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for part in [
        "rauta: mode (flag --mode): `mesh`",
        "rauta: admin (flag --admin): `here`",
        "rauta: proxy.workers (environment RAUTA_PROXY_WORKERS): ",
        "rauta: manifests: nothing to route",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[test]
fn a_command_line_that_cannot_be_read_ends_with_64_and_help_with_0() {
    let code = |arguments: &[&str]| {
        Command::new(built())
            .args(arguments)
            .output()
            .expect("starts")
            .status
            .code()
    };
    assert_eq!(code(&["fly"]), Some(64));
    assert_eq!(code(&["run", "--help"]), Some(0));
    assert_eq!(code(&["version"]), Some(0));
    assert_eq!(code(&["completions", "bash"]), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_way_puts_one_address_in_front_of_one_backend() {
    let origin = Origin::saying("hello").await;
    let bind = free_address();
    let variables = [
        ("RAUTA_BACKEND_ADDR", origin.address().to_string()),
        ("RAUTA_BIND_ADDR", bind.to_string()),
    ];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let rauta = Rauta::start(&[], &variables).expect("starts");
    let answer = get(bind, "any.test", "/path?x=1").expect("answers");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    let received = origin.received();
    assert_eq!(received.len(), 1);
    assert!(
        received[0].head.starts_with("GET /path?x=1 HTTP/1.1\r\n"),
        "{:?}",
        received[0].head
    );
    assert_eq!(sample(&rauta, "rauta_proxy_requests_total"), 1.0);
}

#[test]
fn an_address_that_is_taken_is_named_and_nothing_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let output = Command::new(built())
        .args([
            "run",
            "--admin",
            "127.0.0.1:0",
            "--backend-addr",
            "127.0.0.1:9",
        ])
        .args(["--bind-addr", &address])
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_live_and_a_broken_one_leaves_the_last_good_routes() {
    let (first, second) = (
        Origin::saying("first").await,
        Origin::saying("second").await,
    );
    let manifests = Manifests::new().expect("a folder");
    let both = service("first", first.address()) + &service("second", second.address());
    manifests.write("services.yaml", &both).expect("written");
    manifests
        .write("route.yaml", &route("shop", "/shop", "first"))
        .expect("written");
    let mut rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    let ask = |path: &str| get(manifests.gateway(), "shop.test", path).expect("answers");
    assert_eq!(ask("/shop/cart").body, "first");
    assert_eq!(ask("/other").status, 404);

    let generation = sample(&rauta, "rauta_routing_generation");
    manifests
        .write("route.yaml", &route("shop", "/shop", "second"))
        .expect("written");
    await_that("the change is live", || {
        sample(&rauta, "rauta_routing_generation") > generation
    });
    assert_eq!(ask("/shop/cart").body, "second");

    manifests
        .write("route.yaml", "kind: HTTPRoute\nspec: {")
        .expect("written");
    let mistakes = "rauta_routing_mistakes_total";
    await_that("the mistake is seen", || sample(&rauta, mistakes) > 0.0);
    assert_eq!(
        ask("/shop/cart").body,
        "second",
        "the last good route serves on"
    );
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());
}

#[test]
fn what_is_wrong_with_an_object_is_told_in_the_log() {
    let manifests = Manifests::new().expect("a folder");
    let mut rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    manifests
        .write("route.yaml", &route("shop", "/shop", "nowhere"))
        .expect("written");
    let file = manifests.file("route.yaml");
    let told = format!(
        "HTTPRoute default/shop: ResolvedRefs BackendNotFound: Service \
         default/nowhere does not exist: create it or correct the backendRef ({})",
        file.display()
    );
    let line = rauta.wait_for(&told).expect("told");
    assert_eq!(line["level"], "WARN");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_server_shows_what_runs_and_refuses_foreign_names() {
    let origin = Origin::saying("ok").await;
    let manifests = Manifests::new().expect("a folder");
    let text = service("shop", origin.address()) + &route("shop", "/", "shop");
    manifests.write("shop.yaml", &text).expect("written");
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(admin(&rauta, path), "ok\n", "{path}");
    }
    let routes: Value = serde_json::from_str(&admin(&rauta, "/routes")).expect("JSON");
    assert_eq!(
        routes["ports"][0]["listeners"][0]["routes"][0]["route"],
        "default/shop"
    );
    let endpoints: Value = serde_json::from_str(&admin(&rauta, "/endpoints")).expect("JSON");
    assert_eq!(
        endpoints[0]["endpoints"][0]["address"],
        origin.address().to_string()
    );
    let explained: Value =
        serde_json::from_str(&admin(&rauta, "/explain?url=http://shop.test:8080/x")).expect("JSON");
    assert_eq!(explained["answers"][0]["rule"]["route"], "default/shop");
    let foreign = get(rauta.admin(), "evil.example", "/config").expect("answers");
    assert_eq!(foreign.status, 421);
    let put = "PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\ndebug";
    let answer = rauta_integration::request(rauta.admin(), put).expect("answers");
    assert_eq!((answer.status, answer.body.as_str()), (200, "debug\n"));
    let post = put.replacen("PUT", "POST", 1);
    assert_eq!(
        rauta_integration::request(rauta.admin(), &post)
            .expect("answers")
            .status,
        405
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_exchange_has_its_line_in_the_access_log() {
    let origin = Origin::saying("ok").await;
    let manifests = Manifests::new().expect("a folder");
    let text = service("shop", origin.address()) + &route("shop", "/", "shop");
    manifests.write("shop.yaml", &text).expect("written");
    let log = manifests.file("access.log");
    let path = log.to_str().expect("UTF-8");
    let arguments = ["--manifests", manifests.argument(), "--access-log", path];
    let mut rauta = Rauta::start(&arguments, &[]).expect("starts");
    for number in 0..20 {
        get(
            manifests.gateway(),
            "shop.test",
            &format!("/item/{number}/{}?token=s3cret", "long".repeat(30)),
        )
        .expect("answers");
    }
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());
    let text = std::fs::read_to_string(&log).expect("the log");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 20, "{text}");
    assert!(!text.contains("s3cret"), "a token stands in the log");
    // What no slot of the bus holds is there, too. Workers' lines are in no order among each other.
    let path = format!("/item/0/{}?token=REDACTED", "long".repeat(30));
    let line = lines.iter().find(|line| line["path"] == path);
    let line = line.unwrap_or_else(|| panic!("no line of {path} in {text}"));
    assert_eq!(line["route"], "default/shop");
    assert_eq!(line["status"], 200);
    let received = origin.received();
    assert_eq!(
        line["request_id"].as_str(),
        received[0].field("x-request-id")
    );
}
