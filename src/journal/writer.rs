//! The writer thread: one open file, rotated by size, old files deleted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{JournalCounts, JournalOptions, JournalRecord};
use crate::clock::Stopwatch;

/// How often a file that holds records is closed and files past their time are deleted, however little is written.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);

/// Numbers tried for a new file, when servers that share a folder begin at the same time.
const OPEN_TRIES: u64 = 1_000;

/// Lines gathered for one call of the operating system.
const BUFFER_BYTES: usize = 128 * 1_024;

/// Between two looks into the queue: a writer that waits for each record is woken by each request, which costs that request more
/// than the record does.
const GATHER_FOR: Duration = Duration::from_millis(10);

/// The file that is being written.
pub(super) struct OpenFile {
    out: BufWriter<File>,
    written_bytes: u64,
    /// Room for a line.
    line: Vec<u8>,
}

impl OpenFile {
    /// Writes lines and flushes them.
    pub(super) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        for line in lines {
            self.out.write_all(line.as_bytes())?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }
}

/// Starts the thread; it ends when every sender is gone, after flushing.
pub fn start(options: JournalOptions, records: Receiver<JournalRecord>, counts: Arc<JournalCounts>) -> io::Result<JoinHandle<()>> {
    let mut file = open_next(&options.directory)?;
    delete_old(&options);
    let mut tidied = Stopwatch::start();
    thread::Builder::new().name("journal".into()).spawn(move || {
        loop {
            match records.recv_timeout(TIDY_EVERY) {
                Ok(first) => {
                    for record in std::iter::once(first).chain(records.try_iter()) {
                        write(&mut file, &record, &counts);
                        if file.written_bytes >= options.rotate_bytes {
                            rotate(&mut file, &options.directory);
                        }
                    }
                    if file.out.flush().is_err() {
                        counts.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(GATHER_FOR);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let is_time = tidied.elapsed() >= TIDY_EVERY;
            if is_time && file.written_bytes > 0 {
                rotate(&mut file, &options.directory);
            }
            if is_time {
                delete_old(&options);
                tidied = Stopwatch::start();
            }
        }
        let _ = file.out.flush();
    })
}

/// Closes the file and opens the next; goes on with the old one where that cannot be had.
fn rotate(file: &mut OpenFile, directory: &Path) {
    let _ = file.out.flush();
    if let Ok(next) = open_next(directory) {
        *file = next;
    }
}

fn write(file: &mut OpenFile, record: &JournalRecord, counts: &JournalCounts) {
    file.line.clear();
    let written = serde_json::to_writer(&mut file.line, record).map_err(io::Error::from).and_then(|()| {
        file.line.push(b'\n');
        file.out.write_all(&file.line)
    });
    if written.is_ok() {
        file.written_bytes += file.line.len() as u64;
    }
    let count = if written.is_ok() { &counts.written } else { &counts.dropped };
    count.fetch_add(1, Ordering::Relaxed);
}

/// `journal-000042.ndjson`: one past the highest number there is, or past those that others take meanwhile.
pub(super) fn open_next(directory: &Path) -> io::Result<OpenFile> {
    let last = files(directory)?.last().and_then(|path| number(path)).unwrap_or(0);
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for next in last + 1..=last + OPEN_TRIES {
        let path = directory.join(format!("journal-{next:06}.ndjson"));
        match OpenOptions::new().create_new(true).append(true).open(path) {
            Ok(out) => return Ok(OpenFile { out: BufWriter::with_capacity(BUFFER_BYTES, out), written_bytes: 0, line: Vec::new() }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.strip_prefix("journal-")?.parse().ok()
}

/// The journal's files, oldest first.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| number(p).is_some()).collect();
    found.sort_by_key(|path| number(path));
    Ok(found)
}

/// All but the newest, which is being written. Age by the file's own modification time: the file system's clock, not the server's.
fn delete_old(options: &JournalOptions) {
    let Ok(mut closed) = files(&options.directory) else { return };
    closed.pop();
    for path in closed {
        let age = fs::metadata(&path).and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > options.retention.as_std()) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EventRecord, Journal};
    use super::*;
    use crate::domain::Span;

    fn record(n: usize) -> JournalRecord {
        JournalRecord::Event(EventRecord {
            at: n as i64,
            id: format!("ev_{n}"),
            user: "pseudonym".into(),
            event_type: "open".into(),
            item: "i".into(),
            feed_id: None,
            position: Some(3),
            undo: false,
        })
    }

    #[test]
    fn every_record_is_a_line_and_files_rotate() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = JournalOptions {
            directory: directory.path().into(),
            queue_records: 1_000,
            rotate_bytes: 1_000,
            retention: Span::days(1),
            draws: true,
        };
        let journal = Journal::open(options.clone()).expect("opens");
        for n in 0..100 {
            journal.record(record(n));
        }
        journal.close();
        let again = Journal::open(options).expect("opens again");
        again.record(record(100));
        again.close();
        let paths = files(directory.path()).expect("lists");
        assert!(paths.len() > 5, "{} files", paths.len());
        let lines: Vec<JournalRecord> = paths
            .iter()
            .flat_map(|path| fs::read_to_string(path).expect("reads").lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).expect("a record"))
            .collect();
        assert_eq!(lines, (0..=100).map(record).collect::<Vec<_>>());
    }

    #[test]
    fn servers_that_begin_at_once_have_files_of_their_own() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = |_| {
            let directory = directory.path().to_owned();
            thread::spawn(move || open_next(&directory).map(drop))
        };
        let all: Vec<_> = (0..16).map(open).collect();
        assert!(all.into_iter().all(|one| one.join().expect("no panic").is_ok()));
        assert_eq!(files(directory.path()).expect("lists").len(), 16);
    }

    #[test]
    fn files_past_their_time_go_when_the_journal_opens() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let old = directory.path().join("journal-000041.ndjson");
        let aged = File::create(&old).expect("creates").metadata().and_then(|m| m.modified()).expect("a time") - Duration::from_secs(7_200);
        File::options().append(true).open(&old).and_then(|file| file.set_modified(aged)).expect("ages");
        let options = |hours| JournalOptions {
            directory: directory.path().into(),
            queue_records: 10,
            rotate_bytes: 1 << 30,
            retention: Span::hours(hours),
            draws: true,
        };
        Journal::open(options(3)).expect("opens").close();
        assert!(old.exists());
        Journal::open(options(1)).expect("opens").close();
        assert!(!old.exists());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = JournalOptions {
            directory: directory.path().into(),
            queue_records: 1,
            rotate_bytes: 1 << 30,
            retention: Span::days(1),
            draws: true,
        };
        let journal = Journal::open(options).expect("opens");
        for n in 0..10_000 {
            journal.record(record(n));
        }
        let dropped = journal.counts().dropped.load(Ordering::Relaxed);
        let counts = Arc::clone(&journal.counts);
        journal.close();
        assert_eq!(dropped + counts.written.load(Ordering::Relaxed), 10_000);
    }
}
