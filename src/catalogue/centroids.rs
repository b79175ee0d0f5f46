//! The centres that lists of rows stand around, and how they are found: spherical k-means on int8 rows.
//!
//! Dhillon and Modha, "Concept decompositions for large sparse text data using clustering" (Machine Learning, 2001).
//! Nothing is drawn at random: the first centres are evenly spaced in the order given, and sums are added in that order.

use super::{dot, vectors::quantise};

/// Rounds of k-means: later ones move few rows.
const ROUNDS: usize = 6;

/// Near centres among which a row's second list is chosen.
const SECOND_HOME_CHOICES: usize = 24;
/// Squared distance below which a row is its centre.
const LEAST_DISTANCE: f32 = 1e-6;
/// Steps per unit of a dot product with an int8 row, when centres are sorted: a row is about a thousand units long.
const DISTANCE_STEPS: f32 = 1_024.0;
/// More than any product: rows are at most 127 · √4096 units long.
const DISTANCE_MAX: i32 = 1 << 30;

/// Unit vectors in int8, one after the other.
#[derive(Debug)]
pub struct Centroids {
    dimension: usize,
    bytes: Vec<i8>,
    scales: Vec<f32>,
}

impl Centroids {
    /// From `rows` (a multiple of `dimension` numbers, at least `count` rows; `count` ≥ 1).
    pub fn train(rows: &[i8], dimension: usize, count: usize) -> Self {
        let of_sample = rows.len() / dimension;
        let mut centroids = Self { dimension, bytes: Vec::with_capacity(count * dimension), scales: vec![1.0; count] };
        for at in 0..count {
            let from = at * of_sample / count * dimension;
            let row: Vec<f32> = rows[from..from + dimension].iter().map(|x| f32::from(*x)).collect();
            centroids.bytes.resize((at + 1) * dimension, 0);
            centroids.set(at, &row);
        }
        for _ in 0..ROUNDS {
            let mut sums = vec![0.0f32; count * dimension];
            for row in rows.chunks_exact(dimension) {
                let at = centroids.nearest(row);
                for (sum, x) in sums[at * dimension..(at + 1) * dimension].iter_mut().zip(row) {
                    *sum += f32::from(*x);
                }
            }
            for (at, sum) in sums.chunks_exact(dimension).enumerate() {
                centroids.set(at, sum);
            }
        }
        centroids
    }

    /// Turns centre `at` to the direction of `sum`; a centre without rows stays.
    fn set(&mut self, at: usize, sum: &[f32]) {
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            let unit = || sum.iter().map(|x| x / length);
            self.scales[at] = quantise(unit(), &mut self.bytes[at * self.dimension..(at + 1) * self.dimension]);
        }
    }

    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// The two lists a row stands in: its nearest centre's, and another near one whose direction from the row is across
    /// the first one's, so that a query that misses one list is likely to read the other. Two centres at least.
    ///
    /// Sun, Simcha, Dopson, Guo and Kumar, "SOAR: improved indexing for approximate nearest neighbor search" (NeurIPS 2023).
    pub fn homes(&self, row: &[i8]) -> [usize; 2] {
        let products = self.products(row);
        let near = nearest_of(&products, SECOND_HOME_CHOICES + 1);
        let row_length = row.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let cosine = |at: usize| products[at] / row_length;
        let first = near.first().map_or(0, |at| *at as usize);
        let mut between = Vec::with_capacity(1);
        let mut cost = |at: usize| {
            between.clear();
            dot::dots(self.centre(first), self.centre(at), &mut between);
            let between = between.iter().map(|dot| *dot as f32 * self.scales[first] * self.scales[at]).sum::<f32>();
            // With unit vectors: the distance to the second, and its part along the direction to the first, both squared.
            let along = 1.0 - cosine(first) - cosine(at) + between;
            (2.0 - 2.0 * cosine(at)) + along * along / (2.0 - 2.0 * cosine(first)).max(LEAST_DISTANCE)
        };
        let costs = near.iter().skip(1).map(|at| (cost(*at as usize), *at as usize));
        let second = costs.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map_or(first, |(_, at)| at);
        [first, second]
    }

    fn centre(&self, at: usize) -> &[i8] {
        &self.bytes[at * self.dimension..(at + 1) * self.dimension]
    }

    /// Each centre's product with `row`: its cosine times the length of the row.
    fn products(&self, row: &[i8]) -> Vec<f32> {
        let mut dots = Vec::new();
        dot::dots(row, &self.bytes, &mut dots);
        dots.iter().zip(&self.scales).map(|(dot, scale)| *dot as f32 * scale).collect()
    }

    /// The centre with the greatest cosine to `row`, the first of equals.
    fn nearest(&self, row: &[i8]) -> usize {
        let mut best = (0, f32::MIN);
        for (at, product) in self.products(row).into_iter().enumerate() {
            if product > best.1 {
                best = (at, product);
            }
        }
        best.0
    }

    /// The `count` centres nearest to `row`, nearest first; equals in their order.
    pub fn by_nearness(&self, row: &[i8], count: usize) -> Vec<u32> {
        nearest_of(&self.products(row), count)
    }
}

/// The places of the `count` greatest products, greatest first.
fn nearest_of(products: &[f32], count: usize) -> Vec<u32> {
    // One number to sort by: the farther the greater, and among equals the later centre.
    let key = |(at, product): (usize, &f32)| {
        let distance = DISTANCE_MAX - (*product * DISTANCE_STEPS) as i32;
        (u64::from(distance.cast_unsigned()) << 32) | at as u64
    };
    let mut keys: Vec<u64> = products.iter().enumerate().map(key).collect();
    if count < keys.len() {
        keys.select_nth_unstable(count);
        keys.truncate(count);
    }
    keys.sort_unstable();
    keys.into_iter().map(|key| key as u32).collect()
}
