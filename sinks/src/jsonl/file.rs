//! A file of whole lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was written and what was not; shared with metrics.
#[derive(Debug, Default)]
pub struct Lines {
    written: AtomicU64,
    failed: AtomicU64,
}

impl Lines {
    /// Lines handed to the kernel.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lines lost because writing failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Lines are gathered up to this many bytes between flushes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
enum Target {
    Stdout,
    File {
        path: PathBuf,
        file: File,
        inode: u64,
    },
}

/// Appends whole lines to a file, or to stdout.
#[derive(Debug)]
pub struct LineFile {
    target: Target,
    buffer: Vec<u8>,
    buffered: u64,
    lines: Arc<Lines>,
}

impl LineFile {
    /// Opens `path` for appending (`-` is stdout) and cuts a torn last line off.
    pub fn open(path: &str) -> io::Result<Self> {
        let target = match path {
            "-" => Target::Stdout,
            path => open(Path::new(path))?,
        };
        Ok(Self {
            target,
            buffer: Vec::new(),
            buffered: 0,
            lines: Arc::default(),
        })
    }

    /// The counters of this file.
    pub fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines)
    }

    /// Adds one line (without its end); it reaches the file with the next [`LineFile::flush`], or
    /// earlier when the buffer is full.
    pub fn push(&mut self, line: &[u8]) {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.buffered += 1;
        if self.buffer.len() >= BUFFER_BYTES_MAX {
            self.flush();
        }
    }

    /// Writes what is buffered. What cannot be written is lost and counted.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let result = match &mut self.target {
            Target::Stdout => io::stdout().lock().write_all(&self.buffer),
            Target::File { file, .. } => append(file, &self.buffer),
        };
        let counter = match result {
            Ok(()) => &self.lines.written,
            Err(_) => &self.lines.failed,
        };
        counter.fetch_add(self.buffered, Ordering::Relaxed);
        self.buffer.clear();
        self.buffered = 0;
    }

    /// Opens the file anew where its path no longer leads to it, as after a rotation.
    pub fn follow(&mut self) -> io::Result<()> {
        let Target::File { path, inode, .. } = &self.target else {
            return Ok(());
        };
        let moved = std::fs::metadata(path).map_or(true, |metadata| metadata.ino() != *inode);
        if moved {
            let path = path.clone();
            self.flush();
            self.target = open(&path)?;
        }
        Ok(())
    }
}

impl Drop for LineFile {
    fn drop(&mut self) {
        self.flush();
    }
}

/// All of it, or none: what a full disk took is cut off again, so that lines stay whole.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(bytes).inspect_err(|_| {
        // If even this fails the torn line is cut at the next start.
        drop(file.set_len(before));
    })
}

fn open(path: &Path) -> io::Result<Target> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)?;
    cut_torn_line(&mut file)?;
    let inode = file.metadata()?.ino();
    Ok(Target::File {
        path: path.to_owned(),
        file,
        inode,
    })
}

fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(()); // a pipe or a device has no past
    }
    let mut end = metadata.len();
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end != metadata.len() {
        file.set_len(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn a_torn_last_line_is_cut_at_the_next_start_and_whole_lines_stay() {
        let folder = folder();
        let path = folder.path().join("log");
        let long = "x".repeat(10_000);
        for (before, after) in [
            ("", ""),
            ("a\nb\n", "a\nb\n"),
            ("a\nb", "a\n"),
            ("torn", ""),
            (&*format!("a\n{long}"), "a\n"),
            (&*format!("{long}\n{long}"), &*format!("{long}\n")),
        ] {
            std::fs::write(&path, before).expect("written");
            let mut file = LineFile::open(path.to_str().expect("UTF-8")).expect("opens");
            file.push(b"new");
            drop(file);
            let found = std::fs::read_to_string(&path).expect("read");
            assert_eq!(found, format!("{after}new\n"));
        }
    }

    #[test]
    fn a_file_renamed_away_is_opened_anew() {
        let folder = folder();
        let path = folder.path().join("log");
        let mut file = LineFile::open(path.to_str().expect("UTF-8")).expect("opens");
        file.push(b"one");
        std::fs::rename(&path, folder.path().join("log.1")).expect("renamed");
        file.follow().expect("follows");
        file.push(b"two");
        file.flush();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("log.1")).expect("read"),
            "one\n"
        );
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "two\n");
        assert_eq!(file.lines().written(), 2);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let mut file = LineFile::open("/dev/full").expect("opens");
        file.push(b"lost");
        file.flush();
        assert_eq!((file.lines().written(), file.lines().failed()), (0, 1));
    }
}
