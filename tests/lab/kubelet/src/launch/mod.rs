//! The small programs that stand between the kubelet and a pod's program: each is a subcommand of
//! the same binary, does one thing in the right namespaces, and becomes (or waits for) the program.
//!
//! ```text
//! kubelet ── pause                            holds a pod's network, host name and IPC
//!         ├─ launch ── launch-inside ► exec   a container: its program is PID 1
//!         └─ exec   ── exec-inside   ► exec   a command in a container that runs already
//! ```
//!
//! Kubelet and launcher talk over one socket, which is the launcher's standard input: the kubelet
//! writes one line (the specification as JSON), the launcher answers `pid N` and, if it fails,
//! `error TEXT`. The socket closes when the program is executed: silence is success.

mod control; // the socket between kubelet and launcher
mod identity; // user, groups, capabilities
mod inside; // from the new namespaces to the program
pub(crate) mod mounts; // single mounts, each with its words for a failure
mod pause; // the process that holds a pod's namespaces
mod root; // a container's file system
mod shim; // waits for the program and passes its exit code on
pub mod spec; // what the kubelet asks for

use std::process::ExitCode;

/// The exit code of a launcher that could not start the program.
pub const EXIT_NOT_STARTED: u8 = 128;

/// Runs the subcommand if the first word names one.
pub fn run(words: &[String]) -> Option<ExitCode> {
    let rest = words.get(1).map(String::as_str);
    let result = match words.first()?.as_str() {
        "pause" => pause::run(),
        "launch" => shim::launch(),
        "launch-inside" => return Some(inside::launch()),
        "exec" => shim::exec(rest.unwrap_or_default()),
        "exec-inside" => return Some(inside::exec(rest.unwrap_or_default())),
        _ => return None,
    };
    Some(result.unwrap_or_else(|_reported_as_exit_code| ExitCode::from(EXIT_NOT_STARTED)))
}
