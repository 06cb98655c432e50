//! What is measured.

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2, with prior knowledge where there is no TLS.
    Http2,
}

/// One kind of load, the same for every proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    /// One line about it.
    pub(crate) about: &'static str,
    /// What clients speak.
    pub(crate) protocol: Protocol,
    /// Over TLS?
    pub(crate) tls: bool,
    /// Client connections.
    pub(crate) connections: u32,
    /// Requests in flight on each connection.
    pub(crate) streams: u32,
    /// Bytes of each answer's body.
    pub(crate) body: usize,
    /// Offered requests per second in all; `None`: as many as the proxy takes.
    pub(crate) rate: Option<u32>,
    /// Routes in the configuration; one of them is asked for.
    pub(crate) routes: usize,
}

/// HTTP/1.1 with keep-alive as fast as it goes: what others vary.
pub(crate) const H1: Cell = Cell {
    name: "h1",
    about: "HTTP/1.1 keep-alive, 64 connections, saturation, 1 KiB",
    protocol: Protocol::Http1,
    tls: false,
    connections: 64,
    streams: 1,
    body: 1024,
    rate: None,
    routes: 10,
};

/// All cells, in the order they are measured.
pub(crate) const CELLS: &[Cell] = &[
    H1,
    Cell {
        name: "h1-rate",
        about: "HTTP/1.1 keep-alive, 64 connections, 20,000 requests/s offered, 1 KiB",
        rate: Some(20_000),
        ..H1
    },
    Cell {
        name: "h1-100k",
        about: "HTTP/1.1 keep-alive, 64 connections, saturation, 100 KiB",
        body: 100 * 1024,
        ..H1
    },
    Cell {
        name: "h1-routes",
        about: "HTTP/1.1 keep-alive, 64 connections, saturation, 1 KiB, 10,000 routes",
        routes: 10_000,
        ..H1
    },
    Cell {
        name: "h2",
        about: "HTTP/2 in clear text, 8 connections of 8 streams, saturation, 1 KiB",
        protocol: Protocol::Http2,
        connections: 8,
        streams: 8,
        ..H1
    },
    Cell {
        name: "tls",
        about: "HTTP/1.1 keep-alive over TLS 1.3, 64 connections, saturation, 1 KiB",
        tls: true,
        ..H1
    },
];
