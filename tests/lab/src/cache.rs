//! Where programs that were built once are kept: outside the checkout, by version.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// The folder of the lab's programs, made where it is missing: `rauta/lab` in the user's cache.
///
/// # Errors
/// Where neither `XDG_CACHE_HOME` nor `HOME` is set, or the folder cannot be made.
pub fn cache() -> anyhow::Result<PathBuf> {
    let folder = user_cache()?.join("rauta/lab");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The user's folder for what can be made again.
#[expect(
    clippy::disallowed_methods,
    reason = "where a user's caches are is said nowhere else"
)]
pub(crate) fn user_cache() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache"))
}
