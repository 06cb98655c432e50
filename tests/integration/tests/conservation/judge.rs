//! Compares the access log with what clients and backends wrote down.

use super::client::{BODY_BYTES, UNFINISHED_BYTES};
use super::oracle::{Oracle, Seen};
use super::origin::TUNNEL_BYTES;
use super::plan::Kind;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What the comparison brought to light.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Lines of the log.
    pub(crate) lines: u64,
    /// Lines that name no path though their request had one: its event was dropped.
    pub(crate) pathless: u64,
    /// Requests that no line tells of by their path.
    pub(crate) untold: u64,
    /// Requests that went without a retry for want of budget.
    pub(crate) denied: u64,
    /// Attempts past the first.
    pub(crate) retries: u64,
    /// Lines whose requests had no path, by reason.
    without_path: HashMap<String, u64>,
    /// The first example of each difference, and how often it was found.
    findings: HashMap<String, (String, u64)>,
}

impl Verdict {
    /// Reads the log and compares.
    pub(crate) fn new(log: &Path, oracle: &Oracle) -> anyhow::Result<Self> {
        let transcript = oracle.transcript();
        let mut told = vec![false; transcript.len()];
        let mut verdict = Self::default();
        for line in BufReader::new(File::open(log)?).lines() {
            let line = line?;
            verdict.lines += 1;
            let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            let Some((kind, id)) = value["path"].as_str().and_then(Kind::read) else {
                verdict.count_pathless(&value);
                continue;
            };
            let Some(seen) = transcript.get(id).and_then(Option::as_ref) else {
                verdict.find("nobody sent it", kind.name(), &line);
                continue;
            };
            if std::mem::replace(&mut told[id], true) || seen.kind != kind {
                verdict.find("told again, or of another", kind.name(), &line);
            }
            let told = Told::read(&value);
            if let Err(why) = verdict.compare(seen, oracle.sightings(id), &told) {
                let sightings = oracle.sightings(id);
                let example = format!("{line} but {seen:?}, sighted {sightings:?}");
                verdict.find(&why.to_string(), kind.name(), &example);
            }
        }
        verdict.sum_up(&transcript, &told);
        Ok(verdict)
    }

    fn compare(&mut self, seen: &Seen, sightings: [u8; 2], told: &Told<'_>) -> anyhow::Result<()> {
        let kind = seen.kind;
        ensure!(told.is_ending_of(kind), "no such ending");
        // Who left saw what came until then.
        let is_gone = told.outcome == "abandoned" || kind == Kind::Leave;
        ensure!(is_gone || told.status == seen.status, "another status");
        let sighted = u64::from(sightings[0]) + u64::from(sightings[1]);
        let is_sound = match kind {
            Kind::Redirect | Kind::Lost => told.attempts == 0 && sighted == 0,
            Kind::Dead => told.attempts == 1 && sighted == 0,
            Kind::Retry if told.status == 200 => sightings == [1, 1] && told.attempts == 2,
            _ if kind.is_seen_by_attempt() => told.attempts == sighted && sighted > 0,
            _ => sighted <= told.attempts && (told.status != 200 || sighted > 0),
        };
        ensure!(is_sound, "attempts and sightings differ");
        let (received, sent) = (told.request_bytes, told.response_bytes);
        ensure!(
            is_expected(kind, received),
            "another number of bytes received"
        );
        let heard = seen.body as u64;
        let is_sound = match (kind, told.outcome) {
            (Kind::Leave, _) => true,
            (_, "truncated") => sent >= heard,
            _ => sent == heard,
        };
        ensure!(is_sound, "another number of bytes sent");
        self.retries += told.attempts.saturating_sub(1);
        self.denied += u64::from(matches!(kind, Kind::Retry | Kind::Half) && told.status == 503);
        Ok(())
    }

    fn count_pathless(&mut self, value: &Value) {
        let reason = value["reason"].as_str().unwrap_or_default();
        let told = Told::read(value);
        if told.is_ending_of(Kind::BadHead) || told.is_ending_of(Kind::SlowHead) {
            *self.without_path.entry(reason.to_owned()).or_default() += 1;
        } else {
            self.pathless += 1;
        }
    }

    fn sum_up(&mut self, transcript: &[Option<Seen>], told: &[bool]) {
        let mut without_path: HashMap<String, u64> = HashMap::new();
        for (id, (seen, is_told)) in transcript.iter().zip(told).enumerate() {
            let Some(seen) = seen else {
                self.find("nobody wrote it down", "", &id);
                continue;
            };
            if let Some(complaint) = &seen.complaint {
                self.find(complaint, seen.kind.name(), &id);
            }
            if seen.kind.has_path() {
                self.untold += u64::from(!is_told);
            } else if let Some((.., reason)) = seen.kind.endings().first() {
                *without_path.entry((*reason).to_owned()).or_default() += 1;
            }
        }
        for (reason, count) in without_path {
            let told = self.without_path.remove(&reason).unwrap_or_default();
            if told > count || self.pathless == 0 && self.untold == 0 && told != count {
                self.find("another number", &reason, &format!("{count}, not {told}"));
            }
        }
    }

    fn find(&mut self, what: &str, of: &str, example: &dyn std::fmt::Display) {
        let finding = self.findings.entry(format!("{of}: {what}"));
        finding.or_insert_with(|| (example.to_string(), 0)).1 += 1;
    }

    /// Nothing that was told differs from what was seen.
    pub(crate) fn holds(&self) -> anyhow::Result<()> {
        let findings = self.findings.iter();
        let findings: String = findings
            .map(|(what, (example, count))| format!("{count} × {what}, such as {example}\n"))
            .collect();
        ensure!(findings.is_empty(), "differences:\n{findings}");
        Ok(())
    }
}

/// What a line says.
struct Told<'a> {
    status: u16,
    outcome: &'a str,
    side: &'a str,
    reason: &'a str,
    request_bytes: u64,
    response_bytes: u64,
    attempts: u64,
}

impl<'a> Told<'a> {
    fn read(line: &'a Value) -> Self {
        let number = |name: &str| line[name].as_u64().unwrap_or_default();
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        Self {
            status: u16::try_from(number("status")).unwrap_or_default(),
            outcome: text("outcome"),
            side: text("side"),
            reason: text("reason"),
            request_bytes: number("request_bytes"),
            response_bytes: number("response_bytes"),
            attempts: number("attempts"),
        }
    }

    fn is_ending_of(&self, kind: Kind) -> bool {
        let mut endings = kind.endings().iter();
        endings.any(|(status, outcome, side, reason)| {
            *status == self.status
                && (*outcome, *side, *reason) == (self.outcome, self.side, self.reason)
        })
    }
}

/// Is this how many bytes of its body such a request brings?
fn is_expected(kind: Kind, bytes: u64) -> bool {
    let bytes = bytes as usize;
    match kind {
        Kind::Post | Kind::Chunked => bytes == BODY_BYTES,
        Kind::BodyEnd | Kind::BodyReset => bytes <= UNFINISHED_BYTES,
        Kind::Tunnel | Kind::TunnelLeft => bytes == TUNNEL_BYTES,
        Kind::TunnelCut => bytes == TUNNEL_BYTES + 1,
        _ => bytes == 0,
    }
}
