//! Both directions of an exchange in one task: the request's body toward the backend and the
//! response toward the client move side by side, each held back by the side that takes it, with at
//! most one outbox of bytes between them. An early response overtakes the request's body.
//!
//! ```text
//!            ┌─ poll_body ──► RequestBody ──► send ─┐
//! Downstream ┤                                      ├ Upstream
//!            └─ send ◄───────────────────── poll_ ──┘
//! ```

use crate::body::Frame;
use crate::config::Limits;
use crate::connection::Downstream;
use crate::error::ProxyError;
use crate::filter::mirror::Copies;
use crate::record::{Exchange, Step};
use crate::upstream::{Response, Upstream};
use crate::watch::TICK;
use crate::worker::Worker;
use http::{HeaderValue, StatusCode};
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The request's body on its way to the backend, kept for another attempt as long as it is small.
pub(crate) struct RequestBody {
    /// Was the end of the body read from the client?
    is_read: bool,
    /// Was the end passed on in this attempt?
    is_passed: bool,
    /// Was everything handed to the kernel in this attempt?
    is_sent: bool,
    /// What was read so far; `None` once it cannot be sent again.
    kept: Option<Vec<Frame>>,
    kept_room: usize,
    replayed: usize,
    copies: Copies,
    /// Bytes of content passed on to the backend or kept, over all attempts.
    moved: u64,
}

impl RequestBody {
    /// A body nothing of which was read; `keep` bytes of it are kept for another attempt,
    /// and `copies` get what is read.
    pub(crate) fn new(keep: Option<usize>, copies: Copies) -> Self {
        Self {
            is_read: false,
            is_passed: false,
            is_sent: false,
            kept: keep.map(|_| Vec::new()),
            kept_room: keep.unwrap_or(0),
            replayed: 0,
            copies,
            moved: 0,
        }
    }

    /// Can another attempt send the whole body?
    pub(crate) fn is_replayable(&self) -> bool {
        self.kept.is_some()
    }

    /// Starts over for another attempt.
    pub(crate) fn rewind(&mut self) {
        self.is_passed = false;
        self.is_sent = false;
        self.replayed = 0;
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Downstream,
        exchange: &Exchange,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        if let Some(frame) = self.kept.as_ref().and_then(|kept| kept.get(self.replayed)) {
            self.replayed += 1;
            return Poll::Ready(Ok(Some(frame.clone())));
        }
        if self.is_read {
            return Poll::Ready(Ok(None));
        }
        let frame = ready!(downstream.poll_body(cx))?;
        match &frame {
            None => {
                self.is_read = true;
                self.copies.drain(..).for_each(|copy| copy.end());
            }
            Some(frame) => {
                exchange.received(frame.len());
                self.copies.iter().for_each(|copy| copy.push(frame));
                self.keep(frame);
            }
        }
        Poll::Ready(Ok(frame))
    }

    fn keep(&mut self, frame: &Frame) {
        let Some(kept) = &mut self.kept else { return };
        match self.kept_room.checked_sub(frame.len()) {
            Some(room) => {
                self.kept_room = room;
                kept.push(frame.clone());
                self.replayed = kept.len();
            }
            None => self.kept = None,
        }
    }

    /// Moves what can be moved; an error on the backend's side is none yet, for its response may
    /// already be there.
    fn pump(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        sides: &mut Sides<'_>,
    ) -> Result<Wait, ProxyError> {
        let Sides {
            exchange,
            downstream,
            upstream,
        } = sides;
        while !self.is_passed {
            match upstream.poll_ready(cx, worker) {
                Poll::Pending => return Ok(Wait::BackendReads),
                Poll::Ready(Err(_)) => return Ok(Wait::BackendAnswers),
                Poll::Ready(Ok(())) => {}
            }
            match self.poll_frame(cx, downstream, exchange)? {
                Poll::Ready(Some(frame)) => {
                    self.moved += 1 + frame.len() as u64;
                    if upstream.send(worker, frame).is_err() {
                        return Ok(Wait::BackendAnswers);
                    }
                }
                Poll::Ready(None) => {
                    self.is_passed = true;
                    upstream.finish(worker)?;
                }
                Poll::Pending => {
                    // What is there must leave, also while the client takes its time.
                    return Ok(match upstream.poll_flush(cx, worker) {
                        Poll::Pending => Wait::BackendReads,
                        Poll::Ready(_) => Wait::ClientSends,
                    });
                }
            }
        }
        if !self.is_sent {
            match upstream.poll_flush(cx, worker) {
                Poll::Pending => return Ok(Wait::BackendReads),
                Poll::Ready(Err(_)) => {}
                Poll::Ready(Ok(())) => {
                    self.is_sent = true;
                    self.moved += 1;
                    exchange.reached(Step::Sent);
                }
            }
        }
        Ok(Wait::BackendAnswers)
    }
}

