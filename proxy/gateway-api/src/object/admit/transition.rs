//! What may not change once an object is stored.

use super::report::{AdmitError, Path, Report};
use crate::object::Object;

/// Judges the change from a stored object to a new one of the same key.
///
/// # Errors
/// The fields that are immutable and would change.
pub fn transition(old: &Object, new: &Object) -> Result<(), Vec<AdmitError>> {
    let mut report = Report::default();
    let mut fixed = |field: &str, changes: bool| {
        if changes {
            let fix = "remove the object first, then write it anew";
            report.refuse(&Path::ROOT.field(field), None, "must not change", fix);
        }
    };
    match (old, new) {
        (Object::GatewayClass(old), Object::GatewayClass(new)) => {
            let changes = old.spec.controller_name != new.spec.controller_name;
            fixed("spec.controllerName", changes);
        }
        (Object::EndpointSlice(old), Object::EndpointSlice(new)) => {
            fixed("addressType", old.address_type != new.address_type);
        }
        (Object::Secret(old), Object::Secret(new)) => {
            let immutable = old.immutable == Some(true);
            fixed("type", old.type_ != new.type_);
            fixed("data", immutable && old.data != new.data);
            fixed("immutable", immutable && new.immutable != Some(true));
        }
        (Object::ConfigMap(old), Object::ConfigMap(new)) => {
            let immutable = old.immutable == Some(true);
            fixed("data", immutable && old.data != new.data);
            fixed(
                "binaryData",
                immutable && old.binary_data != new.binary_data,
            );
            fixed("immutable", immutable && new.immutable != Some(true));
        }
        _ => {}
    }
    if report.errors.is_empty() {
        Ok(())
    } else {
        Err(report.errors)
    }
}
