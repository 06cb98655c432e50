//! The small grammar that everything else is made of: tokens, comma lists, plain numbers.

/// Whether every byte may stand in a token (RFC 9110 section 5.6.2), and there is at least one.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Cuts optional white space (space and tab, RFC 9110 section 5.6.3) off both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma list, trimmed. Empty elements are passed on: whoever must be strict
/// sees them.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// One plain decimal number: digits only, no sign, no leading zero, no overflow. Leading zeros are
/// legal but read as octal by some, so RAUTA refuses them (RFC 9110 section 8.6).
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    match digits {
        [] => None,
        [b'0'] => Some(0),
        [b'0', ..] => None,
        _ => digits.iter().try_fold(0u64, |number, &byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        }),
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// What a Transfer-Encoding value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferCoding {
    /// Exactly `chunked`.
    Chunked,
    /// A list of well-formed codings of which at least one is unknown.
    Unknown,
    /// Empty elements, parameters, `chunked` twice, or no list of tokens at all.
    Malformed,
}

/// Reads a Transfer-Encoding value (RFC 9112 section 6.1).
pub(crate) fn transfer_coding(value: &[u8]) -> TransferCoding {
    if value.eq_ignore_ascii_case(b"chunked") {
        return TransferCoding::Chunked;
    }
    let mut chunked = 0;
    for coding in list(value) {
        if !is_token(coding) {
            return TransferCoding::Malformed;
        }
        chunked += usize::from(coding.eq_ignore_ascii_case(b"chunked"));
    }
    if chunked > 1 {
        TransferCoding::Malformed
    } else {
        TransferCoding::Unknown
    }
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'
                | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'
                | b'_' | b'`' | b'|' | b'~'
        );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_plain_or_nothing() {
        for (digits, number) in [
            ("0", Some(0)),
            ("5", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("00", None),
            ("05", None),
            ("+5", None),
            ("-0", None),
            ("0x5", None),
            ("5_0", None),
            ("5 5", None),
        ] {
            assert_eq!(decimal(digits.as_bytes()), number, "{digits:?}");
        }
    }

    #[test]
    fn transfer_codings_are_told_apart() {
        use TransferCoding::{Chunked, Malformed, Unknown};
        for (value, coding) in [
            ("chunked", Chunked),
            ("CHUNKED", Chunked),
            ("xchunked", Unknown),
            ("gzip, chunked", Unknown),
            ("chunked, identity", Unknown),
            ("chunked, chunked", Malformed),
            (",chunked", Malformed),
            ("chunked;q=1", Malformed),
            ("\"chunked\"", Malformed),
            ("", Malformed),
        ] {
            assert_eq!(transfer_coding(value.as_bytes()), coding, "{value:?}");
        }
    }
}
