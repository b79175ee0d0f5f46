//! How much an item is used by everybody, and how much of that is owed to having been shown.

use super::{Span, Time, time::decay};

/// How fast attention falls with the position: `(1 + position)^-η` (position-based model; Joachims et al., WSDM 2017, fit
/// η ≈ 1 to lists of search results; feeds are scrolled, so it falls more slowly).
const EXAMINATION_ETA: f64 = 0.3;
/// Examination is never taken to be less: one open far down must not outweigh everything else.
const MIN_EXAMINATION: f64 = 0.5;
/// The prior of an item's open rate is Beta(1, 9): one open in ten impressions, as if ten had been observed.
const PRIOR_MISSES: f64 = 9.0;
/// With fewer decayed event weights than this, an item is hardly prominent whatever its share.
const PROMINENT_WEIGHT: f64 = 20.0;
/// An account is a newcomer for this long after its first event.
pub const NEWCOMER_FOR: Span = Span::hours(24);
/// What newcomers did counts up to this weight, and beyond it …
pub const NEWCOMER_FLOOR: f64 = 5.0;
/// … up to this share of what others did: however many accounts are made for it, they move an item no further.
pub const NEWCOMER_SHARE: f64 = 0.25;

/// Chance that an item shown at `position` (0-based) is looked at, relative to the first: 1 down to 0.5.
/// An unknown position counts as the first.
pub fn examination(position: Option<u32>) -> f64 {
    (1.0 + f64::from(position.unwrap_or(0))).powf(-EXAMINATION_ETA).max(MIN_EXAMINATION)
}

/// What events add to an item's [`Popularity`]. Every number ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    /// What counts for trending.
    pub weight: f64,
    /// The same, from accounts that are new: counted apart, because it counts only so far ([`Popularity::counted`]).
    pub newcomer_weight: f64,
    /// Impressions, each as [`examination`] of its position.
    pub impressions: f64,
    pub opens: f64,
}

impl Use {
    pub fn is_finite(&self) -> bool {
        self.weight.is_finite() && self.newcomer_weight.is_finite() && self.impressions.is_finite() && self.opens.is_finite()
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Sums of events, decayed with the server's popularity half-life. Order of arrival does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Popularity {
    /// ≥ 0, as of `as_of`: the weight of the events in the item's favour.
    pub weight: f64,
    /// ≥ 0, as of `as_of`: likewise, from accounts that were new.
    pub newcomer_weight: f64,
    pub as_of: Time,
    /// ≥ 0, as of `as_of`: impressions weighted by [`examination`].
    pub impressions: f64,
    /// ≥ 0, as of `as_of`.
    pub opens: f64,
}

impl Popularity {
    /// Adds what happened `at`, earlier or later than `as_of`.
    pub fn add(&mut self, used: Use, at: Time, half_life: Span) {
        let (old, new) = match at >= self.as_of {
            true => (decay(at.since(self.as_of), half_life), 1.0),
            false => (1.0, decay(self.as_of.since(at), half_life)),
        };
        self.weight = self.weight * old + used.weight * new;
        self.newcomer_weight = self.newcomer_weight * old + used.newcomer_weight * new;
        self.impressions = self.impressions * old + used.impressions * new;
        self.opens = self.opens * old + used.opens * new;
        self.as_of = self.as_of.max(at);
    }

    /// Whether nobody used it, or was shown it.
    pub fn is_unused(&self) -> bool {
        self.weight == 0.0 && self.newcomer_weight == 0.0 && self.impressions == 0.0 && self.opens == 0.0
    }

    /// The weight that counts, as of `as_of`: all of what established accounts did, and of what newcomers did at most
    /// [`NEWCOMER_FLOOR`] and a share of the rest.
    pub fn counted(&self) -> f64 {
        self.weight + self.newcomer_weight.min(NEWCOMER_FLOOR + NEWCOMER_SHARE * self.weight)
    }

    /// `log2(counted) + as_of / half_life`: orders items by popularity, the same at every moment and without underflow
    /// however old the events are. `None` when there is no weight.
    pub fn order_key(&self, half_life: Span) -> Option<f64> {
        let counted = self.counted();
        (counted > 0.0).then(|| counted.log2() + self.as_of.0 as f64 / half_life.0.max(1) as f64)
    }

    /// Mean and standard deviation of the item's open rate at `now`: of Beta(1 + opens, 9 + impressions − opens).
    ///
    /// The impressions are weighted by examination, so the rate is that of the position-based model: what it would be if
    /// everything shown were looked at. Old evidence decays, so an item that is no longer shown becomes uncertain again.
    /// Both numbers are in (0, 1); opens beyond the impressions (from elsewhere) count as opens without misses.
    pub fn open_rate(&self, now: Time, half_life: Span) -> (f64, f64) {
        let factor = decay(now.since(self.as_of), half_life);
        let misses = (self.impressions - self.opens).max(0.0) * factor;
        let (a, b) = (1.0 + self.opens.max(0.0) * factor, PRIOR_MISSES + misses);
        let total = a + b;
        (a / total, (a * b / (total * total * (total + 1.0))).sqrt())
    }

