//! The examples that nothing can be asked of, with the reason.

use crate::asked::EXAMPLES;
use crate::grpcurl::{BASIC, REFLECTION, ROUTING};
use rauta_integration::gateway_api;
use std::collections::BTreeSet;
use std::path::Path;

/// Examples that nothing can be asked of: why, and which. `examples.rs` checks them.
const NOT_STARTED: &[(&str, &[&str])] = &[
    (
        "they hold neither a Gateway nor a route",
        &[
            "backendtlspolicy/backendtlspolicy-ca-certs.yaml",
            "backendtlspolicy/backendtlspolicy-system-certs.yaml",
            "multicluster/0-namespaces.yaml",
            "reference-grant.yaml",
        ],
    ),
    (
        "their routes name no Gateway",
        &[
            "grpc-filter.yaml",
            "http-filter.yaml",
            "http-redirect-rewrite/httproute-redirect-full.yaml",
            "http-redirect-rewrite/httproute-redirect-prefix.yaml",
            "http-redirect-rewrite/httproute-rewrite-full-path.yaml",
            "http-redirect-rewrite/httproute-rewrite-prefix-path.yaml",
            "http-redirect-rewrite/httproute-rewrite.yaml",
            "httproute.yaml",
            "multicluster/httproute-gamma.yaml",
            "multicluster/httproute-referencegrant.yaml",
            "traffic-splitting/grpc-traffic-split-2.yaml",
            "traffic-splitting/simple-split.yaml",
            "traffic-splitting/traffic-split-1.yaml",
            "traffic-splitting/traffic-split-2.yaml",
            "traffic-splitting/traffic-split-3.yaml",
        ],
    ),
    (
        "no example defines the Gateway that they name",
        &[
            "http-cors/httproute-all-fields-set.yaml",
            "http-cors/httproute-all-origins-no-creds.yaml",
            "http-cors/httproute-credentials-true.yaml",
            "http-cors/httproute-origins-with-wildcards-no-creds.yaml",
            "http-cors/httproute-specific-origin-no-creds.yaml",
            "http-request-header-add.yaml",
            "http-request-header-remove.yaml",
            "http-request-header-set.yaml",
            "http-request-mirroring/httproute-mirroring.yaml",
            "multicluster/httproute-hybrid.yaml",
            "multicluster/httproute-location.yaml",
            "multicluster/httproute-method.yaml",
            "multicluster/httproute-simple.yaml",
        ],
    ),
    (
        "RAUTA serves no protocols TCP, UDP and TLS",
        &[
            "basic-tcp.yaml",
            "basic-udp.yaml",
            "tcp-routing/gateway.yaml",
            "tcp-routing/tcp-route.yaml",
            "tls-routing/gateway.yaml",
            "tls-routing/tls-route-terminate.yaml",
            "tls-routing/tls-route.yaml",
            "udp-routing/gateway.yaml",
            "udp-routing/udp-route.yaml",
        ],
    ),
    (
        "RAUTA does not ask clients for certificates",
        &["frontend-cert-validation.yaml"],
    ),
    (
        "from files only loopback addresses are bound",
        &["gateway-addresses.yaml"],
    ),
];

/// The manifests below a folder, as paths relative to `root`.
fn manifests(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the module") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            manifests(&path, root, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let below = path.strip_prefix(root).expect("below it");
            found.insert(below.display().to_string());
        }
    }
}

#[test]
fn each_example_is_started_or_has_its_reason() {
    let standard = gateway_api().expect("the module").join("examples/standard");
    let mut found = BTreeSet::new();
    manifests(&standard, &standard, &mut found);
    let started = EXAMPLES.iter().flat_map(|example| example.files);
    let by_grpcurl = [BASIC, ROUTING, REFLECTION].into_iter().flatten();
    let started: BTreeSet<&str> = started.chain(by_grpcurl).copied().collect();
    let not_started = NOT_STARTED.iter().flat_map(|(_, files)| *files).copied();
    let not_started: BTreeSet<&str> = not_started.collect();
    let both: Vec<_> = started.intersection(&not_started).collect();
    assert!(both.is_empty(), "in both lists: {both:?}");
    let listed: BTreeSet<&str> = started.union(&not_started).copied().collect();
    assert_eq!(listed, found.iter().map(String::as_str).collect());
}
