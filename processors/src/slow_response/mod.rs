//! Finds routes that answer far slower than they did, or that no longer answer.
//!
//! Per rule and method: within ten seconds at least three answers took longer than twice the
//! baseline's 99th percentile (and 5 ms), and so many would come by chance less than once in a
//! billion, by how often the baseline itself exceeds that limit. An open exchange counts as soon as
//! it has waited longer than the limit. What is judged is the backend's time alone.
//!
//! What comes at once may be one misfortune: the late answers must come at moments apart that no
//! machine explains which stalls now and then, or exchanges must hang.

mod bursts; // late answers told apart in time
mod limit; // the limit, and the criterion
mod track; // what is known about one key

use crate::backend_time;
use crate::baseline::{Pace, Restored, Stored};
use crate::config::{Config, Occurrences};
use crate::evidence::Hit;
use crate::finding::{About, Findings};
use crate::losses::Losses;
use crate::open::{OpenExchange, OpenExchanges};
use crate::processor::{Processor, Scene, Usage};
use crate::sample;
use crate::table::Table;
use crate::tracks::{self, RESTORED_FOR_NS, Tracked as _};
use crate::window::WINDOW_NS;
use bursts::HANG_NS;
use rauta_schemas::{
    Event, Families, Family, HttpMethod, HttpProgressEvent, HttpResponseEvent, Identity, Names,
    Reason, Side,
};
use track::Track;

/// The answer's head is reported so much later at most, nanoseconds: until then time alone does not
/// tell that an exchange still waits.
const REPORT_NS: u64 = 150_000_000;
const PREFIX: &str = "slow_response/";

/// What has one baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    about: About,
    method: HttpMethod,
}

impl Key {
    fn of(identity: &Identity, method: HttpMethod) -> Option<Self> {
        Some(Self {
            about: About::of(identity)?,
            method,
        })
    }

    fn name(self, names: &Names) -> Option<String> {
        Some(format!(
            "{PREFIX}{}/{}",
            self.about.text(names)?,
            self.method.label()
        ))
    }
}

/// The detector of slow responses and hanging backends.
#[derive(Debug)]
pub(crate) struct SlowResponseProcessor {
    pace: Pace,
    occurrences: Occurrences,
    keys_max: usize,
    tracks: Table<Key, Track>,
    open: OpenExchanges<Key>,
    /// Keys with something over the limit: the ones that time alone may change.
    suspects: Vec<Key>,
    restored: Restored,
    losses: Losses,
}

impl SlowResponseProcessor {
    /// One that has seen nothing.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            pace: config.pace,
            occurrences: config.occurrences,
            keys_max: config.keys_max,
            tracks: Table::new(config.keys_max),
            open: OpenExchanges::new(config.open_max),
            suspects: Vec::new(),
            restored: Restored::default(),
            losses: Losses::default(),
        }
    }

    fn on_response(&mut self, event: &HttpResponseEvent, scene: &Scene<'_>, out: &mut Findings) {
        let overdue = self.open.ended(event.exchange);
        let Some(time) = backend_time::of_response(event) else {
            return;
        };
        let Some(key) = Key::of(&event.identity, event.method) else {
            return;
        };
        let lost = self.losses.recent();
        let Some(track) = self.track(key, scene, out) else {
            return;
        };
        if !track.is_firing() && backend_time::is_learnable(event, time) {
            track.rotation.current().record(time.micros);
        }
        if let Some(open) = overdue {
            if !open.is_told_apart {
                track.bursts.note(scene.now.monotonic_ns);
                track.judge(scene.now, lost, out);
            }
            return;
        }
        let hit = Hit {
            at: scene.now,
            micros: time.micros,
            identity: event.identity,
            side: event.side,
            reason: event.reason,
        };
        if track.limit.is_some_and(|limit| time.micros > limit.micros) {
            let was_suspect = track.is_suspect();
            track.bursts.note(scene.now.monotonic_ns);
            track.over(hit, || sample::of_response(event, scene));
            track.judge(scene.now, lost, out);
            if !was_suspect {
                self.suspects.push(key);
            }
        } else if time.is_answered {
            // Without an answer it would have taken longer: not good, and not over the limit.
            track.good(&hit);
        }
    }

    fn on_progress(&mut self, event: &HttpProgressEvent, scene: &Scene<'_>, out: &mut Findings) {
        let time = backend_time::of_progress(event);
        let key = Key::of(&event.identity, event.method);
        let (Some(time), Some(key)) = (time, key) else {
            self.open.ended(event.exchange);
            return;
        };
        let lost = self.losses.recent();
        if self.track(key, scene, out).is_none() {
            return;
        }
        let (Some(open), Some(track)) = (
            self.open.reported(event, time, scene.now, key),
            self.tracks.get_mut(&key),
        ) else {
            return;
        };
        let was_suspect = track.is_suspect();
        if become_overdue(open, track, scene, 0) {
            track.judge(scene.now, lost, out);
            if !was_suspect {
                self.suspects.push(key);
            }
        } else if time.is_answered && open.overdue_ns.is_none() {
            // In time: the response's event will count it.
            self.open.ended(event.exchange);
        }
    }

    /// The track of a key, its baseline up to date; `None` where there is no place for it.
    fn track(&mut self, key: Key, scene: &Scene<'_>, out: &mut Findings) -> Option<&mut Track> {
        let now_ns = scene.now.monotonic_ns;
        if !tracks::admits(&mut self.tracks, &key, now_ns) {
            return None;
        }
        let (restored, pace) = (&mut self.restored, &self.pace);
        let (track, evicted) = self.tracks.entry(key, || {
            let rotation = restored.adopt(now_ns, || key.name(scene.names));
            Track::new(key, rotation, now_ns, pace)
        });
        if let Some(mut evicted) = evicted {
            evicted.1.clear(scene.now, self.losses.recent(), out);
        }
        track.advance(now_ns, pace);
        Some(track)
    }

    /// Lets open exchanges age.
    fn age(&mut self, scene: &Scene<'_>) {
        for key in &self.suspects {
            if let Some(track) = self.tracks.get_mut(key) {
                (track.open, track.open_before, track.hanging) = (0, 0, 0);
            }
        }
        let now_ns = scene.now.monotonic_ns;
        for open in self.open.waiting(scene.now) {
            let Some(track) = self.tracks.get_mut(&open.key) else {
                continue;
            };
            let was_suspect = track.is_suspect();
            if become_overdue(open, track, scene, REPORT_NS) {
                if !was_suspect {
                    self.suspects.push(open.key);
                }
            } else if let Some(overdue_ns) = open.overdue_ns {
                track.open += 1;
                track.open_before += u32::from(now_ns.saturating_sub(overdue_ns) >= WINDOW_NS);
            }
            if open.overdue_ns.is_some() && open.waited_us(scene.now) >= HANG_NS / 1_000 {
                track.hanging += 1;
                if !std::mem::replace(&mut open.is_told_apart, true) {
                    track.bursts.note(now_ns);
                }
            }
        }
    }
}

