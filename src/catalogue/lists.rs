//! The rows of one embedding space in lists around centroids: a search reads the lists nearest to its query only.
//!
//! Every row stands in two lists ([`Centroids::homes`]). An inverted file (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011). Each list
//! holds the sketches of its rows in blocks that stream through the processor; exact int8 rows are read for the best.

use std::sync::Arc;

use super::{
    best::Best,
    centroids::Centroids,
    dot::{self, BLOCK_ROWS, Tables},
    sketch::Rotation,
};

/// Rows near one centroid, in no particular order.
#[derive(Clone, Debug, Default)]
struct List {
    rows: Vec<u32>,
    /// Blocks of [`BLOCK_ROWS`] sketches, byte by byte: see [`dot::table_sums`].
    sketches: Vec<u8>,
}

impl List {
    /// Where byte 0 of the sketch at `at` stands; byte `b` follows `b × BLOCK_ROWS` later.
    fn first_byte(at: usize, sketch_bytes: usize) -> usize {
        at / BLOCK_ROWS * sketch_bytes * BLOCK_ROWS + at % BLOCK_ROWS
    }

    fn push(&mut self, row: u32, sketch: &[u8]) {
        let at = self.rows.len();
        self.rows.push(row);
        self.sketches.resize(self.rows.len().div_ceil(BLOCK_ROWS) * sketch.len() * BLOCK_ROWS, 0);
        let first = Self::first_byte(at, sketch.len());
        for (byte, place) in sketch.iter().zip(self.sketches[first..].iter_mut().step_by(BLOCK_ROWS)) {
            *place = *byte;
        }
    }

    /// Takes the row out; the last one takes its place.
    fn remove(&mut self, row: u32, sketch_bytes: usize) {
        let Some(at) = self.rows.iter().position(|r| *r == row) else { return };
        let last = self.rows.len() - 1;
        let (from, to) = (Self::first_byte(last, sketch_bytes), Self::first_byte(at, sketch_bytes));
        for step in (0..sketch_bytes).map(|byte| byte * BLOCK_ROWS) {
            self.sketches[to + step] = self.sketches[from + step];
        }
        self.rows.swap_remove(at);
        self.sketches.truncate(last.div_ceil(BLOCK_ROWS) * sketch_bytes * BLOCK_ROWS);
    }
}

/// All lists of a space. Cloning shares every list; a change copies the one it touches.
#[derive(Clone, Debug)]
pub struct Lists {
    centroids: Arc<Centroids>,
    rotation: Arc<Rotation>,
    lists: Vec<Arc<List>>,
    rows: usize,
    /// One past the greatest row there ever was.
    rows_end: usize,
    /// Rows there were when the centroids were found.
    trained_on: usize,
    measured: Measured,
}

/// What a search must do to find most of the nearest rows of this space.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Share of the listed sketches that are read, in (0, 1].
    pub read_share: f32,
    /// Rows compared exactly per row wanted, ≥ 1.
    pub compared_per_wanted: f32,
}

/// Lists that a row stands in.
const HOMES: usize = 2;
/// Rows compared at least: among few, chance weighs more.
const COMPARED_MIN: usize = 256;

impl Lists {
    /// Empty lists around `centroids`, found among `trained_on` rows. Searches read all sketches until told less.
    pub fn new(centroids: Centroids, rotation: Arc<Rotation>, trained_on: usize) -> Self {
        let lists = vec![Arc::default(); centroids.len()];
        Self {
            centroids: Arc::new(centroids),
            rotation,
            lists,
            rows: 0,
            rows_end: 0,
            trained_on,
            measured: Measured { read_share: 1.0, compared_per_wanted: 1.0 },
        }
    }

    pub fn trained_on(&self) -> usize {
        self.trained_on
    }

    pub fn set_measured(&mut self, measured: Measured) {
        self.measured = measured;
    }

    #[cfg(test)]
    pub fn measured(&self) -> Measured {
        self.measured
    }

    /// Adds a row that is in no list.
    pub fn insert(&mut self, row: u32, bytes: &[i8]) {
        let sketch = self.rotation.sketch(bytes);
        for at in self.centroids.homes(bytes) {
            Arc::make_mut(&mut self.lists[at]).push(row, &sketch);
        }
        self.rows += 1;
        self.rows_end = self.rows_end.max(row as usize + 1);
    }

    /// Takes out a row that was inserted with the same `bytes`.
    pub fn remove(&mut self, row: u32, bytes: &[i8]) {
        for at in self.centroids.homes(bytes) {
            Arc::make_mut(&mut self.lists[at]).remove(row, self.rotation.sketch_bytes());
        }
        self.rows -= 1;
    }

    /// Sketches in all lists.
    pub fn listed(&self) -> usize {
        self.rows * HOMES
    }

