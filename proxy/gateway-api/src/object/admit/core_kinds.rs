//! The rules of the core kinds: Namespace, Service, EndpointSlice, Secret, ConfigMap.
//!
//! Their many fields are known to the typed structs; the rules here are those that matter to
//! routing. Whatever the struct does not know is found by comparing what went in with what the
//! struct gives back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::checks::{Items, PORT};
use super::fields::Fields;
use super::form::{FREE, Form, Text};
use super::report::{Path, Report};

const APP_PROTOCOL: Text = Text {
    min: 0,
    max: 317,
    form: Form::LabelKey,
};
const PORT_NAME: Text = Text {
    min: 0,
    max: 63,
    form: Form::DnsLabel,
};
const TRANSPORTS: [&str; 3] = ["TCP", "UDP", "SCTP"];
/// All keys and values of a Secret or ConfigMap together, in bytes.
const DATA_BYTES_MAX: usize = 1024 * 1024;
/// Seconds for which a client stays with its endpoint, unless the Service says otherwise.
const AFFINITY_SECONDS: i64 = 10_800;

/// Reads a core object after its rules were applied, and finds what its kind does not know.
pub(super) fn typed<T: DeserializeOwned + Serialize>(
    root: Map<String, Value>,
    report: &mut Report,
) -> Option<T> {
    let input = Value::Object(root);
    let parsed = serde_path_to_error::deserialize::<_, T>(&input);
    match parsed {
        Ok(object) => {
            if let Ok(output) = serde_json::to_value(&object) {
                prune_unknown(&input, &output, &Path::ROOT, report);
            }
            Some(object)
        }
        Err(error) => {
            refuse_type(&error, report);
            None
        }
    }
}

/// Turns a type mistake found while reading into an error of its field.
pub(super) fn refuse_type(
    error: &serde_path_to_error::Error<serde_json::Error>,
    report: &mut Report,
) {
    let field = error.path().to_string();
    let what = if report.confidential {
        // The reader's message quotes what it read.
        "is not of the right type or encoding".to_owned()
    } else {
        error.inner().to_string()
    };
    report.refuse(
        &Path::ROOT.field(&field),
        None,
        what,
        "check the field's type and spelling",
    );
}

fn prune_unknown(input: &Value, output: &Value, at: &Path<'_>, report: &mut Report) {
    match (input, output) {
        (Value::Object(input), Value::Object(output)) => {
            for (name, value) in input {
                match output.get(name) {
                    Some(kept) => prune_unknown(value, kept, &at.field(name), report),
                    None => report.prune(at, name),
                }
            }
        }
        (Value::Array(input), Value::Array(output)) => {
            for (index, (value, kept)) in input.iter().zip(output).enumerate() {
                prune_unknown(value, kept, &at.item(index), report);
            }
        }
        _ => {}
    }
}

/// Rules of a Service.
pub(super) fn service(f: &mut Fields<'_>) {
    f.require("spec");
    f.open_object("spec", |f| {
        f.default("type", "ClusterIP");
        f.default("sessionAffinity", "None");
        f.choice(
            "type",
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        );
        f.choice("sessionAffinity", &["ClientIP", "None"]);
        if f.str("sessionAffinity") == Some("ClientIP") {
            let config = serde_json::json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}});
            f.default("sessionAffinityConfig", config);
        }
        f.open_list("ports", Items::up_to(usize::MAX), service_port);
        let external = f.str("type") == Some("ExternalName");
        let headless = f.str("clusterIP") == Some("None");
        if external
            && f.str("externalName")
                .is_none_or(|name| !Form::DnsSubdomain.admits(name))
        {
            f.refuse(
                "externalName",
                "must be a hostname for type ExternalName",
                "set it",
            );
        }
        if f.is_empty("ports") && !external && !headless {
            f.refuse("ports", "required, but missing", "name at least one port");
        }
        named_ports(f, true);
    });
}

fn service_port(f: &mut Fields<'_>) {
    f.default("protocol", "TCP");
    if let Some(port) = f.int("port") {
        f.default("targetPort", port);
    }
    f.require("port");
    f.integer("port", PORT);
    f.text("name", &PORT_NAME);
    f.choice("protocol", &TRANSPORTS);
    f.text("appProtocol", &APP_PROTOCOL);
}

/// With several ports each needs a name of its own; of a Service, also its own number.
fn named_ports(f: &mut Fields<'_>, by_number: bool) {
    let ports = f.items("ports");
    let name = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
    let place = |port: &Value| (port["port"].clone(), port["protocol"].clone());
    let mut wrong = None;
    for (index, port) in ports.iter().enumerate() {
        let before = &ports[..index];
        if by_number && ports.len() > 1 && name(port).is_empty() {
            wrong = Some("holds several ports, one of them without a name");
        } else if before.iter().any(|other| name(other) == name(port)) {
            wrong = Some("holds one name twice");
        } else if by_number && before.iter().any(|other| place(other) == place(port)) {
            wrong = Some("holds one port and protocol twice");
        }
    }
    if let Some(what) = wrong {
        f.refuse("ports", what, "give each port its own name and number");
    }
}

