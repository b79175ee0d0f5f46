//! Patterns of the texts that requests bring, as their readers hold them. ECMA 262, so that any validator takes them; what a pattern
//! cannot say exactly it says more narrowly than the reader.

use crate::domain::Span;

/// Text without control characters.
pub const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Text that says something, without control characters.
pub const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0][^\u0000-\u001f\u007f-\u009f]*$";
/// Item ids separated by commas.
pub const IDS: &str = r"^[^\u0000-\u001f\u007f-\u009f,]+(,[^\u0000-\u001f\u007f-\u009f,]+)*$";
/// Name of a category of pushes.
pub const CATEGORY: &str = "^[a-z0-9_-]+$";
/// Two letters or digits, of any script, and whatever else.
pub const KEYWORD: &str = r"[\p{L}\p{N}][\s\S]*[\p{L}\p{N}]";
/// `http(s)://host…` without blanks, control characters, quotes and brackets.
pub const WEB_ADDRESS: &str = concat!(
    r#"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"<>`\\]+"#,
    r#"([/?#][^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"<>`\\]*)?$"#
);

/// Days that exist: months have their lengths, and only leap years a 29 February.
const DATE: &str = concat!(
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))",
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
);
const CLOCK: &str = r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
/// Days whose times may be outside the years 0000 to 9999, as their offset has it.
const ENDS: [&str; 4] = ["0000-01-01", "9999-12-29", "9999-12-30", "9999-12-31"];

/// RFC 3339, or a date.
pub fn time() -> String {
    format!("^(?!{}){DATE}({CLOCK})?$", ENDS.join("|"))
}

/// A duration from `low` to `high`, in any unit that reaches into it.
pub fn span(low: Span, high: Span) -> String {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let counts = units.into_iter().filter_map(|(unit, unit_ms)| {
        let [low, high] = [low, high].map(|span| span.as_millis().unsigned_abs());
        let (low, high) = (low.div_ceil(unit_ms), high / unit_ms);
        (low <= high).then(|| format!("({}){unit}", whole(low, high)))
    });
    format!("^0*({})$", counts.collect::<Vec<_>>().join("|"))
}

