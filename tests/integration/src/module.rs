//! Fetches the Gateway API's own module, so that its examples are read as they were published and
//! never copied. It trusts nothing but the module's checksum; it does not build any of its Go.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The module, as `go` names it.
const MODULE: &str = "sigs.k8s.io/gateway-api";

/// The version whose rules RAUTA follows.
const VERSION: &str = "v1.7.0";

/// What the module's content hashes to, as `go.sum` files write it.
const SUM: &str = "h1:duVnm7nO6oXfMMUWfcDoBph47CYR/ME3NGxccOVglaY=";

/// The folder of the module's unpacked files, fetched first if this machine has it not yet.
///
/// # Errors
/// One line that says what is missing: `go`, the network, `unzip`, or the expected content.
pub fn gateway_api() -> anyhow::Result<PathBuf> {
    let modules = cache()?.join("rauta").join("modules");
    let name = format!("gateway-api@{VERSION}");
    let unpacked = modules.join(&name);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    std::fs::create_dir_all(&modules)?;
    // Unpacked aside and renamed, so that a folder of that name is always whole.
    let aside = tempfile::tempdir_in(&modules)?;
    unzip(&download(aside.path())?, aside.path())?;
    let whole = aside.path().join(format!("{MODULE}@{VERSION}"));
    if let Err(error) = std::fs::rename(&whole, &unpacked) {
        // Another test was first.
        ensure!(unpacked.is_dir(), "{}: {error}", unpacked.display());
    }
    Ok(unpacked)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a user's caches are is said nowhere else"
)]
fn cache() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache"))
}

/// Downloads the module's zip and tells where it is.
fn download(folder: &Path) -> anyhow::Result<PathBuf> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{MODULE}@{VERSION}")])
        // Away from any go.mod, and with the toolchain at hand: nothing is built here.
        .current_dir(folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .output()
        .context("go cannot be started: install Go (Debian: golang-go) to read the examples")?;
    // A Go older than the module asks for reports that as an error, beside the zip it fetched.
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(zip) = told["Zip"].as_str() else {
        let reason = told["Error"].as_str().map_or_else(
            || String::from_utf8_lossy(&output.stderr).into_owned(),
            str::to_owned,
        );
        bail!("{MODULE} {VERSION} cannot be downloaded: {}", reason.trim());
    };
    ensure!(
        told["Sum"] == SUM,
        "{MODULE} {VERSION} is not what was published: its sum is {}, not {SUM}",
        told["Sum"]
    );
    Ok(zip.into())
}

fn unzip(zip: &Path, folder: &Path) -> anyhow::Result<()> {
    let output = Command::new("unzip")
        .arg("-q")
        .arg(zip)
        .arg("-d")
        .arg(folder)
        .output()
        .context("unzip cannot be started: install it (Debian: unzip) to read the examples")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} cannot be unpacked: {}",
        zip.display(),
        said.trim()
    );
    Ok(())
}
