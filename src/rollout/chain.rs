//! A chain of texts: each line's hash covers the one before it, so that no earlier line can be changed without its being seen.
//!
//! `h₀` is 32 zero bytes, `hₙ = SHA-256(hₙ₋₁ ‖ textₙ)`. A line is the hash in hex, a blank, the text. What a chain cannot
//! show by itself is a cut end: whoever wants to, keeps the last hash elsewhere.

use std::fmt;

use sha2::{Digest, Sha256};

/// Hex digits of a hash.
const HEX_DIGITS: usize = 64;

/// What everything before a line comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; 32]);

impl Link {
    /// Before the first line.
    pub const START: Self = Self([0; 32]);

    /// After `text`.
    #[must_use]
    pub fn after(self, text: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(text.as_bytes()).finalize().into())
    }

    /// Reads 64 hex digits, letters in lower case: every byte of a line counts.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let is_hex = digits.len() == HEX_DIGITS && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let bytes: Option<Vec<u8>> = digits.chunks_exact(2).map(byte).collect();
        bytes.filter(|_| is_hex)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A line as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub link: Link,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// The line of `text` after `previous`.
    pub fn next(previous: Link, text: &'a str) -> Self {
        Self { link: previous.after(text), text }
    }

    /// Reads a kept line; `None` when it is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (hex, text) = line.split_once(' ')?;
        Some(Self { link: Link::parse(hex)?, text })
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.link, self.text)
    }
}

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// 1-based number of the line.
    pub line: usize,
    pub what: Changed,
}

/// What was changed, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is no hash and a text.
    Line,
    /// The text: the lines after it build on the hash that stands there.
    Text,
    /// The hash: the lines after it build on the one the text has.
    Hash,
    /// One of them, or lines before it are missing or in another order.
    Unclear,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Changed::Line => "it is not a hash and a text",
            Changed::Text => "its text is not what was written: the entries after it build on another text",
            Changed::Hash => "its hash is not what was written: the entries after it build on the text that stands there",
            Changed::Unclear => "its text or hash was changed, or entries before it are missing or in another order",
        };
        write!(f, "the chain breaks at entry {}: {what}", self.line)
    }
}

impl std::error::Error for Broken {}

/// The last link of a chain from its first line on. Errors: the first line that does not fit.
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Link, Broken> {
    let lines: Vec<&str> = lines.into_iter().collect();
    let mut previous = Link::START;
    for (index, line) in lines.iter().enumerate() {
        let broken = |what| Broken { line: index + 1, what };
        let line = Line::parse(line).ok_or_else(|| broken(Changed::Line))?;
        let link = previous.after(line.text);
        if link != line.link {
            let next = lines.get(index + 1).and_then(|next| Line::parse(next));
            return Err(broken(match next {
                Some(next) if line.link.after(next.text) == next.link => Changed::Text,
                Some(next) if link.after(next.text) == next.link => Changed::Hash,
                _ => Changed::Unclear,
            }));
        }
        previous = link;
    }
    Ok(previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(texts: &[&str]) -> Vec<String> {
        let mut link = Link::START;
        let next = |text: &&str| {
            let line = Line::next(link, text);
            link = line.link;
            line.to_string()
        };
        texts.iter().map(next).collect()
    }

    #[test]
    fn the_worked_vector_holds() {
        let first = Link::START.after(r#"{"seq":1,"event":"consent.given"}"#);
        assert_eq!(first.to_string(), "63d4a06eba045f269e1a3b94f4e21a6f4772ffada40ac6b5b780ea02e0d7ec99");
        let second = first.after(r#"{"seq":2,"event":"consent.withdrawn"}"#);
        assert_eq!(second.to_string(), "97ca4095b378635cfd401a15e521eeb009e014b36717f8d02ad69083e80b869d");
        assert_eq!(Link::parse(&second.to_string()), Some(second));
        assert_eq!(Link::parse("97CA"), None);
        assert_eq!(Link::parse(&"+".repeat(64)), None);
    }

    #[test]
    fn a_whole_chain_holds() {
        let lines = chain(&["one", "two", "", "vier 🐎"]);
        let last = Line::parse(&lines[3]).unwrap();
        assert_eq!((verify(lines.iter().map(String::as_str)), last.text), (Ok(last.link), "vier 🐎"));
        assert_eq!(verify([]), Ok(Link::START));
    }

    /// Every bit of every byte of every line.
    #[test]
    fn any_flipped_bit_is_located() {
        let lines = chain(&["one", "two", "three"]);
        for (number, line) in lines.iter().enumerate() {
            for (at, bit) in (0..line.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else { continue };
                let mut damaged = lines.clone();
                damaged[number] = flipped.clone();
                let found = verify(damaged.iter().map(String::as_str));
                let Broken { line, what } = found.unwrap_err();
                assert_eq!(line, number + 1, "bit {bit} of byte {at} of line {}", number + 1);
                let expected = match at {
                    _ if Line::parse(&flipped).is_none() => Changed::Line,
                    _ if number + 1 == lines.len() => Changed::Unclear,
                    ..HEX_DIGITS => Changed::Hash,
                    _ => Changed::Text,
                };
                assert_eq!(what, expected, "bit {bit} of byte {at} of line {}", number + 1);
            }
        }
    }

    #[test]
    fn a_missing_or_moved_line_is_located() {
        let lines = chain(&["one", "two", "three"]);
        let verify = |order: &[usize]| verify(order.iter().map(|at| lines[*at].as_str())).map_err(|broken| broken.line);
        assert_eq!(verify(&[0, 2]), Err(2));
        assert_eq!(verify(&[1, 2]), Err(1));
        assert_eq!(verify(&[0, 2, 1]), Err(2));
        assert!(verify(&[0, 1]).is_ok(), "a cut end shows only against the last hash");
    }
}
