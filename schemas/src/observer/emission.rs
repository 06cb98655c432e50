//! Which anomaly of which run of RAUTA: with it, whoever reads all documents can tell what is
//! missing, also after a kill.

use super::evidence::Evidence;
use super::occurrence::Occurrence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The place of an anomaly among all that one run of RAUTA has emitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Emission {
    /// A ULID of the run's own, made when it started.
    pub boot_id: String,
    /// From 1 in each run, without gaps.
    pub sequence: u64,
}

impl Occurrence {
    /// The same occurrence, with its place among all that were emitted.
    #[must_use]
    pub fn with_emission(mut self, emission: &Emission) -> Self {
        self.data = self.data.with_emission(emission);
        self
    }
}

impl Evidence {
    /// The same evidence, with the anomaly's place among all that were emitted.
    #[must_use]
    pub fn with_emission(mut self, emission: &Emission) -> Self {
        self.emission = Some(emission.clone());
        self
    }
}
