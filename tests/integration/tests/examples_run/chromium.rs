//! Headless Chromium over TLS, which trusts the overlay's authority and nothing else is changed
//! about how it verifies.

use crate::stage::Stage;
use crate::tool::{Said, bounded, said};
use rauta_test_support::{Origin, Step};
use tempfile::TempDir;

const FILES: &[&str] = &["simple-http-https"];

/// A page that says how it came and what another Service answers.
const PAGE: &str = "<!doctype html><title>foo</title><p id=protocol></p><pre id=orders></pre><script>\
    document.querySelector('#protocol').textContent =\
    performance.getEntriesByType('navigation')[0].nextHopProtocol;\
    const request = new XMLHttpRequest();\
    request.open('GET', '/orders?id=7', false);\
    request.send();\
    document.querySelector('#orders').textContent =\
    request.getResponseHeader('served-by') + ' ' + request.responseText;\
    </script>";

fn page() -> Vec<Step> {
    let length = PAGE.len();
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{PAGE}"
    );
    vec![Step::Request, Step::send(response), Step::Again]
}

/// A user's home, in which the authority is trusted if one is given.
fn home(stage: &Stage, trusting: bool) -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    let database = home.path().join(".pki/nssdb");
    std::fs::create_dir_all(&database).expect("a folder");
    let database = format!("sql:{}", database.display());
    let certutil = |arguments: &[&str]| {
        let mut command = bounded("certutil");
        command.args(["-d", &database]).args(arguments);
        let said = said(command, "libnss3-tools");
        assert_eq!(said.code, 0, "{said:?}");
    };
    certutil(&["-N", "--empty-password"]);
    if trusting {
        let authority = stage.overlay.authority();
        let authority = authority.to_str().expect("UTF-8");
        certutil(&["-A", "-n", "authority", "-t", "C,,", "-i", authority]);
    }
    home
}

/// The document that a browser has made of a page.
fn document(stage: &Stage, home: &TempDir, url: &str) -> Said {
    let rules = [80, 443].map(|port| format!("MAP *:{port} {}", stage.at(port)));
    let mut command = bounded("chromium");
    command.env("HOME", home.path());
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]);
    // Containers have little of the memory that it would share.
    command.args(["--disable-dev-shm-usage", "--no-first-run"]);
    command.arg("--disable-background-networking");
    command.args(["--disable-component-update", "--disable-sync"]);
    command.arg(format!(
        "--user-data-dir={}",
        home.path().join("profile").display()
    ));
    command.arg(format!("--host-resolver-rules={}", rules.join(",")));
    command.args(["--dump-dom", url]);
    said(command, "chromium")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_follows_to_tls_and_shows_pages_of_two_services_over_http2() {
    let stage = Stage::start(FILES);
    let foo = Origin::playing_at(stage.endpoint("default/foo-app"), vec![page()]).await;
    let _orders = stage.echo("default/foo-orders-app").await;
    let home = home(&stage, true);
    let said = document(&stage, &home, "http://foo.example.com/");
    for part in [
        "<p id=\"protocol\">h2</p>",
        "default/foo-orders-app GET /orders?id=7 HTTP/1.1",
        "x-forwarded-proto: https",
    ] {
        assert!(said.out.contains(part), "no {part} in {said:?}");
    }
    let request = &foo.received()[0];
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_does_not_trust_the_authority_shows_nothing() {
    let stage = Stage::start(FILES);
    let foo = stage.echo("default/foo-app").await;
    let home = home(&stage, false);
    let said = document(&stage, &home, "https://foo.example.com/");
    assert!(said.err.contains("ERR_CERT_AUTHORITY_INVALID"), "{said:?}");
    assert!(foo.received().is_empty());
}