/// The response's body on its way to the client.
struct ResponseBody {
    is_passed: bool,
    /// Does the client hold it back?
    is_blocked: bool,
    moved: u64,
}

impl ResponseBody {
    /// Moves what can be moved; ready when everything was handed to the kernel.
    fn pump(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        sides: &mut Sides<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        let Sides {
            exchange,
            downstream,
            upstream,
        } = sides;
        self.is_blocked = true;
        while !self.is_passed {
            ready!(downstream.poll_ready(cx))?;
            match upstream.poll_body(cx, worker)? {
                Poll::Ready(Some(frame)) => {
                    self.moved += 1 + frame.len() as u64;
                    exchange.sent(frame.len());
                    if let Frame::Trailers(trailers) = &frame {
                        let status = trailers.get("grpc-status");
                        exchange.note_grpc_status(status.map(HeaderValue::as_bytes));
                    }
                    downstream.send(frame)?;
                }
                Poll::Ready(None) => {
                    self.is_passed = true;
                    downstream.finish()?;
                }
                Poll::Pending => {
                    // What is there must leave, also while the backend takes its time.
                    ready!(downstream.poll_flush(cx))?;
                    self.is_blocked = false;
                    return Poll::Pending;
                }
            }
        }
        downstream.poll_flush(cx)
    }
}

/// Whom an exchange waits for; each has its own patience and its own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The backend to take bytes of the request.
    BackendReads,
    /// The backend to answer.
    BackendAnswers,
    /// The client to send its body.
    ClientSends,
    /// The client to take bytes of the response.
    ClientReads,
    /// Either side, in the middle of a response.
    Anyone,
}

/// The two sides of an exchange, and its record.
pub(crate) struct Sides<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) downstream: &'a mut Downstream,
    pub(crate) upstream: &'a mut Upstream,
}

/// When something last moved, for deadlines, and how fast the client is.
struct Pace {
    moved: u64,
    /// Of what moved, what the client had not taken yet.
    waiting: u64,
    since_ms: u64,
    /// Since when the exchange has waited for nobody but the client, and what moved in that time.
    client: Option<(u64, u64)>,
    /// May a backend be silent for as long as it likes?
    is_patient: bool,
}

impl Pace {
    fn new(worker: &Worker, is_patient: bool) -> Self {
        Self {
            moved: 0,
            waiting: 0,
            since_ms: worker.now_ms(),
            client: None,
            is_patient,
        }
    }

