//! Reads a journal's files, oldest first, one record at a time.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{JournalRecord, writer};

/// Longest line read; a longer one is damaged.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// An iterator over records. Damaged lines are skipped and counted: the last line of a file may be half written.
pub struct JournalReader {
    waiting: VecDeque<PathBuf>,
    open: Option<BufReader<File>>,
    line: Vec<u8>,
    damaged: u64,
    read_bytes: u64,
    total_bytes: u64,
}

impl JournalReader {
    /// Errors: the directory cannot be read, or has no file of a journal.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let files = writer::files(directory)?;
        if files.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "has no journal-*.ndjson"));
        }
        let total_bytes = files.iter().map(|file| Ok(file.metadata()?.len())).sum::<io::Result<u64>>()?;
        Ok(Self { waiting: files.into(), open: None, line: Vec::new(), damaged: 0, read_bytes: 0, total_bytes })
    }

    /// Lines that were no record so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Bytes read so far, and of all files when they were looked at.
    pub fn progress_bytes(&self) -> (u64, u64) {
        (self.read_bytes, self.total_bytes)
    }

    /// The next line of any file into `self.line`; `false` at the end.
    fn next_line(&mut self) -> io::Result<bool> {
        loop {
            let Some(file) = &mut self.open else {
                let Some(path) = self.waiting.pop_front() else { return Ok(false) };
                self.open = Some(BufReader::new(File::open(path)?));
                continue;
            };
            self.line.clear();
            let read = file.take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)? as u64;
            self.read_bytes += read;
            if read > 0 {
                return Ok(true);
            }
            self.open = None;
        }
    }
}

impl Iterator for JournalReader {
    type Item = io::Result<JournalRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_line() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
            match serde_json::from_slice(&self.line) {
                Ok(record) => return Some(Ok(record)),
                Err(_) => self.damaged += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn damaged_lines_are_skipped_and_counted() {
        let directory = tempfile::tempdir().expect("a folder");
        let event = r#"{"kind":"event","at":1,"id":"e","user":"p","type":"open","item":"i"}"#;
        fs::write(directory.path().join("journal-000002.ndjson"), format!("{event}\n{}", &event[..20])).expect("writes");
        fs::write(directory.path().join("journal-000001.ndjson"), format!("{event}\nnonsense\n\n{event}\n")).expect("writes");
        fs::write(directory.path().join("other.ndjson"), event).expect("writes");
        let mut reader = JournalReader::open(directory.path()).expect("opens");
        assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 3);
        assert_eq!(reader.damaged(), 3);
        let (read, total) = reader.progress_bytes();
        assert_eq!(read, total);
    }

    #[test]
    fn a_folder_without_a_journal_is_an_error() {
        let directory = tempfile::tempdir().expect("a folder");
        assert!(JournalReader::open(directory.path()).is_err());
        assert!(JournalReader::open(&directory.path().join("nowhere")).is_err());
    }
}
