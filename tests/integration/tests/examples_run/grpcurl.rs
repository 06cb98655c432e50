//! grpcurl on the examples of GRPCRoutes, over TLS.

use crate::grpc::GrpcOrigin;
use crate::stage::Stage;
use crate::tool::{Said, Server, bounded, said};
use rauta_integration::grpcurl;
use std::net::SocketAddr;
use std::process::Command;
use tokio::net::{TcpListener, TcpStream};

/// The port of every listener here.
const PORT: u16 = 50051;

/// The examples that are started together here.
pub(crate) const BASIC: &[&str] = &["basic-grpc.yaml"];
pub(crate) const ROUTING: &[&str] = &[
    "grpc-routing/gateway.yaml",
    "grpc-routing/bar-grpcroute.yaml",
    "grpc-routing/foo-grpcroute.yaml",
];
pub(crate) const REFLECTION: &[&str] = &[
    "grpc-routing/gateway.yaml",
    "grpc-routing/bar-grpcroute.yaml",
    "grpc-routing/reflection-grpcroute.yaml",
];

/// What the examples' routes match, and one method that none does. The names are the examples';
/// in one of them `com.example` is a service, in all others a package.
const PROTOCOLS: [(&str, &str); 2] = [
    (
        "service.proto",
        "syntax = \"proto3\"; package com;\n\
         message Text { string text = 1; }\n\
         service example { rpc Login(Text) returns (Text); }\n",
    ),
    (
        "package.proto",
        "syntax = \"proto3\"; package com.example;\n\
         message Text { string text = 1; }\n\
         service User { rpc Login(Text) returns (Text); rpc Logout(Text) returns (Text); }\n\
         service Things { rpc DoThing(Text) returns (Text); }\n",
    ),
];

fn ask(stage: &Stage, arguments: &[&str], last: &[&str]) -> Said {
    let mut command = bounded(grpcurl().expect("grpcurl").join("grpcurl"));
    command.args(["-max-time", "20", "-cacert"]);
    command.arg(stage.overlay.authority()).args(arguments);
    command.arg(stage.at(PORT).to_string()).args(last);
    said(command, "none; the tests build it")
}

/// Starts on these files, with an origin for each of these Services of the namespace `default`.
async fn started(files: &[&str], services: &[&str]) -> (Stage, Vec<GrpcOrigin>) {
    let stage = Stage::start(files);
    let mut origins = Vec::new();
    for service in services {
        let endpoint = stage.endpoint(&format!("default/{service}"));
        origins.push(GrpcOrigin::at(endpoint, service).await);
    }
    for (name, text) in PROTOCOLS {
        stage.overlay.write(name, text).expect("written");
    }
    (stage, origins)
}

