//! The suite's own report, and the table that is printed from it.

use crate::progress::{Outcome, Progress, Test};
use serde::Deserialize;
use std::fmt::Write;

/// A profile's name, and the features that a test may need and still be core in it.
const CORE: [(&str, [&str; 3]); 7] = [
    ("GATEWAY-HTTP", ["Gateway", "HTTPRoute", "ReferenceGrant"]),
    ("GATEWAY-GRPC", ["Gateway", "GRPCRoute", "ReferenceGrant"]),
    ("GATEWAY-TLS", ["Gateway", "TLSRoute", "ReferenceGrant"]),
    ("GATEWAY-TCP", ["Gateway", "TCPRoute", "ReferenceGrant"]),
    ("GATEWAY-UDP", ["Gateway", "UDPRoute", "ReferenceGrant"]),
    ("MESH-HTTP", ["Mesh", "HTTPRoute", "HTTPRoute"]),
    ("MESH-GRPC", ["Mesh", "GRPCRoute", "GRPCRoute"]),
];

/// The profiles of a gateway, in the order in which they are asked for by default.
pub const GATEWAY_PROFILES: [&str; 5] = [
    "GATEWAY-HTTP",
    "GATEWAY-GRPC",
    "GATEWAY-TLS",
    "GATEWAY-TCP",
    "GATEWAY-UDP",
];

/// Whether the suite has a profile of that name.
#[must_use]
pub fn is_profile(name: &str) -> bool {
    CORE.iter().any(|(profile, _)| *profile == name)
}

/// What of the suite's `ConformanceReport` is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the API that the cluster has.
    #[serde(rename = "gatewayAPIVersion")]
    pub version: String,
    /// Channel of the API that the cluster has.
    #[serde(rename = "gatewayAPIChannel")]
    pub channel: String,
    /// One for each profile with a test; null if none ran.
    #[serde(default)]
    pub profiles: Option<Vec<Profile>>,
}

/// A profile's part of the report.
#[derive(Debug, Default, Deserialize)]
pub struct Profile {
    /// One of the suite's profiles.
    pub name: String,
    /// Tests that need core features alone.
    pub core: Part,
    /// The others.
    #[serde(default)]
    pub extended: Option<Extended>,
}

/// The counts of a part.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct Part {
    /// How many tests came to what.
    pub statistics: Statistics,
}

/// An extended part, with what it is measured by.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extended {
    /// How many tests came to what.
    pub statistics: Statistics,
    /// Extended features that are claimed.
    #[serde(default)]
    pub supported_features: Vec<String>,
    /// Extended features that are not.
    #[serde(default)]
    pub unsupported_features: Vec<String>,
}

/// Tests by outcome. A test whose features are not claimed is in none of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statistics {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that were told not to run.
    pub skipped: u32,
}

impl Report {
    /// # Errors
    /// What in the text is no report.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(serde_saphyr::from_str(text)?)
    }
}

impl Profile {
    /// Whether a test counts here, going by the features it needs.
    fn counts(&self, test: &Test) -> bool {
        let core = CORE
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, core)| core.as_slice())
            .unwrap_or_default();
        let claimed = self
            .extended
            .as_ref()
            .map(|e| e.supported_features.as_slice());
        !test.features.is_empty()
            && test.features.iter().all(|feature| {
                core.contains(&feature.as_str())
                    || claimed.is_some_and(|claimed| claimed.contains(feature))
            })
    }

    /// Seconds that its tests took, one after the other.
    fn seconds(&self, progress: &Progress) -> f64 {
        let counted = progress.tests.values().filter(|test| self.counts(test));
        counted.fold(0.0, |sum, test| sum + test.seconds)
    }
}

/// A row for each profile that was asked for, one for the tests that no profile counts, and the
/// whole's wall time.
#[must_use]
pub fn table(profiles: &[String], report: &Report, progress: &Progress) -> String {
    let mut text = format!("{:30}core{:15}extended\n", "", "");
    text.push_str("profile       passed failed   skip   passed failed   skip  test time\n");
    let reported = report.profiles.as_deref().unwrap_or_default();
    for name in profiles {
        let none = Profile {
            name: name.clone(),
            ..Profile::default()
        };
        let profile = reported.iter().find(|p| p.name == *name).unwrap_or(&none);
        let extended = profile.extended.clone().unwrap_or_default().statistics;
        let (core, seconds) = (profile.core.statistics, profile.seconds(progress));
        row(&mut text, name, [core, extended], seconds);
    }
    let stray = |test: &Test| {
        !test.features.is_empty() && !reported.iter().any(|profile| profile.counts(test))
    };
    let strays: Vec<&Test> = progress.tests.values().filter(|t| stray(t)).collect();
    if !strays.is_empty() {
        let counts = count(strays.iter().copied());
        let seconds = strays.iter().fold(0.0, |sum, test| sum + test.seconds);
        row(
            &mut text,
            "in no profile",
            [counts, Statistics::default()],
            seconds,
        );
    }
    let unclaimed = progress
        .tests
        .values()
        .filter(|t| t.not_claimed.is_some())
        .count();
    let all = count(progress.tests.values());
    _ = writeln!(
        text,
        "{} tests: {} passed, {} failed, {} skipped ({unclaimed} need a feature that is not \
         claimed); wall time {}",
        progress.tests.len(),
        all.passed,
        all.failed,
        all.skipped,
        time(progress.seconds),
    );
    text
}

fn row(text: &mut String, name: &str, [core, extended]: [Statistics; 2], seconds: f64) {
    _ = writeln!(
        text,
        "{name:<13} {:>6} {:>6} {:>6}   {:>6} {:>6} {:>6}  {:>9}",
        core.passed,
        core.failed,
        core.skipped,
        extended.passed,
        extended.failed,
        extended.skipped,
        time(seconds)
    );
}

fn count<'a>(tests: impl Iterator<Item = &'a Test>) -> Statistics {
    tests.fold(Statistics::default(), |mut counts, test| {
        match test.outcome {
            Some(Outcome::Passed) => counts.passed += 1,
            Some(Outcome::Skipped) => counts.skipped += 1,
            // One that never ended did not pass either.
            Some(Outcome::Failed) | None => counts.failed += 1,
        }
        counts
    })
}

/// Seconds as a person reads them.
fn time(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() / 10.0;
    if tenths < 60.0 {
        return format!("{tenths:.1} s");
    }
    let whole = seconds.round();
    let minutes = (whole / 60.0).floor();
    format!("{minutes:.0} min {:.0} s", whole - minutes * 60.0)
}

#[cfg(test)]
mod tests;
