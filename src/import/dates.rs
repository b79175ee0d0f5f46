//! Dates as other people's files write them. What cannot be read for sure is no date: the caller leaves it out.

use crate::{domain::Time, wire::time};

/// 1900-01-01: files use earlier years for "unknown".
const EARLIEST: Time = Time(-2_208_988_800_000);
/// 2050-01-01: later years come from two-digit years read wrong, or mean "never".
const END: Time = Time(2_524_608_000_000);

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// RFC 3339, a date, a date and clock without zone (UTC), or Unix seconds or milliseconds. `None` for all else, among it
/// `m/d/yy` (ambiguous) and years before 1900 or after 2049.
pub fn lenient(text: &str) -> Option<Time> {
    let text = text.trim();
    time::parse(text).ok().or_else(|| without_zone(text)).or_else(|| unix(text)).filter(|time| is_plausible(*time))
}

/// Whether a time is between 1900 and 2049.
pub fn is_plausible(time: Time) -> bool {
    (EARLIEST..END).contains(&time)
}

fn without_zone(text: &str) -> Option<Time> {
    match text.len() {
        16 => time::parse(&format!("{text}:00Z")).ok(),
        19.. => time::parse(&format!("{text}Z")).ok(),
        _ => None,
    }
}

/// Seconds have up to 11 digits before the point, milliseconds 12 or 13. Short numbers are years or days, not times.
fn unix(text: &str) -> Option<Time> {
    let number: f64 = text.parse().ok()?;
    match number.abs() {
        1e8..1e11 => Some(Time((number * 1_000.0).round() as i64)),
        1e11..1e14 => Some(Time(number.round() as i64)),
        _ => None,
    }
}

/// `01-Jan-1995`, as in MovieLens' `u.item`: midnight UTC.
pub fn day_month_year(text: &str) -> Option<Time> {
    let mut parts = text.trim().split('-');
    let (day, month, year) = (parts.next()?, parts.next()?.to_lowercase(), parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let date = format!("{:04}-{month:02}-{:02}", year.parse::<u16>().ok()?, day.parse::<u8>().ok()?);
    parts.next().is_none().then(|| time::parse(&date).ok()).flatten().filter(|time| is_plausible(*time))
}

/// `11/12/2019 2:14:46 PM`, as in MIND's `behaviors.tsv`: month first, UTC.
pub fn month_day_year_clock(text: &str) -> Option<Time> {
    let mut parts = text.split_whitespace();
    let (date, clock, half) = (parts.next()?, parts.next()?, parts.next()?);
    let numbers = |text: &str, by: char| -> Option<[u16; 3]> {
        let numbers: Vec<u16> = text.split(by).map(|n| n.parse().ok()).collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    let [month, day, year] = numbers(date, '/')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let hour = match (half, hour) {
        ("AM", 12) => 0,
        ("PM", 12) => 12,
        ("AM", 1..12) => hour,
        ("PM", 1..12) => hour + 12,
        _ => return None,
    };
    time::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")).ok().filter(|time| is_plausible(*time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(time: Option<Time>) -> Option<String> {
        time.map(time::render)
    }

    #[test]
    fn sure_dates_are_read_and_odd_ones_are_not() {
        for (text, expected) in [
            ("2016-09-20", "2016-09-20T00:00:00Z"),
            (" 2016-09-20T10:00:00+02:00 ", "2016-09-20T08:00:00Z"),
            ("2016-09-20 10:00:00", "2016-09-20T10:00:00Z"),
            ("2016-09-20T10:00", "2016-09-20T10:00:00Z"),
            ("1370655122.0", "2013-06-08T01:32:02Z"),
            ("1370655122000", "2013-06-08T01:32:02Z"),
        ] {
            assert_eq!(shown(lenient(text)).as_deref(), Some(expected), "{text}");
        }
        for odd in ["", "12/31/20", "0001-01-01", "2050-01-01", "1899-12-31", "2020", "20200101", "yesterday", "NaN", "inf", "é"] {
            assert_eq!(lenient(odd), None, "{odd}");
        }
    }

    #[test]
    fn data_set_dates_are_read() {
        assert_eq!(shown(day_month_year("01-Jan-1995")).as_deref(), Some("1995-01-01T00:00:00Z"));
        for odd in ["", "4-Feb-71-1", "31-Feb-1995", "04-Feb-71", "01-Jab-1995", "-Jan-1995"] {
            assert_eq!(day_month_year(odd), None, "{odd}");
        }
        assert_eq!(shown(month_day_year_clock("11/12/2019 2:14:46 PM")).as_deref(), Some("2019-11-12T14:14:46Z"));
        assert_eq!(shown(month_day_year_clock("11/12/2019 12:00:00 AM")).as_deref(), Some("2019-11-12T00:00:00Z"));
        for odd in [
            "",
            "11/12/2019",
            "13/32/2019 1:00:00 AM",
            "11/12/2019 13:00:00 PM",
            "11/12/2019 1:00 AM",
            "1/2/3/4 1:1:1 AM",
            "1/2/19 1:1:1 AM",
        ] {
            assert_eq!(month_day_year_clock(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (lenient(&text), day_month_year(&text), month_day_year_clock(&text));
        }
    }
}
