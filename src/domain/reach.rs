//! Whether a person may be reached now, by push or by mail. Pure: what was sent before, the policy and the time in; a permit or
//! the reason against it out. Nothing here ever rises with absence: each rule only takes away as it grows.

use super::{Span, Time, policy};

/// Longest that a push is remembered: as long as a faded rhythm looks back.
pub const PUSHES_KEPT: Span = Span::days(7);
/// Whoever was away for long is reached at most once in this time.
const FADED_EVERY: Span = Span::days(7);
const PUSH_WINDOW: Span = Span::days(1);

/// What is remembered of what was sent to a person, and nothing of what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Oldest first, of the last [`PUSHES_KEPT`].
    pub pushes: Vec<Time>,
    /// The last digest.
    pub digest: Option<Time>,
}

/// Why nothing may be sent. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The person did not agree to the channel.
    NoConsent,
    /// They did not ask for this category of pushes.
    CategoryOff,
    /// It is not known what time of day it is for them.
    TimeZoneUnknown,
    QuietHours,
    /// As much was sent as the policy allows.
    Cap,
    /// They were away for so long that little is sent, and it was.
    Fading,
    /// They were away for so long that nothing is sent any more.
    Away,
    /// There is nothing to send.
    NothingNew,
}

impl Against {
    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::CategoryOff => "category_off",
            Self::TimeZoneUnknown => "time_zone_unknown",
            Self::QuietHours => "quiet_hours",
            Self::Cap => "cap",
            Self::Fading => "fading",
            Self::Away => "away",
            Self::NothingNew => "nothing_new",
        }
    }
}

/// A refusal, and when to ask again where that is known.
pub type Refused = (Against, Option<Time>);

impl Pace {
    /// The pace with a push at `now`, at this hour of the person's day, who was last there at `seen`.
    pub fn push(&self, policy: &policy::Reach, seen: Time, now: Time, hour: u32) -> Result<Self, Refused> {
        let is_faded = absence(policy, seen, now)?;
        let within = |window: Span| self.pushes.iter().copied().filter(move |at| now.since(*at) < window.as_millis());
        let cap = policy.push_per_day as usize;
        if within(PUSH_WINDOW).count() >= cap {
            let next = within(PUSH_WINDOW).rev().nth(cap.saturating_sub(1)).map(|oldest| oldest.plus(PUSH_WINDOW));
            return Err((Against::Cap, next.filter(|_| cap > 0)));
        }
        if let Some(last) = within(FADED_EVERY).next_back().filter(|_| is_faded) {
            return Err((Against::Fading, Some(last.plus(FADED_EVERY))));
        }
        if is_quiet(policy, hour) {
            return Err((Against::QuietHours, None));
        }
        Ok(Self { pushes: within(PUSHES_KEPT).chain([now]).collect(), digest: self.digest })
    }

    /// The pace with a digest at `now` to a person who was last there at `seen`.
    pub fn digest(&self, policy: &policy::Reach, seen: Time, now: Time) -> Result<Self, Refused> {
        let is_faded = absence(policy, seen, now)?;
        let next = |every: Span| self.digest.map(|last| last.plus(every)).filter(|next| now < *next);
        if let Some(next) = next(policy.digest_every) {
            return Err((Against::Cap, Some(next)));
        }
        if let Some(next) = next(FADED_EVERY).filter(|_| is_faded) {
            return Err((Against::Fading, Some(next)));
        }
        Ok(Self { pushes: self.pushes.clone(), digest: Some(now) })
    }

    /// How long it is worth keeping.
    pub fn keep(policy: &policy::Reach) -> Span {
        policy.digest_every.max(PUSHES_KEPT)
    }
}

/// Whether they were away for long; an error when for too long.
fn absence(policy: &policy::Reach, seen: Time, now: Time) -> Result<bool, Refused> {
    let away = now.since(seen);
    if away >= policy.stop_after.as_millis() {
        return Err((Against::Away, None));
    }
    Ok(away >= policy.fade_after.as_millis())
}

