//! TLS with a private authority, and a server that asks RAUTA for a certificate too.

use crate::security::is_told_once;
use crate::stage::Stage;
use crate::stream::Stream;
use crate::{SENT, failed, fired, injected, reaches};
use async_nats::ConnectOptions;
use rauta_integration::NatsServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use tempfile::TempDir;

/// Files of certificates, signed by one authority.
struct Certificates {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let made = Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority,
        };
        made.write("ca.pem", &made.authority.pem());
        for name in ["127.0.0.1", "rauta"] {
            let params = CertificateParams::new([name.to_owned()]).expect("a name");
            let key = KeyPair::generate().expect("a key");
            let leaf = params.signed_by(&key, &made.authority).expect("signed");
            made.write(&format!("{name}.pem"), &leaf.pem());
            made.write(&format!("{name}.key"), &key.serialize_pem());
        }
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// The server's section; `verify`: does it ask for a client's certificate?
    fn server(&self, verify: bool) -> String {
        let (cert, key) = (self.text("127.0.0.1.pem"), self.text("127.0.0.1.key"));
        let authority = self.text("ca.pem");
        format!(
            "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{authority}\", \
             verify: {verify}, timeout: 5 }}"
        )
    }

    /// Who reads what RAUTA sent.
    fn reader(&self) -> ConnectOptions {
        ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(self.path("ca.pem"))
            .add_client_certificate(self.path("rauta.pem"), self.path("rauta.key"))
    }
}

const CREATE: (&str, &str) = ("RAUTA_NATS_STREAM_CREATE", "true");

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_it_is_named_and_nobody_else() {
    let (right, wrong) = (Certificates::new(), Certificates::new());
    let nats = NatsServer::start(&right.server(false)).expect("a NATS server");
    let stage = Stage::with(1).await;
    // The file is read anew for each try.
    let file = right.text("trusted.pem");
    std::fs::copy(wrong.path("ca.pem"), &file).expect("written");
    let variables = [
        CREATE,
        ("RAUTA_NATS_TLS_CA", file.as_str()),
        ("RAUTA_NATS_TLS_REQUIRED", "true"),
    ];
    let mut rauta = stage.rauta(&nats.url(), &variables);
    injected(&stage, 0).await;
    reaches(rauta.admin(), &failed("untrusted"), 3.0).await;
    let told = format!("nats.tls_ca: {file} has to hold the authority");
    is_told_once(&mut rauta, &told);
    let mut stream = Stream::with(right.reader(), nats.url(), "RAUTA");
    assert!(stream.read().await.is_err(), "there is not even a stream");

    std::fs::copy(right.path("ca.pem"), &file).expect("written");
    reaches(rauta.admin(), SENT, 1.0).await;
    assert_eq!(fired(&mut stream, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_certificate_gets_rauta_s_own() {
    let made = Certificates::new();
    let nats = NatsServer::start(&made.server(true)).expect("a NATS server");
    let url = nats.url().replace("nats://", "tls://");
    let (authority, certificate) = (made.text("ca.pem"), made.text("rauta.pem"));
    let key = made.text("rauta.key");
    let trusting = [CREATE, ("RAUTA_NATS_TLS_CA", authority.as_str())];
    let stage = Stage::with(1).await;
    let mut rauta = stage.rauta(&url, &trusting);
    injected(&stage, 0).await;
    reaches(rauta.admin(), &failed("unauthorized"), 2.0).await;
    rauta
        .wait_for_text("give nats.tls_cert and nats.tls_key")
        .expect("told");
    let mut stream = Stream::with(made.reader(), nats.url(), "RAUTA");
    assert!(stream.read().await.is_err(), "there is not even a stream");
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());

    let own = [
        ("RAUTA_NATS_TLS_CERT", certificate.as_str()),
        ("RAUTA_NATS_TLS_KEY", key.as_str()),
    ];
    let rauta = stage.rauta(&url, &[&trusting[..], &own].concat());
    reaches(rauta.admin(), SENT, 1.0).await;
    assert_eq!(fired(&mut stream, 1).await.len(), 1);
}
