//! The forms a text field may have: hostnames, names, header tokens, durations, paths.
//!
//! Each form is a predicate in plain Rust; nothing is compiled at run time.

/// A rule for a text field: how long, of which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) min: usize,
    /// In characters, as the schema counts.
    pub(super) max: usize,
    pub(super) form: Form,
}

/// What the characters of a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An absolute path's characters (RFC 3986 pchar and slash).
    AbsolutePath,
    /// `Hostname`, `IPAddress`, `NamedAddress` or `domain/path`.
    AddressType,
    Any,
    /// `domain/path`.
    ControllerName,
    /// `scheme://host[:port]`, a wildcard in place of the first labels, or `*`.
    CorsOrigin,
    /// Lowercase letters, digits and `-`, at most 63, no edge `-`.
    DnsLabel,
    /// DNS labels joined by dots (their length is not limited here, as in the schemas).
    DnsSubdomain,
    /// Up to four pairs of number and unit (h, m, s, ms).
    Duration,
    /// An API group: empty or a DNS subdomain.
    Group,
    /// A gRPC method name.
    GrpcMethod,
    /// A gRPC service name.
    GrpcService,
    /// An HTTP token (RFC 9110, 5.6.2).
    HeaderName,
    /// Visible characters, single blanks between them.
    HeaderValue,
    /// A DNS subdomain, the first label of which may be `*`.
    Hostname,
    /// An API kind.
    Kind,
    /// A label's or annotation's key: `[domain/]name`.
    LabelKey,
    /// A label's value.
    LabelValue,
    /// A listener's protocol: a word or `domain/word`.
    Protocol,
    /// An absolute URI with an authority.
    Uri,
    /// `System` or `domain/name`.
    WellKnownCertificates,
}

impl Form {
    /// Whether `text` has this form.
    pub(super) fn admits(self, text: &str) -> bool {
        match self {
            Self::AbsolutePath => is_absolute_path(text),
            Self::AddressType => is_address_type(text),
            Self::Any => true,
            Self::ControllerName => is_domain_path(text),
            Self::CorsOrigin => is_cors_origin(text),
            Self::DnsLabel => text.len() <= 63 && is_label(text),
            Self::DnsSubdomain => is_subdomain(text),
            Self::Duration => is_duration(text),
            Self::Group => text.is_empty() || is_subdomain(text),
            Self::GrpcMethod => is_identifier(text),
            Self::GrpcService => text
                .strip_prefix('.')
                .unwrap_or(text)
                .split('.')
                .all(is_identifier),
            Self::HeaderName => !text.is_empty() && text.bytes().all(is_token_byte),
            Self::HeaderValue => is_header_value(text),
            Self::Hostname => is_subdomain(text.strip_prefix("*.").unwrap_or(text)),
            Self::Kind => is_kind(text),
            Self::LabelKey => is_label_key(text),
            Self::LabelValue => text.is_empty() || is_qualified(text, usize::MAX),
            Self::Protocol => is_protocol(text),
            Self::Uri => is_uri(text),
            Self::WellKnownCertificates => text == "System" || is_domain_name_pair(text),
        }
    }

    /// What a text of this form looks like, to complete "use …".
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::AbsolutePath => "only letters, digits, -._~!$&'()*+,;=:@/ and %-escapes",
            Self::AddressType => "Hostname, IPAddress, NamedAddress, or domain/name",
            Self::Any => "any text",
            Self::ControllerName => "domain/path, like example.com/gateway",
            Self::CorsOrigin => "scheme://host[:port] with http or https, *.host, or a single *",
            Self::DnsLabel => "at most 63 lowercase letters, digits and -, no - at an end",
            Self::DnsSubdomain => "lowercase letters, digits and - in labels joined by dots",
            Self::Duration => "a number and h, m, s or ms, up to four times, like 1m30s",
            Self::Group => "an API group like gateway.networking.k8s.io, or the empty text",
            Self::GrpcMethod => "letters, digits and _, no digit first",
            Self::GrpcService => "names of letters, digits and _, joined by dots",
            Self::HeaderName => "letters, digits and !#$%&'*+-.^_`|~",
            Self::HeaderValue => "visible ASCII with single blanks between words",
            Self::Hostname => "a lowercase hostname, with *. in front for a wildcard",
            Self::Kind => "letters, digits and -, a letter first",
            Self::LabelKey => "[domain/]name, the name of at most 63 letters, digits, -, _ and .",
            Self::LabelValue => "at most 63 letters, digits, -, _ and ., no such sign at an end",
            Self::Protocol => "a protocol like HTTP, HTTPS, TLS, TCP, UDP, or domain/name",
            Self::Uri => "an absolute URI, like spiffe://example.org/service",
            Self::WellKnownCertificates => "System, or domain/name",
        }
    }
}

