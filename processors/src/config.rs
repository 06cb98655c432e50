//! What can be chosen about detection. The thresholds are the product's own definition of each
//! anomaly and are the same for everyone; choices are about pace and bounds.

use crate::baseline::Pace;
use std::path::PathBuf;
use std::time::Duration;

/// A validated configuration; [`Config::default`] is what `rauta run` uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many keys (route rule and method) each detector tracks at most. A key takes 1 to 2 KiB
    /// with its baseline, at most 3.5 KiB. Range: 16 to 1,000,000.
    pub keys_max: usize,
    /// How many open exchanges are watched for becoming overdue. Range: 16 to 1,000,000.
    pub open_max: usize,
    /// How fast baselines are learnt and forgotten.
    pub pace: Pace,
    /// How often an anomaly is repeated, and when it ends.
    pub occurrences: Occurrences,
    /// Where baselines are kept over restarts; `None` keeps them in memory only.
    pub state_file: Option<PathBuf>,
    /// How often the state file is written, and how much a crash can lose of what was learnt.
    /// Range: 1 s to 1 h.
    pub save_every: Duration,
    /// A state file older than this is not used. Range: 1 min to 30 days.
    pub state_age_max: Duration,
}

/// How often an anomaly is repeated, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occurrences {
    /// One occurrence per key and window, nanoseconds.
    pub window_ns: u64,
    /// An anomaly ends when it did not show for this long, nanoseconds.
    pub clear_after_ns: u64,
    /// After this long it is the new normal, nanoseconds.
    pub firing_max_ns: u64,
}

/// A value that is outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is outside {range}")]
pub struct ConfigError {
    /// The field's path.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What it may hold.
    pub range: &'static str,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            keys_max: 100_000,
            open_max: 16_384,
            pace: Pace {
                slot_ns: 60 * SECOND_NS,
                // A new route should not stay unwatched for minutes.
                young_slot_ns: 10 * SECOND_NS,
                young_for_ns: 600 * SECOND_NS,
                generation_slots: 10,
                // With fewer, three slow answers of ten could be chance.
                generation_samples: 5_000,
                generation_max_ns: 6 * 3_600 * SECOND_NS,
                // A 99th percentile of fewer is the largest value seen.
                samples_min: 100,
            },
            occurrences: Occurrences {
                window_ns: 60 * SECOND_NS,
                clear_after_ns: 10 * SECOND_NS,
                firing_max_ns: 86_400 * SECOND_NS,
            },
            state_file: None,
            save_every: Duration::from_secs(60),
            state_age_max: Duration::from_secs(86_400),
        }
    }
}

impl Config {
    /// The defaults with slots of `slot`, for a demonstration that cannot wait for minutes.
    pub fn with_slot(slot: Duration) -> Self {
        let mut config = Self::default();
        let slot_ns = u64::try_from(slot.as_nanos()).unwrap_or(u64::MAX);
        config.pace.slot_ns = slot_ns;
        config.pace.young_slot_ns = slot_ns;
        config
    }

    /// Checks every range; all mistakes at once.
    ///
    /// # Errors
    /// One for each field that is outside its range.
    pub fn validate(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut check = |field, value: u64, low: u64, high: u64, range| {
            if !(low..=high).contains(&value) {
                errors.push(ConfigError {
                    field,
                    value: value.to_string(),
                    range,
                });
            }
        };
        let seconds = |duration: Duration| duration.as_secs();
        check(
            "keys_max",
            self.keys_max as u64,
            16,
            1_000_000,
            "16 to 1,000,000",
        );
        check(
            "open_max",
            self.open_max as u64,
            16,
            1_000_000,
            "16 to 1,000,000",
        );
        check(
            "save_every",
            seconds(self.save_every),
            1,
            3_600,
            "1 s to 1 h",
        );
        check(
            "state_age_max",
            seconds(self.state_age_max),
            60,
            30 * 86_400,
            "1 min to 30 days",
        );
        for (field, slot_ns) in [
            ("slot", self.pace.slot_ns),
            ("young_slot", self.pace.young_slot_ns),
        ] {
            check(field, slot_ns / SECOND_NS, 1, 3_600, "1 s to 1 h");
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_the_demonstration_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::with_slot(Duration::from_secs(2)).validate(), Ok(()));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let config = Config {
            keys_max: 0,
            save_every: Duration::ZERO,
            ..Config::with_slot(Duration::MAX)
        };
        let errors = config.validate().expect_err("four mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["keys_max", "save_every", "slot", "young_slot"]);
        assert_eq!(
            errors[0].to_string(),
            "keys_max: 0 is outside 16 to 1,000,000"
        );
    }
}
