//! The lab's kubelet: registers a Node and runs each pod bound to it as plain processes in
//! namespaces, without a container runtime.
//!
//! It behaves like the kubelet of Kubernetes 1.36 wherever a controller, a gateway or a person with
//! `kubectl` can see the difference, except for this:
//!
//! - **Images** are a table: a name stands for a program of this machine. A container's root has
//!   that program, the machine's `/usr` (read-only) and an empty rest in memory (256 MiB); nothing
//!   is pulled, `imagePullPolicy` has no effect.
//! - **Resources** are counted by the scheduler and shown by the downward API; nothing limits them:
//!   no cgroups, no `OOMKilled`, no eviction under pressure. Each node claims the whole machine.
//! - **Security**: users, groups, capabilities, `no_new_privs`, read-only roots, sysctls are real;
//!   seccomp, AppArmor, SELinux, user namespaces and `hostUsers`, `hostPID`, `hostIPC`,
//!   `shareProcessNamespace`, `procMount` have no effect.
//! - **Network**: a pod's link to its node is a route, no CNI; `hostPort` has no effect; without
//!   `--cluster-dns` names do not resolve; of Services only `kubernetes` is in the environment,
//!   with the API server's own address.
//! - **Volumes**: Secret, ConfigMap, projected (no trust bundles, no pod certificates), downward
//!   API, emptyDir and hostPath. Objects are read again every two seconds, not watched.
//! - **Readiness** without a probe waits until the declared ports are open, at most two seconds.
//! - **Probes** do not follow redirects; a hook over HTTPS does not fall back to HTTP.
//! - **The Lease** is renewed every 2 s instead of 10 s (`--lease-duration`): a lost node is
//!   a matter of seconds.
//! - **Restarts of the kubelet** restart all its pods; SIGTERM gives them two seconds.
//! - **Not there**: `exec`, `attach`, `port-forward`, ephemeral containers, static pods, resizing
//!   in place, changing a running container's image, device plugins, garbage collection, metrics.

#![forbid(unsafe_code)]

pub mod args; // the command line
mod clock; // wall time
mod events; // what `kubectl describe` tells
mod folders; // where things are kept
pub mod images; // which program an image is
mod kubelet; // what all parts share
pub mod launch; // the programs between kubelet and container
mod lease; // the heartbeat
mod leftovers; // of a kubelet before this one
mod logs; // what containers write
pub mod machine; // what the node is made of
pub mod network; // addresses, links, routes
mod node; // the Node object
mod objects; // Secrets and ConfigMaps
mod pod; // the life of a pod
mod pods; // which pods there are
mod run; // start and end
mod server; // what the API server asks

pub use run::main;
