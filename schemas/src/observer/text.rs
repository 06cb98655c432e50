//! An anomaly in words: what was seen against what, for people who read the message only.

use super::evidence::ms;
use crate::{AnomalyKind, ObserverEvent, Phase, Unit};
use std::fmt::Write as _;

impl ObserverEvent {
    /// What was seen, against what: `812 ms against 600 ms (p99 of 640: 300 ms); 5 of 120 in
    /// 10 s, 3 open`. Facts only.
    pub fn message(&self) -> String {
        let observed = &self.observed;
        let mut text = match self.phase {
            Phase::Firing => String::new(),
            Phase::Cleared => "over: ".to_owned(),
        };
        // Writing to a text cannot fail.
        let _written = match self.kind {
            AnomalyKind::SlowResponse | AnomalyKind::ErrorSpike => write!(
                text,
                "{} against a limit of {}",
                value(observed.value, observed.unit),
                value(observed.threshold, observed.unit),
            ),
            AnomalyKind::ProbeFailed => write!(text, "{} failed probes in a row", observed.value),
            AnomalyKind::EndpointEjected => {
                write!(text, "{} failed connects in a row", observed.value)
            }
        };
        if let Some(baseline) = &self.baseline {
            let normal = value(baseline.value, observed.unit);
            let _written = match baseline.quantile {
                Some(quantile) => {
                    let percent = (quantile * 1000.0).round() / 10.0;
                    write!(text, " (p{percent} of {}: {normal})", baseline.samples)
                }
                None => write!(text, " (baseline of {}: {normal})", baseline.samples),
            };
        }
        if observed.total > 0 {
            let window_s = ms(self.window_ns) / 1000.0;
            let (affected, total) = (observed.affected, observed.total);
            let _written = write!(text, "; {affected} of {total} in {window_s} s");
        }
        if observed.open > 0 {
            let _written = write!(text, ", {} open", observed.open);
        }
        text
    }

    /// What failed: `GET /cart/{id} on shop/cart:80, endpoint 10.0.0.2:8080`.
    pub fn what_failed(&self) -> String {
        let subject = &self.subject;
        let mut words = Vec::new();
        words.extend(subject.method.map(|method| method.label().to_owned()));
        words.extend(subject.rule.as_ref().map(|rule| rule.template.clone()));
        if let Some(backend) = &subject.backend {
            let (namespace, service) = (&backend.namespace, &backend.service);
            words.push(format!("on {namespace}/{service}:{}", backend.port));
        }
        if words.is_empty()
            && let Some(listener) = &subject.listener
        {
            let (namespace, gateway) = (&listener.namespace, &listener.gateway);
            words.push(format!("{namespace}/{gateway}/{}", listener.listener));
        }
        let mut text = words.join(" ");
        if let Some(endpoint) = &subject.endpoint {
            let comma = if text.is_empty() { "" } else { ", " };
            let _written = write!(text, "{comma}endpoint {}", endpoint.address);
        }
        if text.is_empty() {
            text.clone_from(&self.key);
        }
        text
    }
}

fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => format!("{} ms", (value * 10.0).round() / 10.0),
        Unit::Ratio => format!("{} %", (value * 1000.0).round() / 10.0),
        Unit::Count => format!("{value}"),
    }
}
