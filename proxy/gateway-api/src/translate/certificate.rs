//! PEM to DER: certificate chains with their keys, and trusted authorities.
//!
//! A key that does not belong to its certificate is found here, where it can become a condition,
//! and not in the data plane, where it could only fail handshakes. Expiry is not judged: a
//! gateway that stops at midnight helps nobody.

use rauta_routing::{Certificate, PrivateKey};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use rustls_pemfile::Item;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Why PEM text is no certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{field} is no PEM: {why}")]
    Pem { field: &'static str, why: String },
    #[error("{field} holds no certificate")]
    NoCertificate { field: &'static str },
    #[error("certificate {number} of {field} cannot be read: {why}")]
    BadCertificate {
        field: &'static str,
        number: usize,
        why: String,
    },
    #[error("{field} holds no private key")]
    NoKey { field: &'static str },
    #[error(
        "the private key is not one that can sign here (RSA from 2048 bits, ECDSA P-256 or \
             P-384, Ed25519)"
    )]
    UnsupportedKey,
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
}

/// Reads a chain (leaf first) and its key.
pub(crate) fn certificate(
    (chain_field, chain): (&'static str, &[u8]),
    (key_field, key): (&'static str, &[u8]),
) -> Result<Certificate, CertificateError> {
    let chain = certificates(chain_field, chain)?;
    let key = private_key(key_field, key)?;
    let leaf = chain
        .first()
        .ok_or(CertificateError::NoCertificate { field: chain_field })?;
    check_pair(leaf, &key)?;
    let (PrivateKey::Pkcs1(der) | PrivateKey::Pkcs8(der) | PrivateKey::Sec1(der)) = &key;
    let hash = content_hash(chain.iter().map(Vec::as_slice).chain([der.as_slice()]));
    Ok(Certificate { chain, key, hash })
}

/// Reads one or more certificates, each of which must be readable.
pub(crate) fn certificates(
    field: &'static str,
    pem: &[u8],
) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut found = Vec::new();
    for item in items(field, pem) {
        if let Item::X509Certificate(der) = item? {
            X509Certificate::from_der(&der).map_err(|error| CertificateError::BadCertificate {
                field,
                number: found.len() + 1,
                why: error.to_string(),
            })?;
            found.push(der.to_vec());
        }
    }
    if found.is_empty() {
        return Err(CertificateError::NoCertificate { field });
    }
    Ok(found)
}

/// The first 8 bytes of SHA-256 over the parts, each with its length before it.
pub(crate) fn content_hash<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..8]);
    u64::from_be_bytes(first)
}

fn items<'a>(
    field: &'static str,
    pem: &'a [u8],
) -> impl Iterator<Item = Result<Item, CertificateError>> + 'a {
    let mut rest = pem;
    std::iter::from_fn(move || match rustls_pemfile::read_one_from_slice(rest) {
        Ok(Some((item, after))) => {
            rest = after;
            Some(Ok(item))
        }
        Ok(None) => None,
        Err(error) => {
            rest = &[];
            let why = format!("{error:?}");
            Some(Err(CertificateError::Pem { field, why }))
        }
    })
}

fn private_key(field: &'static str, pem: &[u8]) -> Result<PrivateKey, CertificateError> {
    for item in items(field, pem) {
        return Ok(match item? {
            Item::Pkcs1Key(der) => PrivateKey::Pkcs1(der.secret_pkcs1_der().to_vec()),
            Item::Pkcs8Key(der) => PrivateKey::Pkcs8(der.secret_pkcs8_der().to_vec()),
            Item::Sec1Key(der) => PrivateKey::Sec1(der.secret_sec1_der().to_vec()),
            _ => continue,
        });
    }
    Err(CertificateError::NoKey { field })
}

/// Whether the key is the certificate's.
fn check_pair(leaf: &[u8], key: &PrivateKey) -> Result<(), CertificateError> {
    let (_, leaf) =
        X509Certificate::from_der(leaf).map_err(|_| CertificateError::UnsupportedKey)?;
    let public = leaf.public_key();
    let bits: &[u8] = &public.subject_public_key.data;
    let own = match (public.parsed(), key) {
        (Ok(PublicKey::RSA(_)), PrivateKey::Pkcs1(der)) => rsa(RsaKeyPair::from_der(der))?,
        (Ok(PublicKey::RSA(_)), PrivateKey::Pkcs8(der)) => rsa(RsaKeyPair::from_pkcs8(der))?,
        (Ok(PublicKey::EC(_)), PrivateKey::Pkcs8(der)) => ecdsa(der)?,
        (Ok(PublicKey::EC(_)), PrivateKey::Sec1(der)) => return sec1_fits(der, bits),
        (_, PrivateKey::Pkcs8(der)) => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => pair.public_key().as_ref().to_vec(),
            Err(_) => return Err(other_kind(der)),
        },
        _ => return Err(CertificateError::Mismatch),
    };
    if own == bits {
        Ok(())
    } else {
        Err(CertificateError::Mismatch)
    }
}

/// The error for a key that is not of the certificate's kind: another kind of key is a mismatch.
fn other_kind(pkcs8: &[u8]) -> CertificateError {
    if RsaKeyPair::from_pkcs8(pkcs8).is_ok() || ecdsa(pkcs8).is_ok() {
        CertificateError::Mismatch
    } else {
        CertificateError::UnsupportedKey
    }
}

fn rsa(pair: Result<RsaKeyPair, ring::error::KeyRejected>) -> Result<Vec<u8>, CertificateError> {
    match pair {
        Ok(pair) => Ok(pair.public_key().as_ref().to_vec()),
        Err(error)
            if error.to_string() == "InvalidEncoding" || error.to_string() == "WrongAlgorithm" =>
        {
            Err(CertificateError::Mismatch)
        }
        Err(_) => Err(CertificateError::UnsupportedKey),
    }
}

const ECDSA: [&EcdsaSigningAlgorithm; 2] = [
    &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
    &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
];

fn ecdsa(pkcs8: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let random = SystemRandom::new();
    ECDSA
        .into_iter()
        .find_map(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random).ok())
        .map(|pair| pair.public_key().as_ref().to_vec())
        .ok_or(CertificateError::UnsupportedKey)
}

/// A SEC1 key has no algorithm of its own: it is tried with the certificate's public key.
fn sec1_fits(der: &[u8], public: &[u8]) -> Result<(), CertificateError> {
    let scalar = sec1_scalar(der).ok_or(CertificateError::UnsupportedKey)?;
    let random = SystemRandom::new();
    let fits = ECDSA.into_iter().any(|algorithm| {
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public, &random).is_ok()
    });
    if fits {
        Ok(())
    } else {
        Err(CertificateError::Mismatch)
    }
}

/// The private scalar of `ECPrivateKey ::= SEQUENCE { INTEGER 1, OCTET STRING, … }` (RFC 5915).
fn sec1_scalar(der: &[u8]) -> Option<&[u8]> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (_version, rest) = der_value(sequence, 0x02)?;
    der_value(rest, 0x04).map(|(scalar, _)| scalar)
}

/// The contents of a DER value with that tag, and what follows it. Lengths up to 64 KiB.
fn der_value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (length, rest) = match rest {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}
