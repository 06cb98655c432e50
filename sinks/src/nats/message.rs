//! What is published: subject, headers, document. Pure.

use super::config::Encoding;
use super::subject::SubjectTemplate;
use crate::spool::Spooled;
use async_nats::HeaderMap;
use rauta_schemas::{Document, Producer, SCHEMA_VERSION};

/// What headers, subject and the protocol take of the server's limit, bytes.
const OVERHEAD: usize = 1024;

/// A message that fits.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Vec<u8>,
}

/// Not even without its samples does the document fit what the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The occurrence. Samples are left out until it fits `payload_max`.
pub(super) fn occurrence(
    spooled: &Spooled,
    producer: &Producer,
    template: &SubjectTemplate,
    encoding: Encoding,
    payload_max: usize,
) -> Result<Message, TooLarge> {
    let event = &spooled.event;
    let mut document = event.occurrence(producer).with_emission(&spooled.emission);
    let payload = loop {
        let payload = match encoding {
            Encoding::Json => document.to_json(),
            Encoding::MessagePack => document.to_msgpack(),
        };
        if payload.len() + OVERHEAD <= payload_max {
            break payload;
        }
        document.data.exchanges.pop().ok_or(TooLarge)?;
    };
    let content_type = match encoding {
        Encoding::Json => "application/json",
        Encoding::MessagePack => "application/msgpack",
    };
    let mut headers = headers(spooled, "occurrence", content_type);
    // The server drops what it has already by this, so that a retry makes no second message.
    headers.insert("Nats-Msg-Id", document.id.as_str());
    Ok(Message {
        subject: template.subject(event, producer),
        headers,
        payload,
    })
}

/// The form of the Go programs. It has no `Nats-Msg-Id`: a stream that takes both forms would
/// take them for one message.
pub(super) fn observer_event(
    spooled: &Spooled,
    producer: &Producer,
    template: &SubjectTemplate,
    payload_max: usize,
) -> Result<Message, TooLarge> {
    let event = &spooled.event;
    let mut document = event.tapio_emitted(&spooled.emission);
    if document.to_json().len() + OVERHEAD > payload_max {
        document.raw_data = None;
    }
    let payload = document.to_json();
    if payload.len() + OVERHEAD > payload_max {
        return Err(TooLarge);
    }
    Ok(Message {
        subject: template.subject(event, producer),
        headers: headers(spooled, "observer_event", "application/json"),
        payload,
    })
}

fn headers(spooled: &Spooled, schema: &str, content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type);
    headers.insert("rauta-schema", format!("{schema}/{SCHEMA_VERSION}"));
    headers.insert("rauta-boot-id", spooled.emission.boot_id.as_str());
    headers.insert("rauta-sequence", spooled.emission.sequence.to_string());
    let trace = spooled.event.samples.first().map(|sample| sample.trace);
    if let Some(trace) = trace
        && let (Some(trace_id), Some(span_id)) = (trace.trace_id_hex(), trace.span_id_hex())
    {
        headers.insert(
            "traceparent",
            format!("00-{trace_id}-{span_id}-{:02x}", trace.flags),
        );
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_schemas::{Emission, Occurrence, TapioEvent};
    use rauta_test_support::events::{anomaly, sample};
    use std::sync::Arc;

    fn spooled(samples: usize) -> Spooled {
        let mut event = anomaly(7);
        Arc::make_mut(&mut event).samples = (0..samples).map(|_| sample()).collect();
        Spooled {
            position: 3,
            emission: Emission {
                boot_id: "01BOOT".to_owned(),
                sequence: 9,
            },
            event,
        }
    }

    fn producer() -> Producer {
        Producer {
            cluster: "prod".to_owned(),
            node: "n1".to_owned(),
            version: "0".to_owned(),
        }
    }

    fn template() -> SubjectTemplate {
        "rauta.v1.{cluster}.{namespace}.{kind}"
            .parse()
            .expect("a template")
    }

    fn header(message: &Message, name: &str) -> Option<String> {
        message.headers.get(name).map(ToString::to_string)
    }

    #[test]
    fn an_occurrence_says_what_it_is_in_its_headers() {
        let spooled = spooled(2);
        let kinds = [
            (Encoding::Json, "application/json"),
            (Encoding::MessagePack, "application/msgpack"),
        ];
        for (encoding, content_type) in kinds {
            let message =
                occurrence(&spooled, &producer(), &template(), encoding, 1 << 20).expect("fits");
            assert_eq!(message.subject, "rauta.v1.prod.shop.error_spike");
            let id = spooled.event.id.to_string();
            for (name, value) in [
                ("Nats-Msg-Id", id.as_str()),
                ("content-type", content_type),
                ("rauta-schema", "occurrence/1"),
                ("rauta-boot-id", "01BOOT"),
                ("rauta-sequence", "9"),
                (
                    "traceparent",
                    "00-01010101010101010101010101010101-0202020202020202-01",
                ),
            ] {
                assert_eq!(header(&message, name).as_deref(), Some(value), "{name}");
            }
            let document: Occurrence = match encoding {
                Encoding::Json => serde_json::from_slice(&message.payload).expect("JSON"),
                Encoding::MessagePack => rmp_serde::from_slice(&message.payload).expect("maps"),
            };
            assert_eq!(document.id, id);
            assert_eq!(document.data.emission, Some(spooled.emission.clone()));
        }
    }

    #[test]
    fn the_go_programs_form_has_no_id_for_streams() {
        let template = "tapio.events.{type}.{subtype}".parse().expect("a template");
        let message = observer_event(&spooled(0), &producer(), &template, 1 << 20).expect("fits");
        assert_eq!(message.subject, "tapio.events.network.http_error_spike");
        assert_eq!(header(&message, "Nats-Msg-Id"), None);
        assert_eq!(header(&message, "traceparent"), None, "no sample, no trace");
        let document: TapioEvent = serde_json::from_slice(&message.payload).expect("JSON");
        assert!(document.raw_data.is_some());
    }

    #[test]
    fn what_the_server_does_not_take_is_shortened_or_refused() {
        let spooled = spooled(5);
        let whole = occurrence(&spooled, &producer(), &template(), Encoding::Json, 1 << 20);
        let max = whole.expect("fits").payload.len() + OVERHEAD - 1;
        let shorter = occurrence(&spooled, &producer(), &template(), Encoding::Json, max);
        let payload = shorter.expect("fits").payload;
        let document: Occurrence = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(document.data.exchanges.len(), 4);
        let never = occurrence(
            &spooled,
            &producer(),
            &template(),
            Encoding::Json,
            OVERHEAD + 9,
        );
        assert!(matches!(never, Err(TooLarge)));
        let never = observer_event(&spooled, &producer(), &template(), OVERHEAD + 9);
        assert!(matches!(never, Err(TooLarge)));
    }
}
