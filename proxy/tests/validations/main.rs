//! The validations that a gateway owes its backends, each through the real proxy, with requests
//! byte by byte and frame by frame, and with what the backend received of them: nothing, or
//! exactly these bytes.

#[path = "../harness/mod.rs"]
mod harness;

mod http1; // byte by byte
mod http2; // frame by frame

use rauta_test_support::Message;

/// What each of them demands.
const DEMANDS: [&str; 19] = [
    "a host is named",
    "one host is named, not two",
    "the host is a host and a port, and nothing else",
    "the host of the target wins over the host field",
    "the scheme is http or https",
    "the target is a path, or * for OPTIONS",
    "the target has no fragment",
    "the target has no byte above ascii",
    "the transfer coding is chunked, once and alone",
    "the target is at most 8 KiB long",
    "the head is at most 32 KiB long and has at most 100 fields",
    "nothing but 100-continue is expected",
    "what connection names ends here, but framing and routing do not",
    "h2c is not upgraded to, and its settings end here",
    "no byte reaches the backend before it has switched protocols",
    "trailers frame, route and authenticate nothing",
    "the host field and :authority agree",
    "crumbs of cookies leave http/2 as one cookie",
    "a broken body is the client's fault and never the backend's",
];

/// What a row is about.
fn demand(number: usize) -> &'static str {
    DEMANDS[number - 1]
}

/// The numbers, once each and in order.
fn distinct(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A request as the backend got it, without the fields that RAUTA itself speaks for.
fn bytes(message: &Message) -> String {
    let is_added = |line: &&str| {
        ["x-forwarded-", "x-request-id:", "traceparent:"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let lines = message.head.split_inclusive("\r\n");
    let head: String = lines.filter(|line| !is_added(line)).collect();
    head + &message.text()
}
