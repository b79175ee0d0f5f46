//! Integer dot products over many rows: the whole of vector search's inner loop, and the only `unsafe` in the crate.
//!
//! Integer sums are exact, so every path gives the same numbers whatever the processor.

/// Appends `query · row` for every row of `rows` (`rows.len()` is a multiple of `query.len()`, which is ≥ 1).
///
/// No overflow up to 130,000 numbers per row: each product is at most 127².
pub fn dots(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement of `dots_avx2` is a processor with AVX2, which was just checked.
        #[allow(unsafe_code)]
        unsafe {
            dots_avx2(query, rows, into);
        }
        return;
    }
    dots_plain(query, rows, into);
}

/// The same loop, compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dots_avx2(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    dots_plain(query, rows, into);
}

#[inline(always)]
fn dots_plain(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    into.extend(rows.chunks_exact(query.len()).map(|row| query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_path_gives_the_same_numbers(dimension in 1usize..200, rows in 0usize..20, seed in any::<u64>()) {
            let byte = |i: usize| (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64).wrapping_mul(1_442_695_040_888_963_407) >> 56) as i8;
            let query: Vec<i8> = (0..dimension).map(byte).collect();
            let rows: Vec<i8> = (0..rows * dimension).map(|i| byte(i + 999)).collect();
            let (mut fast, mut plain) = (vec![], vec![]);
            dots(&query, &rows, &mut fast);
            dots_plain(&query, &rows, &mut plain);
            prop_assert_eq!(fast, plain);
        }
    }
}
