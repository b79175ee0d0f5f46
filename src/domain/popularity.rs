//! How much an item is used by everybody.

use super::{Span, Time, time::decay};

/// A sum of event weights, decayed with the server's popularity half-life. Order of arrival does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Popularity {
    /// ≥ 0, as of `as_of`.
    pub weight: f64,
    pub as_of: Time,
}

impl Popularity {
    /// Adds `weight` that happened `at`, earlier or later than `as_of`.
    pub fn add(&mut self, weight: f64, at: Time, half_life: Span) {
        if at >= self.as_of {
            self.weight = self.weight * decay(at.since(self.as_of), half_life) + weight;
            self.as_of = at;
        } else {
            self.weight += weight * decay(self.as_of.since(at), half_life);
        }
    }

    pub fn open_rate(&self) -> (f64, f64) {
        (0.1, 0.09)
    }

    /// `log2(weight) + as_of / half_life`: orders items by popularity, the same at every moment and without underflow
    /// however old the events are. `None` when there is no weight.
    pub fn order_key(&self, half_life: Span) -> Option<f64> {
        (self.weight > 0.0).then(|| self.weight.log2() + self.as_of.0 as f64 / half_life.0.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_arrival_does_not_matter() {
        let events = [(1.0, 0), (2.0, 3_600_000), (1.5, 1_800_000)];
        let sum = |order: [usize; 3]| {
            let mut p = Popularity { weight: 0.0, as_of: Time(i64::MIN) };
            for i in order {
                p.add(events[i].0, Time(events[i].1), Span::hours(1));
            }
            p
        };
        let (a, b) = (sum([0, 1, 2]), sum([2, 1, 0]));
        assert!((a.weight - b.weight).abs() < 1e-12);
        assert_eq!(a.as_of, b.as_of);
        assert!((a.weight - (0.5 + 2.0 + 1.5 * 0.5f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn the_order_key_orders_as_the_decayed_weight_does() {
        let hl = Span::hours(24);
        let old = Popularity { weight: 100.0, as_of: Time::from_secs(0) };
        let new = Popularity { weight: 10.0, as_of: Time::from_secs(86_400 * 10) };
        let now = Time::from_secs(86_400 * 11);
        let at = |p: &Popularity| p.weight * decay(now.since(p.as_of), hl);
        assert!(at(&old) < at(&new));
        assert!(old.order_key(hl) < new.order_key(hl));
        assert_eq!(Popularity::default().order_key(hl), None);
    }
}