    /// Called at the end of each poll: an error if nothing moved for too long, else the deadline
    /// is set anew.
    fn check(
        &mut self,
        worker: &Worker,
        downstream: &Downstream,
        moved: u64,
        wait: Wait,
    ) -> Result<(), ProxyError> {
        let limits = &worker.config.limits;
        let now_ms = worker.now_ms();
        // A piece that the client takes byte by byte moves once, and is taken many times.
        let waiting = downstream.waiting() as u64;
        let gained = (moved + self.waiting).saturating_sub(self.moved + waiting);
        if gained > 0 || moved != self.moved {
            self.since_ms = now_ms;
        }
        (self.moved, self.waiting) = (moved, waiting);
        let (limit, error) = match wait {
            Wait::BackendReads => (limits.progress, ProxyError::UpstreamStalled),
            Wait::BackendAnswers if self.is_patient => {
                (limits.tunnel_idle, ProxyError::BackendTimeout)
            }
            Wait::BackendAnswers => (limits.response_head, ProxyError::BackendTimeout),
            Wait::ClientSends if self.is_patient => (limits.stream_idle, ProxyError::ClientTimeout),
            Wait::ClientSends => (limits.progress, ProxyError::ClientTimeout),
            Wait::ClientReads => (limits.progress, ProxyError::ClientStalled),
            Wait::Anyone => (limits.stream_idle, ProxyError::StreamIdle),
        };
        let deadline = self.since_ms + millis(limit);
        if downstream.watched().is_expired() && deadline <= now_ms {
            return Err(error);
        }
        let deadline = match self.judge_client(limits, now_ms, wait, gained) {
            Ok(judged_at) => deadline.min(judged_at),
            Err(TooSlow) => return Err(error),
        };
        // A half-closed connection tells of its reset only when asked.
        let ask_again = now_ms + millis(TICK);
        let is_asked = downstream.is_half_closed();
        downstream.watched().arm(if is_asked {
            deadline.min(ask_again)
        } else {
            deadline
        });
        Ok(())
    }
}

/// A client that moves bytes, but too few of them.
struct TooSlow;

