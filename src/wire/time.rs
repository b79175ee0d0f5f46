//! RFC 3339 at the edge: text ↔ [`Time`].

use jiff::Timestamp;

use super::read::shown;
use crate::domain::Time;

/// 0000-01-01T00:00:00Z: RFC 3339 has four-digit years only.
const EARLIEST: Time = Time(-62_167_219_200_000);
/// 9999-12-30T00:00:00Z: the library ends a day and a zone offset before the year 10000.
const LATEST: Time = Time(253_402_128_000_000);

/// Reads RFC 3339 (`2026-10-09T08:15:00Z`, any offset, fractions cut to milliseconds) or a date (midnight UTC).
///
/// Errors: a detail that reads after a pointer ("`x` is not a time; expected …").
pub fn parse(text: &str) -> Result<Time, String> {
    read(text)
        .filter(|time| (EARLIEST..=LATEST).contains(time))
        .ok_or_else(|| format!("`{}` is not a time; expected RFC 3339, e.g. 2026-10-09T08:15:00Z, or a date, e.g. 2026-10-09", shown(text)))
}

/// RFC 3339 in UTC, with milliseconds when there are any. Times outside the years 0000 to 9999 are shown as the nearest time
/// inside.
pub fn render(time: Time) -> String {
    let nearest = time.0.clamp(EARLIEST.0, LATEST.0);
    // The clamp makes the conversion total; the epoch stands in for what cannot happen.
    let stamp = Timestamp::from_millisecond(nearest).unwrap_or(Timestamp::UNIX_EPOCH);
    if nearest % 1_000 == 0 { format!("{stamp:.0}") } else { format!("{stamp:.3}") }
}

fn read(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let stamp: Timestamp = match bytes.len() {
        10 if is_date(bytes) => format!("{text}T00:00:00Z").parse().ok()?,
        20.. if is_date(&bytes[..10]) && matches!(bytes[10], b'T' | b't' | b' ') && is_clock(&bytes[11..]) => text.parse().ok()?,
        _ => return None,
    };
    Some(Time(stamp.as_millisecond()))
}

// `jiff` reads more than RFC 3339 (week dates, zone annotations, signed years): the shape is checked first.
fn is_date(bytes: &[u8]) -> bool {
    matches_shape(bytes, b"dddd-dd-dd")
}

fn is_clock(bytes: &[u8]) -> bool {
    let Some((clock, mut rest)) = bytes.split_at_checked(8) else { return false };
    if !matches_shape(clock, b"dd:dd:dd") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    matches!(rest, b"Z" | b"z") || matches_shape(rest, b"+dd:dd") || matches_shape(rest, b"-dd:dd")
}

/// `d` in the shape stands for a digit; every other byte for itself.
fn matches_shape(bytes: &[u8], shape: &[u8]) -> bool {
    bytes.len() == shape.len() && bytes.iter().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == s })
}

/// Whether it is the IANA name of a time zone that is known here.
pub fn is_zone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

/// The IANA names of the time zones that are known here; they are read in any case.
pub fn zones() -> impl Iterator<Item = String> {
    jiff::tz::db().available().map(|name| name.as_str().to_owned())
}

/// The hour of the day, 0 to 23, at `at` in a zone; `None`: no such zone, or no such date.
pub fn local_hour(at: Time, zone: &str) -> Option<u32> {
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let local = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned_datetime(zone);
    u32::try_from(local.hour()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("1970-01-01", 0),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01t00:00:01.5z", 1_500),
            ("1970-01-01 00:00:01.123456789+00:00", 1_123),
            ("1970-01-01T02:00:00+02:00", 0),
            ("2026-10-09T08:15:00Z", 1_791_533_700_000),
            ("0000-01-01T00:00:00Z", EARLIEST.0),
        ] {
            assert_eq!(parse(text), Ok(Time(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_named() {
        let wrong = [
            "",
            "now",
            "2026-13-01",
            "2026-02-30",
            "12/31/20",
            "2026-10-09T08:15Z",
            "2026-10-09T08:15:00",
            "2026-10-09T08:15:00[Europe/Prague]",
            "2026-10-09T25:00:00Z",
            "2026-W01-1",
            "+002026-10-09",
            "2026-10-09T08:15:00.Z",
            "0000-01-01T00:00:00+23:00",
            "éééééééééé",
            "2026-10-09T08:15:00é",
        ];
        for text in wrong {
            let detail = parse(text).expect_err(text);
            assert!(detail.contains("expected RFC 3339"), "{detail}");
        }
    }

    #[test]
    fn rendering_is_total() {
        assert_eq!(render(Time(0)), "1970-01-01T00:00:00Z");
        assert_eq!(render(Time(1_120)), "1970-01-01T00:00:01.120Z");
        assert_eq!(render(Time(-1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(render(Time(i64::MIN)), "0000-01-01T00:00:00Z");
        assert_eq!(render(Time(i64::MAX)), "9999-12-30T00:00:00Z");
        assert_eq!(parse("9999-12-30T00:00:00Z"), Ok(LATEST));
        assert!(parse("9999-12-31T23:59:59Z").is_err());
    }

    proptest! {
        #[test]
        fn what_is_rendered_reads_back(ms in EARLIEST.0..=LATEST.0) {
            prop_assert_eq!(parse(&render(Time(ms))), Ok(Time(ms)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
