//! Which answer each request gets.

use super::State;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A log filter is short.
const BODY_BYTES_MAX: usize = 4096;

/// Events that a slow listener may lag behind before it is told so.
const LIVE_FRAMES: usize = 64;

/// Answers one request.
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Response<Body> {
    if !is_own_host(&request) {
        return text(
            StatusCode::MISDIRECTED_REQUEST,
            "refused: the Host header is a foreign name; use an IP address or localhost\n",
        );
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if parts.method == Method::PUT && path == "/log-level" {
        return set_log_level(&state, body).await;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET reads here\n");
        let allowed = if path == "/log-level" {
            "GET, HEAD, PUT"
        } else {
            "GET, HEAD"
        };
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allowed));
        return refusal;
    }
    match path {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/healthz" => ready(&state),
        "/metrics" => metrics(&state),
        "/config" => json(&state.config),
        "/routes" => json(&(state.routes)()),
        "/endpoints" => json(&(state.endpoints)()),
        "/explain" => explain(&state, parts.uri.query().unwrap_or_default()),
        "/events" => match wants_stream(parts.headers.get(ACCEPT)) {
            true => live(&state),
            false => json(
                &state
                    .recent
                    .subscribe()
                    .0
                    .iter()
                    .map(|v| (**v).clone())
                    .collect(),
            ),
        },
        "/log-level" => text(StatusCode::OK, &format!("{}\n", state.log_level.current())),
        "/" => text(StatusCode::OK, INDEX),
        _ => text(StatusCode::NOT_FOUND, INDEX),
    }
}

const INDEX: &str = "/metrics /livez /readyz /healthz /config /routes /endpoints /explain /events \
                     /log-level\n";

/// An IP address or `localhost`: names that no foreign DNS answer can lead here.
fn is_own_host(request: &Request<Incoming>) -> bool {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| Some(request.headers().get(HOST)?.to_str().ok()?.to_owned()));
    host.is_some_and(|host| is_own_name(&host))
}

fn is_own_name(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

fn wants_stream(accept: Option<&HeaderValue>) -> bool {
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

fn ready(state: &State) -> Response<Body> {
    if state.readiness.is_ready() {
        return text(StatusCode::OK, "ok\n");
    }
    let pending = state.readiness.pending().join(", ");
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("not ready: {pending}\n"),
    )
}

fn metrics(state: &State) -> Response<Body> {
    match state.page.text() {
        Ok(page) => respond(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            page,
        ),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn explain(state: &State, query: &str) -> Response<Body> {
    let (mut url, mut method, mut headers) = (None, "GET".to_owned(), Vec::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "url" => url = Some(value),
            "method" => method = value.into_owned(),
            "header" => {
                let (name, value) = value.split_once(':').unwrap_or((&value, ""));
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => return text(StatusCode::BAD_REQUEST, "use url, method and header\n"),
        }
    }
    let Some(url) = url else {
        return text(
            StatusCode::BAD_REQUEST,
            "url is missing: /explain?url=http://host/path\n",
        );
    };
    match (state.explain)(&method, &url, &headers) {
        Ok(value) => json(&value),
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    }
}

async fn set_log_level(state: &State, body: Incoming) -> Response<Body> {
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "a log filter is at most 4096 bytes\n",
        );
    };
    let filter = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
    match state.log_level.set(&filter) {
        Ok(()) => text(StatusCode::OK, &format!("{}\n", state.log_level.current())),
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    }
}

/// The kept anomalies, then each new one, as server-sent events.
fn live(state: &State) -> Response<Body> {
    let (sender, body) = Channel::<Bytes, Infallible>::new(LIVE_FRAMES);
    tokio::task::spawn_local(stream(Arc::clone(&state.recent), sender));
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Ends with its listener: a failed send is a listener that left.
async fn stream(recent: Arc<super::Recent>, mut sender: Sender<Bytes, Infallible>) {
    let (kept, mut live) = recent.subscribe();
    for document in kept {
        if sender.send_data(frame(&document)).await.is_err() {
            return;
        }
    }
    loop {
        let frame = match live.recv().await {
            Ok(document) => frame(&document),
            Err(RecvError::Lagged(missed)) => Bytes::from(format!(": {missed} missed\n\n")),
            Err(RecvError::Closed) => return,
        };
        if sender.send_data(frame).await.is_err() {
            return;
        }
    }
}

fn frame(document: &Value) -> Bytes {
    let id = document
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Bytes::from(format!("id: {id}\nevent: anomaly\ndata: {document}\n\n"))
}

fn json(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_refused() {
        for own in [
            "127.0.0.1:9090",
            "127.0.0.1",
            "[::1]:9090",
            "localhost:9090",
            "LOCALHOST",
        ] {
            assert!(is_own_name(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:9090",
            "127.0.0.1.evil.example",
            "",
            ":9090",
        ] {
            assert!(!is_own_name(foreign), "{foreign}");
        }
    }
}
