//! Anomalies out of a file of JSON lines: its last ones, then each new one, over rotations.

use super::Show;
use super::lines::Lines;
use crate::cli::TailArgs;
use crate::{Misuse, log};
use anyhow::Context;
use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Shows the last anomalies of the file, then, unless it is read once, what is added to it.
pub(super) async fn follow(
    path: &Path,
    arguments: &TailArgs,
    mut show: Show,
) -> anyhow::Result<()> {
    let mut followed = Followed::open(path).map_err(|error| cannot_open(path, error))?;
    let mut last = VecDeque::new();
    followed.read(|line| {
        if last.len() == arguments.last {
            last.pop_front();
        }
        if arguments.last > 0 {
            last.push_back(line);
        }
        Ok(())
    })?;
    for line in last {
        show.document(&line)?;
    }
    if arguments.once {
        return Ok(());
    }
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let is_replaced = followed.is_replaced(path)?;
        // What was written to the old file before it was replaced is read first.
        followed.read(|line| show.document(&line))?;
        if is_replaced {
            log::error_line(&format!("{}: follows the new file", path.display()));
            followed =
                Followed::open(path).with_context(|| format!("--file: {}", path.display()))?;
        }
    }
}

/// A file that is not there, or not to be read, is the asker's mistake.
fn cannot_open(path: &Path, error: io::Error) -> anyhow::Error {
    let name = format!("--file: {}", path.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
            Misuse(format!("{name}: {error}")).into()
        }
        _ => anyhow::Error::from(error).context(name),
    }
}

/// A file that is read to its end again and again.
#[derive(Debug)]
struct Followed {
    file: File,
    path: PathBuf,
    position: u64,
    lines: Lines,
}

impl Followed {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            position: 0,
            lines: Lines::default(),
        })
    }

    /// Reads what is new.
    fn read(&mut self, mut each: impl FnMut(String) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = self.file.read(&mut piece);
            let read = read.with_context(|| format!("--file: {}", self.path.display()))?;
            if read == 0 {
                return Ok(());
            }
            self.position += read as u64;
            for line in self.lines.push(&piece[..read]) {
                each(line)?;
            }
        }
    }

    /// Does another file have its name now? A file that was cut is read from its start again.
    fn is_replaced(&mut self, path: &Path) -> anyhow::Result<bool> {
        let own = self.file.metadata()?;
        if own.len() < self.position {
            self.file.seek(SeekFrom::Start(0))?;
            self.position = 0;
            self.lines = Lines::default();
        }
        // No file of this name: it is being rotated, and the next look finds the new one.
        Ok(path
            .metadata()
            .is_ok_and(|named| identity(&named) != identity(&own)))
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(followed: &mut Followed) -> Vec<String> {
        let mut found = Vec::new();
        let result = followed.read(|line| {
            found.push(line);
            Ok(())
        });
        result.expect("readable");
        found
    }

    #[test]
    fn a_file_is_followed_when_it_grows_is_renamed_or_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anomalies.jsonl");
        std::fs::write(&path, "1\n2\nhal").expect("written");
        let mut followed = Followed::open(&path).expect("there");
        assert_eq!(read(&mut followed), ["1", "2"]);
        let mut file = File::options().append(true).open(&path).expect("there");
        file.write_all(b"f\n").expect("written");
        assert_eq!(read(&mut followed), ["half"]);

        std::fs::rename(&path, folder.path().join("old")).expect("renamed");
        assert!(!followed.is_replaced(&path).expect("no file is no failure"));
        file.write_all(b"late\n").expect("written");
        assert_eq!(read(&mut followed), ["late"]);
        std::fs::write(&path, "3\n").expect("written");
        assert!(followed.is_replaced(&path).expect("readable"));
        let mut followed = Followed::open(&path).expect("there");
        assert_eq!(read(&mut followed), ["3"]);

        std::fs::write(&path, "").expect("cut");
        assert!(!followed.is_replaced(&path).expect("readable"));
        std::fs::write(&path, "4\n").expect("written");
        assert_eq!(read(&mut followed), ["4"]);
    }
}
