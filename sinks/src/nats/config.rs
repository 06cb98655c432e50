//! How the sink is set up: valid values, made elsewhere from what the user wrote.

use super::subject::SubjectTemplate;
use std::path::PathBuf;
use std::time::Duration;

/// Where anomalies go, how, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConfig {
    /// The servers' URLs, without credentials; at least one.
    pub servers: Vec<String>,
    /// Who connects.
    pub auth: Auth,
    /// How the connection is protected.
    pub tls: Tls,
    /// Subjects of the Go programs' form; `None`: not published.
    pub core_subject: Option<SubjectTemplate>,
    /// Subjects of occurrences; `None`: not published.
    pub subject: Option<SubjectTemplate>,
    /// How occurrences are written.
    pub encoding: Encoding,
    /// The stream for them.
    pub stream: StreamConfig,
}

/// Who connects. Its debug form shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nobody by name.
    None,
    /// Whoever has the token.
    Token(String),
    /// A user with a password.
    User(String, String),
    /// The user of a credentials file, read anew for each connection.
    Credentials(PathBuf),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(REDACTED)"),
            Self::User(user, _) => write!(f, "User({user:?}, REDACTED)"),
            Self::Credentials(path) => write!(f, "Credentials({path:?})"),
        }
    }
}

/// How the connection is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Is a connection without TLS refused?
    pub is_required: bool,
    /// A PEM file with the authorities to trust; `None`: the system's.
    pub authorities: Option<PathBuf>,
    /// PEM files with RAUTA's own certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// How occurrences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/msgpack`, with named maps.
    MessagePack,
}

/// The stream for occurrences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Its name, where it is made.
    pub name: String,
    /// Is it made where no stream takes the subjects?
    pub create: bool,
    /// The most it keeps, bytes.
    pub bytes_max: u64,
    /// How long it keeps them.
    pub age_max: Duration,
    /// On how many servers.
    pub replicas: usize,
}

impl Default for StreamConfig {
    /// Verified and not made; 1 GiB and a day on one server.
    fn default() -> Self {
        Self {
            name: "RAUTA".to_owned(),
            create: false,
            bytes_max: 1 << 30,
            age_max: Duration::from_secs(24 * 60 * 60),
            replicas: 1,
        }
    }
}

/// Is this a server's URL that may be shown? The error says what is wrong with it, without showing
/// it where it may hold a secret.
///
/// # Errors
/// One line: what is wrong and what to write instead.
pub fn check_url(url: &str) -> Result<(), String> {
    let address: async_nats::ServerAddr = match url.parse() {
        Ok(address) => address,
        Err(error) => {
            return Err(format!(
                "{error}; write nats://host:port or tls://host:port"
            ));
        }
    };
    if !matches!(address.scheme(), "nats" | "tls") {
        let scheme = address.scheme();
        return Err(format!(
            "`{scheme}` is no way to NATS here; write nats://host:port or tls://host:port"
        ));
    }
    if address.has_user_pass() {
        let host = address.host();
        return Err(format!(
            "the URL of {host} holds a user; give it as nats.user and nats.password"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_shows_in_the_debug_form() {
        let secrets = [
            Auth::Token("hidden".to_owned()),
            Auth::User("rauta".to_owned(), "hidden".to_owned()),
        ];
        for auth in secrets {
            assert!(!format!("{auth:?}").contains("hidden"));
        }
    }
}
