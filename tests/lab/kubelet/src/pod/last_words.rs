//! What a container says about its end: the text in its termination file, or the end of its log.

use std::fs;

use k8s_openapi::api::core::v1::Container;

use super::context::Context;
use super::spec::TERMINATION_LOG;
use crate::logs::query::Query;
use crate::logs::{Owner, Run};

/// What is kept of the file.
const FILE_BYTES_MAX: usize = 4096;
/// What is kept of the log.
const LOG_BYTES_MAX: usize = 2048;
const LOG_LINES_MAX: usize = 80;

/// The message of a container that has ended.
pub(super) fn last_words(
    context: &Context,
    container: &Container,
    exit_code: i32,
) -> Option<String> {
    let folder = context
        .surroundings
        .folder
        .join("containers")
        .join(&container.name);
    let written = fs::read(folder.join(TERMINATION_LOG)).unwrap_or_default();
    let written = &written[..written.len().min(FILE_BYTES_MAX)];
    if !written.is_empty() {
        return Some(String::from_utf8_lossy(written).into_owned());
    }
    let policy = container.termination_message_policy.as_deref();
    if policy != Some("FallbackToLogsOnError") || exit_code == 0 {
        return None;
    }
    let pod = context.pod();
    let owner = Owner::of(&pod, &container.name);
    let (path, _) = context.kubelet.logs.find(&owner, Run::Newest)?;
    Some(log_end(&fs::read(path).ok()?))
}

fn log_end(log: &[u8]) -> String {
    let query = Query::default();
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let skipped = lines.len().saturating_sub(LOG_LINES_MAX + 1);
    let shown = lines
        .iter()
        .skip(skipped)
        .filter_map(|line| query.show(line));
    let text: Vec<u8> = shown.flatten().collect();
    let start = text.len().saturating_sub(LOG_BYTES_MAX);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_its_last_lines() {
        let line = |n: usize| format!("2026-11-21T10:00:00Z stdout F line {n}\n");
        let log: String = (0..100).map(line).collect();
        let end = log_end(log.as_bytes());
        assert!(end.starts_with("line 20\n"), "{end}");
        assert!(end.ends_with("line 99\n"));
    }
}
