//! Time as a value: milliseconds since the Unix epoch, UTC. Only `clock.rs` reads the real clock.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in milliseconds since 1970-01-01T00:00:00Z. Negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// From whole seconds since the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub const fn since(self, earlier: Time) -> i64 {
        let ms = self.0.saturating_sub(earlier.0);
        if ms > 0 { ms } else { 0 }
    }

    /// `self + span`, saturating.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// `self - span`, saturating.
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of time in milliseconds, ≥ 0. Written `"90s"`, `"5m"`, `"36h"`, `"14d"` or `"forever"` in settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    /// Longer than any recorded history.
    pub const FOREVER: Span = Span(i64::MAX);
    pub const ZERO: Span = Span(0);

    pub const fn millis(ms: i64) -> Self {
        Self(ms)
    }
    pub const fn secs(n: i64) -> Self {
        Self(n * 1_000)
    }
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60_000)
    }
    pub const fn hours(n: i64) -> Self {
        Self(n * 3_600_000)
    }
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400_000)
    }

    /// Reads `"15ms" | "90s" | "5m" | "36h" | "14d" | "forever"`. The message names the accepted forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write e.g. \"250ms\", \"90s\", \"5m\", \"36h\", \"14d\" or \"forever\"");
        if text == "forever" {
            return Ok(Self::FOREVER);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let unit_ms: i64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(unit_ms).map(Self).ok_or_else(wrong)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As a [`std::time::Duration`].
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0 as u64)
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides it: `36h`, `14d`, `forever`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FOREVER {
            return f.write_str("forever");
        }
        for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if self.0 != 0 && self.0 % unit_ms == 0 {
                return write!(f, "{}{unit}", self.0 / unit_ms);
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { write!(f, "{}ms", self.0) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).map_err(de::Error::custom)
    }
}

/// `2^(-age / half_life)`, in [0, 1]: 1 at age 0, ½ after one half-life. Ages below 0 count as 0.
///
/// A half-life of [`Span::FOREVER`] never decays; one of 0 forgets at once.
pub fn decay(age_ms: i64, half_life: Span) -> f64 {
    if half_life == Span::FOREVER || age_ms <= 0 {
        return 1.0;
    }
    if half_life.0 <= 0 {
        return 0.0;
    }
    (-(age_ms as f64) / half_life.0 as f64).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_the_same() {
        for text in ["250ms", "90s", "5m", "36h", "14d", "forever", "0s"] {
            assert_eq!(Span::parse(text).map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "5", "m", "-5m", "1.5h", "5 m", "99999999999999999d"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn half_is_left_after_a_half_life() {
        assert_eq!(decay(0, Span::hours(1)), 1.0);
        assert_eq!(decay(3_600_000, Span::hours(1)), 0.5);
        assert_eq!(decay(i64::MAX, Span::hours(1)), 0.0);
        assert_eq!(decay(5, Span::FOREVER), 1.0);
        assert_eq!(decay(-5, Span::hours(1)), 1.0);
    }
}
