//! Finds routes that fail far more often than they did.
//!
//! Per rule: within ten seconds at least ten exchanges failed, and they are more than 5 % and more
//! than three times the baseline's share. Failed means a status of 500 or more, a gRPC status that
//! blames the server, or an answer that its backend cut off. What RAUTA answered itself and what
//! the backend answered are told apart, each with its own baseline: each is an anomaly of its own
//! if it suffices alone, else the one that grew more stands for both.

mod track; // what is known about one key

use crate::baseline::{Pace, Restored, Stored};
use crate::config::{Config, Occurrences};
use crate::evidence::Hit;
use crate::finding::{About, Findings};
use crate::losses::Losses;
use crate::processor::{Processor, Scene, Usage};
use crate::sample;
use crate::table::Table;
use crate::tracks::{self, RESTORED_FOR_NS};
use rauta_schemas::{Event, Families, Family, HttpResponseEvent, Names, Outcome, Side};
use track::Track;

const PREFIX: &str = "error_spike/";
/// gRPC statuses that blame the server: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
const GRPC_FAILURES: [u8; 6] = [2, 4, 12, 13, 14, 15];

/// Who made an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Backend,
    Gateway,
}

impl Maker {
    const ALL: [Self; 2] = [Self::Backend, Self::Gateway];

    const fn label(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Gateway => "gateway",
        }
    }
}

/// Did it fail, and who made the answer? `None` where it did not.
fn failure(event: &HttpResponseEvent) -> Option<Maker> {
    let is_failing_grpc = event
        .grpc_status
        .is_some_and(|status| GRPC_FAILURES.contains(&status));
    let is_cut = event.outcome == Outcome::Truncated && event.side == Side::Backend;
    if event.status < 500 && !is_failing_grpc && !is_cut {
        return None;
    }
    Some(if event.outcome == Outcome::Answered {
        Maker::Gateway
    } else {
        Maker::Backend
    })
}

fn name(about: About, names: &Names) -> Option<String> {
    Some(format!("{PREFIX}{}", about.text(names)?))
}

/// The detector of error spikes.
#[derive(Debug)]
pub(crate) struct ErrorRateProcessor {
    pace: Pace,
    occurrences: Occurrences,
    keys_max: usize,
    tracks: Table<About, Track>,
    /// Keys with failures: the ones that time alone may change.
    suspects: Vec<About>,
    restored: Restored,
    losses: Losses,
}

impl ErrorRateProcessor {
    /// One that has seen nothing.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            pace: config.pace,
            occurrences: config.occurrences,
            keys_max: config.keys_max,
            tracks: Table::new(config.keys_max),
            suspects: Vec::new(),
            restored: Restored::default(),
            losses: Losses::default(),
        }
    }

    fn on_response(&mut self, event: &HttpResponseEvent, scene: &Scene<'_>, out: &mut Findings) {
        // A client that left before any answer says nothing about errors.
        let was_left = event.status == 0 && event.side == Side::Client;
        if event.is_probe || was_left {
            return;
        }
        let Some(about) = About::of(&event.identity) else {
            return;
        };
        let now_ns = scene.now.monotonic_ns;
        let lost = self.losses.recent();
        if !tracks::admits(&mut self.tracks, &about, now_ns) {
            return;
        }
        let restored = &mut self.restored;
        let (track, evicted) = self.tracks.entry(about, || {
            let rotation = restored.adopt(now_ns, || name(about, scene.names));
            Track::new(about, rotation, now_ns)
        });
        if let Some(mut evicted) = evicted {
            evicted.1.clear(scene.now, lost, out);
        }
        track.advance(now_ns, &self.pace);
        let failure = failure(event);
        track.count(now_ns, failure);
        let Some(maker) = failure else {
            track.good(scene.now, event.identity.endpoint);
            return;
        };
        let hit = Hit {
            at: scene.now,
            micros: 0,
            identity: event.identity,
            side: event.side,
            reason: event.reason,
        };
        if !track.is_suspect() {
            self.suspects.push(about);
        }
        track.failed(maker, hit, || sample::of_response(event, scene));
        track.judge(scene.now, lost, out);
    }
}

impl Processor for ErrorRateProcessor {
    fn name(&self) -> &'static str {
        "error_rate"
    }

    fn families(&self) -> Families {
        Families::NONE.with(Family::HttpResponse)
    }

    fn on_event(&mut self, event: &Event, scene: &Scene<'_>, out: &mut Findings) {
        match event {
            Event::HttpResponse(event) => self.on_response(event, scene, out),
            Event::HttpRequest(_)
            | Event::HttpProgress(_)
            | Event::Connection(_)
            | Event::Endpoint(_) => {}
        }
    }

    fn on_dropped(&mut self, _: Family, count: u64) {
        // Drops hit good and failed exchanges alike: shares stay right, counts are lower bounds.
        self.losses.add(count);
    }

    fn on_tick(&mut self, scene: &Scene<'_>, out: &mut Findings) {
        self.losses.tick(scene.now.monotonic_ns);
        let lost = self.losses.recent();
        let (tracks, rules) = (&mut self.tracks, &self.occurrences);
        self.suspects.retain(|about| {
            let Some(track) = tracks.get_mut(about) else {
                return false;
            };
            track.tick(scene.now, rules, lost, out);
            track.is_suspect()
        });
        self.restored
            .expire(scene.now.monotonic_ns, RESTORED_FOR_NS);
    }

    fn learnt(&self, scene: &Scene<'_>, out: &mut Vec<Stored>) {
        let name = |about: About| name(about, scene.names);
        let now_ns = scene.now.monotonic_ns;
        tracks::learnt(&self.tracks, &self.restored, name, now_ns, out);
    }

    fn restore(&mut self, stored: &[Stored]) {
        self.restored = Restored::new(stored, PREFIX, self.keys_max);
    }

    fn usage(&self) -> Usage {
        Usage {
            events_dropped: self.losses.total,
            ..tracks::usage(&self.tracks)
        }
    }
}
