//! Status of a GatewayClass.

use super::object::Conditions;
use super::{Known, ObjectStatus, kind, reason};
use crate::attach::Problem;
use crate::object::{Object, Stored};

/// `None`: another controller's.
pub(super) fn status(known: &Known<'_>, stored: &Stored) -> Option<ObjectStatus> {
    let Object::GatewayClass(class) = &stored.object else {
        return None;
    };
    let claim = known
        .config
        .class_rule()
        .claim_of(known.index, &stored.key.name);
    if !claim.is_ours() {
        return None;
    }
    let make = Conditions::new(stored);
    let accepted = match &class.spec.parameters_ref {
        None => make.holds(
            kind::ACCEPTED,
            reason::ACCEPTED,
            "Gateways of this class are served",
        ),
        Some(parameters) => {
            let message = format!(
                "parametersRef: {}/{} {} is not a kind that is read; Gateways of this class are \
                 served as without it: remove the reference",
                parameters.group, parameters.kind, parameters.name
            );
            make.fails(
                kind::ACCEPTED,
                &Problem::new(reason::INVALID_PARAMETERS, message),
            )
        }
    };
    let supported = make.holds(
        kind::SUPPORTED_VERSION,
        reason::SUPPORTED_VERSION,
        "Gateway API v1.7",
    );
    let mut status = ObjectStatus::new(stored);
    status.conditions = vec![accepted, supported];
    Some(status)
}
