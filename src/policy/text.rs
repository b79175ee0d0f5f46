//! The text of a policy file, and places in it.

use std::{ops::Range, sync::Arc};

use super::finding::Place;

/// A file, a preset or a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As findings name it.
    pub name: Arc<str>,
    pub text: Arc<str>,
}

impl Text {
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The place of a span of bytes; spans that do not fit are taken as the nearest that does.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let text = &*self.text;
        // The end of the file is the end of its last line.
        let start = floor(text, span.start.min(text.trim_end_matches(['\n', '\r']).len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let end = floor(text, span.end.min(line_start + line.len()).max(start));
        Place {
            file: self.name.to_string(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: line.to_owned(),
            width: text[start..end].chars().count().max(1),
        }
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Range<usize>) -> (usize, usize, String, usize) {
        let place = Text::new("x", text).place(span);
        (place.line, place.column, place.text, place.width)
    }

    #[test]
    fn places_are_counted_in_characters_and_never_outside() {
        assert_eq!(place("a = 1\r\nbé = 22\r\n", 7..10), (2, 1, "bé = 22".into(), 2));
        assert_eq!(place("a = 1\nbé = 22", 12..14), (2, 6, "bé = 22".into(), 2));
        assert_eq!(place("a = \"x\ny\"", 4..9), (1, 5, "a = \"x".into(), 2), "a span of several lines is shown on its first");
        assert_eq!(place("a = 1\n", 6..6), (1, 6, "a = 1".into(), 1));
        assert_eq!(place("", 0..9), (1, 1, String::new(), 1));
        assert_eq!(place("é", 1..1), (1, 1, "é".into(), 1));
        assert_eq!(place("a = 1\r\nb", 6..6), (1, 7, "a = 1".into(), 1), "between the two characters of a line's end");
    }
}
