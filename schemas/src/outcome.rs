//! Closed enums that metrics, logs, events and documents share: one label each, no free text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, JsonSchema,
        )]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $label)] $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable label used in metrics, logs and documents.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

labels! {
    /// How an exchange ended, as the client saw it.
    Outcome {
        /// A complete response was delivered, whatever its status.
        Completed => "completed",
        /// RAUTA answered by itself (redirect, preflight, refusal, error).
        Answered => "answered",
        /// The response was cut off after its head was sent.
        Truncated => "truncated",
        /// The client left before the response was complete.
        Abandoned => "abandoned",
        /// An upgraded connection (WebSocket or another protocol) ended.
        Tunnelled => "tunnelled",
    }
}

labels! {
    /// Who is at fault when an exchange did not go well.
    Side {
        /// Nobody: nothing went wrong.
        None => "none",
        /// The client.
        Client => "client",
        /// RAUTA or its configuration.
        Gateway => "gateway",
        /// The backend.
        Backend => "backend",
    }
}

labels! {
    /// Why an exchange ended as it did. `None` where nothing went wrong.
    Reason {
        /// Nothing went wrong.
        None => "none",
        /// The request broke HTTP's grammar or framing.
        BadRequest => "bad_request",
        /// The request's head, target or body is larger than a limit.
        TooLarge => "too_large",
        /// The client was too slow to send its request.
        ClientTimeout => "client_timeout",
        /// The client closed or reset before the exchange ended.
        ClientClosed => "client_closed",
        /// The Host belongs to another listener than the one the connection's SNI chose.
        Misdirected => "misdirected",
        /// No listener or route matches.
        NoRoute => "no_route",
        /// The rule's backend reference is invalid or not permitted.
        InvalidBackend => "invalid_backend",
        /// The backend has no endpoint that can take the request.
        NoEndpoint => "no_endpoint",
        /// A cap on connections, streams or work is reached.
        Overload => "overload",
        /// RAUTA is draining.
        Draining => "draining",
        /// Something broke inside RAUTA.
        Internal => "internal",
        /// The backend refused the connection.
        ConnectRefused => "connect_refused",
        /// The backend did not accept the connection in time.
        ConnectTimeout => "connect_timeout",
        /// The connection could not be made for another cause.
        ConnectFailed => "connect_failed",
        /// TLS with the backend failed (certificate, name or handshake).
        BackendTls => "backend_tls",
        /// The backend closed or reset before or inside its response.
        BackendReset => "backend_reset",
        /// The backend's response broke HTTP's grammar or framing, or a limit.
        BadResponse => "bad_response",
        /// The rule's request timeout ended the exchange.
        RequestTimeout => "request_timeout",
        /// The rule's backend-request timeout ended the attempt.
        BackendTimeout => "backend_timeout",
        /// One direction made no progress for too long.
        Stalled => "stalled",
        /// A filter answered in place of the backend.
        Filter => "filter",
    }
}

labels! {
    /// How one attempt at a backend ended.
    AttemptOutcome {
        /// No attempt.
        None => "none",
        /// A response head arrived.
        Responded => "responded",
        /// The connection was refused.
        ConnectRefused => "connect_refused",
        /// The connection took too long.
        ConnectTimeout => "connect_timeout",
        /// The connection failed for another cause.
        ConnectFailed => "connect_failed",
        /// TLS with the backend failed.
        TlsFailed => "tls_failed",
        /// A reused connection turned out to be dead before any response byte.
        StaleConnection => "stale_connection",
        /// The backend reset or closed before a response head.
        Reset => "reset",
        /// The backend refused the stream without processing it.
        RefusedStream => "refused_stream",
        /// The response head broke HTTP's grammar or a limit.
        BadResponse => "bad_response",
        /// The attempt's time ran out.
        Timeout => "timeout",
        /// The response had a status that the rule's retry lists.
        RetriedStatus => "retried_status",
        /// The exchange ended while the attempt was open.
        Cancelled => "cancelled",
    }
}
