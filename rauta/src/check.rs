//! `rauta check`: what the controller would write about each object, and every mistake.

use crate::cli::CheckArgs;
use crate::{EXIT_NO, log};
use rauta_gateway_api::source::{FileSource, Mistake, Severity};
use rauta_gateway_api::status::{Condition, ConditionStatus, ObjectStatus};
use rauta_gateway_api::{Config, Controller, ParentRef};
use rauta_schemas::Names;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads, judges and prints; exit 1 where something is rejected.
pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = Config {
        gateway_class: arguments.gateway_class.clone(),
        ..Config::files()
    };
    let (controller, mistakes) = read(arguments.paths.clone(), config);
    let status: Vec<_> = controller.status().collect();
    if arguments.json {
        let mistakes: Vec<_> = mistakes.iter().map(mistake_json).collect();
        let rejected = is_rejected(&status) || has_errors(&mistakes);
        let page = json!({ "objects": status, "mistakes": mistakes, "ok": !rejected });
        log::out(&format!("{page:#}"))?;
        return Ok(code(rejected));
    }
    for object in &status {
        log::out(&lines(object))?;
    }
    for mistake in &mistakes {
        log::error_line(&format!("{}: {mistake}", severity(mistake.severity)));
    }
    let errors = mistakes
        .iter()
        .filter(|mistake| mistake.severity == Severity::Error)
        .count();
    let rejected = status.iter().filter(|object| object.is_rejected()).count();
    let summary = format!(
        "{} objects, {rejected} rejected, {errors} mistakes",
        status.len()
    );
    log::out(&summary)?;
    Ok(code(rejected + errors > 0))
}

/// Reads manifests and compiles them as `rauta run` would.
pub(crate) fn read(paths: Vec<PathBuf>, config: Config) -> (Controller, Vec<Mistake>) {
    let mut source = FileSource::open(paths);
    let reading = source.read_all();
    let mut controller = Controller::new(config, Names::default());
    controller.apply(reading.changes);
    controller.compile();
    (controller, reading.mistakes)
}

fn code(rejected: bool) -> ExitCode {
    if rejected {
        ExitCode::from(EXIT_NO)
    } else {
        ExitCode::SUCCESS
    }
}

fn is_rejected(status: &[ObjectStatus]) -> bool {
    status.iter().any(ObjectStatus::is_rejected)
}

fn has_errors(mistakes: &[Value]) -> bool {
    mistakes
        .iter()
        .any(|mistake| mistake["severity"] == "error")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn mistake_json(mistake: &Mistake) -> Value {
    json!({
        "severity": severity(mistake.severity),
        "file": mistake.file,
        "document": mistake.document,
        "line": mistake.line,
        "object": mistake.object,
        "field": mistake.field,
        "what": mistake.what,
        "fix": mistake.fix,
    })
}

/// An object with its conditions, for people.
fn lines(object: &ObjectStatus) -> String {
    let name = object.qualified_name();
    let verdict = if object.is_rejected() {
        "REJECTED"
    } else {
        "ok"
    };
    let mut text = format!("{} {name}: {verdict} ({})\n", object.kind, object.origin);
    let mut part = |head: &str, conditions: &[Condition]| {
        for condition in conditions {
            text.push_str(&format!("  {head}{}\n", line(condition)));
        }
    };
    part("", &object.conditions);
    for listener in &object.listeners {
        let head = format!(
            "listener {} ({} routes): ",
            listener.name, listener.attached_routes
        );
        part(&head, &listener.conditions);
    }
    for parent in &object.parents {
        part(
            &format!("parent {}: ", parent_name(&parent.parent_ref)),
            &parent.conditions,
        );
    }
    for ancestor in &object.ancestors {
        part(
            &format!("ancestor {}: ", parent_name(&ancestor.ancestor_ref)),
            &ancestor.conditions,
        );
    }
    if !object.addresses.is_empty() {
        text.push_str(&format!("  addresses: {}\n", object.addresses.join(", ")));
    }
    text
}

/// A parent as people write it: `shop/edge`, with the listener or port it is narrowed to.
fn parent_name(parent: &ParentRef) -> String {
    let mut name = format!("{} {}/{}", parent.kind, parent.namespace, parent.name);
    if let Some(section) = &parent.section_name {
        name.push_str(&format!(", listener {section}"));
    }
    if let Some(port) = parent.port {
        name.push_str(&format!(", port {port}"));
    }
    name
}

fn line(condition: &Condition) -> String {
    let status = match condition.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    format!(
        "{}={status} {} — {}",
        condition.r#type, condition.reason, condition.message
    )
}
