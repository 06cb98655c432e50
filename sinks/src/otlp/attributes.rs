//! Attributes as OTLP writes them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

/// A list of attributes in the making.
#[derive(Debug)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Room for as many as a span usually has.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(24))
    }

    /// A text; an empty one is none.
    pub(super) fn text(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.push(key, Value::StringValue(value));
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &str, value: impl TryInto<i64>) {
        self.push(key, Value::IntValue(value.try_into().unwrap_or(i64::MAX)));
    }

    /// A whole number; 0 is none.
    pub(super) fn some_number(&mut self, key: &str, value: u16) {
        if value != 0 {
            self.number(key, value);
        }
    }

    /// A number.
    pub(super) fn float(&mut self, key: &str, value: f64) {
        self.push(key, Value::DoubleValue(value));
    }

    /// A document, as nested values.
    pub(super) fn document(&mut self, key: &str, value: serde_json::Value) {
        self.0.push(pair(key, any(value)));
    }

    /// The list.
    pub(super) fn into_list(self) -> Vec<KeyValue> {
        self.0
    }

    fn push(&mut self, key: &str, value: Value) {
        self.0.push(pair(key, AnyValue { value: Some(value) }));
    }
}

/// A text as a value.
pub(super) fn text(value: impl Into<String>) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(value.into())),
    }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn any(value: serde_json::Value) -> AnyValue {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => None,
        Json::Bool(flag) => Some(Value::BoolValue(flag)),
        Json::Number(number) => Some(match number.as_i64() {
            Some(whole) => Value::IntValue(whole),
            None => Value::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Json::String(text) => Some(Value::StringValue(text)),
        Json::Array(items) => Some(Value::ArrayValue(ArrayValue {
            values: items.into_iter().map(any).collect(),
        })),
        Json::Object(fields) => Some(Value::KvlistValue(KeyValueList {
            values: fields
                .into_iter()
                .map(|(key, value)| pair(&key, any(value)))
                .collect(),
        })),
    };
    AnyValue { value }
}