impl Pace {
    /// Looks at the client's speed, and says when to look again. Only what the client alone holds
    /// up is held against it, and no stream that a rule lets it feed at leisure.
    fn judge_client(
        &mut self,
        limits: &Limits,
        now_ms: u64,
        wait: Wait,
        gained: u64,
    ) -> Result<u64, TooSlow> {
        let is_its_turn = match wait {
            Wait::ClientReads => true,
            Wait::ClientSends => !self.is_patient,
            Wait::BackendReads | Wait::BackendAnswers | Wait::Anyone => false,
        };
        if !is_its_turn || limits.client_bytes_per_s == 0 {
            self.client = None;
            return Ok(u64::MAX);
        }
        let span_ms = millis(limits.progress);
        let (since_ms, in_all) = self.client.get_or_insert((now_ms, 0));
        *in_all += gained;
        let took_ms = now_ms.saturating_sub(*since_ms);
        if took_ms < span_ms {
            return Ok(since_ms.saturating_add(span_ms));
        }
        let due = u64::from(limits.client_bytes_per_s).saturating_mul(took_ms) / 1000;
        if *in_all < due {
            return Err(TooSlow);
        }
        self.client = Some((now_ms, 0));
        Ok(now_ms.saturating_add(span_ms))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

/// Sends the request until the response's head is there. Interim responses are passed on, 100 only
/// to a client that waits for it. `is_patient`: the backend may take as long as it likes.
pub(crate) async fn head(
    worker: &Worker,
    sides: &mut Sides<'_>,
    body: &mut RequestBody,
    is_patient: bool,
    is_upgrade: bool,
) -> Result<Response, ProxyError> {
    let mut pace = Pace::new(worker, is_patient);
    let mut interim = 0;
    let result = poll_fn(|cx| {
        loop {
            let wait = match body.pump(cx, worker, sides) {
                Ok(wait) => wait,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match sides.upstream.poll_head(cx, worker) {
                Poll::Ready(Ok(response)) if response.status.is_informational() => {
                    let is_switch = response.status == StatusCode::SWITCHING_PROTOCOLS;
                    if is_switch && is_upgrade {
                        return Poll::Ready(Ok(response));
                    }
                    interim += 1;
                    if let Err(error) = pass_interim(worker, sides, response, interim) {
                        return Poll::Ready(Err(error));
                    }
                    continue;
                }
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
            if let Poll::Ready(Err(error)) = sides.downstream.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if body.is_read
                && let Poll::Ready(error) = sides.downstream.poll_gone(cx)
            {
                return Poll::Ready(Err(error));
            }
            let moved = body.moved + interim as u64;
            return match pace.check(worker, sides.downstream, moved, wait) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
    })
    .await;
    sides.downstream.watched().disarm();
    result
}

fn pass_interim(
    worker: &Worker,
    sides: &mut Sides<'_>,
    response: Response,
    count: usize,
) -> Result<(), ProxyError> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ProxyError::UnaskedUpgrade);
    }
    if count > worker.config.message.interim_responses {
        return Err(ProxyError::TooManyInterim);
    }
    // 102 is obsolete, and others are unknown: RFC 9110 section 15.2 lets a proxy leave out none
    // but what it asked for itself, so all are passed on. 100 goes to a client that waits for it.
    sides
        .downstream
        .send_interim(response.status, &response.headers);
    Ok(())
}

/// Moves the response's body, and what is left of the request's, until the response is complete
/// and handed to the kernel. The response's head must have been started.
pub(crate) async fn bodies(
    worker: &Worker,
    sides: &mut Sides<'_>,
    body: &mut RequestBody,
) -> Result<(), ProxyError> {
    let mut response = ResponseBody {
        is_passed: false,
        is_blocked: false,
        moved: 0,
    };
    let mut pace = Pace::new(worker, false);
    let result = poll_fn(|cx| {
        let mut wait = match response.pump(cx, worker, sides) {
            Poll::Ready(result) => return Poll::Ready(result),
            Poll::Pending if response.is_blocked => Wait::ClientReads,
            Poll::Pending => Wait::Anyone,
        };
        if !body.is_sent {
            match body.pump(cx, worker, sides) {
                Ok(Wait::BackendReads) if wait == Wait::Anyone => wait = Wait::BackendReads,
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        } else if let Poll::Ready(error) = sides.downstream.poll_gone(cx) {
            return Poll::Ready(Err(error));
        }
        match pace.check(worker, sides.downstream, body.moved + response.moved, wait) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await;
    sides.downstream.watched().disarm();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At each moment: whom the exchange waits for, what moved since, and whether that will do.
    type Moment = (u64, Wait, u64, bool);

    fn judge(is_patient: bool, bytes_per_s: u32, moments: &[Moment]) {
        let limits = Limits {
            progress: Duration::from_secs(10),
            client_bytes_per_s: bytes_per_s,
            ..Limits::default()
        };
        let mut pace = Pace {
            moved: 0,
            waiting: 0,
            since_ms: 0,
            client: None,
            is_patient,
        };
        for (second, wait, gained, is_enough) in moments {
            let judged = pace.judge_client(&limits, second * 1000, *wait, *gained);
            assert_eq!(judged.is_ok(), *is_enough, "at {second} s: {moments:?}");
        }
    }

    #[test]
    fn a_client_is_judged_by_each_span_in_which_it_alone_is_waited_for() {
        use Wait::{Anyone, BackendReads, ClientReads, ClientSends};
        // 1000 bytes are due in each ten seconds.
        for wait in [ClientReads, ClientSends] {
            judge(
                false,
                100,
                &[
                    (0, wait, 0, true),
                    (9, wait, 0, true),
                    (10, wait, 999, false),
                ],
            );
            judge(
                false,
                100,
                &[
                    (0, wait, 0, true),
                    (10, wait, 1000, true),
                    (20, wait, 999, false),
                ],
            );
            // What came in one span is not held in its favour in the next.
            judge(
                false,
                100,
                &[
                    (0, wait, 9000, true),
                    (10, wait, 0, true),
                    (20, wait, 0, false),
                ],
            );
            // A later look asks for more.
            judge(false, 100, &[(0, wait, 0, true), (15, wait, 1400, false)]);
            judge(false, 0, &[(0, wait, 0, true), (1000, wait, 0, true)]);
        }
        for other in [Anyone, BackendReads, Wait::BackendAnswers] {
            let turns = [
                (0, ClientReads, 0, true),
                (9, other, 0, true),
                (18, ClientReads, 0, true),
            ];
            judge(false, 100, &turns);
        }
        judge(
            true,
            100,
            &[(0, ClientSends, 0, true), (10, ClientSends, 0, true)],
        );
        judge(
            true,
            100,
            &[(0, ClientReads, 0, true), (10, ClientReads, 0, false)],
        );
    }
}
