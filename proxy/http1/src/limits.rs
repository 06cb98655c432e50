//! Every bound on a message in one table, safe by default. Time limits belong to the connection.

/// How far one message may go. Beyond a bound the message is refused, never cut short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, from the start line to the empty line (431).
    pub head_bytes: usize,
    /// Fields of one head; at most 256 whatever is written here (431).
    pub fields: usize,
    /// Bytes of a request target (414).
    pub target_bytes: usize,
    /// Bytes of a request body after decoding; `None` streams without end (413).
    pub body_bytes: Option<u64>,
    /// Bytes of chunk extensions in one whole body.
    pub chunk_extension_bytes: usize,
    /// Bytes of chunk framing that are free of charge in one request body. Beyond them framing may
    /// be at most `chunk_overhead_ratio` times the data: a flood of one-byte chunks ends here.
    pub chunk_overhead_bytes: u64,
    /// Bytes of chunk framing allowed per byte of data beyond `chunk_overhead_bytes`.
    pub chunk_overhead_ratio: u64,
    /// Bytes of a trailer section.
    pub trailer_bytes: usize,
    /// Fields of a trailer section; at most 256 whatever is written here.
    pub trailer_fields: usize,
    /// Interim responses (1xx) that a backend may send before the final one; the caller counts.
    pub interim_responses: usize,
    /// What happens to request fields with an underscore in their name.
    pub underscores: Underscores,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            fields: 100,
            target_bytes: 8 * 1024,
            body_bytes: None,
            chunk_extension_bytes: 4 * 1024,
            chunk_overhead_bytes: 64 * 1024,
            chunk_overhead_ratio: 4,
            trailer_bytes: 8 * 1024,
            trailer_fields: 32,
            interim_responses: 10,
            underscores: Underscores::DropTwins,
        }
    }
}

/// What happens to request fields whose name holds an underscore.
///
/// Many backends read `Content_Length` and `Content-Length` as one variable, so a client could
/// forge what RAUTA vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    /// Drop every such field.
    DropAll,
    /// Drop those that a backend could mistake for a framing, routing or identity field; keep the
    /// rest, which gRPC metadata uses.
    #[default]
    DropTwins,
    /// Keep all.
    Keep,
}
