//! BackendTLSPolicies: what they ask for, which one counts, and what an invalid one does.

use super::fixture::{Fixture, http_route, short};
use rauta_routing::{BackendTarget, BackendTlsName, InvalidBackend, TrustedAuthorities};
use std::sync::Arc;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {ports: [{name: https, port: 443}, {name: other, port: 444}]}
";

fn policy(name: &str, section: &str, validation: &str) -> String {
    let section = match section {
        "" => String::new(),
        section => format!(", sectionName: {section}"),
    };
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: \
         {name}}}\nspec: {{targetRefs: [{{group: '', kind: Service, name: api{section}}}], \
         validation: {validation}}}\n"
    )
}

const CA: &str =
    "{hostname: api.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}";
const SYSTEM: &str = "{hostname: sys.example.com, wellKnownCACertificates: System}";

fn ca() -> String {
    let made = rcgen::generate_simple_self_signed(["ca".to_owned()]).expect("a certificate");
    let pem = made.cert.pem().replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    {pem}\n"
    )
}

fn fixture() -> Fixture {
    let rules = "{backendRefs: [{name: api, port: 443}]}, {matches: [{path: {value: /other}}], \
                 backendRefs: [{name: api, port: 444}]}";
    let spec = format!("{{parentRefs: [{{name: gw}}], rules: [{rules}]}}");
    let mut fixture = Fixture::on_base(SERVICE);
    fixture.put("route", &http_route("web", &spec));
    fixture
}

fn hostname(fixture: &Fixture, port: u16) -> Option<String> {
    let backend = fixture.backend("default/api", port)?;
    backend.tls.as_ref().map(|tls| tls.hostname.clone())
}

fn ancestor(fixture: &Fixture, policy: &str) -> Vec<String> {
    let status = fixture.status(&format!("BackendTLSPolicy default/{policy}"));
    short(&status.ancestors[0].conditions)
}

const FINE: [&str; 2] = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];

#[test]
fn a_policy_puts_tls_between_gateway_and_service() {
    let mut fixture = fixture();
    assert_eq!(hostname(&fixture, 443), None);
    fixture.put("ca", &ca());
    let names = "{hostname: api.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, \
                 name: ca}], subjectAltNames: [{type: Hostname, hostname: a.example.com}, \
                 {type: URI, uri: 'spiffe://example.com/api'}]}";
    fixture.put("policy", &policy("p", "", names));
    let backend = fixture.backend("default/api", 443).expect("a backend");
    let tls = backend.tls.as_ref().expect("TLS");
    assert_eq!(tls.hostname, "api.example.com");
    assert_eq!(
        tls.names,
        [
            BackendTlsName::Dns("a.example.com".to_owned()),
            BackendTlsName::Uri("spiffe://example.com/api".to_owned())
        ]
    );
    assert!(matches!(&tls.authorities, TrustedAuthorities::Certificates(list) if list.len() == 1));
    assert_eq!(ancestor(&fixture, "p"), FINE);
    let status = fixture.status("BackendTLSPolicy default/p");
    assert_eq!(status.ancestors[0].ancestor_ref.name, "gw");

    fixture.remove("policy");
    assert_eq!(hostname(&fixture, 443), None);
}

#[test]
fn an_invalid_policy_never_means_plain_text() {
    let kind =
        "{hostname: h.example.com, caCertificateRefs: [{group: '', kind: Secret, name: ca}]}";
    let cases = [(CA, "InvalidCACertificateRef"), (kind, "InvalidKind")];
    for (validation, reason) in cases {
        let mut fixture = fixture();
        fixture.put("policy", &policy("p", "", validation));
        let rule = fixture.rule("h", "/").expect("a rule");
        assert!(
            matches!(
                rule.backends[0].target,
                BackendTarget::Invalid(InvalidBackend::InvalidTlsPolicy)
            ),
            "{validation}"
        );
        assert!(
            fixture.backend("default/api", 443).is_none(),
            "{validation}"
        );
        assert_eq!(
            ancestor(&fixture, "p"),
            [
                "Accepted=False/NoValidCACertificate".to_owned(),
                format!("ResolvedRefs=False/{reason}")
            ],
            "{validation}"
        );
        // The route itself is not to blame.
        let route = fixture.parent("HTTPRoute default/web", 0);
        assert_eq!(route, super::fixture::TAKEN);
    }
}

#[test]
fn the_authority_is_followed_live() {
    let mut fixture = fixture();
    fixture.put("policy", &policy("p", "", CA));
    fixture.put("ca", &ca());
    let first = fixture.backend("default/api", 443).expect("a backend");
    assert_eq!(ancestor(&fixture, "p"), FINE);

    fixture.put(
        "ca",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: ca}, data: {ca.crt: ''}}",
    );
    assert_eq!(
        ancestor(&fixture, "p")[0],
        "Accepted=False/NoValidCACertificate"
    );
    assert!(fixture.backend("default/api", 443).is_none());

    fixture.put("ca", &ca());
    let second = fixture.backend("default/api", 443).expect("a backend");
    let hash = |backend: &Arc<rauta_routing::Backend>| backend.tls.as_ref().expect("TLS").hash;
    assert_ne!(hash(&first), hash(&second), "another CA is another TLS");
}

#[test]
fn a_policy_for_a_port_counts_before_one_for_the_service() {
    let mut fixture = fixture();
    fixture.put("ca", &ca());
    fixture.put("a", &policy("whole", "", CA));
    fixture.put("b", &policy("port", "https", SYSTEM));
    assert_eq!(hostname(&fixture, 443).as_deref(), Some("sys.example.com"));
    assert_eq!(hostname(&fixture, 444).as_deref(), Some("api.example.com"));
    assert_eq!(ancestor(&fixture, "whole"), FINE);
    assert_eq!(ancestor(&fixture, "port"), FINE);
}

#[test]
fn the_older_of_two_policies_for_one_target_wins() {
    let mut fixture = fixture();
    fixture.put("ca", &ca());
    fixture.put("z", &policy("older", "", SYSTEM));
    fixture.put("a", &policy("a-younger", "", CA));
    assert_eq!(hostname(&fixture, 443).as_deref(), Some("sys.example.com"));
    assert_eq!(ancestor(&fixture, "older"), FINE);
    assert_eq!(
        ancestor(&fixture, "a-younger")[0],
        "Accepted=False/Conflicted"
    );

    fixture.remove("z");
    assert_eq!(hostname(&fixture, 443).as_deref(), Some("api.example.com"));
    assert_eq!(ancestor(&fixture, "a-younger"), FINE);
}
