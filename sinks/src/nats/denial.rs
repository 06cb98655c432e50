//! What the server does not let us publish. It says so by an error that names the subject; the
//! message is gone, and the connection goes on.

use super::config::NatsConfig;
use async_nats::{Event, ServerError};
use std::collections::HashMap;
use tokio::sync::watch;

/// Events that the client keeps until they are looked at; what comes beyond is lost.
const CLIENT_EVENTS: u64 = 128;
/// The most subjects that are remembered.
const SUBJECTS_MAX: usize = 1024;
/// Every subject that answers come back to.
pub(super) const INBOXES: &str = "_INBOX.>";

/// The denials of one connection.
#[derive(Debug)]
pub(super) struct Denials {
    /// How the subjects begin that we publish to.
    beginnings: Vec<String>,
    noted: watch::Sender<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    count: u64,
    /// The number of each subject's last denial.
    last: HashMap<String, u64>,
    /// Those up to this number are forgotten.
    forgotten: u64,
}

/// What was denied since some moment.
#[derive(Debug)]
pub(super) struct Since {
    /// The moment to ask from the next time.
    pub(super) now: u64,
    last: HashMap<String, u64>,
    is_partial: bool,
}

impl Since {
    /// Was this subject named?
    pub(super) fn names(&self, subject: &str) -> bool {
        self.last.contains_key(subject)
    }

    /// The same where not being named may be for too many denials at once.
    pub(super) fn may_name(&self, subject: &str) -> bool {
        self.is_partial || self.names(subject)
    }
}

impl Denials {
    pub(super) fn new(config: &NatsConfig) -> Self {
        let templates = [&config.subject, &config.core_subject];
        let bindings = templates.into_iter().flatten().map(|t| t.binding());
        let bindings = bindings.chain([INBOXES.to_owned()]);
        Self {
            beginnings: bindings
                .map(|b| b.trim_end_matches('>').to_owned())
                .collect(),
            noted: watch::Sender::default(),
        }
    }

    /// Is this event the denial of one of our subjects? Then it is remembered.
    pub(super) fn note(&self, event: &Event) -> bool {
        let Event::ServerError(ServerError::Other(text)) = event else {
            return false;
        };
        let Some(subject) = subject(text) else {
            return false;
        };
        if !self.beginnings.iter().any(|b| subject.starts_with(b)) {
            return false;
        }
        self.noted.send_modify(|noted| {
            if noted.last.len() >= SUBJECTS_MAX {
                noted.last.clear();
                noted.forgotten = noted.count;
            }
            noted.count += 1;
            noted.last.insert(subject.to_owned(), noted.count);
        });
        true
    }

    /// The moment to ask from.
    pub(super) fn now(&self) -> u64 {
        self.noted.borrow().count
    }

    /// What was denied since then.
    pub(super) fn since(&self, moment: u64) -> Since {
        let noted = self.noted.borrow();
        let last = noted.last.iter().filter(|(_, at)| **at > moment);
        Since {
            now: noted.count,
            last: last.map(|(s, at)| (s.clone(), *at)).collect(),
            is_partial: noted.forgotten > moment || noted.count - moment >= CLIENT_EVENTS,
        }
    }

    /// Waits until something is denied after that moment.
    pub(super) async fn after(&self, moment: u64) {
        self.until(|noted| noted.count > moment).await;
    }

    /// Waits until this subject is denied after that moment.
    pub(super) async fn of(&self, subject: &str, moment: u64) {
        self.until(|noted| noted.last.get(subject).is_some_and(|at| *at > moment))
            .await;
    }

    async fn until(&self, is_so: impl Fn(&Noted) -> bool) {
        let mut noted = self.noted.subscribe();
        // It cannot end: the sender is `self`.
        drop(noted.wait_for(is_so).await);
    }
}

/// The line that says what to do.
pub(super) fn text(field: &str, subject: &str, binding: &str) -> String {
    format!(
        "{field}: the server does not let RAUTA publish to {subject}; let its user publish to \
         {binding}; anomalies wait in the spool"
    )
}

/// The line where [`is_of_answers`].
pub(super) fn unheard() -> String {
    format!(
        "the server does not let RAUTA subscribe to {INBOXES}, where its answers come back; let \
         its user subscribe to it; anomalies wait in the spool"
    )
}

/// Does the server not let us hear its answers? Nothing can be confirmed on such a connection.
pub(super) fn is_of_answers(error: &ServerError) -> bool {
    let ServerError::Other(text) = error else {
        return false;
    };
    let inbox = INBOXES.trim_end_matches('>');
    text.strip_prefix("Permissions Violation for Subscription to \"")
        .is_some_and(|subject| subject.starts_with(inbox))
}

/// The subject that the server names.
fn subject(error: &str) -> Option<&str> {
    let named = error.strip_prefix("Permissions Violation for Publish to \"")?;
    named.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::{Auth, Encoding, StreamConfig, Tls};

    fn denials() -> Denials {
        Denials::new(&NatsConfig {
            servers: vec!["nats://a:4222".to_owned()],
            auth: Auth::None,
            tls: Tls::default(),
            core_subject: Some("tapio.events.{type}".parse().expect("a template")),
            subject: None,
            encoding: Encoding::Json,
            stream: StreamConfig::default(),
        })
    }

    fn error(text: &str) -> Event {
        Event::ServerError(ServerError::Other(text.to_owned()))
    }

    fn denial(subject: &str) -> Event {
        error(&format!(
            "Permissions Violation for Publish to \"{subject}\""
        ))
    }

    #[test]
    fn a_denial_of_ours_is_remembered_from_its_moment_on() {
        let denials = denials();
        assert!(denials.note(&denial("tapio.events.health")));
        let moment = denials.now();
        assert!(denials.note(&denial("_INBOX.abc")));
        let all = denials.since(0);
        assert!(all.names("tapio.events.health") && all.names("_INBOX.abc"));
        let later = denials.since(moment);
        assert!(!later.may_name("tapio.events.health") && later.names("_INBOX.abc"));
        assert!(!denials.since(later.now).names("_INBOX.abc"));
    }

    #[test]
    fn other_events_are_none() {
        let denials = denials();
        for event in [
            Event::Disconnected,
            error("Stale Connection"),
            error("Permissions Violation for Subscription to \"tapio.events.a\""),
            denial("$JS.API.STREAM.NAMES"),
        ] {
            assert!(!denials.note(&event), "{event}");
        }
        assert_eq!(denials.now(), 0);
    }

    #[test]
    fn only_a_refused_subscription_to_an_inbox_keeps_answers_away() {
        let of = |text: &str| is_of_answers(&ServerError::Other(text.to_owned()));
        assert!(of(
            "Permissions Violation for Subscription to \"_INBOX.a.*\""
        ));
        assert!(!of("Permissions Violation for Subscription to \"tapio.>\""));
        assert!(!of("Permissions Violation for Publish to \"_INBOX.a\""));
        assert!(!is_of_answers(&ServerError::AuthorizationViolation));
    }

    #[test]
    fn too_many_at_once_may_name_every_subject() {
        let denials = denials();
        for _ in 0..CLIENT_EVENTS {
            denials.note(&denial("tapio.events.a"));
        }
        let since = denials.since(0);
        assert!(since.may_name("tapio.events.b") && !since.names("tapio.events.b"));
        let moment = denials.now();
        for number in 0..=SUBJECTS_MAX {
            denials.note(&denial(&format!("tapio.events.{number}")));
        }
        assert!(denials.since(moment).may_name("tapio.events.b"));
        assert!(!denials.since(denials.now()).may_name("tapio.events.b"));
    }
}
