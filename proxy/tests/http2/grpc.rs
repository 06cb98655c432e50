//! RAUTA's own errors toward gRPC clients: one head, status 200, the cause in `grpc-status`.

use crate::harness::{Gateway, Route, config};
use crate::origin::Http2Origin;
use crate::peer::{Client, post};
use http::{HeaderValue, Request};
use rauta_routing::Timeouts;
use rauta_schemas::Outcome;
use std::time::Duration;

fn call(path: &str) -> Request<()> {
    let mut request = post(path);
    let fields = request.headers_mut();
    fields.insert("te", HeaderValue::from_static("trailers"));
    let kind = HeaderValue::from_static("application/grpc+proto");
    fields.insert("content-type", kind);
    request
}

#[tokio::test]
async fn errors_are_trailers_only_with_their_grpc_status() {
    let silent = Http2Origin::serving(100, |call| async move {
        let _held = call;
        std::future::pending::<()>().await;
    })
    .await;
    let at = |path: &str| Route {
        path: path.to_owned(),
        is_http2: true,
        is_grpc: true,
        ..Route::default()
    };
    let routes = vec![
        at("/empty.Service/"),
        Route {
            is_invalid: true,
            ..at("/invalid.Service/")
        },
        Route {
            endpoints: silent.route().endpoints,
            timeouts: Timeouts {
                request: Some(Duration::from_millis(50)),
                backend_request: None,
            },
            ..at("/silent.Service/")
        },
    ];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = Client::connect(gateway.address).await;
    let cases = [
        ("/unknown.Service/Call", "12"),
        ("/empty.Service/Call", "14"),
        ("/invalid.Service/Call", "13"),
        ("/silent.Service/Call", "4"),
    ];
    for (at, (path, status)) in cases.into_iter().enumerate() {
        let answer = client.ask(call(path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.field("grpc-status"), Some(status), "{path}");
        assert!(
            answer
                .field("grpc-message")
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(answer.field("content-type"), Some("application/grpc"));
        assert!(answer.body.is_empty() && answer.trailers.is_none());
        let told = gateway.events.responses(at + 1).await.remove(at);
        assert_eq!(
            told.grpc_status.map(|code| code.to_string()).as_deref(),
            Some(status)
        );
        assert_eq!((told.status, told.outcome), (200, Outcome::Answered));
    }
}
