//! The rows of one embedding space in lists around centroids: a search reads the lists nearest to its query only.
//!
//! An inverted file (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011). Each list
//! holds the sketches of its rows in blocks that stream through the processor; exact int8 rows are read for the best.

use std::sync::Arc;

use super::{
    best::Best,
    centroids::Centroids,
    dot::{self, BLOCK_ROWS, Tables},
    sketch::Rotation,
};

/// Rows of one centroid, in no particular order.
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
    /// Rows there were when the centroids were found.
    trained_on: usize,
    /// Share of the rows that a search reads, measured in training.
    read_share: f32,
}

impl Lists {
    /// Empty lists around `centroids`, found among `trained_on` rows. Searches read everything until told less.
    pub fn new(centroids: Centroids, rotation: Arc<Rotation>, trained_on: usize) -> Self {
        let lists = vec![Arc::default(); centroids.len()];
        Self { centroids: Arc::new(centroids), rotation, lists, rows: 0, trained_on, read_share: 1.0 }
    }

    pub fn trained_on(&self) -> usize {
        self.trained_on
    }

    pub fn set_read_share(&mut self, share: f32) {
        self.read_share = share;
    }

    /// Rows a search reads the sketches of.
    pub fn rows_read(&self) -> usize {
        (self.read_share * self.rows as f32).ceil() as usize
    }

    /// Adds a row that is in no list.
    pub fn insert(&mut self, row: u32, bytes: &[i8]) {
        let at = self.centroids.nearest(bytes, &mut Vec::new());
        Arc::make_mut(&mut self.lists[at]).push(row, &self.rotation.sketch(bytes));
        self.rows += 1;
    }

    /// Takes out a row that was inserted with the same `bytes`.
    pub fn remove(&mut self, row: u32, bytes: &[i8]) {
        let at = self.centroids.nearest(bytes, &mut Vec::new());
        Arc::make_mut(&mut self.lists[at]).remove(row, self.rotation.sketch_bytes());
        self.rows -= 1;
    }

    /// The `keep` rows that look nearest among the first lists with `read` rows, and all that look as near as the last.
    pub fn candidates(&self, query: &[i8], read: usize, keep: usize) -> Vec<u32> {
        let tables = self.rotation.tables(query);
        let mut best = Best::new(keep);
        let mut sums = Vec::new();
        let mut left = read;
        for at in self.centroids.by_nearness(query) {
            let list = &self.lists[at as usize];
            offer(list, &tables, &mut sums, &mut best);
            left = left.saturating_sub(list.rows.len());
            if left == 0 {
                break;
            }
        }
        best.into_hits().into_iter().map(|(_, row)| row).collect()
    }

    /// For each of `wanted` rows how many rows a search for `query` reads until it has read that row's list.
    pub fn rows_until(&self, query: &[i8], wanted: &[&[i8]]) -> Vec<usize> {
        let mut read = vec![0; self.lists.len()];
        let mut sum = 0;
        for at in self.centroids.by_nearness(query) {
            sum += self.lists[at as usize].rows.len();
            read[at as usize] = sum;
        }
        wanted.iter().map(|bytes| read[self.centroids.nearest(bytes, &mut Vec::new())]).collect()
    }
}

/// Offers every row of the list with the sum of its sketch.
fn offer(list: &List, tables: &[Tables], sums: &mut Vec<[i16; BLOCK_ROWS]>, best: &mut Best<i16>) {
    sums.clear();
    dot::table_sums(tables, &list.sketches, sums);
    for (sums, rows) in sums.iter().zip(list.rows.chunks(BLOCK_ROWS)) {
        // Most blocks have nothing to offer: one maximum tells.
        if !best.admits(sums.iter().copied().fold(i16::MIN, i16::max)) {
            continue;
        }
        for (sum, row) in sums.iter().zip(rows) {
            best.offer(*sum, *row);
        }
    }
}
