//! What a machine holds, read from `/proc` and `ip`: to compare before with after, and to know of
//! a lab what has to be gone when it is.

use crate::record::{Process, Record};
use anyhow::Context;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The kinds of namespaces that a lab makes.
const KINDS: [&str; 5] = ["net", "pid", "mnt", "uts", "ipc"];

/// What is there, each thing as a line for people. Threads of the kernel do not count, nor does
/// the process that looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// `id started name`.
    pub processes: BTreeSet<String>,
    /// `net:[4026531840]`, held by a process.
    pub namespaces: BTreeSet<String>,
    /// Links of this network namespace.
    pub links: BTreeSet<String>,
    /// Routes and rules of this network namespace.
    pub routes: BTreeSet<String>,
    /// Mounts of this mount namespace.
    pub mounts: BTreeSet<String>,
    /// Control groups.
    pub cgroups: BTreeSet<String>,
}

impl Witness {
    /// Looks.
    ///
    /// # Errors
    /// Where `/proc` cannot be read or `ip` cannot be started.
    pub fn take() -> anyhow::Result<Self> {
        let mut witness = Self::default();
        for process in processes()? {
            witness.processes.insert(process.to_string());
            witness.namespaces.extend(namespaces(process.is.id));
        }
        witness.links = said(&["-oneline", "link", "show"], |line| {
            let name = line.split(": ").nth(1)?;
            Some(name.split('@').next().unwrap_or(name).to_owned())
        })?;
        let whole = |line: &str| Some(line.trim().to_owned());
        for family in ["-4", "-6"] {
            let routes = said(&[family, "route", "show", "table", "all"], whole)?;
            let rules = said(&[family, "rule", "show"], whole)?;
            witness.routes.extend(routes.into_iter().chain(rules));
        }
        witness.mounts = mounts()?;
        witness.cgroups = cgroups();
        Ok(witness)
    }

    /// What is here and was not there before.
    pub fn since(&self, before: &Self) -> Vec<String> {
        let kinds = [
            ("process", &self.processes, &before.processes),
            ("namespace", &self.namespaces, &before.namespaces),
            ("link", &self.links, &before.links),
            ("route", &self.routes, &before.routes),
            ("mount", &self.mounts, &before.mounts),
            ("cgroup", &self.cgroups, &before.cgroups),
        ];
        let news = kinds.into_iter().flat_map(|(kind, now, then)| {
            now.difference(then).map(move |one| format!("{kind} {one}"))
        });
        news.collect()
    }
}

/// What belongs to one lab, and has to be gone after it.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    folder: String,
    link: String,
    processes: BTreeMap<Process, String>,
    namespaces: BTreeSet<String>,
    /// Everybody else: whoever holds a namespace and is not here came later, and its namespace
    /// only has an old one's number.
    others: BTreeSet<Process>,
}

impl Traces {
    /// What there is now of a lab.
    pub(crate) fn of(record: &Record) -> anyhow::Result<Self> {
        let folder = record.folder().display().to_string();
        let all = processes()?;
        let root: BTreeSet<String> = namespaces(own_id()).collect();
        let mut traces = Self {
            link: record.link(),
            ..Self::default()
        };
        let mut ids = BTreeSet::new();
        ids.extend(record.supervisor.map(|supervisor| supervisor.id));
        // Parents come before their children only by chance: look until nobody is new.
        loop {
            let is_new = |seen: &&Seen| !ids.contains(&seen.is.id) && ids.contains(&seen.parent);
            let news: Vec<i32> = all.iter().filter(is_new).map(|seen| seen.is.id).collect();
            if news.is_empty() {
                break;
            }
            ids.extend(news);
        }
        for seen in all {
            let is_its = ids.contains(&seen.is.id) && record.supervisor.is_some_and(is_alive);
            if is_its || names(seen.is.id, &folder) {
                let held = namespaces(seen.is.id).filter(|held| !root.contains(held));
                traces.namespaces.extend(held);
                traces.processes.insert(seen.is, seen.name);
            } else {
                traces.others.insert(seen.is);
            }
        }
        traces.folder = folder;
        Ok(traces)
    }

    /// How much of what that is, for people.
    pub(crate) fn count(&self) -> String {
        let (processes, namespaces) = (self.processes.len(), self.namespaces.len());
        format!("{processes} processes, {namespaces} namespaces, 1 link")
    }

    /// What of it is still there.
    pub(crate) fn left(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for seen in processes()? {
            if self.processes.contains_key(&seen.is) || names(seen.is.id, &self.folder) {
                left.push(format!("process {seen}"));
            }
            if self.others.contains(&seen.is) {
                let held = namespaces(seen.is.id).filter(|held| self.namespaces.contains(held));
                left.extend(held.map(|held| format!("namespace {held}, held by {seen}")));
            }
        }
        let now = Witness::take()?;
        let word = format!(" {} ", self.link);
        left.extend(now.links.get(&self.link).map(|link| format!("link {link}")));
        let routes = now
            .routes
            .iter()
            .filter(|route| format!("{route} ").contains(&word));
        left.extend(routes.map(|route| format!("route {route}")));
        let mounts = now
            .mounts
            .iter()
            .filter(|mount| mount.contains(&self.folder));
        left.extend(mounts.map(|mount| format!("mount {mount}")));
        Ok(left)
    }
}

/// When a process started, if there is one that has not ended.
pub(crate) fn started(id: i32) -> Option<u64> {
    Some(see(id)?.is.started)
}

/// Whether this very process is there.
pub(crate) fn is_alive(process: Process) -> bool {
    started(process.id) == Some(process.started)
}

/// A process that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) is: Process,
    pub(crate) parent: i32,
    pub(crate) name: String,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.is.id, self.is.started, self.name)
    }
}

/// Every process but this one.
pub(crate) fn processes() -> anyhow::Result<Vec<Seen>> {
    let entries = fs::read_dir("/proc").context("/proc cannot be read")?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let own = own_id();
    Ok(ids.filter(|&id| id != own).filter_map(see).collect())
}

fn own_id() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

/// Reads `/proc/ID/stat`: the name stands in parentheses and may hold anything.
fn see(id: i32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let (state, parent) = (*fields.first()?, fields.get(1)?.parse().ok()?);
    let started = fields.get(19)?.parse().ok()?;
    let is_kernel_s = id == 2 || parent == 2;
    let is = Process { id, started };
    let has_ended = ["Z", "X"].contains(&state);
    (!has_ended && !is_kernel_s).then_some(Seen { is, parent, name })
}

fn namespaces(id: i32) -> impl Iterator<Item = String> {
    KINDS.into_iter().filter_map(move |kind| {
        let held = fs::read_link(format!("/proc/{id}/ns/{kind}")).ok()?;
        Some(held.display().to_string())
    })
}

/// Whether a process was started with something in this folder.
fn names(id: i32, folder: &str) -> bool {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let inside = format!("{folder}/");
    id != own_id() && String::from_utf8_lossy(&line).contains(&inside)
}

fn said(
    arguments: &[&str],
    pick: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<BTreeSet<String>> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.context("ip cannot be started: install iproute2")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(pick).collect())
}

fn mounts() -> anyhow::Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        Some(format!("{} {}", fields.next()?, fields.next()?))
    };
    Ok(text.lines().filter_map(place).collect())
}

/// All control groups, whichever version the machine has.
fn cgroups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(inner.map(|entry| entry.path()));
        found.insert(folder.display().to_string());
    }
    found
}
