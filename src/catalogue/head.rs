//! The first items of the catalogue in some order (newest, most popular), kept up to date change by change.

use super::snapshot::Row;

/// Most rows kept.
pub const HEAD_MAX_ROWS: usize = 2_048;
/// Below this, and with more items in the catalogue, the head is rebuilt.
pub const HEAD_MIN_ROWS: usize = 512;

/// Rows by key, highest first; equal keys by item hash. Holds exactly the first `len` rows of the whole catalogue.
#[derive(Clone, Debug, Default)]
pub struct Head {
    rows: Vec<(f64, u64, Row)>,
    /// Rows in the catalogue that have a key.
    total: usize,
}

impl Head {
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows.iter().map(|(_, _, row)| *row)
    }

    fn place(&self, key: f64, hash: u64) -> Result<usize, usize> {
        self.rows.binary_search_by(|(k, h, _)| key.total_cmp(k).then(h.cmp(&hash)))
    }

    /// Adds a row that is not in the catalogue's order yet.
    pub fn insert(&mut self, key: f64, hash: u64, row: Row) {
        let complete = self.rows.len() == self.total;
        self.total += 1;
        let at = self.place(key, hash).unwrap_or_else(|at| at);
        // Past the end of an incomplete head there may be better rows that are not kept.
        if at == self.rows.len() && !complete {
            return;
        }
        self.rows.insert(at, (key, hash, row));
        self.rows.truncate(HEAD_MAX_ROWS);
    }

    /// Takes out a row that was inserted with this key.
    pub fn remove(&mut self, key: f64, hash: u64) {
        self.total = self.total.saturating_sub(1);
        if let Ok(at) = self.place(key, hash) {
            self.rows.remove(at);
        }
    }

    /// Whether too few rows are left to serve from.
    pub fn needs_rebuild(&self) -> bool {
        self.rows.len() < HEAD_MIN_ROWS.min(self.total)
    }

    /// Starts over from every row that has a key.
    pub fn rebuild(&mut self, all: impl Iterator<Item = (f64, u64, Row)>) {
        let mut rows: Vec<_> = all.collect();
        self.total = rows.len();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        rows.truncate(HEAD_MAX_ROWS);
        rows.shrink_to_fit();
        self.rows = rows;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_the_first_rows_whatever_the_changes(ops in prop::collection::vec((any::<bool>(), 0u64..3_000, 0i32..50), 1..4_000)) {
            let mut head = Head::default();
            let mut all = std::collections::BTreeMap::new();
            for (put, hash, key) in ops {
                if let Some(old) = all.remove(&hash) {
                    head.remove(old, hash);
                }
                if put {
                    head.insert(f64::from(key), hash, Row(hash as u32));
                    all.insert(hash, f64::from(key));
                }
                if head.needs_rebuild() {
                    head.rebuild(all.iter().map(|(h, k)| (*k, *h, Row(*h as u32))));
                }
            }
            let mut expected: Vec<_> = all.into_iter().map(|(h, k)| (k, h)).collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let got: Vec<_> = head.rows.iter().map(|(k, h, _)| (*k, *h)).collect();
            prop_assert!(got.len() >= HEAD_MIN_ROWS.min(expected.len()));
            prop_assert_eq!(&got[..], &expected[..got.len()]);
        }
    }
}
