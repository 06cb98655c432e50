//! The programs of a control plane, built from their Go modules into the cache.
//!
//! `modules/` holds nothing but what pins them: versions and checksums. A program that is in the
//! cache is whole (built aside, then renamed) and is never built again.

use crate::cache::cache;
use anyhow::{Context, ensure};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One program, as `modules/` pins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is called, here and in the cache.
    pub name: &'static str,
    /// Its version, without a `v`.
    pub version: &'static str,
    /// The folder under `modules/` that pins it.
    module: &'static str,
    package: &'static str,
}

const KUBERNETES: &str = "1.36.3";

const fn kubernetes(name: &'static str, package: &'static str) -> Program {
    Program {
        name,
        version: KUBERNETES,
        module: "kubernetes",
        package,
    }
}

/// All of them, in the order in which a lab needs them.
const PROGRAMS: [Program; 5] = [
    Program {
        name: "etcd",
        version: "3.6.8",
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
    },
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    kubernetes(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
];

/// Where a program is, by its name; it need not be built yet.
///
/// # Errors
/// Where there is no such program, or no cache.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let known = PROGRAMS.iter().find(|program| program.name == name);
    let Program { name, version, .. } = known.with_context(|| format!("no program `{name}`"))?;
    Ok(cache()?.join(format!("{name}-{version}")))
}

/// Builds what the cache has not yet; says by `told` what it does.
///
/// # Errors
/// One line with what is missing (Go, the network), or what the compiler said.
pub fn build(told: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let is_built = |wanted: &Program| program(wanted.name).is_ok_and(|path| path.is_file());
    if PROGRAMS.iter().all(is_built) {
        return Ok(());
    }
    let lock = File::create(cache()?.join("build.lock"))?;
    // Two labs that come up on a bare machine build once: the second waits here.
    let _building = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    for wanted in PROGRAMS.iter().filter(|wanted| !is_built(wanted)) {
        told(&format!("building {} {}", wanted.name, wanted.version));
        compile(wanted)?;
    }
    Ok(())
}

fn compile(wanted: &Program) -> anyhow::Result<()> {
    let place = program(wanted.name)?;
    let aside = tempfile::tempdir_in(cache()?)?;
    let made = aside.path().join(wanted.name);
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .arg("-ldflags")
        .arg(link_flags(wanted))
        .arg("-o")
        .arg(&made)
        .arg(wanted.package)
        .current_dir(modules().join(wanted.module))
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS")
        // A Go that is too old fetches the toolchain that the module asks for, as a module.
        .env("GOTOOLCHAIN", "auto")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("go cannot be started: install Go 1.21 or newer to build the lab's programs")?;
    ensure!(
        status.success(),
        "{} {} cannot be built: `go build` ended with {status}",
        wanted.name,
        wanted.version
    );
    std::fs::rename(&made, &place)?;
    Ok(())
}

fn modules() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/modules"))
}

/// Stripped; Kubernetes learns its version from the linker and says "v0.0.0" otherwise.
fn link_flags(wanted: &Program) -> String {
    let mut flags = "-s -w".to_owned();
    if wanted.module == "kubernetes" {
        let version = wanted.version;
        let mut parts = version.split('.');
        let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
        for package in [
            "k8s.io/component-base/version",
            "k8s.io/client-go/pkg/version",
        ] {
            flags += &format!(
                " -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} \
                 -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
            );
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::{PROGRAMS, modules};
    use std::fs;

    #[test]
    fn every_program_is_pinned_at_its_version() {
        for program in PROGRAMS {
            let module = modules().join(program.module);
            let pins = fs::read_to_string(module.join("go.mod")).expect("a module has a go.mod");
            let line = format!(" v{}\n", program.version);
            assert!(pins.contains(&line), "{program:?} is not what go.mod pins");
            let tools = fs::read_to_string(module.join("tools.go")).expect("tools.go names it");
            assert!(
                tools.contains(&format!("{}\"", program.package)),
                "{program:?}"
            );
        }
    }
}
