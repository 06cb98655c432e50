//! The lab: a real Kubernetes control plane and nodes without a container runtime, for tests.
//!
//! ```text
//!  root namespace          the lab: one tree of processes in its own PID, mount and network
//!                          namespaces; it ends whole when its PID 1 (the supervisor) ends
//!  ┌───────────┐   veth   ┌──────────────────────────────────────────────────────────────┐
//!  │ tests  ───┼──────────┤ uplink     etcd, kube-apiserver, controllers, scheduler      │
//!  └───────────┘          │   └ routes: nodes, pods, Gateway pool (to the ready nodes)   │
//!                         │ br0 ──┬─────────────────────────┬───                         │
//!                         │  ┌────┴─────────────┐  ┌────────┴─────────┐                  │
//!                         │  │ node-1: kubelet, │  │ node-2           │  own network     │
//!                         │  │ its pods         │  │                  │  namespaces      │
//!                         │  └──────────────────┘  └──────────────────┘                  │
//!                         └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! `docs/adr/0013-the-lab-is-one-process-tree.md` says why. What differs from a real cluster is
//! listed in [`DEVIATIONS`].

#![forbid(unsafe_code)]

mod addresses; // the ranges of one lab
mod cache; // where built programs are kept
mod certificates; // its authorities and everybody's certificates
mod control_plane; // the command lines of its parts
mod deviations; // where the lab is not a real cluster
mod down; // takes it down, and proves it gone
mod enter; // a program inside a lab
mod kubeconfig; // who speaks to the API server, and how
mod namespace; // network namespaces, made and entered
mod network; // links, routes, forwarding
mod programs; // etcd and Kubernetes, built from Go modules
mod record; // what is written down of a lab, before it is made
mod status; // what runs
mod supervisor; // PID 1 of a lab
mod up; // brings a lab up
mod wait;
mod witness; // what a machine holds, and what a lab left there // the one way to wait

pub use addresses::Addresses;
pub use cache::cache;
pub use deviations::{DEVIATIONS, Deviation};
pub use down::down;
pub use enter::enter;
pub use programs::{Program, build, program};
pub use record::{GatewayPods, Node, Process, Record, Settings, labs};
pub use status::{Status, status};
pub use supervisor::supervise;
pub use up::up;
pub use witness::Witness;
