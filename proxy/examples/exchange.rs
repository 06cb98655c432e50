//! Makes exchanges through a proxy with one worker, for tools that count instructions.
//!
//! `exchange [COUNT [http1|http2]]`: a client and an origin that speaks HTTP/1 move a request and
//! its answer of 1 KiB through the worker, one after the other, or eight at a time over HTTP/2.
//! All wait for each other, so that the worker's path is the same each time; two runs that differ
//! in COUNT differ by exchanges alone.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use harness::Route;
use http::Request;
use rauta_core::bus::{Bus, BusConfig};
use rauta_core::drain;
use rauta_proxy::{PortState, Proxy};
use rauta_schemas::Names;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const REQUEST: &[u8] = b"GET /shop/item?color=blue HTTP/1.1\r\nHost: shop.test\r\n\
    User-Agent: example\r\nAccept: */*\r\n\r\n";

/// Reads until `end` stands at the end of what came.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> bool {
    let mut read = Vec::with_capacity(4096);
    let mut buffer = [0; 4096];
    while !read.ends_with(end) {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
    }
    true
}

/// Answers on one connection until it ends.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    while read_until(&mut stream, b"\r\n\r\n") {
        stream.write_all(answer).expect("the proxy reads");
    }
}

async fn start(origin: SocketAddr) -> (Proxy, SocketAddr) {
    // Nobody listens: events go into the lane, and what it has no room for is counted.
    let (bus, _pipeline) = Bus::new(BusConfig::default());
    let (_trigger, drain) = drain::channel();
    let proxy = Proxy::start(harness::config(), &bus, drain).expect("a worker starts");
    let route = Route {
        path: "/shop".to_owned(),
        endpoints: vec![origin],
        ..Route::default()
    };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let snapshot = harness::snapshot(&Names::default(), any_port, vec![route]);
    let applied = proxy.apply(snapshot).await;
    let PortState::Serving(address) = applied.ports[0].1 else {
        panic!("{:?}", applied.ports);
    };
    (proxy, address)
}

fn ask_http1(address: SocketAddr, count: usize, end: &[u8]) {
    let mut client = TcpStream::connect(address).expect("the proxy listens");
    for _ in 0..count {
        client.write_all(REQUEST).expect("the proxy reads");
        assert!(read_until(&mut client, end), "an answer");
    }
}

/// Streams that are open at once.
const STREAMS: usize = 8;

async fn ask_http2(address: SocketAddr, count: usize) {
    let tcp = tokio::net::TcpStream::connect(address).await;
    let shaken = h2::client::handshake(tcp.expect("the proxy listens")).await;
    let (mut requests, connection) = shaken.expect("HTTP/2");
    tokio::spawn(connection);
    for _ in 0..count.div_ceil(STREAMS) {
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            let request = Request::get("http://shop.test/shop/item?color=blue")
                .header("user-agent", "example")
                .header("accept", "*/*")
                .body(())
                .expect("a request");
            requests = requests.ready().await.expect("a stream");
            answers.push(requests.send_request(request, true).expect("a stream").0);
        }
        for answer in answers {
            let mut body = answer.await.expect("an answer").into_body();
            let mut bytes = 0;
            while let Some(data) = body.data().await {
                let data = data.expect("the body");
                bytes += data.len();
                let window = body.flow_control();
                window
                    .release_capacity(data.len())
                    .expect("the stream lives");
            }
            assert_eq!(bytes, 1024);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments
        .next()
        .map_or(1, |text| text.parse().expect("COUNT is a number"));
    let is_http2 = arguments.next().is_some_and(|version| version == "http2");
    let body = "x".repeat(1024);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n{body}");
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let origin = listener.local_addr().expect("the socket lives");
    let answer: Arc<[u8]> = answer.into_bytes().into();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve(stream, &answer));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (_proxy, address) = runtime.block_on(start(origin));
    if is_http2 {
        runtime.block_on(ask_http2(address, count));
    } else {
        ask_http1(address, count, body.as_bytes());
    }
    println!("{count} answered");
}
