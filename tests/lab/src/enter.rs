//! A program inside a lab's network, or inside a node's.

use crate::namespace::NetworkNamespace;
use crate::record::{Record, door};
use crate::witness::is_alive;
use anyhow::{Context, bail};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Becomes a program there: this process goes on as that one, so whoever ends it ends the program.
///
/// # Errors
/// Where the lab does not run, has no such node, or the program cannot be started.
pub fn enter(
    record: &Record,
    node: Option<&str>,
    words: &[OsString],
) -> anyhow::Result<Infallible> {
    let name = &record.settings.name;
    let Some(supervisor) = record.supervisor.filter(|&process| is_alive(process)) else {
        let down = door("down", name);
        bail!("the lab `{name}` does not run: `{down}` clears it away");
    };
    let process = Path::new("/proc").join(supervisor.id.to_string());
    let file = match node {
        None => process.join("ns/net"),
        Some(node) => {
            let number = fs::read_to_string(record.node_folder(node).join("network"));
            let number =
                number.with_context(|| format!("the lab `{name}` has no node `{node}`"))?;
            process.join("fd").join(number)
        }
    };
    let (program, arguments) = words.split_first().context("which program?")?;
    NetworkNamespace::open(&file)?.enter()?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
