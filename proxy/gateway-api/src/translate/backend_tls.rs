//! BackendTLSPolicies: TLS toward a Service, and which policy counts where several do.

use super::certificate::{certificates, content_hash};
use crate::attach::Problem;
use crate::index::{Index, Lookup, Name, Read};
use crate::object::types::BackendTlsPolicy;
use crate::object::types::backendtlspolicies::{
    BackendTlsPolicyValidation, BackendTlsPolicyValidationCaCertificateRefs,
    BackendTlsPolicyValidationSubjectAltNamesType as NameType,
};
use crate::object::{Object, Stored};
use crate::status::reason;
use rauta_routing::{BackendTls, BackendTlsName, TrustedAuthorities};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A policy, judged for itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyState {
    /// What it asks for; an error where it cannot be had.
    pub(crate) tls: Result<Arc<BackendTls>, Problem>,
    /// `ResolvedRefs` of its CA references.
    pub(crate) resolved: Result<(), Problem>,
}

impl PolicyState {
    /// Judges a policy. A state that means the same as `previous` shares its TLS.
    pub(crate) fn judge(
        lookup: &Lookup<'_>,
        policy: &BackendTlsPolicy,
        previous: Option<&Self>,
    ) -> Self {
        let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
        let validation = &policy.spec.validation;
        let (authorities, resolved) = authorities(lookup, namespace, validation);
        let tls = authorities.and_then(|authorities| {
            let tls = assemble(validation, authorities)?;
            let before = previous.and_then(|state| state.tls.as_ref().ok());
            Ok(match before {
                Some(before) if **before == tls => before.clone(),
                _ => Arc::new(tls),
            })
        });
        Self { tls, resolved }
    }
}

/// Every policy's state, by name.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) states: BTreeMap<Name, PolicyState>,
}

impl Policies {
    /// The policy that counts for a Service's port: one for the port by name before one for the
    /// whole Service, the oldest of equals, whether or not it is valid.
    pub(crate) fn effective(
        &self,
        lookup: &Lookup<'_>,
        service: &Name,
        port: Option<&str>,
    ) -> Option<&PolicyState> {
        let policies: Vec<&Arc<Stored>> = lookup.policies(service).collect();
        let port = port.filter(|name| !name.is_empty());
        let by_port = port.and_then(|name| oldest(&policies, service, Some(name)));
        let found = by_port.or_else(|| oldest(&policies, service, None))?;
        self.states.get(&Name::from(&found.key))
    }
}

/// The policy that wins the target among all that name it.
pub(crate) fn winner<'a>(
    index: &'a Index,
    service: &Name,
    section: Option<&str>,
) -> Option<&'a Arc<Stored>> {
    let policies: Vec<&Arc<Stored>> = index.policies_of(service).collect();
    oldest(&policies, service, section)
}

fn oldest<'a>(
    policies: &[&'a Arc<Stored>],
    service: &Name,
    section: Option<&str>,
) -> Option<&'a Arc<Stored>> {
    policies
        .iter()
        .copied()
        .filter(|stored| match &stored.object {
            Object::BackendTlsPolicy(policy) => policy.spec.target_refs.iter().any(|target| {
                target.group.is_empty()
                    && target.kind == "Service"
                    && target.name == *service.name
                    && target.section_name.as_deref() == section
            }),
            _ => false,
        })
        .min_by_key(|stored| (stored.age, &stored.key))
}

impl Read {
    /// The read that a policy's change touches for each Service it targets.
    pub(crate) fn policies_of(policy: &BackendTlsPolicy) -> impl Iterator<Item = Self> + '_ {
        let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
        policy
            .spec
            .target_refs
            .iter()
            .map(move |target| Self::Policies(Name::new(namespace, &target.name)))
    }
}

type Trust = (Result<TrustedAuthorities, Problem>, Result<(), Problem>);

