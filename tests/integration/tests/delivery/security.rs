//! Who may connect by token, or by user and password, and what is never shown.

use crate::stage::Stage;
use crate::{SENT, failed, injected, reaches};
use rauta_integration::{NatsServer, Rauta, get};

/// What the server asks for, RAUTA has, and RAUTA's mistake.
struct Case {
    server: &'static str,
    right: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// What the one line says.
    told: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        server: "authorization { token: \"first\" }",
        right: "authorization { token: \"second-secret\" }",
        variables: &[("RAUTA_NATS_TOKEN", "second-secret")],
        told: "nats.token: the server refuses this token",
    },
    Case {
        server: "authorization { user: \"rauta\", password: \"first\" }",
        right: "authorization { user: \"rauta\", password: \"second-secret\" }",
        variables: &[
            ("RAUTA_NATS_USER", "rauta"),
            ("RAUTA_NATS_PASSWORD", "second-secret"),
        ],
        told: "nats.user: the server refuses rauta with this nats.password",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_wrong_is_tried_again_and_never_shown() {
    for case in CASES {
        let mut nats = NatsServer::start(case.server).expect("a NATS server");
        let stage = Stage::with(1).await;
        let common = [
            ("RAUTA_NATS_STREAM_CREATE", "true"),
            ("RAUTA_LOG_LEVEL", "debug"),
        ];
        let variables = [case.variables, &common].concat();
        let mut rauta = stage.rauta(&nats.url(), &variables);
        reaches(rauta.admin(), &failed("unauthorized"), 2.0).await;
        is_told_once(&mut rauta, case.told);
        injected(&stage, 0).await;
        let shown = get(rauta.admin(), "localhost", "/config").expect("answers");
        let shown = shown.body;
        assert!(
            shown.contains("REDACTED") && !shown.contains("second-secret"),
            "{shown}"
        );

        nats.configure(case.right).expect("written");
        nats.restart().expect("starts again");
        reaches(rauta.admin(), SENT, 1.0).await;
        let leak = rauta
            .said()
            .iter()
            .find(|line| line.contains("second-secret"));
        assert_eq!(leak, None, "no secret is logged");
    }
}

/// The line is a warning, there once however often it was tried, and nobody says it a second time
/// in other words.
pub(crate) fn is_told_once(rauta: &mut Rauta, text: &str) {
    let line = rauta.wait_for_text(text).expect("told");
    assert!(
        line.contains("WARN") && line.contains("anomalies wait"),
        "{line}"
    );
    let is_bad = |line: &&String| {
        let is_bad = line.contains("\"WARN\"") || line.contains("\"ERROR\"");
        is_bad && line.contains("nats")
    };
    let bad: Vec<_> = rauta.said().iter().filter(is_bad).cloned().collect();
    assert_eq!(bad, [line]);
}
