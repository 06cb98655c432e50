//! `rauta check` on the Gateway API's own examples, as their module publishes them: what the spec
//! accepts is accepted, what an API server refuses is refused, and each exception is listed here.

use rauta_integration::{Overlay, built, gateway_api};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Conditions that are rightly false: why, in which files, and which.
const NOT_ACCEPTED: &[(&str, &[&str], &[&str])] = &[
    (
        "the class asks for parameters of acme.io, which RAUTA does not know",
        &["basic-grpc.yaml", "basic-http.yaml"],
        &["GatewayClass example: Accepted InvalidParameters"],
    ),
    (
        "the class asks for parameters of acme.io, which RAUTA does not know",
        &["http-redirect.yaml"],
        &["GatewayClass filter-lb: Accepted InvalidParameters"],
    ),
    (
        "a backend of acme.io, which RAUTA does not know",
        &["default-match-http.yaml"],
        &["HTTPRoute default-match-route: ResolvedRefs InvalidKind"],
    ),
    (
        "RAUTA serves no TCP",
        &["basic-tcp.yaml", "tcp-routing/gateway.yaml"],
        &[
            "Gateway my-tcp-gateway: Accepted ListenersNotValid",
            "Gateway my-tcp-gateway: Accepted UnsupportedProtocol",
            "Gateway my-tcp-gateway: Programmed Invalid",
        ],
    ),
    (
        "RAUTA serves no UDP",
        &["basic-udp.yaml", "udp-routing/gateway.yaml"],
        &[
            "Gateway my-udp-gateway: Accepted ListenersNotValid",
            "Gateway my-udp-gateway: Accepted UnsupportedProtocol",
            "Gateway my-udp-gateway: Programmed Invalid",
        ],
    ),
    (
        "RAUTA serves no protocol TLS, only HTTPS",
        &["tls-routing/gateway.yaml"],
        &[
            "Gateway example-gateway: Accepted ListenersNotValid",
            "Gateway example-gateway: Accepted UnsupportedProtocol",
            "Gateway example-gateway: Programmed Invalid",
        ],
    ),
    (
        "RAUTA does not ask clients for certificates, and a listener that must is not opened without",
        &["frontend-cert-validation.yaml"],
        &[
            "Gateway client-validation-basic: Accepted ListenersNotValid",
            "Gateway client-validation-basic: Accepted UnsupportedValue",
            "Gateway client-validation-basic: Programmed Invalid",
        ],
    ),
    (
        "from files only loopback addresses are bound",
        &["gateway-addresses.yaml"],
        &[
            "Gateway gateway-addresses: Programmed AddressNotUsable",
            "Gateway gateway-addresses: Programmed Invalid",
        ],
    ),
    (
        "no example defines the Gateway same-namespace",
        &[
            "http-cors/httproute-all-fields-set.yaml",
            "http-cors/httproute-all-origins-no-creds.yaml",
            "http-cors/httproute-credentials-true.yaml",
            "http-cors/httproute-origins-with-wildcards-no-creds.yaml",
            "http-cors/httproute-specific-origin-no-creds.yaml",
        ],
        &["HTTPRoute cors-allow-credentials: Accepted NoMatchingParent"],
    ),
    (
        "its Gateway is in a file that defines a route of the same name",
        &["http-redirect-path.yaml", "http-rewrite.yaml"],
        &["HTTPRoute http-filter-1: Accepted NoMatchingParent"],
    ),
    (
        "no example defines the Gateway acme-gw",
        &[
            "http-request-header-add.yaml",
            "http-request-header-remove.yaml",
            "http-request-header-set.yaml",
        ],
        &["HTTPRoute header-http-echo: Accepted NoMatchingParent"],
    ),
    (
        "no example defines the Gateway mirror-gateway",
        &["http-request-mirroring/httproute-mirroring.yaml"],
        &["HTTPRoute http-filter-mirror: Accepted NoMatchingParent"],
    ),
    (
        "no example defines the Gateway external-http, and RAUTA does not know ServiceImports",
        &[
            "multicluster/httproute-hybrid.yaml",
            "multicluster/httproute-location.yaml",
            "multicluster/httproute-simple.yaml",
        ],
        &[
            "HTTPRoute store: Accepted NoMatchingParent",
            "HTTPRoute store: ResolvedRefs InvalidKind",
        ],
    ),
    (
        "no example defines the Gateway api-gw, and RAUTA does not know ServiceImports",
        &["multicluster/httproute-method.yaml"],
        &[
            "HTTPRoute api: Accepted NoMatchingParent",
            "HTTPRoute api: ResolvedRefs InvalidKind",
        ],
    ),
];

/// The kinds that have a status of their own in what `check` tells.
const TOLD: [&str; 5] = [
    "GatewayClass",
    "Gateway",
    "HTTPRoute",
    "GRPCRoute",
    "BackendTLSPolicy",
];

/// The kinds that have no effect yet, which a warning says.
const WARNED: [&str; 4] = ["ListenerSet", "TCPRoute", "TLSRoute", "UDPRoute"];

/// The files whose only object is of a kind that RAUTA does not serve yet: an API server refuses
/// them, here they have no effect and a warning says so.
const NOT_KNOWN: &[&str] = &[
    "tlsroute/invalid-hostname.yaml",
    "tlsroute/no-hostname.yaml",
];

/// The manifests of a folder and of those below it, in order.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the module") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

struct Verdict {
    code: Option<i32>,
    told: Value,
}

fn check<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Verdict {
    let output = Command::new(built())
        .args(["check", "--json"])
        .args(paths)
        .output()
        .expect("the program starts");
    let told = serde_json::from_slice(&output.stdout);
    Verdict {
        code: output.status.code(),
        told: told.expect("one JSON object"),
    }
}

