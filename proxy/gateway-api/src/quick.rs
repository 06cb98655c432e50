//! The quick way: one backend behind one address, without any file.
//!
//! The objects that a user would otherwise write are made in memory and go through the same index
//! as all others. Names are not resolved here.

use crate::object::types::gateways::{
    GatewayAddresses, GatewayListeners, GatewayListenersTls, GatewayListenersTlsCertificateRefs,
    GatewaySpec,
};
use crate::object::types::httproutes::{
    HttpRouteParentRefs, HttpRouteRules, HttpRouteRulesBackendRefs, HttpRouteSpec,
};
use crate::object::types::{
    EndpointSlice, Gateway, GatewayClass, HttpRoute, ObjectMeta, Secret, Service, gatewayclasses,
};
use crate::object::{Age, Change, Object, Stored};
use crate::publish::{CONTROLLER_NAME, Config, Controller};
use crate::status::reason;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort};
use rauta_schemas::Names;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// The name and namespace of every object of the quick way.
const NAME: &str = "quick";

/// One backend behind one address.
#[derive(Clone, Debug)]
pub struct Quick {
    /// Where to listen.
    pub bind: SocketAddr,
    /// Where the backend is; several addresses share the requests.
    pub backends: Vec<SocketAddr>,
    /// Certificate chain and private key, PEM; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// A certificate with its key, PEM.
#[derive(Clone)]
pub struct Tls {
    /// The leaf first.
    pub certificate: Vec<u8>,
    /// The key of the leaf.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(not shown)")
    }
}

/// Why the quick way cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuickError(String);

impl Quick {
    /// A controller that has compiled the objects.
    ///
    /// # Errors
    /// The first condition that keeps a part from being served, such as a key that does not belong
    /// to its certificate.
    pub fn controller(&self, names: Names) -> Result<Controller, QuickError> {
        let config = Config {
            // Whoever names an address to bind has asked for it.
            bind_any_address: true,
            ..Config::files()
        };
        let mut controller = Controller::new(config, names);
        controller.apply(self.changes());
        controller.compile();
        let status: Vec<_> = controller.status().collect();
        let rejection = status
            .iter()
            .flat_map(|object| object.all_conditions())
            .filter(|condition| condition.is_rejection())
            // The Gateway's own summary of its listeners says less than they do.
            .find(|condition| {
                condition.reason != reason::LISTENERS_NOT_RESOLVED
                    && condition.reason != reason::LISTENERS_NOT_VALID
            });
        match rejection {
            Some(condition) => Err(QuickError(condition.message.clone())),
            None => Ok(controller),
        }
    }

    /// The objects.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let mut objects = vec![
            Object::GatewayClass(Box::new(GatewayClass {
                metadata: metadata(None, NAME.to_owned()),
                spec: gatewayclasses::GatewayClassSpec {
                    controller_name: CONTROLLER_NAME.to_owned(),
                    ..Default::default()
                },
                status: None,
            })),
            Object::Gateway(Box::new(self.gateway())),
            Object::HttpRoute(Box::new(route())),
            Object::Service(Box::new(service())),
        ];
        objects.extend(self.tls.as_ref().map(|tls| {
            let field = |name: &str, value: &Vec<u8>| (name.to_owned(), ByteString(value.clone()));
            Object::Secret(Box::new(Secret {
                metadata: metadata(Some(NAME), NAME.to_owned()),
                data: Some(BTreeMap::from([
                    field("tls.crt", &tls.certificate),
                    field("tls.key", &tls.key),
                ])),
                type_: Some("kubernetes.io/tls".to_owned()),
                ..Default::default()
            }))
        }));
        let slices = self.backends.iter().enumerate();
        objects.extend(
            slices
                .map(|(number, address)| Object::EndpointSlice(Box::new(slice(number, *address)))),
        );
        objects.into_iter().map(change).collect()
    }

    fn gateway(&self) -> Gateway {
        let tls = self.tls.as_ref().map(|_| GatewayListenersTls {
            certificate_refs: Some(vec![GatewayListenersTlsCertificateRefs {
                name: NAME.to_owned(),
                ..Default::default()
            }]),
            ..Default::default()
        });
        Gateway {
            metadata: metadata(Some(NAME), NAME.to_owned()),
            spec: GatewaySpec {
                gateway_class_name: NAME.to_owned(),
                addresses: Some(vec![GatewayAddresses {
                    r#type: Some("IPAddress".to_owned()),
                    value: Some(self.bind.ip().to_string()),
                }]),
                listeners: vec![GatewayListeners {
                    name: if tls.is_some() { "https" } else { "http" }.to_owned(),
                    port: i32::from(self.bind.port()),
                    protocol: if tls.is_some() { "HTTPS" } else { "HTTP" }.to_owned(),
                    tls,
                    ..Default::default()
                }],
                ..Default::default()
            },
            status: None,
        }
    }
}

fn route() -> HttpRoute {
    HttpRoute {
        metadata: metadata(Some(NAME), NAME.to_owned()),
        spec: HttpRouteSpec {
            parent_refs: Some(vec![HttpRouteParentRefs {
                name: NAME.to_owned(),
                ..Default::default()
            }]),
            rules: Some(vec![HttpRouteRules {
                backend_refs: Some(vec![HttpRouteRulesBackendRefs {
                    name: NAME.to_owned(),
                    port: Some(80),
                    ..Default::default()
                }]),
                ..Default::default()
            }]),
            ..Default::default()
        },
        status: None,
    }
}

fn service() -> Service {
    Service {
        metadata: metadata(Some(NAME), NAME.to_owned()),
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort {
                port: 80,
                ..Default::default()
            }]),
            ..Default::default()
        }),
        status: None,
    }
}

fn slice(number: usize, address: SocketAddr) -> EndpointSlice {
    let mut metadata = metadata(Some(NAME), format!("{NAME}-{number}"));
    metadata.labels = Some(BTreeMap::from([(
        "kubernetes.io/service-name".to_owned(),
        NAME.to_owned(),
    )]));
    EndpointSlice {
        metadata,
        address_type: if address.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
        endpoints: vec![Endpoint {
            addresses: vec![address.ip().to_string()],
            ..Default::default()
        }],
        ports: Some(vec![EndpointPort {
            port: Some(i32::from(address.port())),
            ..Default::default()
        }]),
    }
}

fn metadata(namespace: Option<&str>, name: String) -> ObjectMeta {
    ObjectMeta {
        namespace: namespace.map(str::to_owned),
        name: Some(name),
        ..Default::default()
    }
}

fn change(object: Object) -> Change {
    Change::Apply(Arc::new(Stored {
        key: object.key(),
        age: Age {
            ordinal: 0,
            created: SystemTime::UNIX_EPOCH,
        },
        generation: 1,
        resource_version: 1,
        origin: Arc::from("the quick way"),
        object,
    }))
}
