//! Admission: what an API server does before it stores an object.
//!
//! ```text
//! value ─► kind known? ─► metadata ─► defaults, constraints, cross-field rules ─► typed object
//! ```
//!
//! The rules are those of the Gateway API v1.7.0 schemas (experimental channel for the two
//! routes, standard channel for the rest), one file per kind, in the vocabulary of `fields`.
//! All mistakes of an object are found in one pass. Unknown fields are pruned and named. Rules
//! that need another object, or that only a controller can judge, are not checked here.

mod backend_tls_policy;
mod checks;
mod core_kinds;
mod fields;
mod filters;
mod form;
mod gateway;
mod gateway_class;
mod grpc_route;
mod http_route;
mod metadata;
mod reference_grant;
mod refs;
mod report;
mod transition;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use metadata::NAMESPACE_NAME_LABEL;
pub use report::AdmitError;
pub use transition::transition;

use super::types::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ObjectMeta, ReferenceGrant,
};
use super::{Kind, Object, ObjectKey};
use fields::Fields;
use report::{Path, Report};

/// What became of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may be stored.
    Admitted {
        /// The object, defaulted.
        object: Object,
        /// Paths of the fields that its kind does not know; they are not part of `object`.
        unknown: Vec<String>,
    },
    /// It is of a kind that is not read.
    Ignored {
        /// Kind and name as written.
        name: String,
        /// Whether the kind belongs to the Gateway API, so that leaving it out is worth a
        /// warning.
        gateway_api: bool,
    },
    /// It must not be stored.
    Rejected {
        /// Kind and name as written.
        name: String,
        /// The object it would have been, if that much could be read.
        key: Option<ObjectKey>,
        /// Everything that is wrong with it.
        errors: Vec<AdmitError>,
    },
}

/// Judges one object as written.
#[must_use]
pub fn admit(mut value: Value) -> Verdict {
    drop_nulls(&mut value);
    let mut report = Report::default();
    let name = name_of(&value);
    let Value::Object(mut root) = value else {
        report.wrong_type(&Path::ROOT, &value, "an object");
        return Verdict::Rejected {
            name,
            key: None,
            errors: report.errors,
        };
    };
    let kind = match kind_of(&root, &mut report) {
        Ok(Some(kind)) => kind,
        Ok(None) => {
            let group = root["apiVersion"].as_str().unwrap_or_default();
            let gateway_api = group.starts_with("gateway.networking.");
            return Verdict::Ignored { name, gateway_api };
        }
        Err(()) => {
            return Verdict::Rejected {
                name,
                key: None,
                errors: report.errors,
            };
        }
    };
    report.confidential = kind == Kind::Secret;
    let metadata = metadata::read(&mut root, kind, &mut report);
    let key = metadata
        .as_ref()
        .map(|metadata| ObjectKey::of(kind, metadata));
    // Status belongs to controllers: writing it through the object has no effect.
    root.remove("status");
    let object = build(kind, metadata.unwrap_or_default(), root, &mut report);
    match object {
        Some(object) if report.errors.is_empty() => Verdict::Admitted {
            object,
            unknown: report.unknown,
        },
        _ => Verdict::Rejected {
            name,
            key,
            errors: report.errors,
        },
    }
}

/// Kind and name as written, for messages about objects that may be broken in any way.
fn name_of(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let kind = report::excerpt(text("/kind").unwrap_or("object without kind"));
    match (text("/metadata/namespace"), text("/metadata/name")) {
        (Some(namespace), Some(name)) => {
            format!(
                "{kind} {}/{}",
                report::excerpt(namespace),
                report::excerpt(name)
            )
        }
        (None, Some(name)) => format!("{kind} {}", report::excerpt(name)),
        (_, None) => format!("{kind} without a name"),
    }
}

/// The kind, none if it is not one that is read; an error if it is not served in this version.
fn kind_of(root: &Map<String, Value>, report: &mut Report) -> Result<Option<Kind>, ()> {
    let mut text = |name: &str| match root.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.as_str()),
        Some(Value::String(_)) | None => {
            report.missing(&Path::ROOT.field(name));
            None
        }
        Some(other) => {
            report.wrong_type(&Path::ROOT.field(name), other, "a text");
            None
        }
    };
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (Some(api_version), Some(kind)) = (api_version, kind) else {
        return Err(());
    };
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let Some(kind) = Kind::find(group, kind) else {
        return Ok(None);
    };
    if !kind.versions().contains(&version) {
        let at = Path::ROOT.field("apiVersion");
        let version = kind.versions()[0];
        let group = kind.group();
        let wanted = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        let value = root.get("apiVersion");
        report.refuse(
            &at,
            value,
            "the kind is not served in this version",
            format!("use {wanted}"),
        );
        return Err(());
    }
    Ok(Some(kind))
}

