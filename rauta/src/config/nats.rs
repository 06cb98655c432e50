//! The sections `spool` and `nats`: anomalies out of the process, and what keeps them until then.

use super::validate::Check;
use rauta_sinks::nats::{Auth, Encoding, NatsConfig, StreamConfig, SubjectTemplate, Tls};
use rauta_sinks::spool::SpoolConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What keeps anomalies until their sinks have delivered them.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSpool {
    /// The folder for anomalies that sinks have not delivered; it outlives a kill. Default: they
    /// are kept in memory, and lost when RAUTA ends.
    pub(crate) directory: Option<String>,
    /// The most its files take, bytes; then the oldest anomalies are dropped and counted.
    /// At least 262144. Default 268435456.
    pub(crate) bytes_max: Option<u64>,
}

/// Anomalies to NATS.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNats {
    /// Servers as `nats://host:port` or `tls://host:port`, several with commas between; without
    /// user and password. Default: nothing is sent to NATS.
    pub(crate) url: Option<String>,
    /// Who has this token may connect.
    pub(crate) token: Option<String>,
    /// The user that connects, with `password`.
    pub(crate) user: Option<String>,
    /// The password of `user`.
    pub(crate) password: Option<String>,
    /// A credentials file (JWT and seed), read anew for each connection.
    pub(crate) credentials_file: Option<String>,
    /// Is a connection without TLS refused? Default `false`; `tls://` URLs always ask for TLS.
    pub(crate) tls_required: Option<bool>,
    /// A PEM file with the authorities to trust. Default: the system's.
    pub(crate) tls_ca: Option<String>,
    /// A PEM file with RAUTA's own certificate.
    pub(crate) tls_cert: Option<String>,
    /// A PEM file with its private key.
    pub(crate) tls_key: Option<String>,
    /// Are anomalies published on core NATS, as the platform's Go programs know them? Off while a
    /// stream takes these subjects. Default `true`.
    pub(crate) core: Option<bool>,
    /// Their subject. Default `tapio.events.{type}.{subtype}`; there are `{cluster}`, `{node}`,
    /// `{namespace}` and `{kind}` too.
    pub(crate) core_subject: Option<String>,
    /// Are anomalies published to JetStream, as occurrences? Default `true`.
    pub(crate) jetstream: Option<bool>,
    /// The subject of occurrences. Default `rauta.v1.{cluster}.{namespace}.{kind}`.
    pub(crate) subject: Option<String>,
    /// How occurrences are written: `json` or `msgpack`. Default `json`.
    pub(crate) encoding: Option<String>,
    /// Is a stream made where none takes the occurrences' subjects? Default `false`.
    pub(crate) stream_create: Option<bool>,
    /// The name of a stream that is made. Default `RAUTA`.
    pub(crate) stream: Option<String>,
    /// The most it keeps, bytes. Default 1073741824.
    pub(crate) stream_bytes_max: Option<u64>,
    /// How long it keeps occurrences. Default `24h`.
    pub(crate) stream_age_max: Option<String>,
    /// On how many servers. Default 1.
    pub(crate) stream_replicas: Option<u8>,
}

/// The least room for two files of the spool.
const SPOOL_BYTES_MIN: u64 = 256 << 10;

