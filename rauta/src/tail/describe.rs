//! An anomaly in words, with its evidence: what was seen, against what, who is at fault, and
//! exchanges that show it.

use rauta_schemas::{
    BaselineDocument, Evidence, ExchangeSample, ObservedDocument, Occurrence, Outcome, Phase,
    Severity, TimingsDocument, Unit,
};
use std::fmt::Write;

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// With a terminal's colours?
    pub(super) coloured: bool,
}

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Style {
    fn paint(self, colour: &str, text: &str) -> String {
        match self.coloured {
            true => format!("{colour}{text}{PLAIN}"),
            false => text.to_owned(),
        }
    }
}

/// Several lines about an anomaly; one about its end.
pub(super) fn describe(occurrence: &Occurrence, style: Style) -> String {
    let evidence = &occurrence.data;
    let (word, colour) = match (evidence.phase, occurrence.severity) {
        (Phase::Cleared, _) => ("over", GREEN),
        (Phase::Firing, Severity::Error | Severity::Critical) => (occurrence.severity.label(), RED),
        (Phase::Firing, _) => (occurrence.severity.label(), YELLOW),
    };
    let mut text = format!(
        "{} {} {} {}",
        style.paint(FAINT, &time(&occurrence.timestamp.to_string())),
        style.paint(colour, &format!("{word:<8}")),
        style.paint(BOLD, evidence.kind.label()),
        subject(evidence),
    );
    if evidence.phase == Phase::Cleared {
        let lasted = evidence.last.ns().saturating_sub(evidence.first.ns());
        let lasted = lasted as f64 / 1e9;
        write!(text, " · after {lasted:.1} s").expect("a string takes it");
        return text;
    }
    let mut line = |line: String| {
        text.push_str("\n    ");
        text.push_str(&line);
    };
    line(seen(evidence));
    if let Some(baseline) = &evidence.baseline {
        line(normal(baseline));
    }
    line(fault(evidence));
    for sample in &evidence.exchanges {
        line(style.paint(FAINT, &exchange(evidence, sample)));
    }
    text
}

/// The time of day of a timestamp, to the millisecond.
fn time(timestamp: &str) -> String {
    let time = timestamp
        .split_once('T')
        .map_or(timestamp, |(_, time)| time);
    time.chars().take("15:43:55.123".len()).collect::<String>() + "Z"
}

fn subject(evidence: &Evidence) -> String {
    let identity = &evidence.identity;
    let mut parts = Vec::new();
    if let Some(method) = evidence.method {
        parts.push(method.label().to_owned());
    }
    if let Some(rule) = &identity.rule {
        let mut part = format!("{} {}/{}", rule.kind.label(), rule.namespace, rule.route);
        if !rule.template.is_empty() {
            part.push_str(&format!(" {}", rule.template));
        }
        parts.push(part);
    } else if let Some(listener) = &identity.listener {
        parts.push(format!(
            "Gateway {}/{} {}",
            listener.namespace, listener.gateway, listener.listener
        ));
    }
    if let Some(backend) = &identity.backend {
        parts.push(format!(
            "· {}/{}:{}",
            backend.namespace, backend.service, backend.port
        ));
    }
    if let Some(endpoint) = &identity.endpoint {
        parts.push(format!("· {}", endpoint.address));
        if !endpoint.pod.is_empty() {
            parts.push(format!("(pod {})", endpoint.pod));
        }
    }
    harmless(&parts.join(" "))
}

fn seen(evidence: &Evidence) -> String {
    let ObservedDocument {
        value,
        unit,
        threshold,
        affected,
        open,
        total,
        lost,
        ..
    } = evidence.observed;
    let mut text = format!(
        "{} where {} is the limit · {affected} of {total} exchanges in {:.1} s",
        amount(value, unit),
        amount(threshold, unit),
        evidence.window_ms as f64 / 1e3,
    );
    if open > 0 {
        text.push_str(&format!(" · {open} still open"));
    }
    if evidence.is_hang {
        text.push_str(" · it hangs");
    }
    if lost > 0 {
        text.push_str(&format!(" · at least: {lost} events were lost"));
    }
    text
}

