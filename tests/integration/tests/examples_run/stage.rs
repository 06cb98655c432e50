//! A gateway started on examples.

use rauta_integration::{Overlay, Rauta, gateway_api};
use rauta_test_support::Origin;
use std::net::{IpAddr, SocketAddr};

/// Listeners below port 1024 are bound without rights, and that of port 50051 below 65536.
const PORT_OFFSET: u16 = 12_000;

/// A running gateway that has read some of the examples and the overlay.
pub(crate) struct Stage {
    pub(crate) overlay: Overlay,
    gateway: IpAddr,
    _rauta: Rauta,
}

impl Stage {
    /// Starts on these files of `examples/standard`; their Services have no origins yet.
    pub(crate) fn start(files: &[&str]) -> Self {
        let standard = gateway_api().expect("the module").join("examples/standard");
        let overlay = Overlay::new().expect("an overlay");
        let (pool, gateway) = overlay.gateways();
        let mut arguments = vec!["--manifests".to_owned()];
        arguments.push(overlay.path().display().to_string());
        for file in files {
            let file = standard.join(file);
            assert!(file.exists(), "{} is gone", file.display());
            arguments.push(file.display().to_string());
        }
        arguments.extend(["--port-offset".to_owned(), PORT_OFFSET.to_string()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let rauta = Rauta::start(&arguments, &[("RAUTA_ADDRESS_POOL", &pool)]);
        Self {
            overlay,
            gateway,
            _rauta: rauta.expect("the gateway starts"),
        }
    }

    /// Where the first Gateway's listener with this port is bound.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.gateway, port + PORT_OFFSET)
    }

    /// Where a Service's endpoint is, `namespace/name`.
    pub(crate) fn endpoint(&self, service: &str) -> SocketAddr {
        let endpoint = self.overlay.endpoint(service);
        endpoint.expect("the overlay has the Service")
    }

    /// An origin that answers with the request, for one Service.
    pub(crate) async fn echo(&self, service: &str) -> Origin {
        Origin::echoing_at(self.endpoint(service), service).await
    }

    /// Such origins for all Services.
    pub(crate) async fn echo_all(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (service, address) in self.overlay.endpoints() {
            origins.push(Origin::echoing_at(address, &service).await);
        }
        origins
    }
}
