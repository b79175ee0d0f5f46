//! Lines of a file of any size and any bytes: numbered, bounded, never failing the whole file for one line.

use std::io::{BufRead, ErrorKind};

/// Longest line; a longer one is one line's fault and is not kept in memory.
pub const MAX_LINE_BYTES: usize = 4 * 1_024 * 1_024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line that holds something.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// 1-based.
    pub number: u64,
    /// Bytes of the file read so far.
    pub end: u64,
    /// Without line end and byte order mark; or why it cannot be had.
    pub bytes: Result<Vec<u8>, String>,
}

/// The non-blank lines of a reader.
pub struct Lines<R> {
    reader: R,
    number: u64,
    end: u64,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, number: 0, end: 0, ended: false }
    }

    /// Reads up to and with the next line feed. `None` at the end of the file.
    fn read_one(&mut self) -> Option<Result<Vec<u8>, String>> {
        let mut bytes = Vec::new();
        let (mut any, mut too_long) = (false, false);
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(format!("cannot be read: {error}; the rest of the file is left out")));
                }
            };
            if buffer.is_empty() {
                self.ended = true;
                break;
            }
            any = true;
            let found = buffer.iter().position(|byte| *byte == b'\n');
            let taken = found.map_or(buffer.len(), |at| at + 1);
            too_long |= bytes.len() + taken > MAX_LINE_BYTES;
            if too_long {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&buffer[..taken]);
            }
            self.reader.consume(taken);
            self.end += taken as u64;
            if found.is_some() {
                break;
            }
        }
        let line = if too_long { Err(format!("is longer than {MAX_LINE_BYTES} bytes; expected a shorter line")) } else { Ok(bytes) };
        any.then_some(line)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while !self.ended {
            let read = self.read_one()?;
            self.number += 1;
            let bytes = read.map(|bytes| trimmed(&bytes, self.number == 1).to_vec());
            if bytes.as_ref().is_ok_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace)) {
                continue;
            }
            return Some(Line { number: self.number, end: self.end, bytes });
        }
        None
    }
}

fn trimmed(bytes: &[u8], first: bool) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if first { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes) } else { bytes }
}

/// The bytes as text. Errors: a detail with the place of the first wrong byte.
pub fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 at byte {}; expected UTF-8", error.utf8_error().valid_up_to() + 1))
}

/// Latin-1 as text: every byte is a character.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use proptest::prelude::*;

    use super::*;

    fn texts(bytes: &[u8]) -> Vec<(u64, String)> {
        Lines::new(BufReader::with_capacity(3, bytes)).map(|l| (l.number, latin1(&l.bytes.unwrap()))).collect()
    }

    #[test]
    fn lines_are_numbered_and_trimmed() {
        let expected = vec![(1, "a".to_owned()), (3, "b\u{a0}".to_owned()), (4, "c".to_owned())];
        assert_eq!(texts(b"\xef\xbb\xbfa\r\n  \nb\xa0\nc"), expected);
        assert_eq!(texts(b""), vec![]);
        assert_eq!(texts(b"\n\n"), vec![]);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let reader = BufReader::new(std::io::repeat(b'x').take(MAX_LINE_BYTES as u64 + 1).chain(&b"\nnext"[..]));
        let lines: Vec<Line> = Lines::new(reader).collect();
        assert!(lines[0].bytes.as_ref().is_err_and(|detail| detail.contains("longer than")));
        assert_eq!((lines[1].number, lines[1].bytes.as_deref()), (2, Ok(&b"next"[..])));
    }

    #[test]
    fn a_broken_disk_is_a_fault_not_a_panic() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk gone"))
            }
        }
        let lines: Vec<Line> = Lines::new(BufReader::new((&b"a\n"[..]).chain(Broken))).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].bytes.as_ref().is_err_and(|detail| detail.contains("disk gone")));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let last = Lines::new(BufReader::with_capacity(7, &bytes[..])).last();
            prop_assert!(last.is_none_or(|line| line.end <= bytes.len() as u64));
        }
    }
}
