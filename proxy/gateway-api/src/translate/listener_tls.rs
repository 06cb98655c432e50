//! `certificateRefs` of a listener: Secrets to certificates.

use super::certificate::certificate;
use crate::attach::Problem;
use crate::index::{Lookup, Name, Reference};
use crate::object::Kind;
use crate::object::types::Secret;
use crate::object::types::gateways::{GatewayListeners, GatewayListenersTlsCertificateRefs};
use crate::status::reason;
use rauta_routing::{Certificate, ListenerTls};
use std::sync::Arc;

/// The certificates of a listener, as far as they are good, and the first problem.
#[derive(Debug)]
pub(crate) struct Found {
    /// `None`: not one certificate is good.
    pub(crate) tls: Option<Arc<ListenerTls>>,
    pub(crate) problem: Option<Problem>,
}

/// Resolves the listener's certificates. What is the same as in `previous` is the same `Arc`.
pub(crate) fn resolve(
    lookup: &Lookup<'_>,
    gateway: &Name,
    listener: &GatewayListeners,
    previous: Option<&Arc<ListenerTls>>,
) -> Found {
    let tls = listener.tls.as_ref();
    let refs = tls
        .and_then(|tls| tls.certificate_refs.as_deref())
        .unwrap_or_default();
    let mut certificates = Vec::new();
    let mut problem = None;
    if refs.is_empty() {
        problem = Some(Problem::new(
            reason::INVALID_CERTIFICATE_REF,
            "tls.certificateRefs is empty: name a Secret of type kubernetes.io/tls",
        ));
    }
    for reference in refs {
        match resolve_one(lookup, gateway, reference) {
            Ok(certificate) => certificates.push(share(certificate, previous)),
            Err(found) => {
                problem.get_or_insert(found);
            }
        }
    }
    let tls = (!certificates.is_empty()).then(|| match previous {
        Some(old) if same(&old.certificates, &certificates) => old.clone(),
        _ => Arc::new(ListenerTls { certificates }),
    });
    Found { tls, problem }
}

fn resolve_one(
    lookup: &Lookup<'_>,
    gateway: &Name,
    reference: &GatewayListenersTlsCertificateRefs,
) -> Result<Certificate, Problem> {
    let invalid = |message| Problem::new(reason::INVALID_CERTIFICATE_REF, message);
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Secret");
    if (group, kind) != ("", "Secret") {
        let message = format!(
            "certificateRefs: {group}/{kind} {} is not a kind that holds certificates: use a \
             Secret",
            reference.name
        );
        return Err(invalid(message));
    }
    let namespace = reference.namespace.as_deref().unwrap_or(&gateway.namespace);
    let name = Name::new(namespace, &reference.name);
    let asked = Reference {
        from: Kind::Gateway,
        from_namespace: &gateway.namespace,
        to: Kind::Secret,
        name: &name,
    };
    if !lookup.permits(asked) {
        let message = format!(
            "Secret {name} is in another namespace: add a ReferenceGrant in {namespace} from \
             Gateways of {} to Secrets",
            gateway.namespace
        );
        return Err(Problem::new(reason::REF_NOT_PERMITTED, message));
    }
    let secret = lookup
        .secret(&name)
        .ok_or_else(|| invalid(format!("Secret {name} does not exist: create it")))?;
    let (chain, key) = pair(secret).map_err(|field| {
        invalid(format!(
            "Secret {name} has no {field}: it must be of type kubernetes.io/tls"
        ))
    })?;
    certificate(("tls.crt", chain), ("tls.key", key))
        .map_err(|error| invalid(format!("Secret {name}: {error}")))
}

/// `tls.crt` and `tls.key`, or the field that is missing.
fn pair(secret: &Secret) -> Result<(&[u8], &[u8]), &'static str> {
    let field = |name: &'static str| {
        let data = secret.data.as_ref().and_then(|data| data.get(name));
        let text = secret.string_data.as_ref().and_then(|data| data.get(name));
        data.map(|bytes| bytes.0.as_slice())
            .or(text.map(|text| text.as_bytes()))
            .ok_or(name)
    };
    Ok((field("tls.crt")?, field("tls.key")?))
}

fn share(certificate: Certificate, previous: Option<&Arc<ListenerTls>>) -> Arc<Certificate> {
    previous
        .into_iter()
        .flat_map(|tls| &tls.certificates)
        .find(|old| ***old == certificate)
        .cloned()
        .unwrap_or_else(|| Arc::new(certificate))
}

fn same(old: &[Arc<Certificate>], new: &[Arc<Certificate>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| Arc::ptr_eq(old, new))
}