fn normal(baseline: &BaselineDocument) -> String {
    let what = match baseline.quantile {
        Some(quantile) => format!("p{} of", quantile * 100.0),
        None => "normal:".to_owned(),
    };
    let value = amount(baseline.value, baseline.unit);
    match baseline.is_learnt {
        true => format!(
            "{what} {value}, learnt from {} exchanges over {:.0} s",
            baseline.samples,
            baseline.window_ms as f64 / 1e3
        ),
        false => format!("{what} {value} by default: too little was seen to learn from"),
    }
}

fn fault(evidence: &Evidence) -> String {
    let mut text = format!("at fault: {}", evidence.side.label());
    let reason = evidence.reason.label();
    if reason != "none" {
        text.push_str(&format!(", {reason}"));
    }
    text.push_str(&format!(" · since {}", time(&evidence.first.to_string())));
    if evidence.count > 1 {
        text.push_str(&format!(" · {} exchanges so far", evidence.count));
    }
    text
}

fn exchange(evidence: &Evidence, sample: &ExchangeSample) -> String {
    let mut parts = vec![time(&sample.timestamp.to_string())];
    let template = evidence.identity.rule.as_ref().map(|rule| &rule.template);
    parts.extend(evidence.method.map(|method| method.label().to_owned()));
    parts.extend(sample.path.as_ref().or(template).cloned());
    parts.push(match (sample.status, sample.outcome) {
        (Some(status), _) => status.to_string(),
        (None, None) => "open".to_owned(),
        (None, Some(outcome)) => outcome.label().to_owned(),
    });
    if let (Some(_), Some(outcome)) = (sample.status, sample.outcome)
        && outcome != Outcome::Completed
    {
        parts.push(outcome.label().to_owned());
    }
    parts.extend(
        sample
            .grpc_status
            .map(|status| format!("grpc-status {status}")),
    );
    parts.push(format!("{:.1} ms", sample.duration_ms));
    parts.extend(steps(&sample.timings));
    if sample.attempts_count > 1 {
        parts.push(format!("{} attempts", sample.attempts_count));
    }
    parts.extend(sample.endpoint.clone());
    parts.extend(sample.trace_id.as_ref().map(|id| format!("trace {id}")));
    harmless(&parts.join(" "))
}

/// When each step was reached, milliseconds after the head's first byte.
fn steps(timings: &TimingsDocument) -> Option<String> {
    let reached = [
        ("chosen", timings.upstream_chosen_us),
        ("connected", timings.connected_us),
        ("sent", timings.sent_us),
        ("first byte", timings.first_byte_us),
    ];
    let reached: Vec<_> = reached
        .into_iter()
        .filter_map(|(step, at)| Some(format!("{step} {:.1}", f64::from(at?) / 1e3)))
        .collect();
    (!reached.is_empty()).then(|| format!("({})", reached.join(", ")))
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => format!("{value:.1} ms"),
        Unit::Ratio => format!("{:.1} %", value * 100.0),
        Unit::Count => format!("{value}"),
    }
}