const fn is_quiet(policy: &policy::Reach, hour: u32) -> bool {
    let policy::Reach { quiet_from: from, quiet_until: until, .. } = policy;
    if *from <= *until { *from <= hour && hour < *until } else { hour >= *from || hour < *until }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(n: i64) -> Time {
        Time(0).plus(Span::hours(n))
    }

    /// Pushes and digests sent on each day of an absence to somebody who may be reached at every hour.
    fn sent_by_day(policy: &policy::Reach, days: i64) -> Vec<(f64, f64)> {
        let mut pace = Pace::default();
        let mut sent = vec![(0.0, 0.0); days as usize];
        for hour in 0..days * 24 {
            let (at, day) = (hours(hour), &mut sent[(hour / 24) as usize]);
            if let Ok(next) = pace.push(policy, Time(0), at, (hour % 24) as u32) {
                pace = next;
                day.0 += 1.0;
            }
            if let Ok(next) = pace.digest(policy, Time(0), at) {
                pace = next;
                day.1 += 1.0;
            }
        }
        sent
    }

    /// Least squares.
    fn slope(values: &[f64]) -> f64 {
        let n = values.len() as f64;
        let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
        let products = values.iter().enumerate().map(|(x, y)| (x as f64 - mean_x) * (y - mean_y));
        products.sum::<f64>() / values.iter().enumerate().map(|(x, _)| (x as f64 - mean_x).powi(2)).sum::<f64>()
    }

    #[test]
    fn nobody_is_reached_more_for_being_away() {
        for (per_day, digest_every) in [(1, 20), (3, 24), (10, 48), (2, 24 * 7)] {
            let policy = policy::Reach { push_per_day: per_day, digest_every: Span::hours(digest_every), ..policy::Reach::default() };
            let sent = sent_by_day(&policy, 60);
            for channel in [sent.iter().map(|day| day.0).collect::<Vec<_>>(), sent.iter().map(|day| day.1).collect()] {
                assert!(channel[0] >= 1.0 && slope(&channel) <= 0.0, "{per_day} {digest_every}: {channel:?}");
                let week = |n: usize| channel[n * 7..n * 7 + 7].iter().sum::<f64>();
                assert!((1..8).all(|n| week(n) <= week(n - 1)), "{channel:?}");
                assert!(week(1) <= 2.0 && channel[30..].iter().all(|sent| *sent == 0.0), "{channel:?}");
            }
        }
    }

    proptest! {
        /// Whatever was sent before: what may be sent after a longer absence may be sent after a shorter one.
        #[test]
        fn a_longer_absence_allows_nothing_that_a_shorter_one_does_not(
            sent in prop::collection::vec(0i64..24 * 60, 0..12), digest in prop::option::of(0i64..24 * 60), now in 0i64..24 * 60,
            near in 0i64..24 * 60, more in 0i64..24 * 60, hour in 0u32..24, per_day in 0u32..4, from in 0u32..24, until in 0u32..24,
        ) {
            let mut pushes: Vec<Time> = sent.into_iter().filter(|at| *at <= now).map(hours).collect();
            pushes.sort();
            let pace = Pace { pushes, digest: digest.filter(|at| *at <= now).map(hours) };
            let policy = policy::Reach { push_per_day: per_day, quiet_from: from, quiet_until: until, ..policy::Reach::default() };
            let (now, late, early) = (hours(now), hours(now - near), hours(now - near - more));
            prop_assert!(pace.push(&policy, early, now, hour).is_err() || pace.push(&policy, late, now, hour).is_ok());
            prop_assert!(pace.digest(&policy, early, now).is_err() || pace.digest(&policy, late, now).is_ok());
            if let Ok(next) = pace.push(&policy, late, now, hour) {
                prop_assert!(next.pushes.len() <= 7 * per_day as usize + pace.pushes.len() && next.pushes.is_sorted());
                let today = next.pushes.iter().filter(|at| now.since(**at) < PUSH_WINDOW.as_millis()).count();
                prop_assert!(today <= per_day as usize);
            }
        }
    }

    #[test]
    fn nights_are_quiet() {
        let policy = policy::Reach::default();
        let quiet: Vec<u32> = (0..24).filter(|hour| is_quiet(&policy, *hour)).collect();
        assert_eq!(quiet, [0, 1, 2, 3, 4, 5, 6, 22, 23]);
        let none = policy::Reach { quiet_from: 7, quiet_until: 7, ..policy::Reach::default() };
        assert!((0..24).all(|hour| !is_quiet(&none, hour)));
        let at_noon = policy::Reach { quiet_from: 12, quiet_until: 14, ..policy::Reach::default() };
        assert_eq!((0..24).filter(|hour| is_quiet(&at_noon, *hour)).collect::<Vec<_>>(), [12, 13]);
    }

    #[test]
    fn a_refusal_says_when_to_ask_again() {
        let policy = policy::Reach { push_per_day: 2, ..policy::Reach::default() };
        let pace = Pace { pushes: vec![hours(1), hours(5), hours(8)], digest: Some(hours(4)) };
        assert_eq!(pace.push(&policy, hours(9), hours(10), 12), Err((Against::Cap, Some(hours(5 + 24)))));
        assert_eq!(pace.digest(&policy, hours(9), hours(10)), Err((Against::Cap, Some(hours(24)))));
        let none = policy::Reach { push_per_day: 0, ..policy };
        assert_eq!(pace.push(&none, hours(9), hours(10), 12), Err((Against::Cap, None)));
    }
}
