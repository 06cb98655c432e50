//! An object's status as lines that a person reads: a condition is one line, and so is any other
//! value, each with the way to it.

use serde_json::Value;
use std::fmt::Write;

/// The lines of an object's status; one that says so if it has none.
#[must_use]
pub fn lines(object: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(&object["status"], "", &mut lines);
    if lines.is_empty() {
        lines.push("no status".to_owned());
    }
    lines
}

/// An object's kind, namespace, name and generation.
#[must_use]
pub fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let mut title = text(&object["kind"]);
    title.push(' ');
    if let Some(namespace) = metadata["namespace"].as_str() {
        _ = write!(title, "{namespace}/");
    }
    title.push_str(&text(&metadata["name"]));
    if let Some(generation) = metadata["generation"].as_i64() {
        _ = write!(title, " (generation {generation})");
    }
    title
}

fn walk(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                walk(value, &format!("{path}{dot}{name}"), lines);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                match value["type"].as_str() {
                    Some(_) if value["status"].is_string() => lines.push(condition(path, value)),
                    _ => walk(value, &format!("{path}[{at}]"), lines),
                }
            }
        }
        scalar => lines.push(format!("{path}={}", text(scalar))),
    }
}

/// `conditions Accepted=True/Accepted, observed 2: what it says`.
fn condition(path: &str, condition: &Value) -> String {
    let mut line = format!(
        "{path} {}={}",
        text(&condition["type"]),
        text(&condition["status"])
    );
    if let Some(reason) = condition["reason"].as_str() {
        _ = write!(line, "/{reason}");
    }
    if let Some(generation) = condition["observedGeneration"].as_i64() {
        _ = write!(line, ", observed {generation}");
    }
    if let Some(message) = condition["message"]
        .as_str()
        .filter(|said| !said.is_empty())
    {
        _ = write!(line, ": {message}");
    }
    line
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{lines, title};
    use serde_json::json;

    #[test]
    fn a_status_is_one_line_for_each_condition_and_value() {
        let gateway = json!({
            "kind": "Gateway",
            "metadata": {"name": "same-namespace", "namespace": "infra", "generation": 2},
            "status": {
                "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}],
                "conditions": [
                    {"type": "Accepted", "status": "True", "reason": "Accepted",
                     "observedGeneration": 1, "message": ""},
                    {"type": "Programmed", "status": "False", "reason": "Invalid",
                     "message": "no listener"},
                ],
                "listeners": [{"name": "http", "attachedRoutes": 3}],
            },
        });
        assert_eq!(
            title(&gateway),
            "Gateway infra/same-namespace (generation 2)"
        );
        assert_eq!(
            lines(&gateway),
            [
                "addresses[0].type=IPAddress",
                "addresses[0].value=10.0.0.1",
                "conditions Accepted=True/Accepted, observed 1",
                "conditions Programmed=False/Invalid: no listener",
                "listeners[0].attachedRoutes=3",
                "listeners[0].name=http",
            ]
        );
    }

    #[test]
    fn an_object_without_a_status_says_so() {
        let class = json!({"kind": "GatewayClass", "metadata": {"name": "conformance"}});
        assert_eq!(title(&class), "GatewayClass conformance");
        assert_eq!(lines(&class), ["no status"]);
    }
}
