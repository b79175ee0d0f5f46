//! JSON lines: one item per line, in the wire form or, with a mapping, in somebody else's.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::Value;

use super::{
    draft::read_item,
    lines::{Line, Lines, utf8},
    mapping::Mapping,
    row::{Content, Notes, Row, Rows},
};
use crate::{domain::Item, wire::read::kind};

/// The rows of the file at `path`; strict about the wire form unless there is a mapping.
pub fn rows(path: &Path, mapping: Mapping, dimension: usize) -> std::io::Result<Rows> {
    Ok(rows_of(BufReader::new(File::open(path)?), mapping, dimension))
}

/// The rows of any input.
pub fn rows_of(input: impl BufRead + Send + 'static, mapping: Mapping, dimension: usize) -> Rows {
    let lines = Lines::new(input);
    Box::new(lines.map(move |line| row(line, &mapping, dimension)))
}

fn row(line: Line, mapping: &Mapping, dimension: usize) -> Row {
    let (item, notes) = match line.bytes.and_then(parse) {
        Ok(value) => item(&value, mapping, dimension),
        Err(detail) => (Err(detail), Notes::default()),
    };
    Row { line: line.number, end: line.end, content: item.map(|item| Content::Item(Box::new(item))), notes }
}

/// One JSON value. Errors: a detail with the column.
pub fn parse(bytes: Vec<u8>) -> Result<Value, String> {
    let text = utf8(bytes)?;
    serde_json::from_str(&text).map_err(|error| {
        let message = error.to_string();
        // The library counts lines within the line it was given.
        let what = message.split(" at line ").next().unwrap_or(&message);
        format!("is not JSON at column {}: {what}; expected one object per line", error.column())
    })
}

fn item(value: &Value, mapping: &Mapping, dimension: usize) -> (Result<Item, String>, Notes) {
    match value {
        _ if mapping.is_empty() => (read_item(value, dimension), Notes::default()),
        Value::Object(row) => mapping.draft(row).finish(dimension),
        other => (Err(format!("is {}; expected an object", kind(other))), Notes::default()),
    }
}
