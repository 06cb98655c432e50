//! The size line of a chunk (RFC 9112 section 7.1): `hex[;name[=token or quoted]]…` and CR LF,
//! without the white space that the RFC lets bad senders add.

use crate::BodyError;
use crate::grammar::{hex, is_token_byte};

/// A complete size line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SizeLine {
    /// Bytes of data that follow; 0 in the last chunk.
    pub(super) size: u64,
    /// Bytes of extensions in the line.
    pub(super) extension: usize,
    /// Bytes of the whole line with its CR LF.
    pub(super) len: usize,
}

/// 64 bits of size.
const DIGITS_MAX: usize = 16;

/// Reads one size line; `None` if its end has not come yet. `extension_max` bounds how far the end
/// may be.
pub(super) fn parse(buf: &[u8], extension_max: usize) -> Result<Option<SizeLine>, BodyError> {
    let mut size = 0u64;
    let mut digits = 0;
    while let Some(digit) = buf.get(digits).copied().and_then(hex) {
        if digits == DIGITS_MAX {
            return Err(BodyError::ChunkSize);
        }
        size = size << 4 | u64::from(digit);
        digits += 1;
    }
    let rest = match &buf[digits..] {
        [] => return Ok(None),
        _ if digits == 0 => return Err(BodyError::ChunkSize),
        [b'\r', b'\n', ..] => {
            return Ok(Some(SizeLine {
                size,
                extension: 0,
                len: digits + 2,
            }));
        }
        [b'\r'] => return Ok(None),
        rest @ [b';', ..] => rest,
        _ => return Err(BodyError::ChunkSize),
    };
    let reach = extension_max.saturating_add(2);
    let window = &rest[..rest.len().min(reach)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let too_long = window.len() == reach;
        return if too_long {
            Err(BodyError::ChunkExtension)
        } else {
            Ok(None)
        };
    };
    let extension = window[..end]
        .strip_suffix(b"\r")
        .ok_or(BodyError::ChunkSize)?;
    check_extensions(extension)?;
    Ok(Some(SizeLine {
        size,
        extension: extension.len(),
        len: digits + end + 1,
    }))
}

/// Checks `*( ";" token [ "=" ( token / quoted-string ) ] )`. Extensions mean nothing to RAUTA.
fn check_extensions(mut rest: &[u8]) -> Result<(), BodyError> {
    while let [b';', after @ ..] = rest {
        rest = token(after)?;
        rest = match rest {
            [b'=', b'"', after @ ..] => quoted(after)?,
            [b'=', after @ ..] => token(after)?,
            _ => rest,
        };
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(BodyError::ChunkSize)
    }
}

fn token(bytes: &[u8]) -> Result<&[u8], BodyError> {
    match bytes
        .iter()
        .take_while(|&&byte| is_token_byte(byte))
        .count()
    {
        0 => Err(BodyError::ChunkSize),
        len => Ok(&bytes[len..]),
    }
}

/// The rest after a quoted-string's closing quote (RFC 9110 section 5.6.4).
fn quoted(mut bytes: &[u8]) -> Result<&[u8], BodyError> {
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Ok(rest),
            [b'\\', byte, rest @ ..] if is_text(*byte) => rest,
            [byte, rest @ ..] if is_text(*byte) && *byte != b'\\' => rest,
            _ => return Err(BodyError::ChunkSize),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_lines_are_read() {
        for (line, size, extension) in [
            ("0\r\n", 0, 0),
            ("5\r\nhello", 5, 0),
            ("00aF\r\n", 0xaf, 0),
            ("ffffffffffffffff\r\n", u64::MAX, 0),
            ("5;a\r\n", 5, 2),
            ("5;a=b;c=\"d;\\\"e\"\r\n", 5, 14),
        ] {
            let parsed = parse(line.as_bytes(), 100).unwrap().unwrap();
            let len = line.find('\n').unwrap() + 1;
            assert_eq!(
                parsed,
                SizeLine {
                    size,
                    extension,
                    len
                },
                "{line:?}"
            );
        }
        for partial in ["", "5", "5\r", "5;a", "5;a=\"b\r"] {
            assert_eq!(parse(partial.as_bytes(), 100), Ok(None), "{partial:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "\r\n",
            "\n",
            " 5\r\n",
            "5 \r\n",
            "5\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "0_5\r\n",
            "g\r\n",
            "5;\r\n",
            "5;;a\r\n",
            "5; a\r\n",
            "5;a =b\r\n",
            "5;a=\r\n",
            "5;a\n",
            "5;a\rX\r\n",
            "5;\0\r\n",
            "5;a=\"unterminated\r\n",
            "5;a=\"b\"c\r\n",
            "5;a=\"\\",
            "5,5\r\n",
            "5\rX\r\n",
            "00000000000000005\r\n",
            "10000000000000000\r\n",
        ] {
            let parsed = parse(line.as_bytes(), 100);
            let refused = match line {
                "5;a=\"\\" => parsed == Ok(None),
                _ => parsed == Err(BodyError::ChunkSize),
            };
            assert!(refused, "{line:?}: {parsed:?}");
        }
        let long = format!("5;{}\r\n", "a".repeat(100));
        assert_eq!(parse(long.as_bytes(), 100), Err(BodyError::ChunkExtension));
        assert!(parse(long.as_bytes(), 101).unwrap().is_some());
    }
}
