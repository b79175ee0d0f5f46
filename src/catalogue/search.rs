//! The items nearest to a vector, of those that may be shown.

use super::{
    snapshot::{Entry, Row, Snapshot},
    train::INDEXED_MIN_ROWS,
    vectors::{Nearness, Query},
};

/// Rows an exact scan keeps per row wanted, for those that may not be shown.
const KEPT_PER_WANTED: usize = 2;
/// When filters leave too little, the search is made again this much wider, until it has read everything.
const WIDEN: usize = 4;
/// How often fewer rows than were measured to be needed may be showable before a search is made wider.
const MEASURED_SHARE: usize = 2;

/// Hits sorted at first per row wanted: some may not be shown.
const LOOKED_AT_PER_WANTED: usize = 2;

/// What a search found that may be shown.
pub(super) struct Shown {
    /// Best first.
    rows: Vec<(Nearness, u64, Row)>,
    /// Rows that were asked about.
    checked: usize,
}

impl Shown {
    /// The rows, if there are `count` of them. What was measured of a search of this breadth holds when every row may be shown;
    /// the rows asked about tell how many may. Errors: the rows there are.
    pub fn enough(self, count: usize, breadth: usize) -> Result<Vec<Row>, Vec<Row>> {
        let is_enough = self.rows.len() >= count && self.rows.len() * breadth * MEASURED_SHARE >= self.checked;
        if is_enough { Ok(self.into_rows()) } else { Err(self.into_rows()) }
    }

    fn into_rows(self) -> Vec<Row> {
        self.rows.into_iter().map(|(_, _, row)| row).collect()
    }
}

impl Snapshot {
    /// The `count` showable items nearest to the query (greatest cosine of the int8 rows, in millionths), best first; ties
    /// by item hash, so order of arrival does not matter.
    ///
    /// Exact while the query's space has fewer than 10,000 items and until its first training. Later an inverted file
    /// answers: of the true nearest 100 at least 95 on the average (measured in training and held by tests), order and
    /// cosines exact for what is found, and again exact when filters leave so little that everything is read.
    pub fn nearest(&self, query: &Query, count: usize, showable: impl Fn(&Entry) -> bool) -> Vec<Row> {
        let rows = self.vectors.rows_in(query.space());
        if count == 0 || rows == 0 {
            return Vec::new();
        }
        let mut breadth = 1;
        while self.rows_scanned(query) == 0 {
            let Some(found) = self.vectors.search(query, count, breadth) else { break };
            let compared = found.len();
            if let Ok(rows) = self.shown(NearestFirst::new(found, count * LOOKED_AT_PER_WANTED), count, &showable).enough(count, breadth) {
                return rows;
            }
            if compared >= rows / WIDEN {
                break;
            }
            breadth *= WIDEN;
        }
        let mut keep = count * KEPT_PER_WANTED;
        loop {
            let found = NearestFirst::new(self.vectors.scan(query, keep), count * LOOKED_AT_PER_WANTED);
            let shown = self.shown(found, count, &showable);
            if shown.rows.len() >= count || keep >= rows {
                return shown.into_rows();
            }
            keep = keep.saturating_mul(WIDEN);
        }
    }

    /// Rows that a search reads one by one because its space has no lists, or too few rows to use them.
    pub fn rows_scanned(&self, query: &Query) -> usize {
        let rows = self.vectors.rows_in(query.space());
        if rows >= INDEXED_MIN_ROWS && self.vectors.lists(query.space()).is_some() { 0 } else { rows }
    }

    /// Asks about the found rows from the nearest on, until `count` may be shown and all as near as the last are known.
    pub(super) fn shown(
        &self,
        nearest_first: impl Iterator<Item = (Nearness, u32)>,
        count: usize,
        showable: impl Fn(&Entry) -> bool,
    ) -> Shown {
        let mut shown = Shown { rows: Vec::with_capacity(count), checked: 0 };
        for (nearness, row) in nearest_first {
            if shown.rows.len() >= count && shown.rows.last().is_some_and(|(last, ..)| nearness < *last) {
                break;
            }
            let Some(entry) = self.entry(Row(row)) else { continue };
            shown.checked += 1;
            if showable(entry) {
                shown.rows.push((nearness, entry.hash, Row(row)));
            }
        }
        shown.rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        shown.rows.truncate(count);
        shown
    }
}

/// Hits from the nearest on, sorted part by part: mostly few of them are wanted.
struct NearestFirst {
    /// Farthest first, as far as sorted.
    hits: Vec<(Nearness, u32)>,
    /// Hits before this place are not sorted, and are no nearer than those after it.
    sorted_from: usize,
    step: usize,
}

impl NearestFirst {
    fn new(hits: Vec<(Nearness, u32)>, step: usize) -> Self {
        Self { sorted_from: hits.len(), hits, step: step.max(1) }
    }
}

impl Iterator for NearestFirst {
    type Item = (Nearness, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.hits.len() == self.sorted_from {
            self.sorted_from = self.sorted_from.saturating_sub(self.step);
            if self.sorted_from > 0 {
                self.hits.select_nth_unstable(self.sorted_from);
            }
            self.hits[self.sorted_from..].sort_unstable();
            self.step *= 2;
        }
        self.hits.pop()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hits_come_sorted_however_they_are_cut(hits in prop::collection::vec((-9i32..9, 0u32..99), 0..200), step in 0usize..70) {
            let mut sorted = hits.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert_eq!(NearestFirst::new(hits, step).collect::<Vec<_>>(), sorted);
        }
    }
}
