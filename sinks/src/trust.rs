//! What TLS says when two sides do not trust each other.

use crate::totals::Failure;
use rustls::{AlertDescription as Alert, Error};
use std::error::Error as StdError;
use std::io;

/// What TLS says in an error or in what caused it: the other side's certificate is not trusted, or
/// the other side does not accept ours. `None` where TLS is not the cause.
pub(crate) fn failure<'a>(error: &'a (dyn StdError + 'static)) -> Option<(Failure, &'a Error)> {
    let error = cause(error)?;
    let failure = match error {
        Error::AlertReceived(
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
        ) => Failure::Unauthorized,
        _ => Failure::Untrusted,
    };
    Some((failure, error))
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error is what it holds: its source is already one further.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;

    fn wrapped(error: Error) -> io::Error {
        io::Error::other(io::Error::other(error))
    }

    #[test]
    fn either_side_may_refuse_the_other() {
        let theirs = wrapped(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let ours = wrapped(Error::AlertReceived(Alert::CertificateRequired));
        let found = |error: &io::Error| failure(error).map(|(failure, _)| failure);
        assert_eq!(found(&theirs), Some(Failure::Untrusted));
        assert_eq!(found(&ours), Some(Failure::Unauthorized));
        assert_eq!(found(&io::Error::other("reset")), None);
        assert_eq!(found(&io::Error::from(io::ErrorKind::BrokenPipe)), None);
    }
}
