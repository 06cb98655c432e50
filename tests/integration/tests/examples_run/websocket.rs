//! Messages over an upgraded connection, between two ends of a WebSocket library.

use crate::stage::Stage;
use crate::tool::{Server, bounded, python_with_websockets, said};
use std::path::PathBuf;
use std::process::Command;

/// Client and server in one script.
const SCRIPT: &str = include_str!("websocket.py");

/// Lets both ends talk through the gateway.
fn talk(stage: &Stage, service: &str, port: u16, url: &str) {
    let python = python_with_websockets();
    let script: PathBuf = stage
        .overlay
        .write("websocket.py", SCRIPT)
        .expect("written");
    let endpoint = stage.endpoint(service);
    let mut server = Command::new(&python);
    server.arg(&script).arg("serve");
    server.args([endpoint.ip().to_string(), endpoint.port().to_string()]);
    let _server = Server::start(&mut server, "serving");
    let gateway = stage.at(port);
    let mut client = bounded(&python);
    client.arg(&script).args(["talk", url]);
    client.args([gateway.ip().to_string(), gateway.port().to_string()]);
    client.arg(stage.overlay.authority());
    let said = said(client, "python3-websockets");
    assert_eq!(
        (said.code, said.out.trim()),
        (0, "all came back"),
        "{said:?}"
    );
}

#[test]
fn messages_of_all_kinds_come_back_in_the_clear() {
    let stage = Stage::start(&["http-routing/gateway.yaml"]);
    talk(
        &stage,
        "default/example-svc",
        80,
        "ws://example.com/talk?to=me",
    );
}

#[test]
fn messages_of_all_kinds_come_back_over_tls() {
    let stage = Stage::start(&["simple-http-https"]);
    talk(&stage, "default/foo-app", 443, "wss://foo.example.com/talk");
}
