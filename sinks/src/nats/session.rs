//! One connection: made, used until the first trouble, and given up as a whole.

use super::config::{Auth, NatsConfig};
use super::denial::{self, Denials};
use super::refusal::{self, Refusal};
use super::{backoff::Backoff, core, jetstream, streams};
use crate::totals::Failure;
use async_nats::{Client, ConnectOptions, Event};
use rauta_schemas::Producer;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How long connecting to one server may take, its greeting included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause between tries to connect.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How much longer it is where the server does not let us in.
pub(super) const UNAUTHORIZED_FACTOR: u32 = 5;
/// How often the server has to answer when nothing else is said; two silences end the session.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How often streams are looked at.
const SURVEY_INTERVAL: Duration = Duration::from_secs(30);
/// Events of the client that may wait to be looked at.
const EVENTS: usize = 64;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything is delivered, and nothing comes any more.
    Done,
    /// The connection is of no use any more.
    Lost,
    /// The server does not let us hear its answers.
    Unauthorized,
}

/// The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// What outlives sessions: pauses, and what was already said.
#[derive(Debug)]
pub(super) struct Tries {
    backoff: Backoff,
    pause: Duration,
    pub(super) told: Told,
}

/// A connection that was just made.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) denials: Arc<Denials>,
}

/// The most that is said about one thing until it is well.
const WARNINGS_MAX: usize = 32;

/// Says each trouble once until all is well again, and then that.
#[derive(Debug, Default)]
pub(super) struct Told(RefCell<HashMap<&'static str, Vec<String>>>);

impl Told {
    pub(super) fn warn(&self, about: &'static str, text: String) {
        if self.is_new_trouble(about, &text) {
            tracing::warn!(sink = "nats", "{text}");
        }
    }

    pub(super) fn fine(&self, about: &'static str, text: &str) {
        if self.is_well_anew(about, text) {
            tracing::info!(sink = "nats", "{text}");
        }
    }

    /// The same, and nothing where there was no trouble.
    pub(super) fn mended(&self, about: &'static str, text: &str) {
        if self.0.borrow_mut().remove(about).is_some() {
            tracing::info!(sink = "nats", "{text}");
        }
    }

    fn is_new_trouble(&self, about: &'static str, text: &str) -> bool {
        let mut told = self.0.borrow_mut();
        let told = told.entry(about).or_default();
        let is_news = told.len() < WARNINGS_MAX && !told.iter().any(|earlier| earlier == text);
        if is_news {
            told.push(text.to_owned());
        }
        is_news
    }

    fn is_well_anew(&self, about: &'static str, text: &str) -> bool {
        let mut told = self.0.borrow_mut();
        let told = told.entry(about).or_default();
        let is_news = told.len() != 1 || told[0] != text;
        *told = vec![text.to_owned()];
        is_news
    }
}

impl Tries {
    pub(super) fn new() -> Self {
        Self {
            backoff: Backoff::new(PAUSE_MAX),
            pause: Duration::ZERO,
            told: Told::default(),
        }
    }

    /// Pauses if the last try asks for it, and connects. Files with credentials are read anew.
    pub(super) async fn connect(&mut self, config: &NatsConfig) -> Result<Connection, Failure> {
        tokio::time::sleep(self.pause).await;
        self.pause = self.backoff.next();
        let (sender, events) = mpsc::channel(EVENTS);
        let denials = Arc::new(Denials::new(config));
        match connected(config, sender, Arc::clone(&denials)).await {
            Ok(client) => {
                self.told.fine("connection", "connected");
                Ok(Connection {
                    client,
                    events,
                    denials,
                })
            }
            Err(Refusal { failure, text }) => {
                if failure == Failure::Unauthorized {
                    self.pause *= UNAUTHORIZED_FACTOR;
                }
                let text = format!("{text}; anomalies wait in the spool");
                self.told.warn("connection", text);
                Err(failure)
            }
        }
    }
}

async fn connected(
    config: &NatsConfig,
    sender: mpsc::Sender<Event>,
    denials: Arc<Denials>,
) -> Result<Client, Refusal> {
    let options = options(config)?.event_callback(move |event| {
        if !denials.note(&event) {
            // Only the first trouble counts; what does not fit comes after it.
            drop(sender.try_send(event));
        }
        std::future::ready(())
    });
    let connected = options.connect(config.servers.as_slice()).await;
    connected.map_err(|error| Refusal::of(&error, config))
}

fn options(config: &NatsConfig) -> Result<ConnectOptions, Refusal> {
    refusal::files(config)?;
    let mut options = ConnectOptions::new()
        .name("rauta")
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        // Pauses are ours: a session is never mended, only followed by another.
        .reconnect_delay_callback(|_| Duration::ZERO)
        .max_reconnects(config.servers.len())
        .require_tls(config.tls.is_required);
    if let Some(authorities) = &config.tls.authorities {
        options = options.add_root_certificates(authorities.clone());
    }
    if let Some((certificate, key)) = &config.tls.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    match &config.auth {
        Auth::None => Ok(options),
        Auth::Token(token) => Ok(options.token(token.clone())),
        Auth::User(user, password) => Ok(options.user_and_password(user.clone(), password.clone())),
        Auth::Credentials(path) => std::fs::read_to_string(path)
            .and_then(|text| options.credentials(&text))
            .map_err(|error| {
                let field = "nats.credentials_file";
                Refusal::file(Failure::Unauthorized, field, path, &error)
            }),
    }
}

/// A connection that stands.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) client: Client,
    pub(super) denials: Arc<Denials>,
    pub(super) config: &'a NatsConfig,
    pub(super) producer: &'a Producer,
}

