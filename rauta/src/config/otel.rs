//! The standard variables of OpenTelemetry, as fields of RAUTA's own configuration.

use super::Layers;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Fields that exist for all signals together and for each.
const COMMON: [&str; 8] = [
    "endpoint",
    "protocol",
    "headers",
    "timeout",
    "compression",
    "certificate",
    "client_certificate",
    "client_key",
];

impl Layers {
    /// Lays OpenTelemetry's variables; `read` looks one up, an empty one counts as not set.
    pub(crate) fn otel(&mut self, read: impl Fn(&str) -> Option<String>) {
        let read = |name: &str| read(name).filter(|text| !text.is_empty());
        for field in COMMON {
            let upper = field.to_ascii_uppercase();
            let names = [
                ("", ""),
                ("TRACES_", "traces."),
                ("METRICS_", "metrics."),
                ("LOGS_", "logs."),
            ];
            for (infix, section) in names {
                let name = format!("OTEL_EXPORTER_OTLP_{infix}{upper}");
                if let Some(text) = read(&name) {
                    let value = match field {
                        "headers" => list(&text),
                        "timeout" => millis(&text),
                        _ => text.into(),
                    };
                    self.otel_field(&format!("{section}{field}"), value, &name);
                }
            }
        }
        for (name, field) in [
            ("OTEL_TRACES_EXPORTER", "traces.enabled"),
            ("OTEL_METRICS_EXPORTER", "metrics.enabled"),
            ("OTEL_LOGS_EXPORTER", "logs.enabled"),
        ] {
            // Of the exporters that it can name, RAUTA has this one.
            if let Some(text) = read(name) {
                let is_on = text.split(',').any(|exporter| exporter.trim() == "otlp");
                self.otel_field(field, is_on.into(), name);
            }
        }
        if let Some(text) = read("OTEL_SDK_DISABLED") {
            let is_on = !text.eq_ignore_ascii_case("true");
            self.otel_field("enabled", is_on.into(), "OTEL_SDK_DISABLED");
        }
        if let Some(text) = read("OTEL_SERVICE_NAME") {
            self.otel_field("service_name", text.into(), "OTEL_SERVICE_NAME");
        }
        if let Some(text) = read("OTEL_RESOURCE_ATTRIBUTES") {
            self.otel_field("resource", list(&text), "OTEL_RESOURCE_ATTRIBUTES");
        }
        if let Some(text) = read("OTEL_METRIC_EXPORT_INTERVAL") {
            let name = "OTEL_METRIC_EXPORT_INTERVAL";
            self.otel_field("metrics_interval", millis(&text), name);
        }
        self.otel_preferences(read);
        if let Some(sampler) = read("OTEL_TRACES_SAMPLER") {
            let argument = read("OTEL_TRACES_SAMPLER_ARG");
            let share = match sampler.trim_start_matches("parentbased_") {
                "always_on" => 1.0.into(),
                "always_off" => 0.0.into(),
                "traceidratio" => {
                    let argument = argument.unwrap_or_else(|| "1".into());
                    serde_json::from_str(&argument).unwrap_or(Value::String(argument))
                }
                _ => Value::String(sampler.clone()),
            };
            self.otel_field("sample", share, "OTEL_TRACES_SAMPLER");
        }
    }

    /// Which of several ways to say the same is wanted.
    fn otel_preferences(&mut self, read: impl Fn(&str) -> Option<String>) {
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(text) = read(name) {
            self.otel_field("metrics_temporality", text.into(), name);
        }
        let name = "OTEL_SEMCONV_STABILITY_OPT_IN";
        if let Some(text) = read(name) {
            // It lists what it says about each kind of conventions; RAUTA has those of HTTP.
            let mut words = text.split(',').map(str::trim);
            let is_dup = words.clone().any(|word| word == "http/dup");
            if is_dup || words.any(|word| word == "http") {
                self.otel_field("old_http_attributes", is_dup.into(), name);
            }
        }
    }

    fn otel_field(&mut self, field: &str, value: Value, name: &str) {
        self.set(
            &format!("otlp.{field}"),
            value,
            format!("environment {name}"),
        );
    }
}

/// A number of milliseconds as a duration; what is none is left to be refused.
fn millis(text: &str) -> Value {
    match text.trim().parse::<u64>() {
        Ok(millis) => format!("{millis}ms").into(),
        Err(_) => text.into(),
    }
}

/// Pairs between commas, their values percent-encoded.
fn list(text: &str) -> Value {
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| Value::from(percent_decode_str(pair.trim()).decode_utf8_lossy()))
        .collect()
}