    /// Rows among which the `count` nearest to the query are, most of them; `breadth` times as many as were measured to be
    /// needed. All that look as near as the last are among them.
    pub fn candidates(&self, query: &[i8], count: usize, breadth: usize) -> Vec<u32> {
        let compared = (count as f32 * self.measured.compared_per_wanted) as usize;
        let mut best = Best::new(compared.max(COMPARED_MIN).saturating_mul(breadth).min(self.rows));
        let mut left = ((self.measured.read_share * self.listed() as f32).ceil() as usize).saturating_mul(breadth);
        let tables = self.rotation.tables(query);
        let mut offered = Offered(vec![0; self.rows_end.div_ceil(Offered::ROWS_PER_WORD)]);
        let mut sums = Vec::new();
        // Lists are not equally long: a few more than the mean tells, and all of them when those are not enough.
        let guessed = self.lists.len() * left.saturating_mul(2) / self.listed().max(1) + SPARE_LISTS;
        let mut order = self.centroids.by_nearness(query, guessed);
        if order.iter().map(|at| self.lists[*at as usize].rows.len()).sum::<usize>() < left {
            order = self.centroids.by_nearness(query, self.lists.len());
        }
        for (at, list) in order.iter().enumerate() {
            if let Some(next) = order.get(at + 1) {
                let next = &self.lists[*next as usize];
                dot::prefetch(&next.rows, PREFETCH_BYTES);
                dot::prefetch(&next.sketches, PREFETCH_BYTES);
            }
            let list = &self.lists[*list as usize];
            offer(list, &tables, &mut sums, &mut offered, &mut best);
            left = left.saturating_sub(list.rows.len());
            if left == 0 {
                break;
            }
        }
        best.into_hits().into_iter().map(|(_, row)| row).collect()
    }

    /// For each of `wanted` rows how many rows look at least as near to the query.
    pub fn ranks(&self, query: &[i8], wanted: &[&[i8]]) -> Vec<usize> {
        let tables = self.rotation.tables(query);
        let mut sums = Vec::new();
        let mut rows_at = vec![0; usize::from(i16::MAX.unsigned_abs()) + 1];
        let place = |sum: i16| usize::from(sum.max(0).unsigned_abs());
        for list in &self.lists {
            sums.clear();
            dot::table_sums(&tables, &list.sketches, &mut sums);
            for sum in sums.as_flattened().iter().take(list.rows.len()) {
                rows_at[place(*sum)] += 1;
            }
        }
        // From "this near" to "at least this near".
        for at in (1..rows_at.len()).rev() {
            rows_at[at - 1] += rows_at[at];
        }
        wanted.iter().map(|bytes| rows_at[place(dot::table_sum(&tables, &self.rotation.sketch(bytes)))] / HOMES).collect()
    }

    /// For each of `wanted` rows how many sketches a search for `query` reads until it has read one of that row's lists.
    pub fn read_until(&self, query: &[i8], wanted: &[&[i8]]) -> Vec<usize> {
        let mut read = vec![0; self.lists.len()];
        let mut sum = 0;
        for at in self.centroids.by_nearness(query, self.centroids.len()) {
            sum += self.lists[at as usize].rows.len();
            read[at as usize] = sum;
        }
        wanted.iter().map(|bytes| self.centroids.homes(bytes).map(|at| read[at]).into_iter().min().unwrap_or(sum)).collect()
    }
}

/// Rows that were offered already: one bit each.
struct Offered(Vec<u64>);

impl Offered {
    const ROWS_PER_WORD: usize = u64::BITS as usize;

    /// Whether the row is new.
    fn insert(&mut self, row: u32) -> bool {
        let (at, bit) = (row as usize / Self::ROWS_PER_WORD, 1 << (row as usize % Self::ROWS_PER_WORD));
        self.0.get_mut(at).is_some_and(|word| {
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        })
    }
}

/// Bytes of the next list asked for while one is read: as much as is on its way at once; the processor guesses the rest.
const PREFETCH_BYTES: usize = 1_024;
/// Lists sorted beyond twice the mean that a search reads.
const SPARE_LISTS: usize = 8;

/// Offers every row of the list with the sum of its sketch, once.
fn offer(list: &List, tables: &[Tables], sums: &mut Vec<[i16; BLOCK_ROWS]>, offered: &mut Offered, best: &mut Best<i16>) {
    sums.clear();
    dot::table_sums(tables, &list.sketches, sums);
    for (sums, rows) in sums.iter().zip(list.rows.chunks(BLOCK_ROWS)) {
        // Most blocks have nothing to offer: one maximum tells.
        if !best.admits(sums.iter().copied().fold(i16::MIN, i16::max)) {
            continue;
        }
        for (sum, row) in sums.iter().zip(rows) {
            if best.admits(*sum) && offered.insert(*row) {
                best.offer(*sum, *row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_holds_the_sketches_of_its_rows(ops in prop::collection::vec((0u32..80, any::<bool>()), 0..300)) {
            let sketch = |row: u32| [row as u8, row.wrapping_mul(37) as u8, !row as u8];
            let mut list = List::default();
            let mut plain = std::collections::BTreeSet::new();
            for (row, put) in ops {
                if put && plain.insert(row) {
                    list.push(row, &sketch(row));
                } else if !put {
                    plain.remove(&row);
                    list.remove(row, 3);
                }
            }
            prop_assert_eq!(list.sketches.len(), plain.len().div_ceil(BLOCK_ROWS) * 3 * BLOCK_ROWS);
            for (at, row) in list.rows.iter().enumerate() {
                let first = List::first_byte(at, 3);
                let held: Vec<u8> = list.sketches[first..].iter().step_by(BLOCK_ROWS).take(3).copied().collect();
                prop_assert_eq!(held, sketch(*row));
            }
            let mut rows = list.rows.clone();
            rows.sort_unstable();
            prop_assert_eq!(rows, plain.into_iter().collect::<Vec<_>>());
        }
    }
}