impl Session<'_> {
    /// Delivers until everything is delivered or the connection is lost.
    pub(super) async fn run(
        self,
        events: mpsc::Receiver<Event>,
        occurrences: &mut Option<jetstream::Lane>,
        observer_events: &mut Option<core::Lane>,
        tries: &mut Tries,
    ) -> Ended {
        let start = Instant::now();
        let has_worked = Cell::new(false);
        let told = &tries.told;
        let context = jetstream::context(&self.client);
        let (looked, captured) = watch::channel(None);
        let surveys = async {
            loop {
                let captured = streams::survey(&context, self.config, told).await;
                looked.send_replace(Some(captured.is_some()));
                tokio::time::sleep(SURVEY_INTERVAL).await;
            }
        };
        let lanes = async {
            tokio::try_join!(
                async {
                    match occurrences {
                        Some(lane) => {
                            lane.run(&self, &context, captured.clone(), told, &has_worked)
                                .await
                        }
                        None => Ok(()),
                    }
                },
                async {
                    match observer_events {
                        Some(lane) => lane.run(&self, captured.clone(), told, &has_worked).await,
                        None => Ok(()),
                    }
                },
            )
        };
        let ended = tokio::select! {
            biased;
            ended = trouble(events, told) => ended,
            ended = lanes => match ended {
                Ok(((), ())) => Ended::Done,
                Err(Lost) => Ended::Lost,
            },
            () = surveys => Ended::Lost,
        };
        if ended == Ended::Lost {
            told.warn(
                "connection",
                "the connection is lost; anomalies wait in the spool".into(),
            );
        }
        if has_worked.get() || start.elapsed() > PAUSE_MAX * 2 {
            tries.backoff.reset();
            tries.pause = tries.backoff.next();
        }
        if ended == Ended::Unauthorized {
            tries.pause *= UNAUTHORIZED_FACTOR;
        }
        ended
    }
}

/// Waits for the first trouble of the connection.
async fn trouble(mut events: mpsc::Receiver<Event>, told: &Told) -> Ended {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected | Event::Draining | Event::SlowConsumer(_) => {}
            Event::Disconnected | Event::LameDuckMode | Event::Closed => return Ended::Lost,
            Event::ServerError(error) if denial::is_of_answers(&error) => {
                told.warn("answers", denial::unheard());
                return Ended::Unauthorized;
            }
            Event::ServerError(error) => told.warn("server", error.to_string()),
            Event::ClientError(error) => told.warn("server", error.to_string()),
        }
    }
    Ended::Lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_that_take_turns_are_each_said_once_until_all_is_well() {
        let told = Told::default();
        assert!(told.is_well_anew("connection", "connected"));
        assert!(!told.is_well_anew("connection", "connected"));
        for is_news in [true, false, false] {
            assert_eq!(told.is_new_trouble("connection", "a: refused"), is_news);
            assert_eq!(told.is_new_trouble("connection", "b: reset"), is_news);
        }
        assert!(told.is_new_trouble("stream", "a: refused"), "another thing");
        assert!(told.is_well_anew("connection", "connected"));
        assert!(told.is_new_trouble("connection", "b: reset"), "a new time");
    }

    #[test]
    fn what_varies_without_end_is_said_no_more_at_some_point() {
        let told = Told::default();
        let said = (0..1000).filter(|n| told.is_new_trouble("server", &n.to_string()));
        assert_eq!(said.count(), WARNINGS_MAX);
    }
}
