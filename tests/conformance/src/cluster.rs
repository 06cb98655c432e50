//! The cluster that the suite runs against: a lab of its own, or one that is there.

use anyhow::{Context, ensure};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A cluster, and kubectl on it.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    addresses: Option<[IpAddr; 2]>,
}

impl Cluster {
    /// The cluster that a kubeconfig leads to.
    #[must_use]
    pub fn existing(kubeconfig: PathBuf, kubectl: PathBuf) -> Self {
        Self {
            kubeconfig,
            kubectl,
            addresses: None,
        }
    }

    /// How to reach it.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The program that speaks to it for people.
    #[must_use]
    pub fn kubectl_program(&self) -> &Path {
        &self.kubectl
    }

    /// An address that a Gateway may ask for, and one that it cannot have, where they are known.
    #[must_use]
    pub fn addresses(&self) -> Option<[IpAddr; 2]> {
        self.addresses
    }

    /// A client of its API server.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }

    /// Runs kubectl and tells what it printed.
    ///
    /// # Errors
    /// What kubectl complains of.
    pub async fn kubectl<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<String> {
        self.kubectl_with("", arguments).await
    }

    /// Applies objects.
    ///
    /// # Errors
    /// What kubectl complains of.
    pub async fn apply(&self, objects: &str) -> anyhow::Result<String> {
        self.kubectl_with(objects, ["apply", "--server-side", "-f", "-"])
            .await
    }

    async fn kubectl_with<A: AsRef<OsStr>>(
        &self,
        input: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<String> {
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.kubectl.display()))?;
        let mut stdin = child.stdin.take().context("no input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