/// Whole numbers from `low` to `high`, without leading zeros.
fn whole(low: u64, high: u64) -> String {
    let mut runs = Vec::new();
    let mut from = low;
    // Each run is a prefix with any digits behind it: the longest that starts at `from` and does not reach past `high`.
    while from <= high {
        let mut size = 1;
        while from.is_multiple_of(size * 10) && from + size * 10 - 1 <= high && from >= size * 10 {
            size *= 10;
        }
        let (prefix, last) = (from / size / 10, from / size % 10);
        let upto = last + (9 - last).min((high + 1 - from) / size - 1);
        let prefix = if prefix == 0 { String::new() } else { prefix.to_string() };
        let digit = if last == upto { last.to_string() } else { format!("[{last}-{upto}]") };
        let free = match size.ilog10() {
            0 => String::new(),
            1 => "[0-9]".to_owned(),
            digits => format!("[0-9]{{{digits}}}"),
        };
        runs.push(format!("{prefix}{digit}{free}"));
        from += (upto - last + 1) * size;
    }
    runs.join("|")
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};
    use regex::Regex;

    use super::*;
    use crate::{
        domain::{keyword, policy, profile::MAX_SNOOZE},
        wire::{self, read::is_web_address},
    };

    /// The pattern without its ends: texts are made from that.
    fn inner(pattern: &str) -> &str {
        pattern.trim_start_matches('^').trim_end_matches('$')
    }

    fn admits(pattern: &str, text: &str) -> bool {
        Regex::new(pattern).expect("a pattern").is_match(text)
    }

    fn times() -> String {
        format!("{DATE}({CLOCK})?")
    }

    const SPANS: [[Span; 2]; 3] =
        [[Span::ZERO, MAX_SNOOZE], [policy::PAUSE_MIN, policy::PAUSE_MAX], [Span::millis(7_003), Span::millis(90_061_001)]];

    #[test]
    fn whole_numbers_are_those_of_the_range() {
        for [low, high] in [[0, 0], [0, 9], [0, 365], [1, 24], [7, 1_440], [60, 2_999], [99, 100], [1_000, 1_099]] {
            let pattern = Regex::new(&format!("^({})$", whole(low, high))).expect("a pattern");
            for number in 0..=3_100 {
                assert_eq!(pattern.is_match(&number.to_string()), (low..=high).contains(&number), "{number} of {low} to {high}");
            }
        }
    }

    /// What the reader takes, the pattern admits: where they could come apart.
    #[test]
    fn the_edges_of_spans_are_those_of_their_reader() {
        for [low, high] in SPANS {
            let pattern = Regex::new(&span(low, high)).expect("a pattern");
            for (unit, ms) in [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)] {
                let ends = [low.as_millis() / ms, high.as_millis() / ms].map(|end| [end - 1, end, end + 1, end * 10]);
                for count in ends.into_iter().flatten() {
                    let text = format!("{count}{unit}");
                    let is_read = Span::parse(&text).is_ok_and(|span| (low..=high).contains(&span));
                    assert_eq!(pattern.is_match(&text), is_read, "{text} of {low} to {high}");
                }
            }
            assert!(!pattern.is_match("forever") && !pattern.is_match("7") && !pattern.is_match(""));
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let pattern = Regex::new(&format!("^{}$", times())).expect("a pattern");
        for year in [1, 4, 100, 400, 1900, 1999, 2000, 2023, 2024, 2026, 2100, 9998] {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                let text = format!("{year:04}-{month:02}-{day:02}");
                assert_eq!(pattern.is_match(&text), wire::time::parse(&text).is_ok(), "{text}");
            }
        }
        for clock in [
            "T00:00:00Z",
            "t23:59:60z",
            " 24:00:00Z",
            "T00:60:00Z",
            "T00:00:61Z",
            "T00:00:00",
            "T00:00:00.Z",
            "T00:00:00.1234567890Z",
            "T00:00:00+23:59",
            "T00:00:00-00:60",
        ] {
            let text = format!("2026-11-28{clock}");
            assert_eq!(pattern.is_match(&text), wire::time::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn addresses_and_keywords_that_are_read_are_admitted() {
        for text in [
            "https://a",
            "HTTP://a/b?c#d",
            "http://localhost:80",
            "https://příklad.cz/x",
            "https:///path",
            "http://a b",
            "ftp://a",
            "http://a\u{2003}b",
            "http://?q",
        ] {
            assert_eq!(admits(WEB_ADDRESS, text), is_web_address(text), "{text}");
        }
        for text in ["royal wedding", "日本", "c++", "a", "é1", "¿?", "x-y"] {
            assert_eq!(admits(KEYWORD, text), keyword::fault(text).is_none(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn spans_that_are_admitted_are_read(
            (at, text) in (0..SPANS.len()).prop_flat_map(|at| (Just(at), string_regex(inner(&span(SPANS[at][0], SPANS[at][1]))).expect("a pattern")))
        ) {
            let [low, high] = SPANS[at];
            prop_assert!(Span::parse(&text).is_ok_and(|span| (low..=high).contains(&span)), "{}", text);
        }

        #[test]
        fn times_that_are_admitted_are_read(text in string_regex(&times()).expect("a pattern")) {
            prop_assume!(!ENDS.iter().any(|end| text.starts_with(end)));
            prop_assert!(wire::time::parse(&text).is_ok(), "{}", text);
        }

        #[test]
        fn addresses_that_are_admitted_are_read(text in string_regex(inner(WEB_ADDRESS)).expect("a pattern")) {
            prop_assert!(is_web_address(&text), "{:?}", text);
        }

        #[test]
        fn keywords_that_are_admitted_are_read(text in string_regex(KEYWORD).expect("a pattern")) {
            let length = text.trim().to_lowercase().chars().count();
            prop_assume!((keyword::MIN_KEYWORD_CHARS..=keyword::MAX_KEYWORD_CHARS).contains(&length));
            prop_assert_eq!(keyword::fault(&text.trim().to_lowercase()), None);
        }
    }
}
