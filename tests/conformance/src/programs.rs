//! The suite, its backends' program and Go's `test2json`, built once from Go modules into the
//! user's cache, and the modules' own files, read where Go unpacked them.

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the suite's modules are built with; Go fetches it as a module.
const TOOLCHAIN: &str = "go1.27.0";

/// Our Go module, file by file: a change of any is a new build.
const SUITE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../suite/go.mod")),
    ("go.sum", include_str!("../suite/go.sum")),
    ("suite_test.go", include_str!("../suite/suite_test.go")),
];

const API: &str = "sigs.k8s.io/gateway-api";
const CONFORMANCE: &str = "sigs.k8s.io/gateway-api/conformance";
const ECHO: &str = "sigs.k8s.io/gateway-api-conformance-images/echo-basic";

/// Everything that a run starts or reads.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The compiled suite.
    pub suite: PathBuf,
    /// Makes events of the suite's output.
    pub test2json: PathBuf,
    /// What runs in the suite's backend pods.
    pub echo: PathBuf,
    /// The folder with a folder of CRDs for each channel.
    pub crds: PathBuf,
    /// The manifests that the suite installs before its tests.
    pub base: PathBuf,
}

/// The table of images, as a lab's kubelets read it.
#[derive(Serialize)]
struct Images {
    image: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    name: String,
    program: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
    #[serde(default)]
    dir: PathBuf,
    #[serde(default)]
    error: String,
}

impl Programs {
    /// Finds everything, built and fetched first if this machine has it not yet (minutes).
    ///
    /// # Errors
    /// One line that says what is missing: `go`, the network, or the published content.
    pub fn get() -> anyhow::Result<Self> {
        let folder = built()?;
        let [api, conformance] = modules()?;
        Ok(Self {
            suite: folder.join("suite"),
            test2json: folder.join("test2json"),
            echo: folder.join("echo-basic"),
            crds: api.join("config/crd"),
            base: conformance.join("base/manifests.yaml"),
        })
    }

    /// Writes the table that tells a lab's kubelets what the images are: the suite's backends, and
    /// what else is given, by image name and program.
    ///
    /// # Errors
    /// The suite's manifests cannot be read, or the table not be written.
    pub fn write_images(&self, others: &[(String, PathBuf)], table: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.base)
            .with_context(|| format!("{} cannot be read", self.base.display()))?;
        let echo = images(&text, "/echo-basic").into_iter().map(|name| Image {
            name,
            program: self.echo.clone(),
            // What its makers' image says.
            user: Some("65532:65532"),
        });
        let others = others.iter().map(|(name, program)| Image {
            name: name.clone(),
            program: program.clone(),
            user: None,
        });
        let image: Vec<Image> = echo.chain(others).collect();
        std::fs::write(table, toml::to_string(&Images { image })?)?;
        Ok(())
    }

    /// The image of the suite's backends, as its manifests name it.
    ///
    /// # Errors
    /// The manifests cannot be read, or name none.
    pub fn echo_image(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(&self.base)?;
        images(&text, "/echo-basic")
            .pop_first()
            .context("the suite's manifests name no image")
    }

    /// The CRD files of a channel, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn channel(&self, channel: &str) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.crds.join(channel);
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut files = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        files.retain(|file| {
            let is_yaml = file.extension().is_some_and(|ending| ending == "yaml");
            is_yaml
                && file
                    .file_name()
                    .is_some_and(|name| name != "kustomization.yaml")
        });
        files.sort();
        Ok(files)
    }
}

