//! What the kubelet asks a launcher for, as JSON over the control socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the process that holds a pod's namespaces sets up before it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseSpec {
    /// The host name inside the pod.
    pub hostname: String,
    /// Whether the pod has a network of its own; else it has the node's.
    pub own_network: bool,
    /// Kernel parameters of the pod's namespaces: name with dots, value.
    pub sysctls: Vec<(String, String)>,
}

/// A container to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The process whose network, UTS and IPC namespaces the container shares.
    pub sandbox_pid: u32,
    /// Its file system.
    pub root: RootSpec,
    /// The program.
    pub process: ProcessSpec,
}

/// A container's file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSpec {
    /// An empty folder of the node where it is put together.
    pub folder: PathBuf,
    /// Whether the root is read-only; mounts have their own flag.
    pub read_only: bool,
    /// Whether kernel settings and all devices are in reach.
    pub privileged: bool,
    /// Empty folders that the container expects.
    pub folders: Vec<String>,
    /// Text files by their path in the container, such as `/etc/passwd`.
    pub texts: Vec<(String, String)>,
    /// What of the node is mounted where, parents first.
    pub binds: Vec<Bind>,
}

/// One file or folder of the node in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the node.
    pub source: PathBuf,
    /// Where it appears in the container.
    pub target: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// A program, and who it runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments; a name without a slash is looked for in `PATH`.
    pub command: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub work_dir: String,
    /// User, groups and rights.
    pub identity: Identity,
}

/// Who a program runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub user: u32,
    /// Primary group id.
    pub group: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Capabilities that it may have, as `CAP_…`: the bounding set, and what it starts with.
    pub capabilities: Vec<String>,
    /// Whether `execve` can never give it more than it has (`allowPrivilegeEscalation: false`).
    pub no_new_privileges: bool,
}
