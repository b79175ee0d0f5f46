//! Readers from a parsed JSON value that note every fault instead of stopping at the first.
//!
//! Each reader takes the value, the pointer it stands at and the [`Faults`] to add to, and returns `None` exactly when
//! it has added a fault. Details read after the pointer: "is 1.5; expected a number above 0 and at most 1".

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Faults;
use crate::domain::{FacetValue, Time, facet::MAX_FACET_VALUE_BYTES};

/// Longest part of a caller's text repeated in a detail.
const MAX_SHOWN_CHARS: usize = 60;
/// Longest address of a page or picture in bytes.
pub const MAX_URL_BYTES: usize = 2_048;
/// Greatest number taken, below that of single precision: a round one, which every reader of the document reads as the same.
pub const MAX_NUMBER: f64 = 3.4e38;

/// What a value is, for "is a number; expected a string".
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A caller's text as it is repeated in a detail: cut, and with control characters escaped so that it stays on its line.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(MAX_SHOWN_CHARS) {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        out.push('…');
    }
    out
}

/// The pointer to member `key` of the value at `at` (RFC 6901 escapes).
pub fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The nearest of `names`, when one is near enough to be meant.
pub fn suggestion<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&lower, name), *name))
        .filter(|(nearness, _)| *nearness >= 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The value as an object.
pub fn object<'a>(value: &'a Value, at: &str, faults: &mut Faults) -> Option<&'a Map<String, Value>> {
    let Value::Object(map) = value else {
        faults.add(at, format!("is {}; expected an object", kind(value)));
        return None;
    };
    Some(map)
}

/// Adds a fault for each key of `map` that is not in `names`. `what` completes "is not a field of …".
pub fn unknown_keys(map: &Map<String, Value>, names: &[&str], what: &str, at: &str, faults: &mut Faults) {
    for key in map.keys().filter(|key| !names.contains(&key.as_str())) {
        let hint = match suggestion(key, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("expected {}", one_of(names)),
        };
        faults.add(below(at, key), format!("`{}` is not a field of {what}; {hint}", shown(key)));
    }
}

/// `one of a, b, c`, or the only name.
pub fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("`{only}`"),
        _ => format!("one of {}", names.join(", ")),
    }
}

/// A text that is one of `names`.
pub fn named<'a>(value: &'a Value, names: &[&str], at: &str, faults: &mut Faults) -> Option<&'a str> {
    let text = string(value, at, faults)?;
    if !names.contains(&text) {
        faults.add(at, format!("is `{}`; expected {}", shown(text), one_of(names)));
        return None;
    }
    Some(text)
}

/// A member that may be left out. `null` counts as left out.
pub fn optional<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// A member that must be there; `expected` completes "is missing; expected …".
pub fn required<'a>(map: &'a Map<String, Value>, key: &str, expected: &str, at: &str, faults: &mut Faults) -> Option<&'a Value> {
    let found = optional(map, key);
    if found.is_none() {
        faults.add(below(at, key), format!("is missing; expected {expected}"));
    }
    found
}

/// Any string.
pub fn string<'a>(value: &'a Value, at: &str, faults: &mut Faults) -> Option<&'a str> {
    let Value::String(text) = value else {
        faults.add(at, format!("is {}; expected a string", kind(value)));
        return None;
    };
    Some(text)
}

/// A string of `min` to `max` bytes of UTF-8.
pub fn text<'a>(value: &'a Value, min: usize, max: usize, at: &str, faults: &mut Faults) -> Option<&'a str> {
    let text = string(value, at, faults)?;
    if text.len() < min || text.len() > max {
        let found = if text.is_empty() { "must not be empty".to_owned() } else { format!("is {} bytes long", text.len()) };
        faults.add(at, format!("{found}; expected {min} to {max} bytes"));
        return None;
    }
    Some(text)
}

/// A facet's value: 1 to 128 bytes without control characters.
pub fn facet_value(value: &Value, at: &str, faults: &mut Faults) -> Option<FacetValue> {
    facet_text(string(value, at, faults)?, at, faults)
}

/// As [`facet_value`], from a text at hand (a key of an object).
pub fn facet_text(text: &str, at: &str, faults: &mut Faults) -> Option<FacetValue> {
    match facet_fault(text) {
        None => Some(Arc::from(text)),
        Some(detail) => {
            faults.add(at, detail);
            None
        }
    }
}

/// Why a text is not a facet's value.
pub fn facet_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(format!("must not be empty; expected 1 to {MAX_FACET_VALUE_BYTES} bytes"));
    }
    if text.len() > MAX_FACET_VALUE_BYTES {
        return Some(format!("is {} bytes long; expected 1 to {MAX_FACET_VALUE_BYTES} bytes", text.len()));
    }
    let (at, _) = text.char_indices().find(|(_, c)| c.is_control())?;
    Some(format!("has a control character at byte {at}; expected printable UTF-8"))
}