/// The CAs, and what `ResolvedRefs` says: one bad reference among good ones is reported, and the
/// good ones are used.
fn authorities(
    lookup: &Lookup<'_>,
    namespace: &str,
    validation: &BackendTlsPolicyValidation,
) -> Trust {
    let refs = validation
        .ca_certificate_refs
        .as_deref()
        .unwrap_or_default();
    match validation.well_known_ca_certificates.as_deref() {
        Some("System") if refs.is_empty() => return (Ok(TrustedAuthorities::System), Ok(())),
        Some(other) if refs.is_empty() => {
            let message = format!(
                "wellKnownCACertificates: {other:?} is not a set of CAs that is known: use System \
                 or caCertificateRefs"
            );
            return (Err(Problem::new(reason::INVALID, message)), Ok(()));
        }
        _ => {}
    }
    let mut found = Vec::new();
    let mut problem = None;
    for reference in refs {
        match authority(lookup, namespace, reference) {
            Ok(certificates) => found.extend(certificates),
            Err(error) => {
                problem.get_or_insert(error);
            }
        }
    }
    let resolved = problem.map_or(Ok(()), Err);
    if found.is_empty() {
        let why = match &resolved {
            Err(problem) => problem.message.clone(),
            Ok(()) => "neither caCertificateRefs nor wellKnownCACertificates is set".to_owned(),
        };
        let message = format!("no CA certificate can be used: {why}");
        let problem = Problem::new(reason::NO_VALID_CA_CERTIFICATE, message);
        return (Err(problem), resolved);
    }
    (Ok(TrustedAuthorities::Certificates(found)), resolved)
}

fn authority(
    lookup: &Lookup<'_>,
    namespace: &str,
    reference: &BackendTlsPolicyValidationCaCertificateRefs,
) -> Result<Vec<Vec<u8>>, Problem> {
    if !reference.group.is_empty() || reference.kind != "ConfigMap" {
        let message = format!(
            "caCertificateRefs: {} {} is not a kind that holds CA certificates: use a ConfigMap",
            reference.kind, reference.name
        );
        return Err(Problem::new(reason::INVALID_KIND, message));
    }
    let name = Name::new(namespace, &reference.name);
    let invalid = |message| Problem::new(reason::INVALID_CA_CERTIFICATE_REF, message);
    let config_map = lookup
        .config_map(&name)
        .ok_or_else(|| invalid(format!("ConfigMap {name} does not exist: create it")))?;
    let pem = config_map.data.as_ref().and_then(|data| data.get("ca.crt"));
    let pem = pem.ok_or_else(|| {
        invalid(format!(
            "ConfigMap {name} has no key ca.crt: put the CA certificates there, as PEM"
        ))
    })?;
    certificates("ca.crt", pem.as_bytes())
        .map_err(|error| invalid(format!("ConfigMap {name}: {error}")))
}

fn assemble(
    validation: &BackendTlsPolicyValidation,
    authorities: TrustedAuthorities,
) -> Result<BackendTls, Problem> {
    let mut names = Vec::new();
    for name in validation.subject_alt_names.iter().flatten() {
        names.push(match (&name.r#type, &name.hostname, &name.uri) {
            (NameType::Hostname, Some(hostname), _) => BackendTlsName::Dns(hostname.clone()),
            (NameType::Uri, _, Some(uri)) => BackendTlsName::Uri(uri.clone()),
            _ => {
                let message = "subjectAltNames: each needs the field that its type names";
                return Err(Problem::new(reason::INVALID, message));
            }
        });
    }
    let mut tls = BackendTls {
        hostname: validation.hostname.clone(),
        names,
        authorities,
        client: None,
        hash: 0,
    };
    tls.hash = hash(&tls);
    Ok(tls)
}

fn hash(tls: &BackendTls) -> u64 {
    let mut parts: Vec<&[u8]> = vec![tls.hostname.as_bytes()];
    for name in &tls.names {
        match name {
            BackendTlsName::Dns(name) => parts.extend([&b"dns"[..], name.as_bytes()]),
            BackendTlsName::Uri(uri) => parts.extend([&b"uri"[..], uri.as_bytes()]),
        }
    }
    match &tls.authorities {
        TrustedAuthorities::System => parts.push(b"system"),
        TrustedAuthorities::Certificates(list) => parts.extend(list.iter().map(Vec::as_slice)),
    }
    content_hash(parts.into_iter())
}
