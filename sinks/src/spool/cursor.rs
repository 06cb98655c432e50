//! How far a reader is, in a file: two places written in turn, so that one is always whole.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

const ENDING: &str = "cursor";
/// Generation 8, position 8, checksum 4, nothing 4.
const PLACE: usize = 24;

/// A reader's cursor file.
#[derive(Debug)]
pub(super) struct CursorFile {
    file: File,
    generation: u64,
    /// Everything below was delivered; `None` where the file says nothing that can be believed.
    pub(super) position: Option<u64>,
    /// Was it not there before?
    pub(super) is_new: bool,
}

/// Opens the cursors of these readers and removes those of others.
pub(super) fn open(directory: &Path, names: &[&str]) -> Vec<std::io::Result<CursorFile>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let is_cursor = path.extension().is_some_and(|ending| ending == ENDING);
        let is_ours = path
            .file_stem()
            .is_some_and(|stem| names.iter().any(|name| stem == *name));
        if is_cursor
            && !is_ours
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "an unused cursor cannot be removed");
        }
    }
    let open = |name: &&str| {
        let file = Path::new(name).with_extension(ENDING);
        CursorFile::open(&directory.join(&file)).map_err(|error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", file.display()))
        })
    };
    names.iter().map(open).collect()
}

impl CursorFile {
    fn open(path: &Path) -> std::io::Result<Self> {
        let is_new = !path.try_exists()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = [0; 2 * PLACE];
        let mut read = 0;
        while let Ok(count @ 1..) = file.read_at(&mut bytes[read..], read as u64) {
            read += count;
        }
        let places = bytes[..read].chunks_exact(PLACE).filter_map(place);
        let newest = places.max_by_key(|(generation, _)| *generation);
        Ok(Self {
            file,
            generation: newest.map_or(0, |(generation, _)| generation),
            position: newest.map(|(_, position)| position),
            is_new,
        })
    }

    /// Writes down that everything below `position` was delivered. Where that fails, an earlier
    /// position stands, and a restart delivers some twice.
    pub(super) fn save(&mut self, position: u64) {
        self.generation += 1;
        self.position = Some(position);
        let mut bytes = [0; PLACE];
        bytes[..8].copy_from_slice(&self.generation.to_le_bytes());
        bytes[8..16].copy_from_slice(&position.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..16]);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        let at = (self.generation % 2) * PLACE as u64;
        if let Err(error) = self.file.write_all_at(&bytes, at) {
            tracing::debug!(%error, "the spool's cursor cannot be written");
        }
    }
}

fn place(bytes: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| bytes[at..].first_chunk().copied().map(u64::from_le_bytes);
    let sum = bytes[16..].first_chunk().copied().map(u32::from_le_bytes)?;
    (crc32fast::hash(&bytes[..16]) == sum).then_some((number(0)?, number(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_places_the_newest_whole_one_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nats.cursor");
        let mut cursor = CursorFile::open(&path).expect("opens");
        assert!(cursor.is_new && cursor.position.is_none());
        cursor.save(5);
        cursor.save(6);
        let whole = std::fs::read(&path).expect("reads");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let read = CursorFile::open(&path).expect("opens");
            assert!(!read.is_new);
            // The second save went to the first place.
            let expected = (cut >= PLACE).then_some(6);
            assert_eq!(read.position, expected, "{cut} bytes");
        }
        for flipped in 0..PLACE - 4 {
            let mut bytes = whole.clone();
            bytes[flipped] ^= 1;
            std::fs::write(&path, &bytes).expect("writes");
            assert_eq!(
                CursorFile::open(&path).expect("opens").position,
                Some(5),
                "{flipped}"
            );
        }
    }

    #[test]
    fn cursors_of_readers_that_are_gone_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["nats.cursor", "otlp.cursor", "00.spool"] {
            std::fs::write(folder.path().join(name), "").expect("writes");
        }
        let cursors = open(folder.path(), &["otlp"]);
        assert!(!cursors[0].as_ref().expect("opens").is_new);
        let exists = |name: &str| folder.path().join(name).exists();
        assert!(!exists("nats.cursor") && exists("otlp.cursor") && exists("00.spool"));
    }
}