impl Verdict {
    fn mistakes(&self, severity: &str) -> Vec<&Value> {
        let all = self.told["mistakes"].as_array().expect("a list");
        all.iter()
            .filter(|mistake| mistake["severity"] == severity)
            .collect()
    }

    /// What is wrong with the objects of this file, one line each; of all files where none is
    /// named.
    fn complaints(&self, file: Option<&Path>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for mistake in self.mistakes("error") {
            found.insert(mistake.to_string());
        }
        for object in self.told["objects"].as_array().expect("a list") {
            if file.is_none_or(|file| text(object, "origin") == file.to_str()) {
                let part = |key: &str| text(object, key).unwrap_or_default();
                let name = format!("{} {}", part("kind"), part("name"));
                false_conditions(&name, object, &mut found);
            }
        }
        found
    }

    /// The kinds of this file's objects: of those with a status, and of those warned of.
    fn kinds(&self, file: &Path) -> Vec<String> {
        let objects = self.told["objects"].as_array().expect("a list");
        let of_file = |value: &Value, key: &str| text(value, key) == file.to_str();
        let told = objects.iter().filter(|object| of_file(object, "origin"));
        let told = told.filter_map(|object| text(object, "kind"));
        let warnings = self.mistakes("warning").into_iter();
        let warned = warnings.filter(|warning| of_file(warning, "file"));
        let warned = warned.filter_map(|warning| text(warning, "object")?.split(' ').next());
        let warned = warned.filter(|kind| WARNED.contains(kind));
        let mut kinds: Vec<String> = told.chain(warned).map(str::to_owned).collect();
        kinds.sort();
        kinds
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}

/// The kinds that a file's text defines, of those that `check` tells or warns of.
fn defined(file: &Path) -> Vec<String> {
    let content = std::fs::read_to_string(file).expect("a readable example");
    let kinds = content
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "));
    let mut kinds: Vec<String> = kinds
        .map(str::trim)
        .filter(|kind| TOLD.contains(kind) || WARNED.contains(kind))
        .map(str::to_owned)
        .collect();
    kinds.sort();
    kinds
}

/// The conditions that are rightly false in this file.
fn rightly_false(file: &Path) -> BTreeSet<String> {
    let listed = NOT_ACCEPTED
        .iter()
        .find(|(_, files, _)| files.iter().any(|listed| Path::new(listed) == file));
    let lines = listed.map_or(&[][..], |(_, _, lines)| lines);
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Conditions that an object in order has as true, but this one not.
fn false_conditions(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                false_conditions(name, item, found);
            }
        }
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
            let expected = ["Accepted", "ResolvedRefs", "Programmed"].contains(&text("type"));
            if expected && text("status") != "True" {
                let (kind, reason) = (text("type"), text("reason"));
                found.insert(format!("{name}: {kind} {reason}"));
            }
            for field in fields.values() {
                false_conditions(name, field, found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_the_spec_accepts_is_accepted() {
    let standard = gateway_api().expect("the module").join("examples/standard");
    let overlay = Overlay::new().expect("an overlay");
    let files = manifests(&standard);
    assert!(files.len() >= 60, "the examples are all there");
    let mut findings = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&standard).expect("below it");
        // Names clash between files, so each comes with no more than its folder's Gateways and the
        // Namespaces.
        let mut paths: BTreeSet<&Path> = files
            .iter()
            .map(PathBuf::as_path)
            .filter(|other| {
                let start = other.file_name().and_then(|name| name.to_str());
                let start = start.unwrap_or_default();
                let sibling = other.parent() == file.parent() && name.components().count() > 1;
                start == "0-namespaces.yaml" || sibling && start.starts_with("gateway")
            })
            .collect();
        paths.insert(file);
        paths.insert(overlay.path());
        let verdict = check(paths);
        let complaints = verdict.complaints(Some(file));
        if complaints != rightly_false(name) {
            findings.push(format!("{}: {complaints:#?}", name.display()));
        }
        assert_eq!(verdict.kinds(file), defined(file), "{}", verdict.told);
        // A Gateway that cannot be programmed here is no mistake in its manifest.
        let mut all = verdict.complaints(None);
        all.retain(|line| !line.contains(": Programmed "));
        let code = i32::from(!all.is_empty());
        assert_eq!(verdict.code, Some(code), "{}", verdict.told);
    }
    for (_, listed, _) in NOT_ACCEPTED {
        for file in *listed {
            assert!(standard.join(file).is_file(), "{file} is gone");
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn what_an_api_server_refuses_is_refused_with_its_field() {
    let invalid = gateway_api()
        .expect("the module")
        .join("hack/invalid-examples/standard");
    let files = manifests(&invalid);
    assert!(files.len() >= 32, "the examples are all there");
    for file in &files {
        let name = file.strip_prefix(&invalid).expect("below it");
        let verdict = check([file.as_path()]);
        let errors = verdict.mistakes("error");
        if NOT_KNOWN.iter().any(|known| Path::new(known) == name) {
            assert_eq!((verdict.code, errors.len()), (Some(0), 0), "{name:?}");
            let warnings = verdict.mistakes("warning");
            assert_eq!(warnings.len(), 1, "{name:?}: {warnings:?}");
            continue;
        }
        assert_eq!(verdict.code, Some(1), "{name:?}: {}", verdict.told);
        assert!(!errors.is_empty(), "{name:?}: {}", verdict.told);
        for error in errors {
            assert!(error["field"].is_string(), "{name:?}: {error}");
        }
    }
}