/// Removes fields that are null, which mean the same as absent ones.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Applies the rules of the kind and reads the typed object.
fn build(
    kind: Kind,
    metadata: ObjectMeta,
    root: Map<String, Value>,
    report: &mut Report,
) -> Option<Object> {
    Some(match kind {
        Kind::BackendTlsPolicy => {
            let spec = custom(root, report, backend_tls_policy::spec)?;
            Object::BackendTlsPolicy(Box::new(BackendTlsPolicy {
                metadata,
                spec,
                status: None,
            }))
        }
        Kind::Gateway => {
            let spec = custom(root, report, gateway::spec)?;
            Object::Gateway(Box::new(Gateway {
                metadata,
                spec,
                status: None,
            }))
        }
        Kind::GatewayClass => {
            let spec = custom(root, report, gateway_class::spec)?;
            Object::GatewayClass(Box::new(GatewayClass {
                metadata,
                spec,
                status: None,
            }))
        }
        Kind::GrpcRoute => {
            let spec = custom(root, report, grpc_route::spec)?;
            Object::GrpcRoute(Box::new(GrpcRoute {
                metadata,
                spec,
                status: None,
            }))
        }
        Kind::HttpRoute => {
            let spec = custom(root, report, http_route::spec)?;
            Object::HttpRoute(Box::new(HttpRoute {
                metadata,
                spec,
                status: None,
            }))
        }
        Kind::ReferenceGrant => {
            let spec = custom(root, report, reference_grant::spec)?;
            Object::ReferenceGrant(Box::new(ReferenceGrant { metadata, spec }))
        }
        Kind::ConfigMap => Object::ConfigMap(Box::new(core(
            root,
            &metadata,
            report,
            core_kinds::config_map,
        )?)),
        Kind::EndpointSlice => Object::EndpointSlice(Box::new(core(
            root,
            &metadata,
            report,
            core_kinds::endpoint_slice,
        )?)),
        Kind::Namespace => Object::Namespace(Box::new(core(root, &metadata, report, |_| {})?)),
        Kind::Secret => {
            Object::Secret(Box::new(core(root, &metadata, report, core_kinds::secret)?))
        }
        Kind::Service => Object::Service(Box::new(core(
            root,
            &metadata,
            report,
            core_kinds::service,
        )?)),
    })
}

/// The `spec` of a kind of the Gateway API.
fn custom<S: DeserializeOwned>(
    root: Map<String, Value>,
    report: &mut Report,
    rules: fn(&mut Fields<'_>),
) -> Option<S> {
    let mut root = Value::Object(root);
    Fields::visit(&mut root, &Path::ROOT, report, |f| {
        f.accept("apiVersion");
        f.accept("kind");
        f.accept("metadata");
        f.require("spec");
        f.object("spec", rules);
    });
    if !report.errors.is_empty() {
        return None;
    }
    match serde_path_to_error::deserialize(&root["spec"]) {
        Ok(spec) => Some(spec),
        Err(error) => {
            core_kinds::refuse_type(&error, report);
            None
        }
    }
}

/// A whole core object, with its metadata trimmed.
fn core<T: DeserializeOwned + serde::Serialize>(
    root: Map<String, Value>,
    metadata: &ObjectMeta,
    report: &mut Report,
    rules: fn(&mut Fields<'_>),
) -> Option<T> {
    let mut root = Value::Object(root);
    Fields::visit_open(&mut root, &Path::ROOT, report, rules);
    if !report.errors.is_empty() {
        return None;
    }
    let Value::Object(mut root) = root else {
        return None;
    };
    // Metadata was judged on its own; what the API server writes there is not kept.
    if let Ok(metadata) = serde_json::to_value(metadata) {
        root.insert("metadata".to_owned(), metadata);
    }
    core_kinds::typed(root, report)
}

#[cfg(test)]
mod tests;
