//! The other end: occurrences as a subscriber hears them, for `rauta tail`.

use super::streams::stream_of;
use async_nats::jetstream;
use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerAddr, Subscriber};
use futures_util::StreamExt;
use rauta_schemas::Occurrence;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What takes longer than this does not come any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many messages of a stream are looked through for those of the subject.
const LOOK_BACK_MAX: usize = 10_000;

/// Occurrences may not be heard.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// No connection could be made.
    #[error("{url}: {text}")]
    Connect {
        /// The server asked.
        url: String,
        /// What it or the network said.
        text: String,
    },
    /// The subject is none that may be subscribed to.
    #[error("subject `{subject}`: {text}")]
    Subscribe {
        /// The subject asked for.
        subject: String,
        /// Why not.
        text: String,
    },
}

/// Hears occurrences: first the last ones of a stream that keeps them, then each new one.
#[derive(Debug)]
pub struct Listener {
    /// What holds the connection.
    _client: Client,
    kept: VecDeque<Vec<u8>>,
    live: Subscriber,
}

impl Listener {
    /// Connects and subscribes; from here on nothing is missed while the connection stands. It is
    /// made again when it is lost: `tell` is told of that, and of what the server refuses.
    ///
    /// # Errors
    /// Where the server cannot be reached, does not let us in, or does not know such subjects.
    pub async fn connect(
        url: &str,
        credentials: Option<&Path>,
        subject: &str,
        last: usize,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        let refused = |text: String| ListenError::Connect {
            url: without_secrets(url),
            text,
        };
        let server: ServerAddr = url.parse().map_err(|error| refused(format!("{error}")))?;
        let was_lost = AtomicBool::new(false);
        let hear = move |event| {
            match event {
                Event::Disconnected => {
                    was_lost.store(true, Ordering::Relaxed);
                    tell("the connection is lost; waits until the server is back");
                }
                Event::Connected if was_lost.swap(false, Ordering::Relaxed) => {
                    tell("connected again; what was published meanwhile is in the stream alone");
                }
                Event::ServerError(error) => tell(&error.to_string()),
                Event::ClientError(error) => tell(&error.to_string()),
                _ => {}
            }
            std::future::ready(())
        };
        let options = ConnectOptions::new().name("rauta tail");
        let mut options = options.event_callback(hear);
        options = match (server.username(), server.password()) {
            (Some(user), Some(password)) => {
                options.user_and_password(user.to_owned(), password.to_owned())
            }
            (Some(token), None) => options.token(token.to_owned()),
            (None, _) => options,
        };
        if let Some(file) = credentials {
            let read = options.credentials_file(file).await;
            options = read.map_err(|error| refused(format!("{}: {error}", file.display())))?;
        }
        let connecting = tokio::time::timeout(PATIENCE, options.connect(server)).await;
        let client = connecting
            .map_err(|_| refused("does not answer".to_owned()))?
            .map_err(|error| refused(error.to_string()))?;
        let live = client.subscribe(subject.to_owned()).await;
        let live = live.map_err(|error| ListenError::Subscribe {
            subject: subject.to_owned(),
            text: error.to_string(),
        })?;
        // Subscribed before the stream is read: what comes in between is heard, perhaps twice.
        drop(tokio::time::timeout(PATIENCE, client.flush()).await);
        let kept = kept(&client, subject, last).await;
        Ok(Self {
            _client: client,
            kept,
            live,
        })
    }

    /// The next of those that the stream had kept, as JSON; `None` when all were told.
    pub fn next_kept(&mut self) -> Option<Vec<u8>> {
        self.kept.pop_front()
    }

    /// The next new one, as JSON; `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let message = self.live.next().await?;
        Some(json(message.headers.as_ref(), &message.payload))
    }
}

/// The last ones that a stream keeps; none where no stream takes the subject.
async fn kept(client: &Client, subject: &str, last: usize) -> VecDeque<Vec<u8>> {
    if last == 0 {
        return VecDeque::new();
    }
    let mut context = jetstream::new(client.clone());
    context.set_timeout(PATIENCE);
    let Some(name) = stream_of(&context, subject).await else {
        return VecDeque::new();
    };
    let Ok(stream) = context.get_stream(name).await else {
        return VecDeque::new();
    };
    let state = &stream.cached_info().state;
    let mut kept = VecDeque::new();
    let backwards = (state.first_sequence..=state.last_sequence).rev();
    for sequence in backwards.take(LOOK_BACK_MAX) {
        // One that was deleted meanwhile is not there any more.
        if let Ok(message) = stream.get_raw_message(sequence).await
            && is_of(subject, &message.subject)
        {
            kept.push_front(json(Some(&message.headers), &message.payload));
            if kept.len() == last {
                break;
            }
        }
    }
    kept
}

/// Does a subscription to `wanted` hear `subject`?
fn is_of(wanted: &str, subject: &str) -> bool {
    let (mut wanted, mut tokens) = (wanted.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(wanted), Some(token)) if wanted == "*" || wanted == token => {}
            _ => return false,
        }
    }
}

/// The document as JSON, also where it came as MessagePack; what is not understood stays as it is.
fn json(headers: Option<&HeaderMap>, payload: &[u8]) -> Vec<u8> {
    let content_type = headers.and_then(|headers| headers.get("content-type"));
    if content_type.is_some_and(|content_type| content_type.as_str() == "application/msgpack")
        && let Ok(occurrence) = rmp_serde::from_slice::<Occurrence>(payload)
        && let Ok(json) = serde_json::to_vec(&occurrence)
    {
        return json;
    }
    payload.to_vec()
}

/// A URL as it may be shown.
fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_heard_by_their_tokens() {
        for (wanted, is_heard) in [
            ("rauta.v1.>", true),
            ("rauta.v1.*.shop.*", true),
            ("rauta.v1.local.shop.error_spike", true),
            ("rauta.v1.local.other.>", false),
            ("rauta.v1.*.shop", false),
            ("rauta.v1.local.shop.error_spike.>", false),
        ] {
            let subject = "rauta.v1.local.shop.error_spike";
            assert_eq!(is_of(wanted, subject), is_heard, "{wanted}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(without_secrets("nats://a:secret@h:4222"), "nats://…@h:4222");
        assert_eq!(without_secrets("nats://h:4222"), "nats://h:4222");
    }

    #[test]
    fn what_is_no_occurrence_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/msgpack");
        assert_eq!(json(Some(&headers), b"\x00"), b"\x00");
        assert_eq!(json(None, b"{}"), b"{}");
    }
}