/// Each: authority, a field of the request (none if empty), method, the text that comes back; the
/// gateway's own answer `Unimplemented` where it is empty.
fn answers(stage: &Stage, asked: &[(&str, &str, &str, &str)]) {
    let folder = stage.overlay.path().to_str().expect("UTF-8");
    for (authority, field, method, expected) in asked {
        let mut arguments = vec!["-authority", authority, "-import-path", folder];
        let of_service = method.starts_with("com.example/");
        let (protocol, _) = PROTOCOLS[usize::from(!of_service)];
        arguments.extend(["-proto", protocol, "-d", "{\"text\": \"hello\"}"]);
        if !field.is_empty() {
            arguments.extend(["-H", field]);
        }
        let said = ask(stage, &arguments, &[method]);
        if expected.is_empty() {
            // 64 and the status.
            assert_eq!(said.code, 64 + 12, "{method}: {said:?}");
            assert!(said.err.contains("Code: Unimplemented"), "{said:?}");
        } else {
            assert_eq!(said.code, 0, "{method}: {said:?}");
            let expected = format!("\"text\": \"{expected} hello\"");
            assert!(said.out.contains(&expected), "no {expected} in {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_fields_choose_the_service_and_others_are_unimplemented() {
    let services = ["my-service1", "my-service2"];
    let (stage, _origins) = started(BASIC, &services).await;
    let magic = "magic: foo";
    let login = (
        "com.example.User/Login",
        "my-service1 /com.example.User/Login",
    );
    let thing = (
        "com.example.Things/DoThing",
        "my-service2 /com.example.Things/DoThing",
    );
    answers(
        &stage,
        &[
            ("example.com", "", login.0, login.1),
            ("example.com", magic, thing.0, thing.1),
            ("example.com", "", thing.0, ""),
            ("example.com", "magic: bar", thing.0, ""),
            ("example.com", magic, "com.example.User/Logout", ""),
            ("foo.example.com", "", login.0, ""),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostnames_and_fields_choose_the_service() {
    let services = ["bar-svc", "bar-svc-canary", "example-svc", "foo-svc"];
    let (stage, _origins) = started(ROUTING, &services).await;
    let logout = "com.example.User/Logout";
    answers(
        &stage,
        &[
            (
                "bar.example.com",
                "",
                logout,
                "bar-svc /com.example.User/Logout",
            ),
            (
                "bar.example.com",
                "env: canary",
                logout,
                "bar-svc-canary /com.example.User/Logout",
            ),
            (
                "example.com",
                "",
                logout,
                "example-svc /com.example.User/Logout",
            ),
            (
                "foo.example.com",
                "",
                "com.example/Login",
                "foo-svc /com.example/Login",
            ),
            ("foo.example.com", "", logout, ""),
            ("other.example.com", "", logout, ""),
        ],
    );
}

/// Carries connections to a server that chooses its address itself.
async fn relay(from: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(from).await.expect("the address is free");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.expect("the server listens");
                // Ends as its ends do.
                tokio::io::copy_bidirectional(&mut near, &mut far)
                    .await
                    .ok();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_streams_fields_trailers_and_failures_pass_as_grpcs_makers_wrote_them() {
    let stage = Stage::start(REFLECTION);
    let program = grpcurl().expect("grpcurl").join("testserver");
    let server = Server::start(Command::new(program).arg("-q"), "Listening on ");
    let address = server.told.parse().expect("an address");
    for service in ["default/foo-svc", "default/bar-svc"] {
        relay(stage.endpoint(service), address).await;
    }
    let foo = ["-authority", "foo.example.com"];
    let listed = ask(&stage, &foo, &["list"]);
    assert!(listed.out.contains("testing.TestService"), "{listed:?}");
    // Only reflection and one method of another service are routed there.
    let other = ask(&stage, &foo, &["testing.TestService/EmptyCall"]);
    assert_eq!(other.code, 64 + 12, "{other:?}");

    let bar = |arguments: &[&str], method: &str| {
        let arguments = [&["-authority", "bar.example.com"], arguments].concat();
        ask(
            &stage,
            &arguments,
            &[&format!("testing.TestService/{method}")],
        )
    };
    let body = "{\"payload\": {\"body\": \"aGVsbG8=\"}}";
    let mut arguments = vec!["-v", "-d", body];
    arguments.extend(["-H", "reply-with-headers: x-early: one"]);
    arguments.extend(["-H", "reply-with-trailers: x-late: two"]);
    let unary = bar(&arguments, "UnaryCall");
    for part in ["\"aGVsbG8=\"", "x-early: one", "x-late: two"] {
        assert!(unary.out.contains(part), "no {part} in {unary:?}");
    }
    // RESOURCE_EXHAUSTED, without and with a part of the answer before it.
    for field in ["fail-early: 8", "fail-late: 8"] {
        let failed = bar(&["-d", body, "-H", field], "UnaryCall");
        assert_eq!(failed.code, 64 + 8, "{failed:?}");
    }
    let sizes = [10, 100_000];
    let asked = sizes.map(|size| format!("{{\"response_parameters\": [{{\"size\": {size}}}]}}"));
    let streamed = bar(&["-d", &asked.concat()], "FullDuplexCall");
    assert_eq!(streamed.code, 0, "{}", streamed.err);
    let bodies = streamed
        .out
        .lines()
        .filter(|line| line.contains("\"body\""));
    let lengths: Vec<usize> = bodies
        .filter_map(|line| line.split('"').nth(3))
        .map(str::len)
        .collect();
    // As base64.
    assert_eq!(lengths, sizes.map(|size: usize| size.div_ceil(3) * 4));
}