    /// How far the item runs ahead of the rest, in [0, 1): its share of `most`, the most popular item's, once there are
    /// events enough to tell. Opens of what everybody is shown say less about a person.
    pub fn prominence(&self, most: &Popularity, now: Time, half_life: Span) -> f32 {
        let (Some(key), Some(highest)) = (self.order_key(half_life), most.order_key(half_life)) else { return 0.0 };
        let weight = self.counted() * decay(now.since(self.as_of), half_life);
        let share = (key - highest).min(0.0).exp2();
        (share * weight / (weight + PROMINENT_WEIGHT)) as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Span = Span::hours(1);

    fn sum(events: &[(Use, i64)]) -> Popularity {
        let mut popularity = Popularity { as_of: Time(i64::MIN), ..Popularity::default() };
        events.iter().for_each(|(used, at)| popularity.add(*used, Time(*at), HOUR));
        popularity
    }

    fn shown(impressions: f64, opens: f64) -> Popularity {
        Popularity { impressions, opens, ..Popularity::default() }
    }

    proptest! {
        /// Against the plain definition: every event decayed from its own time to the last one's.
        #[test]
        fn the_sums_are_those_of_the_events_in_any_order(
            mut events in prop::collection::vec((0.0f64..5.0, 0.0f64..1.0, 0.0f64..2.0, 0i64..20_000_000), 1..20),
            turn in any::<prop::sample::Index>(),
        ) {
            let last = events.iter().map(|e| e.3).max().unwrap_or(0);
            let plain = |of: fn(&(f64, f64, f64, i64)) -> f64| events.iter().map(|e| of(e) * decay(last - e.3, HOUR)).sum::<f64>();
            let expected = [plain(|e| e.0), plain(|e| e.1 + 1.0), plain(|e| e.1), plain(|e| e.2)];
            let turn = turn.index(events.len());
            events.rotate_left(turn);
            let got = sum(&events.iter().map(|e| (Use { weight: e.0, newcomer_weight: e.1 + 1.0, impressions: e.1, opens: e.2 }, e.3)).collect::<Vec<_>>());
            prop_assert_eq!(got.as_of, Time(last));
            for (got, expected) in [got.weight, got.newcomer_weight, got.impressions, got.opens].into_iter().zip(expected) {
                prop_assert!((got - expected).abs() < 1e-9 * (1.0 + expected), "{got} {expected}");
            }
        }
    }

    #[test]
    fn the_order_key_orders_as_the_decayed_weight_does() {
        let hl = Span::hours(24);
        let old = Popularity { weight: 100.0, as_of: Time::from_secs(0), ..Popularity::default() };
        let new = Popularity { weight: 10.0, as_of: Time::from_secs(86_400 * 10), ..Popularity::default() };
        let now = Time::from_secs(86_400 * 11);
        let at = |p: &Popularity| p.weight * decay(now.since(p.as_of), hl);
        assert!(at(&old) < at(&new));
        assert!(old.order_key(hl) < new.order_key(hl));
        assert_eq!(Popularity::default().order_key(hl), None);
    }

    #[test]
    fn any_number_of_newcomers_moves_an_item_only_so_far() {
        let of = |weight, newcomer_weight| Popularity { weight, newcomer_weight, ..Popularity::default() }.counted();
        assert_eq!((of(0.0, 3.0), of(0.0, 500.0), of(0.0, 1e9)), (3.0, NEWCOMER_FLOOR, NEWCOMER_FLOOR));
        assert_eq!((of(100.0, 20.0), of(100.0, 500.0)), (120.0, 130.0));
    }

    #[test]
    fn the_open_rate_is_the_posterior_of_a_beta() {
        let rate = |impressions, opens| shown(impressions, opens).open_rate(Time(0), HOUR);
        let near = |got: (f64, f64), mean: f64, deviation: f64| {
            assert!((got.0 - mean).abs() < 1e-12 && (got.1 - deviation).abs() < 1e-12, "{got:?}");
        };
        // Beta(1, 9): variance 9 / (100 · 11). Beta(11, 99): 1089 / (12100 · 111).
        near(rate(0.0, 0.0), 0.1, (9.0f64 / 1_100.0).sqrt());
        near(rate(100.0, 10.0), 0.1, (1_089.0f64 / (12_100.0 * 111.0)).sqrt());
        assert!(rate(50.0, 25.0).0 > rate(50.0, 5.0).0 && rate(50.0, 5.0).0 > rate(500.0, 5.0).0);
        let odd = rate(0.0, 40.0);
        assert!(odd.0 > 0.8 && odd.0 < 1.0 && odd.1 > 0.0);
    }

    #[test]
    fn old_evidence_becomes_uncertain_again() {
        let known = shown(1_000.0, 300.0);
        let fresh = Popularity::default().open_rate(Time(0), HOUR);
        assert!(known.open_rate(Time(0), HOUR).1 < fresh.1 / 4.0);
        let later = known.open_rate(Time(0).plus(Span::days(3)), HOUR);
        assert!((later.0 - fresh.0).abs() < 1e-9 && (later.1 - fresh.1).abs() < 1e-9);
    }

    #[test]
    fn examination_falls_with_the_position_and_is_bounded() {
        assert_eq!(examination(Some(0)), 1.0);
        assert_eq!(examination(None), 1.0);
        assert!((1..200).all(|p| examination(Some(p)) <= examination(Some(p - 1)) && examination(Some(p)) >= MIN_EXAMINATION));
        assert!(examination(Some(3)) < 0.7);
    }

    #[test]
    fn prominence_needs_a_lead_and_events() {
        let of = |weight| Popularity { weight, ..Popularity::default() };
        let against = |weight, most| of(weight).prominence(&of(most), Time(0), HOUR);
        assert!(against(2_000.0, 2_000.0) > 0.95 && against(2_000.0, 2_000.0) < 1.0);
        assert!(against(20.0, 2_000.0) < 0.01);
        assert!(against(1.0, 1.0) < 0.05, "one open is no crowd");
        assert_eq!(against(0.0, 5.0), 0.0);
    }
}