/// Text that cannot move a terminal's cursor, change its colours or turn its words around: names
/// and paths come from clients and from other people's objects.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::new(), |mut harmless, c| {
        match is_harmful(c) {
            true => harmless.extend(c.escape_default()),
            false => harmless.push(c),
        }
        harmless
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_schemas::{
        AnomalyKind, AttemptOutcome, BackendName, Baseline, ExchangeId, FourTuple, HttpMethod,
        Observed, ObserverEvent, Producer, Reason, RouteKind, RuleName, SampleExchange, Side,
        Subject, Timings, TraceContext, Ulid,
    };
    use std::sync::Arc;

    fn sample(path: &str) -> SampleExchange {
        SampleExchange {
            exchange: ExchangeId::default(),
            wall_ns: 1_000_000_000,
            path: path.to_owned(),
            status: 200,
            grpc_status: None,
            duration_ns: 812_345_678,
            timings: Timings {
                first_byte_us: 811_900,
                ..Timings::default()
            },
            outcome: Some(Outcome::Completed),
            side: Side::Backend,
            reason: Reason::None,
            attempts_count: 1,
            attempts: [AttemptOutcome::None; 2],
            trace: TraceContext::default(),
            endpoint: "10.0.0.2:80".to_owned(),
            downstream: FourTuple::default(),
            upstream: FourTuple::default(),
        }
    }

    fn anomaly(phase: Phase, path: &str) -> Occurrence {
        let event = ObserverEvent {
            id: Ulid::from_parts(1, 1),
            kind: AnomalyKind::SlowResponse,
            phase,
            severity: Severity::Warning,
            key: "slow_response/HTTPRoute/shop/cart/0/GET".to_owned(),
            first_ns: 1_000_000_000,
            last_ns: 11_500_000_000,
            window_ns: 10_000_000_000,
            count: 3,
            side: Side::Backend,
            reason: Reason::None,
            subject: Subject {
                rule: Some(Arc::new(RuleName {
                    kind: RouteKind::Http,
                    namespace: "shop".to_owned(),
                    route: "cart".to_owned(),
                    rule: "0".to_owned(),
                    template: "/cart/*".to_owned(),
                })),
                backend: Some(Arc::new(BackendName {
                    namespace: "shop".to_owned(),
                    service: "cart".to_owned(),
                    port: 80,
                })),
                method: Some(HttpMethod::Get),
                ..Subject::default()
            },
            baseline: Some(Baseline {
                value: 300.0,
                quantile: Some(0.99),
                samples: 640,
                window_ns: 60_000_000_000,
                is_learnt: true,
            }),
            observed: Observed {
                value: 812.0,
                unit: Unit::Ms,
                threshold: 600.0,
                affected: 3,
                open: 1,
                total: 40,
                chance: None,
                lost: 0,
            },
            samples: vec![sample(path)],
        };
        event.occurrence(&Producer {
            cluster: "c".to_owned(),
            node: "n".to_owned(),
            version: "0".to_owned(),
        })
    }

    const BLACK: Style = Style { coloured: false };

    #[test]
    fn an_anomaly_says_what_was_seen_against_what_and_who_is_at_fault() {
        let text = describe(&anomaly(Phase::Firing, "/cart/7"), BLACK);
        let expected = "\
00:00:11.500Z warning  slow_response GET HTTPRoute shop/cart /cart/* · shop/cart:80
    812.0 ms where 600.0 ms is the limit · 3 of 40 exchanges in 10.0 s · 1 still open
    p99 of 300.0 ms, learnt from 640 exchanges over 60 s
    at fault: backend · since 00:00:01.000Z · 3 exchanges so far
    00:00:01.000Z GET /cart/7 200 812.3 ms (first byte 811.9) 10.0.0.2:80";
        assert_eq!(text, expected);
        assert_eq!(
            describe(&anomaly(Phase::Cleared, "/"), BLACK),
            "00:00:11.500Z over     slow_response GET HTTPRoute shop/cart /cart/* · shop/cart:80 \
             · after 10.5 s"
        );
    }

    #[test]
    fn what_a_client_sent_cannot_speak_to_the_terminal() {
        let text = describe(&anomaly(Phase::Firing, "/\x1b[2J\u{202e}\n"), BLACK);
        assert!(text.contains("/\\u{1b}[2J\\u{202e}\\n"), "{text}");
        let coloured = describe(&anomaly(Phase::Firing, "/"), Style { coloured: true });
        assert!(
            coloured.contains(YELLOW) && coloured.contains(PLAIN),
            "{coloured}"
        );
    }
}
