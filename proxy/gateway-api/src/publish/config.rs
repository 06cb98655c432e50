//! How objects are judged: whose classes, which addresses.

use crate::attach::{BindPolicy, ClassRule};
use crate::translate::EndpointPolicy;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Where objects come from, which decides whom to trust with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files of the user who runs the gateway: no other controller shares them.
    Files,
    /// A Kubernetes API, where others own classes and write objects too.
    Kubernetes,
}

/// How the controller judges objects.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where objects come from.
    pub origin: Origin,
    /// Only Gateways of this class, where a name is given.
    pub gateway_class: Option<String>,
    /// The name that GatewayClasses select this controller by, and that it writes into status.
    pub controller_name: String,
    /// Where Gateways that ask for no address get theirs.
    pub address_pool: Ipv4Net,
    /// Added to each listener's port where it is bound, for users who may not bind 80.
    pub port_offset: u16,
    /// Whether addresses other than loopback may be bound.
    pub bind_any_address: bool,
    /// Whether endpoints on loopback and link-local addresses are used.
    pub allow_loopback_endpoints: bool,
}

/// The controller name of RAUTA.
pub const CONTROLLER_NAME: &str = "rauta.dev/gateway-controller";

impl Config {
    /// For objects from files: every class is ours, Gateways stay on this machine's 127.0.10.0/24,
    /// backends may too.
    #[must_use]
    pub fn files() -> Self {
        Self {
            origin: Origin::Files,
            gateway_class: None,
            controller_name: CONTROLLER_NAME.to_owned(),
            address_pool: Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 10, 0), 24),
            port_offset: 0,
            bind_any_address: false,
            allow_loopback_endpoints: true,
        }
    }

    /// For objects from a Kubernetes API: classes of our controller name, addresses of `pool`,
    /// and no backend on this machine's loopback.
    #[must_use]
    pub fn kubernetes(pool: Ipv4Net) -> Self {
        Self {
            origin: Origin::Kubernetes,
            address_pool: pool,
            bind_any_address: true,
            allow_loopback_endpoints: false,
            ..Self::files()
        }
    }

    pub(super) fn bind_policy(&self) -> BindPolicy {
        if self.bind_any_address {
            BindPolicy::Any
        } else {
            BindPolicy::LoopbackOnly
        }
    }

    pub(crate) fn class_rule(&self) -> ClassRule {
        ClassRule {
            only: self.gateway_class.clone(),
            controller: match self.origin {
                Origin::Files => None,
                Origin::Kubernetes => Some(self.controller_name.clone()),
            },
        }
    }

    pub(super) fn endpoint_policy(&self) -> EndpointPolicy {
        if self.allow_loopback_endpoints {
            EndpointPolicy::Any
        } else {
            EndpointPolicy::NoLoopback
        }
    }
}