/// Rules of an EndpointSlice.
pub(super) fn endpoint_slice(f: &mut Fields<'_>) {
    f.require("addressType");
    f.choice("addressType", &["FQDN", "IPv4", "IPv6"]);
    let family = f.str("addressType").map(str::to_owned);
    f.default("endpoints", Value::Array(Vec::new()));
    f.open_list("endpoints", Items::up_to(1000), |f| {
        f.require("addresses");
        f.texts("addresses", Items::some_up_to(100), &FREE);
        let unfit = family.as_deref().and_then(|family| {
            let addresses = f.items("addresses").iter().filter_map(Value::as_str);
            addresses
                .into_iter()
                .find(|address| !fits(address, family))
                .map(str::to_owned)
        });
        if let Some(address) = unfit {
            let what = format!("holds {address}, which is no usable address of the addressType");
            f.refuse(
                "addresses",
                what,
                "write one address of the slice's addressType",
            );
        }
    });
    f.open_list("ports", Items::up_to(100), |f| {
        f.default("name", "");
        f.default("protocol", "TCP");
        if f.str("name").is_some_and(|name| !name.is_empty()) {
            f.text("name", &PORT_NAME);
        }
        f.integer("port", PORT);
        f.choice("protocol", &TRANSPORTS);
        f.text("appProtocol", &APP_PROTOCOL);
    });
    named_ports(f, false);
}

/// Loopback is fine here: whether it may be used depends on the source.
fn fits(address: &str, family: &str) -> bool {
    match family {
        "IPv4" => address
            .parse::<Ipv4Addr>()
            .is_ok_and(|ip| !ip.is_unspecified() && !ip.is_multicast()),
        "IPv6" => address
            .parse::<Ipv6Addr>()
            .is_ok_and(|ip| !ip.is_unspecified() && !ip.is_multicast()),
        _ => Form::DnsSubdomain.admits(address) && address.parse::<IpAddr>().is_err(),
    }
}

/// Rules of a Secret: plain `stringData` goes over `data`, as an API server stores it.
pub(super) fn secret(f: &mut Fields<'_>) {
    f.default("type", "Opaque");
    f.boolean("immutable");
    merge_string_data(f);
    data_keys(f, &["data"]);
    if f.str("type") == Some("kubernetes.io/tls") {
        for key in ["tls.crt", "tls.key"] {
            if f.child("data").and_then(|data| data.get(key)).is_none() {
                let what = format!("has no {key}, which type kubernetes.io/tls demands");
                f.refuse("data", what, format!("add {key}"));
            }
        }
    }
}

fn merge_string_data(f: &mut Fields<'_>) {
    f.pairs("stringData", usize::MAX, &FREE, &FREE);
    let Some(Value::Object(plain)) = f.child("stringData").cloned() else {
        return;
    };
    f.drop("stringData");
    f.default("data", Value::Object(Map::new()));
    for (key, text) in plain {
        if let Some(text) = text.as_str() {
            let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
            f.insert_into("data", key, serde_json::json!(bytes));
        }
    }
}

/// Rules of a ConfigMap.
pub(super) fn config_map(f: &mut Fields<'_>) {
    f.boolean("immutable");
    f.pairs("data", usize::MAX, &FREE, &FREE);
    data_keys(f, &["data", "binaryData"]);
    let both = |f: &Fields<'_>| {
        let data = f.child("data")?.as_object()?;
        let binary = f.child("binaryData")?.as_object()?;
        binary.keys().find(|key| data.contains_key(*key)).cloned()
    };
    if let Some(key) = both(f) {
        f.refuse(
            "binaryData",
            format!("holds {key}, which data holds too"),
            "keep one of them",
        );
    }
}

fn data_keys(f: &mut Fields<'_>, fields: &[&'static str]) {
    let fits = |key: &str| {
        (1..=253).contains(&key.len())
            && !matches!(key, "." | "..")
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let mut bytes = 0;
    for field in fields {
        let Some(Value::Object(data)) = f.child(field) else {
            continue;
        };
        let unfit = data.keys().find(|key| !fits(key)).cloned();
        bytes += data
            .iter()
            .map(|(k, v)| k.len() + v.as_str().map_or(0, str::len))
            .sum::<usize>();
        if let Some(key) = unfit {
            let what = format!("holds the key {}", super::report::excerpt(&key));
            f.refuse(field, what, "use letters, digits, -, _ and . in keys");
        }
    }
    // Base64 makes a third more of the bytes that count; the bound is the generous one.
    if bytes > DATA_BYTES_MAX / 3 * 4 + 4 {
        let what = format!("holds more than {DATA_BYTES_MAX} bytes");
        f.refuse(fields[0], what, "split it");
    }
}
