//! CSV with a header: columns named as the fields of an item, or named by a mapping.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Map, Value};

use super::{
    mapping::Mapping,
    row::{Content, Notes, Row, Rows},
};
use crate::wire::{
    item::FIELDS,
    read::{self, shown},
};

/// Longest record. A quote that is never closed would otherwise swallow the file.
const MAX_RECORD_BYTES: usize = 4 * 1_024 * 1_024;

/// Why a CSV file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("cannot be read: {0}")]
    Csv(#[from] csv::Error),
    #[error("{0}")]
    Columns(String),
}

/// The rows of the file at `path`, after its header was checked against the mapping.
pub fn rows(path: &Path, mapping: Mapping, dimension: usize) -> Result<Rows, HeaderError> {
    rows_of(File::open(path)?, mapping, dimension)
}

/// The rows of any input.
pub fn rows_of(input: impl Read + Send + 'static, mapping: Mapping, dimension: usize) -> Result<Rows, HeaderError> {
    let left = Arc::new(AtomicUsize::new(MAX_RECORD_BYTES));
    let input = Bounded { inner: input, left: left.clone() };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        // Left to itself the reader ends a record at `\r` and is one line behind in files from Windows.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(input);
    let header: Vec<String> = reader.byte_headers()?.iter().map(column_name).collect();
    check_header(&header, &mapping).map_err(HeaderError::Columns)?;
    Ok(Box::new(Records { reader, left, header, mapping, dimension, ended: false }))
}

fn column_name(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).trim_start_matches('\u{feff}').trim().to_owned()
}

fn check_header(header: &[String], mapping: &Mapping) -> Result<(), String> {
    let has = |column: &str| header.iter().any(|name| name == column);
    let columns = header.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if let Some((field, column)) = mapping.pairs().find(|(_, column)| !has(column)) {
        return Err(format!("`{field}` is mapped to the column `{}`, which is not there; the columns are {columns}", shown(column)));
    }
    for field in ["id", "title"] {
        if !has(mapping.column(field)) {
            return Err(format!("no column holds `{field}`; name it with --map {field}=COLUMN; the columns are {columns}"));
        }
    }
    // Without a mapping the file claims to be in the wire form: a wrong name is a slip, not somebody else's column.
    let unknown = header.iter().find(|name| mapping.is_empty() && !FIELDS.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        let hint = read::suggestion(name, &FIELDS).map_or(String::new(), |field| format!("; did you mean `{field}`?"));
        Err(format!("the column `{}` is not a field of an item{hint}; with --map field=COLUMN other columns are ignored", shown(name)))
    })
}

/// Refuses to read on when one record has taken its bytes.
struct Bounded<R> {
    inner: R,
    left: Arc<AtomicUsize>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other(format!("a record is longer than {MAX_RECORD_BYTES} bytes; is a quote left open?")));
        }
        let read = self.inner.read(buffer)?;
        self.left.store(left.saturating_sub(read), Ordering::Relaxed);
        Ok(read)
    }
}

struct Records<R> {
    reader: csv::Reader<Bounded<R>>,
    left: Arc<AtomicUsize>,
    header: Vec<String>,
    mapping: Mapping,
    dimension: usize,
    ended: bool,
}

impl<R: Read> Iterator for Records<R> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.ended {
            return None;
        }
        self.left.store(MAX_RECORD_BYTES, Ordering::Relaxed);
        let mut record = csv::ByteRecord::new();
        let mut read = self.reader.read_byte_record(&mut record);
        while matches!(read, Ok(true)) && record.as_slice() == b"\r" {
            read = self.reader.read_byte_record(&mut record);
        }
        let line = record.position().map_or_else(|| self.reader.position().line(), csv::Position::line);
        let (content, notes) = match read {
            Ok(false) => return None,
            Ok(true) => self.content(&record),
            Err(error) => {
                self.ended = true;
                (Err(format!("cannot be read: {error}; the rest of the file is left out")), Notes::default())
            }
        };
        Some(Row { line, end: self.reader.position().byte(), content, notes })
    }
}

impl<R> Records<R> {
    fn content(&self, record: &csv::ByteRecord) -> (Result<Content, String>, Notes) {
        if record.len() != self.header.len() {
            let detail = format!("has {} cells; expected {}, as in the header", record.len(), self.header.len());
            return (Err(detail), Notes::default());
        }
        let mut row = Map::new();
        for (name, cell) in self.header.iter().zip(record) {
            match std::str::from_utf8(cell) {
                Ok(text) => row.insert(name.clone(), Value::from(text.trim_end_matches('\r'))),
                Err(_) => return (Err(format!("has a cell `{}` that is not UTF-8; expected UTF-8", shown(name))), Notes::default()),
            };
        }
        let (item, notes) = self.mapping.draft(&row).finish(self.dimension);
        (item.map(|item| Content::Item(Box::new(item))), notes)
    }
}
