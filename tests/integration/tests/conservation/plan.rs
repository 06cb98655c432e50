//! What can happen to a request, how often, and what its event has to say then.

/// How an exchange ends: status (0: none was sent), outcome, side at fault, reason.
pub(crate) type Ending = (u16, &'static str, &'static str, &'static str);

/// What the event says of a request that went well.
const DONE: Ending = (200, "completed", "none", "none");

/// What the event says of a request whose client left before the response's head.
const LEFT: Ending = (0, "abandoned", "client", "client_closed");

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $weight:literal [$($ending:expr),*];)+) => {
        /// What happens to a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Its name in paths.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// How many out of ten thousand requests are of this kind.
            fn weight(self) -> u64 {
                match self { $(Self::$kind => $weight,)+ }
            }

            /// Every way in which its event may tell the end; none where no request was made.
            pub(crate) fn endings(self) -> &'static [Ending] {
                match self { $(Self::$kind => &[$($ending),*],)+ }
            }
        }
    };
}

kinds! {
    /// Asked for and answered.
    Get "get" 4500 [DONE];
    /// The same without a body.
    Head "head" 300 [DONE];
    /// With a body whose length is told.
    Post "post" 1000 [DONE];
    /// With a body in chunks.
    Chunked "chunked" 500 [DONE];
    /// Three requests in one packet.
    Pipelined "pipelined" 500 [DONE];
    /// The backend resets instead of answering; on a reused connection it is asked again.
    Reset "reset" 300 [(502, "answered", "backend", "backend_reset")];
    /// The backend breaks off inside its body. What it sent may not have left for the client yet.
    Cut "cut" 300 [
        (200, "truncated", "backend", "backend_reset"),
        (502, "answered", "backend", "backend_reset")
    ];
    /// The backend is silent until the rule's `request` timeout.
    Slow "slow" 100 [(504, "answered", "backend", "request_timeout")];
    /// The backend is silent until the rule's `backendRequest` timeout.
    Late "late" 100 [(504, "answered", "backend", "backend_timeout")];
    /// The first endpoint answers 503, which the rule retries, unless the budget is used up.
    Retry "retry" 500 [DONE, (503, "completed", "none", "none")];
    /// One of two endpoints is dead, and the rule retries, unless the budget is used up.
    Half "half" 300 [DONE, (503, "answered", "backend", "connect_refused")];
    /// The backend closes after each answer without having said so. The one replay may meet
    /// another such connection.
    Fickle "fickle" 300 [DONE, (502, "answered", "backend", "backend_reset")];
    /// Nobody listens at the endpoint.
    Dead "dead" 200 [(503, "answered", "backend", "connect_refused")];
    /// A filter answers.
    Redirect "redirect" 200 [(302, "answered", "none", "filter")];
    /// No route matches.
    Lost "lost" 100 [(404, "answered", "client", "no_route")];
    /// An upgraded connection that both sides end in order.
    Tunnel "tunnel" 150 [(101, "tunnelled", "none", "none")];
    /// An upgraded connection that the client resets.
    TunnelLeft "tunnel-left" 75 [(101, "abandoned", "client", "client_closed")];
    /// An upgraded connection that the backend resets.
    TunnelCut "tunnel-cut" 75 [(101, "truncated", "backend", "backend_reset")];
    /// The client resets while the backend holds its answer back.
    Abandon "abandon" 150 [LEFT];
    /// The client closes, in order, before the backend answers: the answer may count as sent.
    Leave "leave" 50 [DONE, (200, "abandoned", "client", "client_closed")];
    /// The client resets inside the response's body.
    Part "part" 100 [(200, "abandoned", "client", "client_closed")];
    /// The client ends, in order, inside the request's body.
    BodyEnd "body-end" 40 [LEFT];
    /// The client resets inside the request's body.
    BodyReset "body-reset" 40 [LEFT];
    /// A head that is refused; its event has no path.
    BadHead "bad-head" 50 [(400, "answered", "client", "bad_request")];
    /// A head that does not come to its end in time; its event has no path.
    SlowHead "slow-head" 5 [(408, "answered", "client", "client_timeout")];
    /// A head inside which the client ends, in order: no request.
    HeadEnd "head-end" 30 [];
    /// A head inside which the client resets: no request.
    HeadReset "head-reset" 30 [];
    /// A connection on which nothing is sent until RAUTA closes it: no request.
    Silent "silent" 5 [];
}

impl Kind {
    /// The kind of request number `id`: the same whenever and by whomever it is asked.
    pub(crate) fn of(id: usize) -> Self {
        let total: u64 = Self::ALL.iter().map(|kind| kind.weight()).sum();
        let mut at = mixed(id as u64) % total;
        for kind in Self::ALL {
            match at.checked_sub(kind.weight()) {
                Some(rest) => at = rest,
                None => return *kind,
            }
        }
        Self::Get
    }

    /// The same without those that only wait for the end of a head's time: they would take up the
    /// clients that keep the pace.
    pub(crate) fn of_steady_load(id: usize) -> Self {
        match Self::of(id) {
            Self::SlowHead | Self::Silent => Self::Get,
            kind => kind,
        }
    }

    /// The kind that a path names, and the number in it.
    pub(crate) fn read(path: &str) -> Option<(Self, usize)> {
        let (name, id) = path.strip_prefix('/')?.split_once('/')?;
        let kind = Self::ALL.iter().find(|kind| kind.name() == name)?;
        Some((*kind, id.parse().ok()?))
    }

    /// Is it a request, so that it has its two events?
    pub(crate) fn is_request(self) -> bool {
        !self.endings().is_empty()
    }

    /// Does its event name a path?
    pub(crate) fn has_path(self) -> bool {
        self.is_request() && !matches!(self, Self::BadHead | Self::SlowHead)
    }

    /// Does its connection end inside a head, or before it, in a way that is an event?
    pub(crate) fn is_cut(self) -> bool {
        matches!(self, Self::HeadEnd | Self::HeadReset | Self::Silent)
    }

    /// Does the backend see each attempt, exactly once?
    pub(crate) fn is_seen_by_attempt(self) -> bool {
        !matches!(
            self,
            Self::Half | Self::Fickle | Self::Dead | Self::BodyEnd | Self::BodyReset
        )
    }
}

/// A number that looks random and is the same for the same `seed` (the finaliser of SplitMix64).
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