/// An absolute `http` or `https` address.
pub fn url<'a>(value: &'a Value, at: &str, faults: &mut Faults) -> Option<&'a str> {
    let text = text(value, 1, MAX_URL_BYTES, at, faults)?;
    if !is_web_address(text) {
        let expected = "expected http:// or https://, a host, and no spaces or control characters";
        faults.add(at, format!("`{}` is not a web address; {expected}", shown(text)));
        return None;
    }
    Some(text)
}

/// `http(s)://host…` without blanks, control characters or the quotes and brackets that no address may hold.
pub fn is_web_address(text: &str) -> bool {
    let scheme_end = match text.get(..8) {
        Some(start) if start.eq_ignore_ascii_case("https://") => 8,
        _ => match text.get(..7) {
            Some(start) if start.eq_ignore_ascii_case("http://") => 7,
            _ => return false,
        },
    };
    let rest = &text[scheme_end..];
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    host_end > 0 && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '`' | '\\'))
}

/// RFC 3339 or a date.
pub fn time(value: &Value, at: &str, faults: &mut Faults) -> Option<Time> {
    super::time::parse(string(value, at, faults)?).map_err(|detail| faults.add(at, detail)).ok()
}

/// A whole number, also where it is written as `7.0`, as JSON numbers are one kind; `None`: it has a sign or a fraction, or is past
/// what a double tells apart.
pub fn unsigned(value: &Value) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as u64))
}

/// A number within ±[`MAX_NUMBER`]. Ranges are looked at before it is rounded into single precision: 1.00000001 is above 1.
pub fn number(value: &Value, at: &str, faults: &mut Faults) -> Option<f64> {
    let Some(number) = value.as_f64() else {
        faults.add(at, format!("is {}; expected a number", kind(value)));
        return None;
    };
    if !is_single(number) {
        faults.add(at, format!("is {number:e}; expected a number within ±{MAX_NUMBER:e}"));
        return None;
    }
    Some(number)
}

/// Whether a number is within what single precision holds.
pub fn is_single(number: f64) -> bool {
    number.abs() <= MAX_NUMBER
}

/// A number from `low` to `high`.
pub fn ranged(value: &Value, low: f64, high: f64, at: &str, faults: &mut Faults) -> Option<f32> {
    let number = number(value, at, faults)?;
    if !(low..=high).contains(&number) {
        faults.add(at, format!("is {value}; expected a number from {low} to {high}"));
        return None;
    }
    Some(number as f32)
}

/// A weight in (0, 1]; the smallest there are stand for what is nearer to 0.
pub fn weight(value: &Value, at: &str, faults: &mut Faults) -> Option<f32> {
    let weight = number(value, at, faults)?;
    if weight <= 0.0 || weight > 1.0 {
        faults.add(at, format!("is {value}; expected a number above 0 and at most 1"));
        return None;
    }
    Some((weight as f32).max(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn web_addresses() {
        for good in ["https://a", "HTTP://a/b?c#d", "http://localhost:80", "https://příklad.cz/x"] {
            assert!(is_web_address(good), "{good}");
        }
        for wrong in ["", "http", "https://", "https:///path", "javascript:alert(1)", "ftp://a", "http://a b", "http://a\n", "//a", "éé://"]
        {
            assert!(!is_web_address(wrong), "{wrong}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_not() {
        let names = ["published_at", "title", "topics"];
        assert_eq!(suggestion("publishedAt", &names), Some("published_at"));
        assert_eq!(suggestion("Titel", &names), Some("title"));
        assert_eq!(suggestion("zzz", &names), None);
        assert_eq!(suggestion("", &names), None);
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(below("/topics", "a/b~c"), "/topics/a~1b~0c");
    }

    #[test]
    fn hostile_text_is_cut_and_escaped() {
        assert_eq!(shown("a\nb"), "a\\nb");
        assert_eq!(shown(&"é".repeat(61)).chars().count(), MAX_SHOWN_CHARS + 1);
    }

    #[test]
    fn ranges_hold_before_narrowing() {
        for (value, good) in [
            (json!(1), true),
            (json!(0.001), true),
            (json!(1e-60), true),
            (json!(0), false),
            (json!(1.01), false),
            (json!(1.000_000_001), false),
        ] {
            let mut faults = Faults::default();
            let read = weight(&value, "/w", &mut faults);
            assert_eq!(read.is_some(), good, "{value}");
            assert!(read.is_none_or(|weight| weight > 0.0 && weight <= 1.0), "{value}");
            assert_eq!(faults.is_empty(), good);
        }
        for (value, good) in [(json!(-1), true), (json!(1e-60), true), (json!(-1.000_000_001), false), (json!(3.41e38), false)] {
            assert_eq!(ranged(&value, -1.0, 1.0, "/w", &mut Faults::default()).is_some(), good, "{value}");
        }
        assert!(number(&json!(-MAX_NUMBER), "/n", &mut Faults::default()).is_some());
        assert!(number(&json!(f32::MAX), "/n", &mut Faults::default()).is_none());
    }
}
