//! When and how the search lists of an embedding space are made, and how they are brought up to date when they are done.
//!
//! Training reads a snapshot and takes up to seconds, so it runs beside the writers; what they changed meanwhile is moved
//! to its lists when the result is taken over. It reads the items in hash order: the same items give the same lists.

use std::sync::Arc;

use super::{
    centroids::Centroids,
    lists::{Lists, Measured},
    snapshot::{Row, Snapshot},
    vectors::Vectors,
};
use crate::domain::EmbeddingSpace;

/// Rows of a space below which every search is exact: a scan of them takes well under a tenth of a millisecond.
pub const INDEXED_MIN_ROWS: usize = 10_000;
/// Lists are made again when the space has grown by this factor since, or shrunk by its square.
const RETRAIN_FACTOR: usize = 2;
/// Lists per square root of the rows, at most [`LISTS_MAX`].
const LISTS_PER_SQRT: f32 = 4.0;
const LISTS_MAX: usize = 2_048;
/// Rows k-means sees per list, and so its time: about 6 × 20 × lists² dot products.
const SAMPLE_ROWS_PER_LIST: usize = 20;
/// Rows used as queries to measure how much a search must read.
const MEASURED_QUERIES: usize = 64;
/// Nearest rows of each that count.
const MEASURED_NEAREST: usize = 100;
/// Share of them whose list must have been read.
const READ_RECALL: f32 = 0.97;
/// Share of them that must be compared. Comparing a row more costs less than reading a list more.
const COMPARED_RECALL: f32 = 0.99;

const SPACES: [EmbeddingSpace; 2] = [EmbeddingSpace::Model, EmbeddingSpace::HashedText];

/// New lists for a snapshot.
pub struct Trained {
    /// What they were made for.
    vectors: Vectors,
    lists: Vec<(EmbeddingSpace, Option<Lists>)>,
}

impl Snapshot {
    /// Whether a space has outgrown its lists, or has none and needs them.
    pub fn wants_training(&self) -> bool {
        SPACES.iter().any(|space| self.vectors.wants_training(*space))
    }

    /// Makes the lists that are wanted. Time grows with the rows: about a second per 100,000 of 384 numbers.
    pub(super) fn train(&self) -> Trained {
        let wanted = SPACES.iter().copied().filter(|space| self.vectors.wants_training(*space));
        let lists = wanted.map(|space| (space, self.lists_of(space))).collect();
        Trained { vectors: self.vectors.clone(), lists }
    }

    /// Takes over lists that were made for an earlier state of this snapshot.
    pub(super) fn install(&mut self, trained: Trained) {
        let changed = self.vectors.changed_since(&trained.vectors);
        for (space, lists) in trained.lists {
            let lists = lists.map(|mut lists| {
                for index in &changed {
                    if let Some(bytes) = trained.vectors.bytes_in(space, *index) {
                        lists.remove(*index as u32, bytes);
                    }
                    if let Some(bytes) = self.vectors.bytes_in(space, *index) {
                        lists.insert(*index as u32, bytes);
                    }
                }
                lists
            });
            self.vectors.set_lists(space, lists);
        }
    }

    fn lists_of(&self, space: EmbeddingSpace) -> Option<Lists> {
        let vectors = &self.vectors;
        let rows: Vec<(Row, &[i8])> = self.walk_from(0).filter_map(|row| Some((row, vectors.bytes_in(space, row.index())?))).collect();
        if rows.len() < INDEXED_MIN_ROWS {
            return None;
        }
        let count = ((rows.len() as f32).sqrt() * LISTS_PER_SQRT) as usize;
        let count = count.min(LISTS_MAX);
        let sampled = rows.len().min(count * SAMPLE_ROWS_PER_LIST);
        let sample: Vec<i8> = (0..sampled).flat_map(|at| rows[at * rows.len() / sampled].1.iter().copied()).collect();
        let centroids = Centroids::train(&sample, vectors.dimension(), count);
        let mut lists = Lists::new(centroids, Arc::clone(vectors.rotation()), rows.len());
        for (row, bytes) in &rows {
            lists.insert(row.0, bytes);
        }
        lists.set_measured(self.measured(&lists, &rows));
        Some(lists)
    }

    /// What searches for some of the rows themselves must read and compare to find their nearest.
    fn measured(&self, lists: &Lists, rows: &[(Row, &[i8])]) -> Measured {
        let (mut read, mut ranks) = (Vec::new(), Vec::new());
        for at in 0..MEASURED_QUERIES {
            let (row, bytes) = rows[at * rows.len() / MEASURED_QUERIES];
            let Some(query) = self.vectors.query_of(row.index()) else { continue };
            let nearest = self.vectors.scan(&query, MEASURED_NEAREST);
            let wanted: Vec<&[i8]> = nearest.iter().filter_map(|(_, row)| self.vectors.bytes_in(query.space(), *row as usize)).collect();
            read.extend(lists.read_until(bytes, &wanted));
            ranks.extend(lists.ranks(bytes, &wanted));
        }
        Measured {
            read_share: (quantile(read, READ_RECALL) as f32 / lists.listed() as f32).min(1.0),
            compared_per_wanted: (quantile(ranks, COMPARED_RECALL) as f32 / MEASURED_NEAREST as f32).max(1.0),
        }
    }
}

/// The number that `share` of them do not exceed.
fn quantile(mut numbers: Vec<usize>, share: f32) -> usize {
    numbers.sort_unstable();
    let at = (numbers.len() as f32 * share) as usize;
    numbers.get(at).or(numbers.last()).copied().unwrap_or(usize::MAX)
}

impl Vectors {
    fn wants_training(&self, space: EmbeddingSpace) -> bool {
        let rows = self.rows_in(space);
        match self.lists(space).map(Lists::trained_on) {
            None => rows >= INDEXED_MIN_ROWS,
            Some(trained_on) => rows >= trained_on * RETRAIN_FACTOR || rows <= trained_on / RETRAIN_FACTOR.pow(2),
        }
    }
}
