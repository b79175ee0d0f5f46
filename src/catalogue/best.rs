//! The best of many, kept without a heap: what falls below the last place is dropped in bulk.

/// Collects the `keep` greatest keys offered. Equal keys at the last place are all kept, so the order of offering does
/// not decide.
pub struct Best<K> {
    keep: usize,
    /// The last place's key, once there were enough.
    least: Option<K>,
    hits: Vec<(K, u32)>,
    /// Hits from which the surplus is dropped.
    full: usize,
}

impl<K: Ord + Copy> Best<K> {
    /// `keep` ≥ 1.
    pub fn new(keep: usize) -> Self {
        let keep = keep.max(1);
        Self { keep, least: None, hits: Vec::new(), full: keep * 2 }
    }

    /// Whether a row with this key may still get a place.
    pub fn admits(&self, key: K) -> bool {
        self.least.is_none_or(|least| key >= least)
    }

    pub fn offer(&mut self, key: K, row: u32) {
        if self.admits(key) {
            self.hits.push((key, row));
            if self.hits.len() >= self.full {
                self.drop_surplus();
            }
        }
    }

    fn drop_surplus(&mut self) {
        if self.hits.len() > self.keep {
            let (_, last, _) = self.hits.select_nth_unstable_by(self.keep - 1, |a, b| b.0.cmp(&a.0));
            let least = last.0;
            self.hits.retain(|hit| hit.0 >= least);
            self.least = Some(least);
        }
        // Many equal keys must not make every further offer search them again.
        self.full = self.hits.len().max(self.keep) * 2;
    }

    /// The best, in no particular order.
    pub fn into_hits(mut self) -> Vec<(K, u32)> {
        self.drop_surplus();
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_the_greatest_and_their_equals(keys in prop::collection::vec(0i32..60, 0..400), keep in 1usize..50) {
            let mut best = Best::new(keep);
            for (row, key) in keys.iter().enumerate() {
                best.offer(*key, row as u32);
            }
            let mut got = best.into_hits();
            got.sort_unstable();
            let mut sorted = keys.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let least = sorted.get(keep - 1).copied().unwrap_or(i32::MIN);
            let mut expected: Vec<_> = keys.iter().enumerate().filter(|(_, k)| **k >= least).map(|(row, k)| (*k, row as u32)).collect();
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
        }
    }
}
