//! From a container's pipes to its log file.

use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use tokio::fs::{self, File};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex, watch};

use super::Written;
use crate::clock;

/// A longer line is cut in parts of this size.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// A longer file becomes the older part, and the older part before it goes.
const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// A log that is being written. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    written: watch::Sender<Written>,
}

impl LogFile {
    /// A new log, and how much there is of it.
    pub(super) async fn create(path: PathBuf) -> io::Result<(Self, watch::Receiver<Written>)> {
        let file = File::create(&path).await?;
        let (written, growth) = watch::channel(Written::default());
        let log = LogFile {
            path,
            file,
            written,
        };
        Ok((log, growth))
    }

    async fn append(&mut self, stream: &str, is_whole: bool, text: &[u8]) -> io::Result<()> {
        let line = entry(clock::now(), stream, is_whole, text);
        let mut written = *self.written.borrow();
        if written.bytes > 0 && written.bytes + line.len() as u64 > FILE_BYTES_MAX {
            fs::rename(&self.path, older_part(&self.path)).await?;
            self.file = File::create(&self.path).await?;
            written = Written {
                file: written.file + 1,
                bytes: 0,
            };
        }
        self.file.write_all(&line).await?;
        self.file.flush().await?;
        written.bytes += line.len() as u64;
        self.written.send_replace(written);
        Ok(())
    }
}

/// Where the older part of a long log is.
pub(super) fn older_part(path: &Path) -> PathBuf {
    path.with_extension("log.older")
}

fn entry(at: Timestamp, stream: &str, is_whole: bool, text: &[u8]) -> Vec<u8> {
    let tag = if is_whole { 'F' } else { 'P' };
    let mut line = format!("{at:.9} {stream} {tag} ").into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

/// Copies what `pipe` says into the log until it ends.
pub(crate) async fn copy(
    pipe: impl AsyncRead + Unpin,
    stream: &'static str,
    log: &Mutex<LogFile>,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(LINE_BYTES_MAX, pipe);
    let mut line = Vec::new();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            break;
        }
        let (taken, is_whole) = cut(available, LINE_BYTES_MAX - line.len());
        line.extend_from_slice(&available[..taken]);
        let consumed = taken + usize::from(is_whole);
        reader.consume(consumed);
        if is_whole || line.len() >= LINE_BYTES_MAX {
            log.lock().await.append(stream, is_whole, &line).await?;
            line.clear();
        }
    }
    if !line.is_empty() {
        log.lock().await.append(stream, true, &line).await?;
    }
    Ok(())
}

/// How many bytes belong to the line, and whether it ends behind them.
fn cut(available: &[u8], room: usize) -> (usize, bool) {
    let end = available
        .iter()
        .take(room + 1)
        .position(|byte| *byte == b'\n');
    match end {
        Some(at) => (at, true),
        None => (available.len().min(room), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_end_or_where_there_is_no_room() {
        assert_eq!(cut(b"ab\nc", 10), (2, true));
        assert_eq!(cut(b"abc", 10), (3, false));
        assert_eq!(cut(b"abc", 2), (2, false));
        assert_eq!(cut(b"ab\n", 2), (2, true));
        assert_eq!(cut(b"\n", 10), (0, true));
    }

    #[test]
    fn an_entry_has_nine_digits_of_a_second() {
        let at = Timestamp::new(1_763_719_200, 5).expect("in range");
        assert_eq!(
            String::from_utf8(entry(at, "stdout", false, b"x")).expect("text"),
            "2025-11-21T10:00:00.000000005Z stdout P x\n"
        );
    }
}
