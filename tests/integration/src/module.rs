//! Fetches Go modules into the user's cache: the Gateway API's own, so that its examples are read
//! as they were published and never copied; grpcurl, the NATS server and an OpenTelemetry Collector
//! are built there. Nothing is trusted but a module's checksum.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

struct Module {
    /// As `go` names it.
    path: &'static str,
    version: &'static str,
    /// What its content hashes to, as `go.sum` files write it.
    sum: &'static str,
}

/// The version whose rules RAUTA follows.
const GATEWAY_API: Module = Module {
    path: "sigs.k8s.io/gateway-api",
    version: "v1.7.0",
    sum: "h1:duVnm7nO6oXfMMUWfcDoBph47CYR/ME3NGxccOVglaY=",
};

/// The last version that Go 1.19 builds.
const GRPCURL: Module = Module {
    path: "github.com/fullstorydev/grpcurl",
    version: "v1.9.1",
    sum: "h1:YxX1aCcCc4SDBQfj9uoWcTLe8t4NWrZe1y+mk83BQgo=",
};

/// With JetStream.
const NATS_SERVER: Module = Module {
    path: "github.com/nats-io/nats-server/v2",
    version: "v2.15.2",
    sum: "h1:yLsgt2kslgymvxvjFq1WGWck5hkat2YYfbXvQ145tzU=",
};

/// What of grpcurl is built: the client, and the server that it is tested with itself.
const GRPCURL_PROGRAMS: [&str; 2] = ["cmd/grpcurl", "internal/testing/cmd/testserver"];

/// What builds a collector out of the parts that a file names.
const COLLECTOR_BUILDER: Module = Module {
    path: "go.opentelemetry.io/collector/cmd/builder",
    version: "v0.160.0",
    sum: "h1:oAWgSxRGp7OoiqN4dqSXjSUhiE2utL8NsfJ8tVGGn64=",
};

/// The parts of the collector that tests send to.
const COLLECTOR_PARTS: &str = "\
dist: {name: otelcol, module: rauta.dev/otelcol, output_path: out}
conf_resolver: {default_uri_scheme: file}
receivers:
- gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.160.0
exporters:
- gomod: go.opentelemetry.io/collector/exporter/debugexporter v0.160.0
- gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v0.160.0
providers:
- gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.66.0
";

/// The folder of the Gateway API's unpacked files, fetched first if this machine has it not yet.
///
/// # Errors
/// One line that says what is missing: `go`, the network, `unzip`, or the expected content.
pub fn gateway_api() -> anyhow::Result<PathBuf> {
    let Module { path, version, .. } = GATEWAY_API;
    cached(&format!("gateway-api@{version}"), |aside| {
        unzip(&download(&GATEWAY_API, aside)?, aside)?;
        Ok(aside.join(format!("{path}@{version}")))
    })
}

/// The folder with the programs `grpcurl` and `testserver`, built first if this machine has them
/// not yet.
///
/// # Errors
/// One line that says what is missing: `go`, the network, or the expected content.
pub fn grpcurl() -> anyhow::Result<PathBuf> {
    programs("grpcurl", &GRPCURL, &GRPCURL_PROGRAMS)
}

/// The folder with the program `nats-server`, built first if this machine has it not yet.
///
/// # Errors
/// One line that says what is missing: `go`, the network, or the expected content.
pub fn nats_server() -> anyhow::Result<PathBuf> {
    programs("nats-server", &NATS_SERVER, &[""])
}

/// The folder with a module's programs, each given by its path in the module.
fn programs(name: &str, module: &Module, paths: &[&str]) -> anyhow::Result<PathBuf> {
    let Module { path, version, .. } = module;
    cached(&format!("{name}@{version}"), |aside| {
        download(module, aside)?;
        let programs = aside.join("programs");
        let packages = paths.iter().map(|inner| {
            let package = format!("{path}/{inner}");
            format!("{}@{version}", package.trim_end_matches('/'))
        });
        let mut install = go(aside);
        install.args(["install", "-trimpath"]).args(packages);
        build(module, install.env("GOBIN", &programs))?;
        Ok(programs)
    })
}

/// The program of an OpenTelemetry Collector, built first if this machine has it not yet.
///
/// # Errors
/// One line that says what is missing: `go`, the network, or the expected content.
pub(crate) fn otelcol() -> anyhow::Result<PathBuf> {
    let Module { path, version, .. } = COLLECTOR_BUILDER;
    let folder = cached(&format!("otelcol@{version}"), |aside| {
        download(&COLLECTOR_BUILDER, aside)?;
        std::fs::write(aside.join("builder.yaml"), COLLECTOR_PARTS)?;
        let builder = format!("{path}@{version}");
        let mut run = go(aside);
        run.args(["run", "-trimpath", &builder, "--config", "builder.yaml"]);
        build(&COLLECTOR_BUILDER, &mut run)?;
        let programs = aside.join("programs");
        std::fs::create_dir(&programs)?;
        std::fs::rename(aside.join("out").join("otelcol"), programs.join("otelcol"))?;
        Ok(programs)
    })?;
    Ok(folder.join("otelcol"))
}

/// Runs what builds something of a module.
fn build(module: &Module, go: &mut Command) -> anyhow::Result<()> {
    let Module { path, version, .. } = module;
    let output = go.env("CGO_ENABLED", "0").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    ensure!(
        output.status.success(),
        "{path} {version} cannot be built: {said}"
    );
    Ok(())
}

/// A folder of that name in the cache, made aside and renamed, so that it is always whole. This
/// process makes it once, however many of its tests ask.
fn cached(
    name: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let modules = cache()?.join("rauta").join("modules");
    let place = modules.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    std::fs::create_dir_all(&modules)?;
    let aside = tempfile::tempdir_in(&modules)?;
    let whole = make(aside.path())?;
    if let Err(error) = std::fs::rename(&whole, &place) {
        // Another process was first.
        ensure!(place.is_dir(), "{}: {error}", place.display());
    }
    Ok(place)
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

/// Go, away from any `go.mod`, and with the toolchain at hand.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local");
    command
}

/// Downloads a module's zip and tells where it is.
fn download(module: &Module, folder: &Path) -> anyhow::Result<PathBuf> {
    let Module { path, version, sum } = module;
    let output = go(folder)
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .output()
        .context("go cannot be started: install Go (Debian: golang-go) to fetch test material")?;
    // A Go older than the module asks for reports that as an error, beside the zip it fetched.
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(zip) = told["Zip"].as_str() else {
        let reason = told["Error"].as_str().map_or_else(
            || String::from_utf8_lossy(&output.stderr).into_owned(),
            str::to_owned,
        );
        bail!("{path} {version} cannot be downloaded: {}", reason.trim());
    };
    ensure!(
        told["Sum"] == *sum,
        "{path} {version} is not what was published: its sum is {}, not {sum}",
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