/// Counts an open exchange once, when it has waited longer than the limit and `grace_ns`. Was that
/// now?
fn become_overdue(
    open: &mut OpenExchange<Key>,
    track: &mut Track,
    scene: &Scene<'_>,
    grace_ns: u64,
) -> bool {
    let micros = open.waited_us(scene.now);
    let sure_us = micros.saturating_sub(grace_ns / 1_000);
    let is_over = track.limit.is_some_and(|limit| sure_us > limit.micros);
    if !is_over || open.overdue_ns.is_some() {
        return false;
    }
    open.overdue_ns = Some(scene.now.monotonic_ns);
    track.open += u32::from(open.is_waiting());
    let event = &open.event;
    let hit = Hit {
        at: scene.now,
        micros,
        identity: event.identity,
        side: Side::Backend,
        reason: Reason::None,
    };
    track.over(hit, || sample::of_progress(event, scene));
    true
}

impl Processor for SlowResponseProcessor {
    fn name(&self) -> &'static str {
        "slow_response"
    }

    fn families(&self) -> Families {
        Families::NONE
            .with(Family::HttpResponse)
            .with(Family::HttpProgress)
    }

    fn on_event(&mut self, event: &Event, scene: &Scene<'_>, out: &mut Findings) {
        match event {
            Event::HttpResponse(event) => self.on_response(event, scene, out),
            Event::HttpProgress(event) => self.on_progress(event, scene, out),
            Event::HttpRequest(_) | Event::Connection(_) | Event::Endpoint(_) => {}
        }
    }

    fn on_dropped(&mut self, family: Family, count: u64) {
        self.losses.add(count);
        if family == Family::HttpResponse {
            self.open.distrust();
        }
    }

    fn on_tick(&mut self, scene: &Scene<'_>, out: &mut Findings) {
        self.losses.tick(scene.now.monotonic_ns);
        self.age(scene);
        let lost = self.losses.recent();
        let (tracks, rules) = (&mut self.tracks, &self.occurrences);
        self.suspects.retain(|key| {
            let Some(track) = tracks.get_mut(key) else {
                return false;
            };
            track.tick(scene.now, rules, lost, out);
            track.is_suspect()
        });
        self.restored
            .expire(scene.now.monotonic_ns, RESTORED_FOR_NS);
    }

    fn learnt(&self, scene: &Scene<'_>, out: &mut Vec<Stored>) {
        let name = |key: Key| key.name(scene.names);
        let now_ns = scene.now.monotonic_ns;
        tracks::learnt(&self.tracks, &self.restored, name, now_ns, out);
    }

    fn restore(&mut self, stored: &[Stored]) {
        self.restored = Restored::new(stored, PREFIX, self.keys_max);
    }

    fn usage(&self) -> Usage {
        Usage {
            open: self.open.len() as u64,
            open_untracked: self.open.untracked,
            events_dropped: self.losses.total,
            ..tracks::usage(&self.tracks)
        }
    }
}
