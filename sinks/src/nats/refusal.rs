//! Why no connection came about: the reason of the figures, and one line that says what to do.

use super::config::{Auth, NatsConfig};
use crate::totals::Failure;
use crate::trust;
use async_nats::{ConnectError, ConnectErrorKind as Kind};
use std::fs::File;
use std::io;
use std::path::Path;

/// Why no connection came about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) text: String,
}

impl Refusal {
    /// A file that a field names cannot be read.
    pub(super) fn file(failure: Failure, field: &str, path: &Path, error: &io::Error) -> Self {
        let text = format!("{field}: {}: {error}", path.display());
        Self { failure, text }
    }

    /// The client's own error.
    pub(super) fn of(error: &ConnectError, config: &NatsConfig) -> Self {
        let (failure, text) = match (trust::failure(error), error.kind()) {
            (Some((Failure::Unauthorized, said)), _) => {
                (Failure::Unauthorized, certificate(config, said))
            }
            (Some((failure, said)), _) => (failure, format!("{said}; {}", authority(config))),
            (None, Kind::Tls) => {
                let fields = "nats.tls_ca, nats.tls_cert and nats.tls_key";
                (Failure::Untrusted, format!("{error}; look at {fields}"))
            }
            (None, Kind::Authentication | Kind::AuthorizationViolation) => {
                (Failure::Unauthorized, who(&config.auth))
            }
            (None, Kind::TimedOut) => (Failure::Timeout, error.to_string()),
            (None, Kind::ServerParse | Kind::Dns | Kind::Io | Kind::MaxReconnects) => {
                (Failure::Unreachable, error.to_string())
            }
        };
        Self {
            failure,
            text: format!("{}: {text}", config.servers.join(", ")),
        }
    }
}

/// The first of TLS' files that cannot be opened: the client would not say which one it is.
pub(super) fn files(config: &NatsConfig) -> Result<(), Refusal> {
    let tls = &config.tls;
    let pair = tls.certificate.as_ref();
    for (field, path) in [
        ("nats.tls_ca", tls.authorities.as_ref()),
        ("nats.tls_cert", pair.map(|(certificate, _)| certificate)),
        ("nats.tls_key", pair.map(|(_, key)| key)),
    ] {
        if let Some(path) = path
            && let Err(error) = File::open(path)
        {
            return Err(Refusal::file(Failure::Untrusted, field, path, &error));
        }
    }
    Ok(())
}

fn authority(config: &NatsConfig) -> String {
    match &config.tls.authorities {
        Some(path) => format!(
            "nats.tls_ca: {} has to hold the authority of the server's certificate",
            path.display()
        ),
        None => "give the authority of the server's certificate as nats.tls_ca".to_owned(),
    }
}

fn certificate(config: &NatsConfig, said: &rustls::Error) -> String {
    match &config.tls.certificate {
        Some((path, _)) => format!(
            "nats.tls_cert: {}: the server does not accept this certificate ({said})",
            path.display()
        ),
        None => format!(
            "the server asks for a certificate ({said}); give nats.tls_cert and nats.tls_key"
        ),
    }
}

fn who(auth: &Auth) -> String {
    match auth {
        Auth::None => "the server asks who connects; give nats.token, nats.user and \
                       nats.password, or nats.credentials_file"
            .to_owned(),
        Auth::Token(_) => "nats.token: the server refuses this token".to_owned(),
        Auth::User(user, _) => {
            format!("nats.user: the server refuses {user} with this nats.password")
        }
        Auth::Credentials(path) => format!(
            "nats.credentials_file: {}: the server refuses this user",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::{Encoding, StreamConfig, Tls};

    fn config(auth: Auth, tls: Tls) -> NatsConfig {
        NatsConfig {
            servers: vec!["nats://a:4222".to_owned()],
            auth,
            tls,
            core_subject: None,
            subject: None,
            encoding: Encoding::Json,
            stream: StreamConfig::default(),
        }
    }

    #[test]
    fn who_is_refused_is_named_by_field_and_never_by_secret() {
        let refused = ConnectError::new(Kind::AuthorizationViolation);
        for (auth, named) in [
            (Auth::None, "nats.credentials_file"),
            (Auth::Token("hidden".into()), "nats.token"),
            (Auth::User("rauta".into(), "hidden".into()), "nats.user"),
            (Auth::Credentials("/a.creds".into()), "/a.creds"),
        ] {
            let refusal = Refusal::of(&refused, &config(auth, Tls::default()));
            assert_eq!(refusal.failure, Failure::Unauthorized);
            let text = refusal.text;
            assert!(text.starts_with("nats://a:4222: "), "{text}");
            assert!(text.contains(named) && !text.contains("hidden"), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_field() {
        let mut tls = Tls {
            authorities: Some("/nowhere/ca.pem".into()),
            ..Tls::default()
        };
        let refusal = files(&config(Auth::None, tls.clone())).expect_err("no such file");
        assert!(refusal.text.starts_with("nats.tls_ca: /nowhere/ca.pem: "));
        tls.authorities = None;
        tls.certificate = Some(("/dev/null".into(), "/nowhere/key.pem".into()));
        let refusal = files(&config(Auth::None, tls)).expect_err("no such file");
        assert!(refusal.text.starts_with("nats.tls_key: /nowhere/key.pem: "));
    }
}
