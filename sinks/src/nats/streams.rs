//! What streams there are: ours for occurrences, and whether one takes the Go programs' subjects,
//! so that publishing there as well would store everything twice.

use super::config::NatsConfig;
use super::session::Told;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamByNameErrorKind;
use async_nats::jetstream::stream::{Compression, Config, DiscardPolicy, StorageType};
use std::time::Duration;

/// How long a message's id keeps another of the same id out of a stream that RAUTA made.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Below this a stream forgets ids sooner than RAUTA retries.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(30);

/// Looks around once. Tells the stream that takes the Go programs' subjects, if there is one.
pub(super) async fn survey(context: &Context, config: &NatsConfig, told: &Told) -> Option<String> {
    let captured = match &config.core_subject {
        Some(template) => stream_of(context, &template.binding()).await,
        None => None,
    };
    if let Some(stream) = &captured {
        told.warn(
            "core",
            format!(
                "the stream {stream} takes {} too: nothing is published there besides the \
                 occurrences; take that subject out of the stream to have both",
                config
                    .core_subject
                    .as_ref()
                    .map_or("", |template| template.as_str()),
            ),
        );
    } else {
        told.fine(
            "core",
            "no stream takes the subjects of core NATS: publishing there as well",
        );
    }
    if let Some(template) = &config.subject {
        let binding = template.binding();
        match stream_of(context, &binding).await {
            Some(stream) => verify(context, &stream, &binding, told).await,
            None if config.stream.create => create(context, config, &binding, told).await,
            None => told.warn(
                "stream",
                format!(
                    "no stream takes {binding}: occurrences wait in the spool; make one that binds \
                     it, or let RAUTA make one by nats.stream_create"
                ),
            ),
        }
    }
    captured
}

/// The stream that takes a subject, if there is one and the server tells.
pub(super) async fn stream_of(context: &Context, subject: &str) -> Option<String> {
    match context.stream_by_subject(subject).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            if error.kind() != GetStreamByNameErrorKind::NotFound {
                tracing::debug!(%error, subject, "streams cannot be asked for");
            }
            None
        }
    }
}

async fn verify(context: &Context, name: &str, binding: &str, told: &Told) {
    let config = match context.get_stream(name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) => {
            tracing::debug!(%error, stream = name, "the stream cannot be looked at");
            return;
        }
    };
    if config.duplicate_window < DUPLICATE_WINDOW_MIN {
        told.warn(
            "stream",
            format!(
                "the stream {name} forgets ids after {:?}: a retry may be stored twice; give it a \
                 duplicate window of two minutes",
                config.duplicate_window
            ),
        );
    } else {
        told.fine("stream", &format!("the stream {name} takes {binding}"));
    }
}

async fn create(context: &Context, config: &NatsConfig, binding: &str, told: &Told) {
    let wanted = &config.stream;
    let made = context.create_stream(Config {
        name: wanted.name.clone(),
        subjects: vec![binding.to_owned()],
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_age: wanted.age_max,
        max_bytes: i64::try_from(wanted.bytes_max).unwrap_or(i64::MAX),
        duplicate_window: DUPLICATE_WINDOW.min(wanted.age_max),
        compression: Some(Compression::S2),
        num_replicas: wanted.replicas,
        ..Config::default()
    });
    match made.await {
        Ok(_) => told.fine(
            "stream",
            &format!("made the stream {} for {binding}", wanted.name),
        ),
        Err(error) => told.warn(
            "stream",
            format!("the stream {} cannot be made: {error}", wanted.name),
        ),
    }
}
