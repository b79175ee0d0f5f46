//! Dot products: the inner loops of search and similarity, and the only `unsafe` in the crate.
//!
//! Integer sums are exact, and float sums are added in one fixed order of [`LANES`] lanes with separate multiply and add,
//! so every path gives the same bits whatever the processor.

/// Appends `query · row` for every row of `rows` (`rows.len()` is a multiple of `query.len()`, which is ≥ 1).
///
/// No overflow up to 130,000 numbers per row: each product is at most 127².
pub fn dots(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement of `dots_avx2` is a processor with AVX2, which was just checked.
        #[allow(unsafe_code, reason = "run-time dispatch to a wider instruction set")]
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

/// Partial sums kept side by side: four AVX2 registers.
const LANES: usize = 32;

/// `a · b`; numbers past the shorter one are left out. `dot(a, b) = dot(b, a)`, bit for bit.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement of `dot_avx2` is a processor with AVX2, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for AVX2, after checking for AVX2")]
        return unsafe { dot_avx2(a, b) };
    }
    dot_plain(a, b)
}

/// The same loop, compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
    dot_plain(a, b)
}

#[inline(always)]
fn dot_plain(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += x * y;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
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

        #[test]
        fn a_float_dot_product_has_the_same_bits_on_every_path(numbers in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..400)) {
            let (a, b): (Vec<f32>, Vec<f32>) = numbers.into_iter().unzip();
            prop_assert_eq!(dot(&a, &b).to_bits(), dot_plain(&a, &b).to_bits());
            prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
            let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }
    }
}
