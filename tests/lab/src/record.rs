//! What is written down of a lab before it is made, so that it can be taken down whatever happens.
//!
//! Every lab has a folder under [`PLACE`]: its record, kubeconfigs, keys and logs. The folder is
//! there before the first namespace, and goes last.

use crate::addresses::{Addresses, NODES_MAX, SLOTS};
use crate::witness::started;
use anyhow::{Context, bail, ensure};
use ipnet::IpNet;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where all labs of a machine are written down.
const PLACE: &str = "/run/rauta-lab";

const FILE: &str = "lab.json";

/// What a lab is asked to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its name: small letters, digits and dashes.
    pub name: String,
    /// How many nodes.
    pub nodes: u8,
    /// IPv6 beside IPv4.
    pub ipv6: bool,
    /// The kubelet's program; without one, the nodes are only networks.
    pub kubelet: Option<PathBuf>,
    /// The kubelet's table of images.
    pub images: Option<PathBuf>,
    /// The pods that serve Gateways: a node has pool traffic while one of its own is ready.
    pub gateway: Option<GatewayPods>,
    /// Who needs it: once that has ended, whoever takes a lab down takes this one too.
    #[serde(default)]
    pub owner: Option<Process>,
}

/// Which pods serve Gateways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayPods {
    /// Their namespace.
    pub namespace: String,
    /// A label selector.
    pub selector: String,
}

impl std::str::FromStr for GatewayPods {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts = text.split_once('/');
        let (namespace, selector) = parts.context("write it as NAMESPACE/LABEL=VALUE")?;
        Ok(Self {
            namespace: namespace.to_owned(),
            selector: selector.to_owned(),
        })
    }
}

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// As the root namespace counts.
    pub id: i32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
}

impl Process {
    /// The process of this id, if there is one.
    #[must_use]
    pub fn of(id: u32) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        let started = started(id)?;
        Some(Self { id, started })
    }
}

/// One node of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses on the bridge.
    pub addresses: Vec<IpNet>,
    /// Its pods' ranges.
    pub pods: Vec<IpNet>,
}

/// A lab, as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for.
    pub settings: Settings,
    /// Its ranges.
    pub addresses: Addresses,
    /// Its PID 1, once there is one.
    pub supervisor: Option<Process>,
}

impl Record {
    /// Takes a free slot and makes the lab's folder.
    ///
    /// # Errors
    /// Where the name is no name or taken, no range is free, or the folder cannot be made.
    pub(crate) fn create(settings: Settings, routes: &[IpNet]) -> anyhow::Result<Self> {
        let Settings { name, nodes, .. } = &settings;
        let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.len() <= 40 && name.chars().all(is_fit),
            "--name {name}: use up to 40 small letters, digits and dashes"
        );
        ensure!(
            (1..=NODES_MAX).contains(nodes),
            "--nodes {nodes}: a lab has 1 to {NODES_MAX} nodes"
        );
        fs::create_dir_all(PLACE).with_context(|| format!("cannot make {PLACE}"))?;
        let lock = File::create(Path::new(PLACE).join("lock"))?;
        let _choosing = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        let others = labs()?;
        if others.iter().any(|other| other.settings.name == *name) {
            bail!(
                "the lab `{name}` is there already: use it, or `{}` first",
                door("down", name)
            );
        }
        let ipv6 = settings.ipv6;
        let is_free = |of: &Addresses| {
            let is_its = |other: &Record| other.addresses.slot == of.slot;
            !others.iter().any(is_its) && !of.overlap(routes)
        };
        let mut slots = (0..SLOTS).map(|slot| Addresses { slot, ipv6 });
        let addresses = slots.find(is_free);
        let record = Self {
            addresses: addresses.context("this machine's routes leave no range for a lab")?,
            supervisor: None,
            settings,
        };
        fs::create_dir(record.folder())?;
        fs::set_permissions(record.folder(), fs::Permissions::from_mode(0o700))?;
        record.write()?;
        Ok(record)
    }

    /// Reads what is written down of a lab.
    ///
    /// # Errors
    /// Where nothing is, or it cannot be read.
    pub fn read(name: &str) -> anyhow::Result<Self> {
        let found = Self::find(name)?;
        found.with_context(|| {
            let up = door("up", name);
            format!("there is no lab `{name}`: `{up}` makes one")
        })
    }

    /// What is written down of a lab, if anything is.
    pub(crate) fn find(name: &str) -> anyhow::Result<Option<Self>> {
        let file = Path::new(PLACE).join(name).join(FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => return Ok(None),
                ErrorKind::PermissionDenied => {
                    bail!("the lab `{name}` is root's: run this as root")
                }
                _ => return Err(error).with_context(|| file.display().to_string()),
            },
        };
        let record = serde_json::from_str(&text);
        record.with_context(|| file.display().to_string()).map(Some)
    }

    /// Writes it down, whole or not at all.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let aside = self.folder().join("lab.json.new");
        fs::write(&aside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&aside, self.folder().join(FILE))?;
        Ok(())
    }

    /// The lab's folder.
    pub fn folder(&self) -> PathBuf {
        Path::new(PLACE).join(&self.settings.name)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder().join("kubeconfig")
    }

    /// Where a part of the lab writes its log.
    pub fn log(&self, part: &str) -> PathBuf {
        self.folder().join("log").join(format!("{part}.log"))
    }

    /// A node's own folder.
    pub fn node_folder(&self, node: &str) -> PathBuf {
        self.folder().join("nodes").join(node)
    }

    /// The link in the root namespace that leads into the lab.
    pub fn link(&self) -> String {
        format!("rauta-lab{}", self.addresses.slot)
    }

    /// Its nodes.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |index| Node {
            name: format!("node-{}", index + 1),
            addresses: self.addresses.node(index),
            pods: self.addresses.pods(index),
        };
        (0..self.settings.nodes).map(node).collect()
    }
}

/// Every lab that is written down on this machine, running or not.
///
/// # Errors
/// Where the place cannot be read.
pub fn labs() -> anyhow::Result<Vec<Record>> {
    let folders = match fs::read_dir(PLACE) {
        Ok(folders) => folders,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(PLACE),
    };
    let mut labs = Vec::new();
    for folder in folders {
        labs.extend(Record::find(&folder?.file_name().to_string_lossy())?);
    }
    Ok(labs)
}

/// What a person says to do something with a lab.
pub(crate) fn door(task: &str, name: &str) -> String {
    match name {
        "lab" => format!("make lab-{task}"),
        _ => format!("make lab-{task} ARGS=--name={name}"),
    }
}
