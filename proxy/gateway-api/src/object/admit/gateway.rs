//! The rules of Gateway.

use serde_json::{Value, json};

use super::checks::{Items, PORT};
use super::fields::Fields;
use super::form::{
    ANNOTATION_VALUE, FREE, Form, GROUP, HOSTNAME, KIND, LABEL_VALUE, OBJECT_NAME, SECTION_NAME,
    Text,
};
use super::refs;
use crate::object::GATEWAY_GROUP;

const ADDRESS_TYPE: Text = Text {
    min: 1,
    max: 253,
    form: Form::AddressType,
};
const ADDRESS_VALUE: Text = Text {
    min: 0,
    max: 253,
    form: Form::Any,
};
const KEY: Text = Text {
    min: 0,
    max: usize::MAX,
    form: Form::LabelKey,
};
const PROTOCOL: Text = Text {
    min: 1,
    max: 255,
    form: Form::Protocol,
};

pub(super) fn spec(f: &mut Fields<'_>) {
    f.required_text("gatewayClassName", &OBJECT_NAME);
    f.list("addresses", Items::up_to(16), address);
    unique_addresses(f);
    f.object("allowedListeners", |f| {
        f.default("namespaces", json!({}));
        f.object("namespaces", |f| {
            namespaces(f, "None", &["All", "Selector", "Same", "None"])
        });
    });
    f.object("infrastructure", |f| {
        f.pairs("annotations", 16, &KEY, &ANNOTATION_VALUE);
        f.pairs("labels", 8, &KEY, &LABEL_VALUE);
        f.object("parametersRef", refs::local);
    });
    f.require("listeners");
    f.keyed_list("listeners", "name", Items::some_up_to(64), listener);
    distinct_listeners(f);
    f.object("tls", |f| {
        f.object("backend", |f| {
            f.object("clientCertificateRef", refs::secret)
        });
        f.object("frontend", frontend);
    });
}

fn address(f: &mut Fields<'_>) {
    f.default("type", "IPAddress");
    f.text("type", &ADDRESS_TYPE);
    f.text("value", &ADDRESS_VALUE);
    let hostname = f.str("type") == Some("Hostname");
    if hostname
        && f.str("value")
            .is_some_and(|value| !Form::Hostname.admits(value))
    {
        let fix = format!("use {}", Form::Hostname.describe());
        f.refuse("value", "is not a hostname", fix);
    }
}

fn unique_addresses(f: &mut Fields<'_>) {
    let addresses = f.items("addresses");
    let compared = |address: &Value| {
        matches!(address["type"].as_str(), Some("IPAddress" | "Hostname"))
            && address.get("value").is_some()
    };
    let repeated = (1..addresses.len())
        .any(|index| compared(&addresses[index]) && addresses[..index].contains(&addresses[index]));
    if repeated {
        f.refuse("addresses", "holds one address twice", "keep one of them");
    }
}

fn namespaces(f: &mut Fields<'_>, from: &str, choices: &[&str]) {
    f.default("from", from);
    f.choice("from", choices);
    f.object("selector", refs::label_selector);
}

fn listener(f: &mut Fields<'_>) {
    f.default("allowedRoutes", json!({}));
    f.required_text("name", &SECTION_NAME);
    f.text("hostname", &HOSTNAME);
    f.require("port");
    f.integer("port", PORT);
    f.required_text("protocol", &PROTOCOL);
    f.object("allowedRoutes", |f| {
        f.default("namespaces", json!({}));
        f.object("namespaces", |f| {
            namespaces(f, "Same", &["All", "Selector", "Same"])
        });
        f.list("kinds", Items::up_to(8), |f| {
            f.default("group", GATEWAY_GROUP);
            f.text("group", &GROUP);
            f.required_text("kind", &KIND);
        });
    });
    f.object("tls", listener_tls);
    protocol_fits(f);
}

fn listener_tls(f: &mut Fields<'_>) {
    f.default("mode", "Terminate");
    f.choice("mode", &["Terminate", "Passthrough"]);
    f.list("certificateRefs", Items::up_to(64), refs::secret);
    f.pairs("options", 16, &FREE, &ANNOTATION_VALUE);
    let terminates = f.str("mode") == Some("Terminate");
    if terminates && f.is_empty("certificateRefs") && f.is_empty("options") {
        f.refuse(
            "certificateRefs",
            "required for mode Terminate, but empty",
            "name a Secret",
        );
    }
}

/// What the protocol demands of the other fields of its listener.
fn protocol_fits(f: &mut Fields<'_>) {
    let Some(protocol) = f.str("protocol").map(str::to_owned) else {
        return;
    };
    let mode = f
        .child("tls")
        .and_then(|tls| tls["mode"].as_str())
        .map(str::to_owned);
    match protocol.as_str() {
        "HTTP" | "TCP" | "UDP" if f.has("tls") => {
            f.refuse(
                "tls",
                format!("not allowed for protocol {protocol}"),
                "remove it",
            );
        }
        "HTTPS" if mode.as_deref().is_some_and(|mode| mode != "Terminate") => {
            f.refuse(
                "tls",
                "must have mode Terminate for protocol HTTPS",
                "use protocol TLS",
            );
        }
        "TLS" if mode.is_none() => {
            f.refuse(
                "tls",
                "required for protocol TLS, but missing",
                "set its mode",
            );
        }
        _ => {}
    }
    if matches!(protocol.as_str(), "TCP" | "UDP") && f.has("hostname") {
        f.refuse(
            "hostname",
            format!("not allowed for protocol {protocol}"),
            "remove it",
        );
    }
}

fn distinct_listeners(f: &mut Fields<'_>) {
    let listeners = f.items("listeners");
    let place = |l: &Value| {
        (
            l["port"].clone(),
            l["protocol"].clone(),
            l["hostname"].clone(),
        )
    };
    let repeated = (1..listeners.len()).find_map(|index| {
        let same = |other: &&Value| place(other) == place(&listeners[index]);
        listeners[..index]
            .iter()
            .find(same)
            .map(|other| (other, &listeners[index]))
    });
    let Some((one, other)) = repeated else { return };
    let what = format!(
        "the listeners {} and {} have the same port, protocol and hostname",
        one["name"].as_str().unwrap_or_default(),
        other["name"].as_str().unwrap_or_default(),
    );
    f.refuse(
        "listeners",
        what,
        "change one of the three, or merge the listeners",
    );
}

fn frontend(f: &mut Fields<'_>) {
    f.require("default");
    f.object("default", frontend_tls);
    f.keyed_list("perPort", "port", Items::up_to(64), |f| {
        f.require("port");
        f.integer("port", PORT);
        f.require("tls");
        f.object("tls", frontend_tls);
    });
}

fn frontend_tls(f: &mut Fields<'_>) {
    f.object("validation", |f| {
        f.default("mode", "AllowValidOnly");
        f.choice("mode", &["AllowValidOnly", "AllowInsecureFallback"]);
        f.require("caCertificateRefs");
        f.list("caCertificateRefs", Items::some_up_to(16), |f| {
            refs::anywhere(f);
            let bundle = f.str("group") == Some("certificates.k8s.io")
                && f.str("kind") == Some("ClusterTrustBundle");
            if bundle && f.has("namespace") {
                f.refuse(
                    "namespace",
                    "not allowed for a ClusterTrustBundle",
                    "remove it",
                );
            }
        });
    });
}
