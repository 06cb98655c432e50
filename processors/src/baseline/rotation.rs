//! How a baseline grows and forgets: slots of time that are only learnt from once they are over.
//!
//! ```text
//! current ──slot over──► pending ──next slot over──► young ──generation over──► old ──► forgotten
//!    └────── anomaly: both are thrown away ──────┘      └──── the baseline: young + old ────┘
//! ```
//! A slot waits one more slot before it is learnt, so that the beginning of a fault, seen before it
//! was found, is thrown away as well. A generation lasts a number of slots, and longer where there
//! are few samples, so that quiet routes have a baseline too.

use super::Stored;

/// What fills a slot.
pub(crate) trait Slot: Default {
    /// Adds all of `other`.
    fn merge(&mut self, other: &Self);
    /// How many exchanges it holds.
    fn samples(&self) -> u64;
    /// Writes itself for the state file.
    fn write(&self, bytes: &mut Vec<u8>);
    /// Reads itself back; `None` where the bytes are not what [`Slot::write`] writes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// How long slots and generations last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Length of a slot, nanoseconds.
    pub slot_ns: u64,
    /// Length of a slot while the key is new, nanoseconds.
    pub young_slot_ns: u64,
    /// For how long a key is new, nanoseconds.
    pub young_for_ns: u64,
    /// How many slots a generation lasts at least.
    pub generation_slots: u32,
    /// How many samples a generation holds at least, before it makes room for the next.
    pub generation_samples: u64,
    /// A generation with at least `samples_min` samples ends at this age, nanoseconds.
    pub generation_max_ns: u64,
    /// How many samples a baseline needs.
    pub samples_min: u64,
}

/// The slots and generations of one key.
#[derive(Clone, Debug)]
pub(crate) struct Rotation<S> {
    current: S,
    pending: S,
    young: S,
    old: S,
    slot_start_ns: u64,
    born_ns: u64,
    generation_start_ns: u64,
    /// When the oldest sample of `old` (or `young`) may have been taken.
    learnt_since_ns: u64,
    generation_slots: u32,
    /// Did an anomaly show in the current slot?
    is_tainted: bool,
}