/// The folder with the three programs.
fn built() -> anyhow::Result<PathBuf> {
    let version = version(CONFORMANCE).context("suite/go.mod does not name the suite")?;
    let mut hasher = DefaultHasher::new();
    (SUITE, TOOLCHAIN).hash(&mut hasher);
    let name = format!("conformance@{version}-{:016x}", hasher.finish());
    let place = rauta_lab::cache()?.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let aside = tempfile::tempdir_in(rauta_lab::cache()?)?;
    let source = aside.path().join("source");
    std::fs::create_dir(&source)?;
    for (name, text) in SUITE {
        std::fs::write(source.join(name), text)?;
    }
    let whole = aside.path().join("programs");
    let small = ["-trimpath", "-ldflags=-s -w", "-o"];
    let programs: [(&str, &[&str], &str); 3] = [
        ("echo-basic", &["build"], ECHO),
        ("test2json", &["build"], "cmd/test2json"),
        ("suite", &["test", "-c"], "."),
    ];
    for (name, how, package) in programs {
        let output = go(&source)
            .args(how)
            .args(small)
            .arg(whole.join(name))
            .arg(package)
            .output();
        let output = output.context(NO_GO)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{package} cannot be built: {}",
            said.trim()
        );
    }
    if let Err(error) = std::fs::rename(&whole, &place) {
        // Another process was first.
        ensure!(place.is_dir(), "{}: {error}", place.display());
    }
    Ok(place)
}

/// Where Go unpacked the two modules, whose sums it compares with `go.sum`.
fn modules() -> anyhow::Result<[PathBuf; 2]> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let output = go(&source)
        .args(["mod", "download", "-json", API, CONFORMANCE])
        .output()
        .context(NO_GO)?;
    let told = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Module>();
    let modules = told.collect::<Result<Vec<_>, _>>()?;
    let find = |path: &str| {
        let module = modules
            .iter()
            .find(|module| module.path == path)
            .with_context(|| {
                format!(
                    "{path} cannot be fetched: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                )
            })?;
        ensure!(
            module.error.is_empty(),
            "{path} cannot be fetched: {}",
            module.error
        );
        Ok(module.dir.clone())
    };
    Ok([find(API)?, find(CONFORMANCE)?])
}

const NO_GO: &str = "go cannot be started: install Go 1.21 or newer (it fetches 1.27 by itself)";

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("GOTOOLCHAIN", TOOLCHAIN)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("CGO_ENABLED", "0");
    command
}

/// The version at which `suite/go.mod` requires a module.
fn version(module: &str) -> Option<&'static str> {
    let mut lines = SUITE[0]
        .1
        .lines()
        .map(|line| line.trim().trim_start_matches("require "));
    lines.find_map(|line| line.strip_prefix(module)?.split_whitespace().next())
}

/// The image names in manifests that end like this before their tag.
fn images(manifests: &str, ending: &str) -> BTreeSet<String> {
    let images = manifests
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "));
    let names = images.map(|image| image.rsplit_once(':').map_or(image, |(name, _)| name));
    names
        .filter(|name| name.ends_with(ending))
        .map(str::to_owned)
        .collect()
}

/// What the suite is, in one line: its version, and what of it is replaced.
#[must_use]
pub fn suite() -> String {
    let replaced = SUITE[0]
        .1
        .lines()
        .filter_map(|line| line.strip_prefix("replace "));
    let mut text = format!("{CONFORMANCE} {}", version(CONFORMANCE).unwrap_or_default());
    for replace in replaced {
        text.push_str(", with ");
        text.push_str(replace);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_image_counts_by_its_name_without_the_tag() {
        let manifests = "\
            - image: reg.example/team/echo-basic:v0.1.0\n\
            image: reg.example/team/echo-basic:v0.2.0\n\
            image: reg.example/team/echo-advanced:v0.1.0\n";
        let found = super::images(&manifests.replace("- ", ""), "/echo-basic");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["reg.example/team/echo-basic"]
        );
    }

    #[test]
    fn the_suite_is_named_with_its_version_and_its_replacement() {
        assert_eq!(
            super::suite(),
            "sigs.k8s.io/gateway-api/conformance v1.7.0, with \
             sigs.k8s.io/gateway-api-conformance-images => \
             sigs.k8s.io/gateway-api-conformance-images v0.1.0"
        );
    }
}
