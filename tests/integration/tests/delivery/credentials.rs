//! Users by credentials files, as servers with an operator know them: each JWT is signed by the
//! key above it, and a user proves its own key by signing what the server says.

use crate::security::is_told_once;
use crate::stage::Stage;
use crate::stream::Stream;
use crate::{SENT, failed, fired, injected, reaches};
use async_nats::ConnectOptions;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rauta_integration::NatsServer;
use serde_json::{Value, json};

/// An operator, its account, and the one that servers need for themselves.
struct Operator {
    key: KeyPair,
    account: KeyPair,
    system: KeyPair,
}

impl Operator {
    fn new() -> Self {
        Self {
            key: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
        }
    }

    /// The server's settings: whom it trusts, and the account with room in JetStream.
    fn server(&self) -> String {
        let operator = jwt(&self.key, &self.key, "operator", json!({}));
        let unlimited = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1,
        });
        let mut limits = unlimited.clone();
        for room in ["mem_storage", "disk_storage", "streams", "consumer"] {
            limits[room] = (-1).into();
        }
        let account = |key: &KeyPair, limits: Value| {
            let claims = jwt(&self.key, key, "account", json!({ "limits": limits }));
            format!("{}: {claims}", key.public_key())
        };
        format!(
            "operator: {operator}\nresolver: MEMORY\nsystem_account: {}\n\
             resolver_preload: {{\n{}\n{}\n}}",
            self.system.public_key(),
            account(&self.system, unlimited),
            account(&self.account, limits),
        )
    }

    /// The file of a new user.
    fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let limits = json!({ "subs": -1, "data": -1, "payload": -1 });
        let claims = jwt(&self.account, &user, "user", limits);
        let seed = user.seed().expect("a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{claims}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// Who `subject` is, said by `issuer`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut nats: Value) -> String {
    nats["type"] = kind.into();
    nats["version"] = 2.into();
    let claims = json!({
        "jti": subject.public_key(),
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "name": kind,
        "sub": subject.public_key(),
        "nats": nats,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{header}.{claims}");
    let signature = issuer.sign(text.as_bytes()).expect("a private key");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_is_read_anew_until_its_user_may_connect() {
    let (operator, stranger) = (Operator::new(), Operator::new());
    let nats = NatsServer::start(&operator.server()).expect("a NATS server");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rauta.creds");
    let path = file.to_str().expect("UTF-8");
    let stage = Stage::with(2).await;
    let variables = [
        ("RAUTA_NATS_STREAM_CREATE", "true"),
        ("RAUTA_NATS_CREDENTIALS_FILE", path),
        ("RAUTA_LOG_LEVEL", "debug"),
    ];
    let mut rauta = stage.rauta(&nats.url(), &variables);
    injected(&stage, 0).await;
    reaches(rauta.admin(), &failed("unauthorized"), 2.0).await;
    let field = format!("nats.credentials_file: {path}: ");
    is_told_once(&mut rauta, &format!("{field}No such file"));

    // A user of an account that this server does not know.
    std::fs::write(&file, stranger.credentials()).expect("written");
    let refused = format!("{field}the server refuses this user");
    rauta.wait_for_text(&refused).expect("told");

    let right = operator.credentials();
    std::fs::write(&file, &right).expect("written");
    reaches(rauta.admin(), SENT, 1.0).await;
    let options = ConnectOptions::with_credentials(&operator.credentials()).expect("whole");
    let mut stream = Stream::with(options, nats.url(), "RAUTA");
    assert_eq!(fired(&mut stream, 1).await.len(), 1);
    let secrets: Vec<&str> = right.lines().filter(|line| !line.contains("--")).collect();
    let is_leak = |line: &&String| secrets.iter().any(|s| !s.is_empty() && line.contains(s));
    assert_eq!(rauta.said().iter().find(is_leak), None);
}