impl<S: Slot> Rotation<S> {
    /// A key that was never seen.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            current: S::default(),
            pending: S::default(),
            young: S::default(),
            old: S::default(),
            slot_start_ns: now_ns,
            born_ns: now_ns,
            generation_start_ns: now_ns,
            learnt_since_ns: now_ns,
            generation_slots: 0,
            is_tainted: false,
        }
    }

    /// A key that was learnt in an earlier run; like a new one where what was stored is unreadable.
    pub(crate) fn restored(now_ns: u64, stored: &Stored) -> Self {
        let [young, old] = stored.generations.each_ref().map(|bytes| S::read(bytes));
        match (young, old) {
            (Some(young), Some(old)) => Self {
                young,
                old,
                learnt_since_ns: now_ns.saturating_sub(stored.learnt_ns),
                ..Self::new(now_ns)
            },
            _ => Self::new(now_ns),
        }
    }

    /// What was learnt, for the state file: never the slots that are not learnt yet.
    pub(crate) fn stored(&self, key: String, now_ns: u64) -> Stored {
        let generations = [&self.young, &self.old].map(|generation| {
            let mut bytes = Vec::new();
            generation.write(&mut bytes);
            bytes
        });
        Stored {
            key,
            learnt_ns: self.learnt_ns(now_ns),
            generations,
        }
    }

    /// Ends slots and generations that are over. Did the baseline change?
    pub(crate) fn advance(&mut self, now_ns: u64, pace: &Pace) -> bool {
        let is_young = now_ns.saturating_sub(self.born_ns) < pace.young_for_ns;
        let slot_ns = if is_young {
            pace.young_slot_ns
        } else {
            pace.slot_ns
        }
        .max(1);
        let age_ns = now_ns.saturating_sub(self.slot_start_ns);
        if age_ns < slot_ns {
            return false;
        }
        let passed = age_ns / slot_ns;
        self.slot_start_ns += passed * slot_ns;
        if std::mem::take(&mut self.is_tainted) {
            self.discard();
            self.is_tainted = false;
        }
        let learnt = std::mem::replace(&mut self.pending, std::mem::take(&mut self.current));
        let mut is_changed = learnt.samples() > 0;
        self.young.merge(&learnt);
        if passed > 1 {
            let learnt = std::mem::take(&mut self.pending);
            is_changed |= learnt.samples() > 0;
            self.young.merge(&learnt);
        }
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.generation_slots = self.generation_slots.saturating_add(passed);
        let age_ns = now_ns.saturating_sub(self.generation_start_ns);
        let samples = self.young.samples();
        let is_full =
            self.generation_slots >= pace.generation_slots && samples >= pace.generation_samples;
        let is_aged = age_ns >= pace.generation_max_ns && samples >= pace.samples_min;
        if is_full || is_aged {
            self.old = std::mem::take(&mut self.young);
            self.learnt_since_ns = self.generation_start_ns;
            self.generation_start_ns = now_ns;
            self.generation_slots = 0;
            is_changed = true;
        }
        is_changed
    }

    /// The slot that is being filled.
    pub(crate) fn current(&mut self) -> &mut S {
        &mut self.current
    }

    /// An anomaly shows: what was seen lately and not learnt yet is thrown away, and so will be the
    /// rest of the current slot.
    pub(crate) fn discard(&mut self) {
        self.current = S::default();
        self.pending = S::default();
        self.is_tainted = true;
    }

    /// What was learnt: the younger and the older generation.
    pub(crate) fn learnt(&self) -> (&S, &S) {
        (&self.young, &self.old)
    }

    /// How many samples were learnt from.
    pub(crate) fn samples(&self) -> u64 {
        self.young.samples() + self.old.samples()
    }

    /// How long the key is known, in this run or before it, nanoseconds.
    pub(crate) fn age_ns(&self, now_ns: u64) -> u64 {
        let age_ns = now_ns.saturating_sub(self.born_ns);
        age_ns.max(self.learnt_ns(now_ns))
    }

    /// Over how long the baseline was learnt, nanoseconds.
    pub(crate) fn learnt_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.learnt_since_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const PACE: Pace = Pace {
        slot_ns: 60 * SECOND,
        young_slot_ns: 10 * SECOND,
        young_for_ns: 600 * SECOND,
        generation_slots: 10,
        generation_samples: 5_000,
        generation_max_ns: 6 * 3_600 * SECOND,
        samples_min: 100,
    };

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Count(u64);

    impl Slot for Count {
        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
        fn samples(&self) -> u64 {
            self.0
        }
        fn write(&self, bytes: &mut Vec<u8>) {
            bytes.push(self.0 as u8);
        }
        fn read(bytes: &[u8]) -> Option<Self> {
            bytes.first().map(|count| Self(u64::from(*count)))
        }
    }

    /// Runs whole seconds with `rate` samples in each, from `from` on.
    fn run(rotation: &mut Rotation<Count>, from: u64, seconds: u64, rate: u64) -> u64 {
        for second in from..from + seconds {
            rotation.advance(second * SECOND, &PACE);
            rotation.current().0 += rate;
        }
        rotation.advance((from + seconds) * SECOND, &PACE);
        from + seconds
    }

    #[test]
    fn the_current_slot_and_the_one_before_are_not_learnt() {
        let mut rotation = Rotation::new(0);
        let now = run(&mut rotation, 0, 19, 10);
        assert_eq!(rotation.samples(), 0);
        run(&mut rotation, now, 1, 10);
        assert_eq!(rotation.samples(), 100);
    }

    #[test]
    fn slots_are_longer_once_the_key_is_no_longer_new() {
        let mut rotation = Rotation::new(0);
        let now = run(&mut rotation, 0, 600, 1);
        let learnt = rotation.samples();
        assert_eq!(learnt, 580, "the last short slot became a long one");
        let now = run(&mut rotation, now, 49, 1);
        assert_eq!(rotation.samples(), learnt);
        run(&mut rotation, now, 1, 1);
        assert_eq!(rotation.samples(), learnt + 10);
    }

    #[test]
    fn what_an_anomaly_touched_is_never_learnt() {
        let mut rotation = Rotation::new(0);
        let now = run(&mut rotation, 0, 35, 10);
        assert_eq!(rotation.samples(), 200);
        rotation.discard();
        let now = run(&mut rotation, now, 5, 10);
        assert_eq!(rotation.samples(), 200);
        let now = run(&mut rotation, now, 19, 10);
        assert_eq!(
            rotation.samples(),
            200,
            "the slot that the anomaly touched is over"
        );
        run(&mut rotation, now, 1, 10);
        assert_eq!(rotation.samples(), 300);
    }

    #[test]
    fn a_busy_key_forgets_after_two_generations() {
        let mut rotation = Rotation::new(0);
        let now = run(&mut rotation, 0, 600, 1_000);
        let now = run(&mut rotation, now, 3_600, 1_000);
        let (young, old) = rotation.learnt();
        assert_eq!(old.0, 600_000, "one generation of ten slots of a minute");
        assert!(young.0 < 600_000);
        assert!(rotation.learnt_ns(now * SECOND) <= 20 * 60 * SECOND);
    }

    #[test]
    fn a_quiet_key_keeps_its_samples_for_longer() {
        let mut rotation = Rotation::new(0);
        run(&mut rotation, 0, 4_800, 1);
        assert!(rotation.samples() > 4_600);
    }

    #[test]
    fn an_idle_key_keeps_what_it_learnt() {
        let mut rotation = Rotation::new(0);
        run(&mut rotation, 0, 100, 10);
        for day in 1..10 {
            rotation.advance(day * 86_400 * SECOND, &PACE);
        }
        assert_eq!(rotation.samples(), 1_000);
    }

    #[test]
    fn a_restart_keeps_what_was_learnt_and_nothing_else() {
        let mut rotation = Rotation::new(0);
        run(&mut rotation, 0, 35, 5);
        let stored = rotation.stored("key".into(), 35 * SECOND);
        let restored = Rotation::<Count>::restored(1_000 * SECOND, &stored);
        assert_eq!((rotation.samples(), restored.samples()), (100, 100));
        assert_eq!(restored.learnt_ns(1_000 * SECOND), 35 * SECOND);
        let unreadable = Stored {
            generations: [vec![1], Vec::new()],
            ..stored
        };
        assert_eq!(Rotation::<Count>::restored(0, &unreadable).samples(), 0);
    }

    #[test]
    fn a_clock_that_steps_back_changes_nothing() {
        let mut rotation = Rotation::<Count>::new(1_000 * SECOND);
        rotation.current().0 = 7;
        assert!(!rotation.advance(0, &PACE));
        assert!(!rotation.advance(999 * SECOND, &PACE));
        rotation.advance(u64::MAX, &PACE);
        assert_eq!(rotation.samples(), 7);
    }
}
