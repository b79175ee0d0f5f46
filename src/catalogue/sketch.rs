//! One bit per number: a row's sketch is the signs of the row after a fixed rotation, for a first look at many rows.
//!
//! For a unit row `x` and a query `q`, `q · sign(x) / ‖x‖₁` estimates the cosine without bias under a random rotation
//! (Gao and Long, "RaBitQ", SIGMOD 2024, without centring). `‖x‖₁` varies by a few per cent only and is left out: sums
//! order rows, the exact cosine decides afterwards. The rotation makes sparse and skewed rows as good as dense ones.

use super::dot::{TABLE_MAX, Tables};

/// Sign flips and Hadamard transforms, each over the first or the last power of two of the numbers in turn.
const ROUNDS: usize = 3;
/// Numbers per sketch byte: two tables of four.
const NUMBERS_PER_BYTE: usize = 8;
/// Greatest sum of a row's table numbers, rounding aside: it must fit 15 bits.
const SUM_MAX: f32 = 32_000.0;

/// How rows of one dimension are rotated. Depends on the dimension alone.
#[derive(Debug)]
pub struct Rotation {
    dimension: usize,
    /// 1 or −1, `ROUNDS × dimension`.
    signs: Vec<f32>,
}

impl Rotation {
    /// `dimension` ≥ 1.
    pub fn new(dimension: usize) -> Self {
        let signs = (0..ROUNDS * dimension).map(|at| if scatter(at as u64) & 1 == 0 { 1.0 } else { -1.0 });
        Self { dimension, signs: signs.collect() }
    }

    /// Bytes of a sketch.
    pub fn sketch_bytes(&self) -> usize {
        self.dimension.div_ceil(NUMBERS_PER_BYTE)
    }

    /// The signs of the rotated `row`, one bit each; bits past the last number are 0.
    pub fn sketch(&self, row: &[i8]) -> Vec<u8> {
        let rotated = self.rotated(row);
        let byte = |numbers: &[f32]| numbers.iter().enumerate().map(|(at, x)| u8::from(*x >= 0.0) << at).sum();
        rotated.chunks(NUMBERS_PER_BYTE).map(byte).collect()
    }

    /// For each sketch byte the tables whose numbers add up to `query · sketch`, shifted and scaled to whole numbers.
    pub fn tables(&self, query: &[i8]) -> Vec<Tables> {
        let rotated = self.rotated(query);
        let reach = |numbers: &[f32]| 2.0 * numbers.iter().map(|x| x.abs()).sum::<f32>();
        let widest = rotated.chunks(NUMBERS_PER_BYTE / 2).map(reach).fold(f32::EPSILON, f32::max);
        // What is no number (a query of zeros) is scaled by a number still.
        let scale = (f32::from(TABLE_MAX) / widest).min(SUM_MAX / reach(&rotated).max(f32::EPSILON));
        let table = |numbers: &[f32]| {
            // From the least possible sum upwards: each set bit adds its number twice. The conversion saturates.
            let mut sums = [0.0f32; 16];
            sums[0] = numbers.iter().map(|x| x.abs() - x).sum();
            for signs in 1..sums.len() {
                let added = numbers.get(signs.trailing_zeros() as usize).copied().unwrap_or(0.0);
                sums[signs] = sums[signs & (signs - 1)] + 2.0 * added;
            }
            std::array::from_fn(|at| (sums[at % sums.len()] * scale) as u8)
        };
        rotated
            .chunks(NUMBERS_PER_BYTE)
            .map(|numbers| [table(&numbers[..numbers.len().min(4)]), table(numbers.get(4..).unwrap_or(&[]))])
            .collect()
    }

    fn rotated(&self, row: &[i8]) -> Vec<f32> {
        let mut numbers: Vec<f32> = row.iter().map(|x| f32::from(*x)).collect();
        let width = 1 << numbers.len().ilog2();
        let unit = (width as f32).sqrt().recip();
        for (round, signs) in self.signs.chunks_exact(self.dimension).enumerate() {
            for (number, sign) in numbers.iter_mut().zip(signs) {
                *number *= sign;
            }
            let from = if round % 2 == 0 { 0 } else { numbers.len() - width };
            let window = &mut numbers[from..from + width];
            hadamard(window);
            window.iter_mut().for_each(|x| *x *= unit);
        }
        numbers
    }
}

/// The Walsh–Hadamard transform in place; the length is a power of two.
fn hadamard(numbers: &mut [f32]) {
    let mut half = 1;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

/// SplitMix64's finaliser: 64 well-mixed bits of a counter.
fn scatter(counter: u64) -> u64 {
    let x = counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::dot::{BLOCK_ROWS, table_sums};

    fn rows(dimension: usize) -> impl Strategy<Value = (Vec<i8>, Vec<i8>)> {
        let row = move || prop::collection::vec(-127i8..=127, dimension);
        (row(), row())
    }

    proptest! {
        #[test]
        fn the_rotation_keeps_angles((a, b) in (1usize..130).prop_flat_map(rows)) {
            let rotation = Rotation::new(a.len());
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let (ra, rb) = (rotation.rotated(&a), rotation.rotated(&b));
            prop_assert!((dot(&ra, &rb) - plain).abs() <= 1.0 + 1e-5 * (dot(&ra, &ra) * dot(&rb, &rb)).sqrt());
        }

        #[test]
        fn tables_add_up_to_the_product_with_the_signs((query, row) in (1usize..130).prop_flat_map(rows)) {
            let rotation = Rotation::new(row.len());
            let (q, x) = (rotation.rotated(&query), rotation.rotated(&row));
            let signed: f32 = q.iter().zip(&x).map(|(q, x)| if *x >= 0.0 { *q } else { -q }).sum();
            let reach: f32 = q.iter().map(|q| q.abs()).sum();
            let mut block = vec![0; rotation.sketch_bytes() * BLOCK_ROWS];
            for (place, byte) in block.iter_mut().step_by(BLOCK_ROWS).zip(rotation.sketch(&row)) {
                *place = byte;
            }
            let tables = rotation.tables(&query);
            let mut sums = vec![];
            table_sums(&tables, &block, &mut sums);
            // One step of rounding per table; the greatest sum that can be is at most all tables' greatest numbers.
            let steps = 2.0 * tables.len() as f32;
            let scale = f32::from(TABLE_MAX) / q.chunks(4).map(|g| 2.0 * g.iter().map(|q| q.abs()).sum::<f32>()).fold(f32::EPSILON, f32::max);
            let scale = scale.min(SUM_MAX / (2.0 * reach).max(f32::EPSILON));
            let expected = (signed + reach) * scale;
            prop_assert!((f32::from(sums[0][0]) - expected).abs() <= steps + 1.0, "{} for {expected}", sums[0][0]);
        }
    }
}
