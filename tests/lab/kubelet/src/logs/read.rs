//! From a log file to the answer to `kubectl logs`.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, watch};

use super::Written;
use super::query::Query;
use super::write::older_part;

/// Who asked, until he has enough.
struct Reader<'a> {
    query: &'a Query,
    answer: mpsc::Sender<Bytes>,
    left_bytes: u64,
}

/// Nobody reads any more, or the limit is reached.
struct Enough;

/// Sends what `query` asks for. With `follow` it ends when the log does.
pub(crate) async fn send(
    path: &Path,
    mut growth: Option<watch::Receiver<Written>>,
    query: &Query,
    answer: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut reader = Reader {
        query,
        answer,
        left_bytes: query.limit_bytes.unwrap_or(u64::MAX),
    };
    // Marked as seen before the file is read: what is written meanwhile is another change.
    let mut file = growth
        .as_mut()
        .map_or(0, |growth| growth.borrow_and_update().file);
    let mut log = Lines::open(path).await?;
    let shown = past(path, &mut log, query).await?;
    for line in shown {
        if reader.send(line).await.is_err() {
            return Ok(());
        }
    }
    let Some(growth) = growth.as_mut().filter(|_| query.follow) else {
        return Ok(());
    };
    loop {
        let is_over = growth.changed().await.is_err();
        if reader.send_rest(&mut log).await?.is_err() || is_over {
            return Ok(());
        }
        let now = growth.borrow_and_update().file;
        if now != file {
            file = now;
            log = Lines::open(path).await?;
            if reader.send_rest(&mut log).await?.is_err() {
                return Ok(());
            }
        }
    }
}

/// What is there already.
async fn past(path: &Path, log: &mut Lines, query: &Query) -> io::Result<VecDeque<Bytes>> {
    let kept_max = query.tail_lines.unwrap_or(usize::MAX);
    let mut shown = VecDeque::new();
    let mut keep = |entry: &[u8]| {
        shown.extend(query.show(entry).map(Bytes::from));
        if shown.len() > kept_max {
            shown.pop_front();
        }
    };
    if let Ok(mut older) = Lines::open(&older_part(path)).await {
        while let Some(entry) = older.next().await? {
            keep(&entry);
        }
    }
    while let Some(entry) = log.next().await? {
        keep(&entry);
    }
    Ok(shown)
}

impl Reader<'_> {
    async fn send(&mut self, mut line: Bytes) -> Result<(), Enough> {
        let room = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        line.truncate(room);
        self.left_bytes -= line.len() as u64;
        if line.is_empty() {
            return Err(Enough);
        }
        self.answer.send(line).await.map_err(|_closed| Enough)
    }

    async fn send_rest(&mut self, log: &mut Lines) -> io::Result<Result<(), Enough>> {
        while let Some(entry) = log.next().await? {
            if let Some(line) = self.query.show(&entry)
                && self.send(Bytes::from(line)).await.is_err()
            {
                return Ok(Err(Enough));
            }
        }
        Ok(Ok(()))
    }
}

/// A file's lines, where the last one may not be finished yet.
struct Lines {
    file: BufReader<File>,
    begun: Vec<u8>,
}

impl Lines {
    async fn open(path: &Path) -> io::Result<Self> {
        Ok(Lines {
            file: BufReader::new(File::open(path).await?),
            begun: Vec::new(),
        })
    }

    /// The next finished line, without its end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.file.read_until(b'\n', &mut self.begun).await?;
        if self.begun.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.begun.pop();
        Ok(Some(std::mem::take(&mut self.begun)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::{LogFile, copy};
    use super::*;
    use tokio::sync::Mutex;

    async fn received(mut answer: mpsc::Receiver<Bytes>) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = answer.recv().await {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).expect("text")
    }

    #[tokio::test]
    async fn the_last_lines_and_a_number_of_bytes_can_be_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("0.log");
        let (log, _) = LogFile::create(path.clone()).await.expect("a log");
        let log = Mutex::new(log);
        copy(b"one\ntwo\nthree".as_slice(), "stdout", &log)
            .await
            .expect("copied");
        let read = async |query: Query| {
            let (answer, answers) = mpsc::channel(16);
            send(&path, None, &query, answer).await.expect("read");
            received(answers).await
        };
        assert_eq!(read(Query::default()).await, "one\ntwo\nthree\n");
        let last = Query {
            tail_lines: Some(2),
            ..Query::default()
        };
        assert_eq!(read(last).await, "two\nthree\n");
        let short = Query {
            limit_bytes: Some(5),
            ..Query::default()
        };
        assert_eq!(read(short).await, "one\nt");
    }

    #[tokio::test]
    async fn a_follower_gets_what_comes_later_and_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("0.log");
        let (log, growth) = LogFile::create(path.clone()).await.expect("a log");
        let log = Mutex::new(log);
        copy(b"before\n".as_slice(), "stdout", &log)
            .await
            .expect("copied");
        let (answer, mut answers) = mpsc::channel(16);
        let query = Query {
            follow: true,
            ..Query::default()
        };
        let sending = send(&path, Some(growth), &query, answer);
        let writing = async {
            assert_eq!(answers.recv().await.expect("a line"), "before\n");
            copy(b"after\n".as_slice(), "stderr", &log)
                .await
                .expect("copied");
            assert_eq!(answers.recv().await.expect("a line"), "after\n");
            drop(log);
            assert_eq!(answers.recv().await, None);
        };
        let (sent, ()) = tokio::join!(sending, writing);
        sent.expect("followed");
    }
}
