//! The Rust types of every kind that is read, chosen in one place.
//!
//! HTTPRoute and GRPCRoute come from the experimental module, because the standard one lacks
//! `retry` and refuses enum values that the experimental channel serves. Everything else is
//! exact in the standard module. Core kinds are those of `k8s-openapi`.

pub use gateway_api::experimental::{grpcroutes, httproutes};
pub use gateway_api::{backendtlspolicies, gatewayclasses, gateways, referencegrants};

pub use backendtlspolicies::BackendTlsPolicy;
pub use gatewayclasses::GatewayClass;
pub use gateways::Gateway;
pub use grpcroutes::GrpcRoute;
pub use httproutes::HttpRoute;
pub use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
pub use k8s_openapi::api::discovery::v1::EndpointSlice;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
pub use referencegrants::ReferenceGrant;