const fn text(min: usize, max: usize, form: Form) -> Text {
    Text { min, max, form }
}

/// Rules that many kinds share.
pub(super) const ANNOTATION_VALUE: Text = text(0, 4096, Form::Any);
pub(super) const DURATION: Text = text(0, usize::MAX, Form::Duration);
pub(super) const FREE: Text = text(0, usize::MAX, Form::Any);
pub(super) const GROUP: Text = text(0, 253, Form::Group);
pub(super) const HEADER_NAME: Text = text(1, 256, Form::HeaderName);
pub(super) const HEADER_VALUE: Text = text(1, 4096, Form::HeaderValue);
pub(super) const HOSTNAME: Text = text(1, 253, Form::Hostname);
pub(super) const KIND: Text = text(1, 63, Form::Kind);
pub(super) const LABEL_VALUE: Text = text(0, 63, Form::LabelValue);
pub(super) const NAMESPACE: Text = text(1, 63, Form::DnsLabel);
pub(super) const OBJECT_NAME: Text = text(1, 253, Form::Any);
pub(super) const PRECISE_HOSTNAME: Text = text(1, 253, Form::DnsSubdomain);
pub(super) const SECTION_NAME: Text = text(1, 253, Form::DnsSubdomain);

fn is_lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            is_lower_alnum(*first)
                && is_lower_alnum(*last)
                && bytes.iter().all(|b| is_lower_alnum(*b) || *b == b'-')
        }
        _ => false,
    }
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_path_tail(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

fn is_domain_path(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(domain, rest)| is_subdomain(domain) && is_path_tail(rest))
}

/// The schema's alternatives are anchored only at the very start and the very end, so that a
/// little more passes than the three words and `domain/path`; the verdict must be the same.
fn is_address_type(text: &str) -> bool {
    let ends_in_domain_path = || {
        text.match_indices('/').any(|(slash, _)| {
            text[..slash].bytes().last().is_some_and(is_lower_alnum)
                && is_path_tail(&text[slash + 1..])
        })
    };
    text.starts_with("Hostname")
        || text.contains("IPAddress")
        || text.contains("NamedAddress")
        || ends_in_domain_path()
}

/// Letters, digits, `-`, `_`, `.` with a letter or digit at both ends.
fn is_qualified(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= max
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn is_domain_name_pair(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(domain, name)| is_subdomain(domain) && is_qualified(name, 63))
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => {
            domain.len() < 253 && is_subdomain(domain) && is_qualified(name, 63)
        }
        None => is_qualified(text, 63),
    }
}

fn is_kind(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// The schema anchors the second form only at its end, so anything may stand before the domain;
/// the last labels before the slash decide.
fn is_protocol(text: &str) -> bool {
    let with_domain = || {
        text.rsplit_once('/').is_some_and(|(domain, name)| {
            domain.bytes().last().is_some_and(is_lower_alnum)
                && !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    is_word(text) || with_domain()
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Visible ASCII; blanks only singly and only between.
fn is_header_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let visible = |b: &u8| (b'!'..=b'~').contains(b);
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    bytes.first().is_some_and(visible)
        && bytes.last().is_some_and(visible)
        && bytes.iter().all(|b| visible(b) || blank(b))
        && !bytes
            .windows(2)
            .any(|pair| blank(&pair[0]) && blank(&pair[1]))
}

fn is_identifier(text: &str) -> bool {
    text.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_absolute_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let fine = match b {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b),
        };
        if !fine {
            return false;
        }
    }
    !text.is_empty()
}

/// One to four times: one to five digits and a unit.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    let mut terms = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = &rest[digits..];
        let unit_len = match unit.as_bytes() {
            [b'm', b's', ..] => 2,
            [b'h' | b'm' | b's', ..] => 1,
            _ => return false,
        };
        if !(1..=5).contains(&digits) {
            return false;
        }
        rest = &unit[unit_len..];
        terms += 1;
    }
    (1..=4).contains(&terms)
}

fn is_cors_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let host_fits = host == "*"
        || host
            .strip_prefix("*.")
            .unwrap_or(host)
            .split('.')
            .all(label);
    let port_fits = port.is_none_or(|port| {
        (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
    });
    host_fits && port_fits
}

fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !scheme.contains(['/', '?', '#']) && rest.starts_with("//")
    })
}