impl Check<'_> {
    pub(super) fn spool(&mut self, raw: RawSpool) -> SpoolConfig {
        let mut spool = SpoolConfig {
            directory: raw.directory.map(PathBuf::from),
            ..SpoolConfig::default()
        };
        if let Some(bytes_max) = raw.bytes_max {
            if bytes_max < SPOOL_BYTES_MIN {
                let text = format!("`{bytes_max}` is too little; give at least {SPOOL_BYTES_MIN}");
                self.mistake("spool.bytes_max", &text);
            }
            spool.bytes_max = bytes_max;
            spool.segment_bytes = spool.segment_bytes.min(bytes_max / 4);
        }
        spool
    }

    pub(super) fn nats(&mut self, raw: RawNats) -> Option<NatsConfig> {
        let servers = self.nats_servers(raw.url.as_deref()?);
        let core_subject = self.subject(
            "nats.core_subject",
            raw.core_subject.as_deref(),
            "tapio.events.{type}.{subtype}",
        );
        let subject = self.subject(
            "nats.subject",
            raw.subject.as_deref(),
            "rauta.v1.{cluster}.{namespace}.{kind}",
        );
        if raw.core == Some(false) && raw.jetstream == Some(false) {
            self.mistake(
                "nats.jetstream",
                "with neither `core` nor `jetstream` nothing is sent",
            );
        }
        let encoding = match raw.encoding.as_deref() {
            None | Some("json") => Encoding::Json,
            Some("msgpack") => Encoding::MessagePack,
            Some(other) => {
                let text = format!("`{other}` is no encoding; use json or msgpack");
                self.mistake("nats.encoding", &text);
                Encoding::Json
            }
        };
        Some(NatsConfig {
            servers,
            auth: self.nats_auth(&raw),
            tls: self.nats_tls(&raw),
            core_subject: core_subject.filter(|_| raw.core != Some(false)),
            subject: subject.filter(|_| raw.jetstream != Some(false)),
            encoding,
            stream: self.nats_stream(raw),
        })
    }

    fn nats_servers(&mut self, urls: &str) -> Vec<String> {
        let servers: Vec<String> = urls.split(',').map(|url| url.trim().to_owned()).collect();
        for url in &servers {
            if !url.contains("://") {
                let text = format!("`{url}` is no URL; write one, like nats://127.0.0.1:4222");
                self.mistake("nats.url", &text);
            } else if let Err(text) = rauta_sinks::nats::check_url(url) {
                self.mistake("nats.url", &text);
            }
        }
        servers
    }

    fn nats_auth(&mut self, raw: &RawNats) -> Auth {
        if raw.user.is_some() != raw.password.is_some() {
            self.mistake(
                "nats.user",
                "`user` and `password` belong together; give both",
            );
        }
        let mut ways = Vec::new();
        ways.extend(raw.token.clone().map(Auth::Token));
        ways.extend(
            raw.credentials_file
                .clone()
                .map(|path| Auth::Credentials(path.into())),
        );
        if let (Some(user), Some(password)) = (&raw.user, &raw.password) {
            ways.push(Auth::User(user.clone(), password.clone()));
        }
        if ways.len() > 1 {
            self.mistake(
                "nats.token",
                "`token`, `user` with `password` and `credentials_file` exclude each other",
            );
        }
        ways.pop().unwrap_or(Auth::None)
    }

    fn nats_tls(&mut self, raw: &RawNats) -> Tls {
        let certificate = match (&raw.tls_cert, &raw.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => {
                self.mistake(
                    "nats.tls_cert",
                    "a certificate and its key belong together; give both",
                );
                None
            }
        };
        Tls {
            is_required: raw.tls_required.unwrap_or(false),
            authorities: raw.tls_ca.clone().map(PathBuf::from),
            certificate,
        }
    }

    fn nats_stream(&mut self, raw: RawNats) -> StreamConfig {
        let mut stream = StreamConfig {
            create: raw.stream_create.unwrap_or(false),
            ..StreamConfig::default()
        };
        if let Some(name) = raw.stream {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                let text = format!("`{name}` is no name; write letters, digits, - and _");
                self.mistake("nats.stream", &text);
            }
            stream.name = name;
        }
        stream.bytes_max = raw.stream_bytes_max.unwrap_or(stream.bytes_max);
        self.timeout(
            "nats.stream_age_max",
            raw.stream_age_max,
            &mut stream.age_max,
        );
        stream.replicas = raw.stream_replicas.map_or(stream.replicas, usize::from);
        stream
    }

    fn subject(
        &mut self,
        field: &str,
        text: Option<&str>,
        default: &str,
    ) -> Option<SubjectTemplate> {
        let text = text.unwrap_or(default);
        match text.parse() {
            Ok(template) => Some(template),
            Err(error) => {
                self.mistake(field, &format!("`{text}`: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Layers};
    use rauta_sinks::nats::{Auth, Encoding};

    fn config(file: &str) -> Result<Config, Vec<String>> {
        let mut layers = Layers::default();
        layers.file("rauta.toml", &format!("manifests = [\"a\"]\n{file}"));
        let (raw, origins, mistakes) = layers.read();
        assert_eq!(mistakes, []);
        Config::new(raw, &origins)
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn a_url_is_enough() {
        assert_eq!(config("").expect("valid").nats, None);
        let config = config("[nats]\nurl = \"nats://127.0.0.1:4222, tls://b:1\"").expect("valid");
        let nats = config.nats.expect("a sink");
        assert_eq!(nats.servers, ["nats://127.0.0.1:4222", "tls://b:1"]);
        assert_eq!((nats.auth, nats.encoding), (Auth::None, Encoding::Json));
        let subject = |template: Option<rauta_sinks::nats::SubjectTemplate>| {
            template.map(|template| template.binding())
        };
        assert_eq!(subject(nats.subject).as_deref(), Some("rauta.v1.>"));
        assert_eq!(
            subject(nats.core_subject).as_deref(),
            Some("tapio.events.>")
        );
        assert!(!nats.stream.create);
        assert_eq!(config.spool.directory, None);
    }

    #[test]
    fn each_server_is_a_url() {
        for (url, count) in [("", 1), ("nats://a, ,b", 2), ("nats://a:4222,tls://b", 0)] {
            let found = config(&format!("[nats]\nurl = \"{url}\""));
            let fields = found.err().unwrap_or_default();
            assert_eq!(fields, vec!["nats.url"; count], "{url}");
        }
    }

    #[test]
    fn mistakes_are_found_with_their_fields() {
        let file = r#"
            [spool]
            bytes_max = 1000
            [nats]
            url = "http://a:1,nats://user:secret@b"
            token = "a"
            user = "b"
            credentials_file = "c"
            tls_key = "d"
            core_subject = "{type}.a"
            subject = "a.*"
            encoding = "xml"
            stream = "a.b"
            stream_age_max = "0s"
        "#;
        let mut fields = config(file).expect_err("nothing of it is right");
        fields.sort();
        assert_eq!(
            fields,
            [
                "nats.core_subject",
                "nats.encoding",
                "nats.stream",
                "nats.stream_age_max",
                "nats.subject",
                "nats.tls_cert",
                "nats.token",
                "nats.url",
                "nats.url",
                "nats.user",
                "spool.bytes_max",
            ]
        );
    }
}
