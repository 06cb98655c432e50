//! `rauta explain`: which listener, route, rule, filters and backend answer a request, or the
//! nearest candidates and the first condition that each of them missed.

use crate::admin::client;
use crate::cli::ExplainArgs;
use crate::{EXIT_NO, check, log};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rauta_gateway_api::Config;
use rauta_routing::{
    BackendTarget, Considered, Filter, Listener, Port, PortProtocol, RequestView, Rule, Snapshot,
};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::ExitCode;

/// Explains one request; exit 1 where nothing answers it.
pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let answer = match arguments.admin {
        Some(admin) => ask(admin, arguments)?,
        None => {
            let (controller, mistakes) = check::read(arguments.manifests.clone(), Config::files());
            for mistake in mistakes {
                log::error_line(&mistake.to_string());
            }
            let headers: Vec<_> = arguments
                .header
                .iter()
                .map(|header| split(header))
                .collect();
            let question = Question::new(&arguments.method, &arguments.url, &headers)
                .map_err(anyhow::Error::msg)?;
            let snapshot = controller.snapshot().cloned().unwrap_or_default();
            explain(&snapshot, &question, arguments.gateway.as_deref())
        }
    };
    match arguments.json {
        true => log::out(&format!("{answer:#}"))?,
        false => log::out(&text(&answer))?,
    }
    let is_answered = answer["answers"]
        .as_array()
        .is_some_and(|answers| answers.iter().any(|answer| answer.get("rule").is_some()));
    Ok(if is_answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NO)
    })
}

fn split(header: &str) -> (String, String) {
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    (name.trim().to_owned(), value.trim().to_owned())
}

/// Asks a running RAUTA's admin server.
fn ask(admin: std::net::SocketAddr, arguments: &ExplainArgs) -> anyhow::Result<Value> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("url", &arguments.url);
    query.append_pair("method", &arguments.method);
    for header in &arguments.header {
        query.append_pair("header", header);
    }
    let target = format!("/explain?{}", query.finish());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let response = client::ask(admin, &target, "application/json").await?;
        client::document(response).await
    })?;
    Ok(serde_json::from_slice(&answer)?)
}

/// The request that is asked about.
#[derive(Debug)]
pub(crate) struct Question {
    method: Method,
    host: String,
    port: u16,
    protocol: PortProtocol,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Question {
    /// Reads method, URL and headers; the error says which of them is wrong and why.
    pub(crate) fn new(
        method: &str,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Self, String> {
        let method = method
            .parse()
            .map_err(|error| format!("method `{method}`: {error}"))?;
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("url `{url}`: {error}"))?;
        let protocol = match uri.scheme_str() {
            Some("http") => PortProtocol::Http,
            Some("https") => PortProtocol::Https,
            _ => {
                return Err(format!(
                    "url `{url}`: write a whole URL, like http://shop.example/cart"
                ));
            }
        };
        let default_port = if protocol == PortProtocol::Http {
            80
        } else {
            443
        };
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase();
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name
                .parse()
                .map_err(|error| format!("header `{name}`: {error}"))?;
            let value: HeaderValue = value
                .parse()
                .map_err(|error| format!("header `{name}: {value}`: {error}"))?;
            fields.append(name, value);
        }
        // The Host field decides over the URL's host, as it would for a client that sets it.
        let host = match fields
            .get(http::header::HOST)
            .and_then(|host| host.to_str().ok())
        {
            Some(given) => given
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase(),
            None => host,
        };
        Ok(Self {
            method,
            host,
            port: uri.port_u16().unwrap_or(default_port),
            protocol,
            path: if uri.path().is_empty() {
                "/".into()
            } else {
                uri.path().into()
            },
            query: uri.query().map(str::to_owned),
            headers: fields,
        })
    }

    fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }

    /// Could a client that dials the URL reach this port?
    fn reaches(&self, port: &Port) -> bool {
        let by_address = self
            .host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip == port.address.ip());
        let any_address = self.host.parse::<IpAddr>().is_err();
        let by_port = port.public_port == self.port || port.address.port() == self.port;
        by_port && port.protocol == self.protocol && (by_address || any_address)
    }
}

/// What each Gateway that a client could reach says of the request.
pub(crate) fn explain(snapshot: &Snapshot, question: &Question, gateway: Option<&str>) -> Value {
    let answers: Vec<Value> = snapshot
        .ports
        .iter()
        .filter(|port| question.reaches(port))
        .filter_map(|port| {
            let listener = match port.protocol {
                PortProtocol::Http => port.listener_for_host(&question.host),
                PortProtocol::Https => port.listener_for_sni(Some(&question.host)),
            };
            match listener {
                Some(listener) => on_listener(port, listener, question, gateway),
                None if gateway.is_none() => Some(json!({
                    "address": port.address,
                    "why": "no listener of this address takes the host",
                })),
                None => None,
            }
        })
        .collect();
    let mut explained = json!({ "answers": answers });
    if answers.is_empty() {
        let open: Vec<_> = snapshot
            .ports
            .iter()
            .map(|port| {
                format!(
                    "{:?} {} (port {})",
                    port.protocol, port.address, port.public_port
                )
            })
            .collect();
        explained["why"] = format!(
            "no Gateway listens for {:?} on port {}; there are: {}",
            question.protocol,
            question.port,
            if open.is_empty() {
                "none".to_owned()
            } else {
                open.join(", ")
            }
        )
        .into();
    }
    explained
}

fn on_listener(
    port: &Port,
    listener: &Listener,
    question: &Question,
    gateway: Option<&str>,
) -> Option<Value> {
    let name = listener.name.name();
    let full = format!("{}/{}", name.namespace, name.gateway);
    if gateway.is_some_and(|wanted| wanted != name.gateway && wanted != full) {
        return None;
    }
    let explanation = listener.routes.explain(&question.view());
    let mut answer = json!({
        "address": port.address,
        "gateway": full,
        "listener": name.listener,
        "hostname": listener.hostname.as_ref().map(ToString::to_string),
        "nearest": explanation.nearest.iter().map(candidate).collect::<Vec<_>>(),
    });
    match explanation.found {
        Some(found) => {
            answer["rule"] = candidate(&found);
            answer["filters"] = found.rule.filters.iter().map(filter_name).collect();
            answer["backends"] = backends(found.rule);
        }
        None => answer["why"] = "no rule matches; the answer is 404".into(),
    }
    Some(answer)
}

fn candidate(considered: &Considered<'_>) -> Value {
    let name = considered.rule.name.name();
    json!({
        "kind": name.kind.label(),
        "route": format!("{}/{}", name.namespace, name.route),
        "rule": name.rule,
        "match": considered.matched.path.to_string(),
        "failed": considered.failed.as_ref().map(ToString::to_string),
    })
}

fn filter_name(filter: &Filter) -> &'static str {
    match filter {
        Filter::RequestHeaders(_) => "RequestHeaderModifier",
        Filter::ResponseHeaders(_) => "ResponseHeaderModifier",
        Filter::Redirect(_) => "RequestRedirect",
        Filter::Rewrite(_) => "URLRewrite",
        Filter::Mirror(_) => "RequestMirror",
        Filter::Cors(_) => "CORS",
    }
}

fn backends(rule: &Rule) -> Value {
    rule.backends
        .iter()
        .map(|backend| match &backend.target {
            BackendTarget::Backend(name) => {
                let name = name.name();
                let service = format!("{}/{}:{}", name.namespace, name.service, name.port);
                json!({ "service": service, "weight": backend.weight })
            }
            BackendTarget::Invalid(why) => {
                json!({ "invalid": format!("{why:?}"), "weight": backend.weight, "answer": 500 })
            }
        })
        .collect()
}

/// The explanation for people.
fn text(explained: &Value) -> String {
    let mut text = String::new();
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    for answer in explained["answers"].as_array().into_iter().flatten() {
        text.push_str(&format!("address   {}\n", word(&answer["address"])));
        for (label, key) in [("gateway   ", "gateway"), ("listener  ", "listener")] {
            if let Some(value) = answer.get(key) {
                text.push_str(&format!("{label}{}\n", word(value)));
            }
        }
        if let Some(rule) = answer.get("rule") {
            text.push_str(&format!(
                "rule      {} {}, rule {}, matched by {}\n",
                word(&rule["kind"]),
                word(&rule["route"]),
                word(&rule["rule"]),
                word(&rule["match"])
            ));
            let filters: Vec<_> = answer["filters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(word)
                .collect();
            if !filters.is_empty() {
                text.push_str(&format!("filters   {}\n", filters.join(", ")));
            }
            for backend in answer["backends"].as_array().into_iter().flatten() {
                let target = backend.get("service").or_else(|| backend.get("invalid"));
                let target = target.map(word).unwrap_or_default();
                text.push_str(&format!(
                    "backend   {target} (weight {})\n",
                    backend["weight"]
                ));
            }
        }
        if let Some(why) = answer.get("why") {
            text.push_str(&format!("answer    {}\n", word(why)));
        }
        for missed in answer["nearest"].as_array().into_iter().flatten() {
            text.push_str(&format!(
                "missed    {} {}, rule {} ({}): {}\n",
                word(&missed["kind"]),
                word(&missed["route"]),
                word(&missed["rule"]),
                word(&missed["match"]),
                word(&missed["failed"])
            ));
        }
        text.push('\n');
    }
    if let Some(why) = explained.get("why") {
        text.push_str(&format!("{}\n", word(why)));
    }
    text
}
