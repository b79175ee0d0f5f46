//! Dot products: the inner loops of search and similarity, and the only `unsafe` in the crate.
//!
//! Integer sums are exact, and float sums are added in one fixed order of [`LANES`] lanes, each product added with one
//! rounding (fused multiply-add), so every path gives the same bits whatever the processor.

use half::f16;

/// Appends `query · row` for every row of `rows` (`rows.len()` is a multiple of `query.len()`, which is ≥ 1).
///
/// Numbers are in −127..=127: the sums of two products then fit 16 bits, and rows of 130,000 numbers fit 32.
pub fn dots(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    into.reserve(rows.len() / query.len());
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

/// Thirty-two products at a time: `|a| · sign(a)·b`, because the instruction takes one side without a sign.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dots_avx2(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    use std::arch::x86_64::{
        _mm256_abs_epi8, _mm256_add_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_setzero_si256,
        _mm256_sign_epi8,
    };

    let ones = _mm256_set1_epi16(1);
    let (query_blocks, query_rest) = query.as_chunks::<REGISTER_BYTES>();
    for row in rows.chunks_exact(query.len()) {
        let (row_blocks, row_rest) = row.as_chunks::<REGISTER_BYTES>();
        let mut sums = _mm256_setzero_si256();
        for (a, b) in query_blocks.iter().zip(row_blocks) {
            let (a, b) = (load(bytemuck::cast_ref(a)), load(bytemuck::cast_ref(b)));
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
        }
        let rest: i32 = query_rest.iter().zip(row_rest).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        into.push(across(sums) + rest);
    }
}

/// Bytes of an AVX2 register.
const REGISTER_BYTES: usize = 32;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; REGISTER_BYTES]) -> std::arch::x86_64::__m256i {
    // SAFETY: `bytes` is thirty-two bytes, all that an unaligned load of one register reads.
    #[allow(unsafe_code, reason = "a load through a pointer to an array of the register's size")]
    unsafe {
        std::arch::x86_64::_mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

/// The sum of a register's eight numbers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn across(sums: std::arch::x86_64::__m256i) -> i32 {
    use std::arch::x86_64::{_mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256};

    let four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b01_00_11_10));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0b10_11_00_01)))
}

fn dots_plain(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    into.extend(rows.chunks_exact(query.len()).map(|row| query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>()));
}

/// Rows whose sketches stand side by side, so that one instruction looks up a number for each of them.
pub const BLOCK_ROWS: usize = REGISTER_BYTES;
/// Two tables of sixteen numbers for the two halves of a sketch byte, each twice: once for each half of a register.
pub type Tables = [[u8; BLOCK_ROWS]; 2];
/// Greatest number in a table: two of them fit a byte.
pub const TABLE_MAX: u8 = 127;

/// For every block of 32 sketches (`tables.len()` × 32 bytes: first the first byte of each row, then the second, …)
/// appends the rows' sums of the numbers that their bytes select. A row's sum must fit 15 bits.
///
/// André, Kermarrec and Le Scouarnec, "Cache locality is not enough: high-performance nearest neighbor search with
/// product quantization fast scan" (VLDB 2015).
pub fn table_sums(tables: &[Tables], blocks: &[u8], into: &mut Vec<[i16; BLOCK_ROWS]>) {
    into.reserve(blocks.len() / (tables.len() * BLOCK_ROWS).max(1));
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement of `table_sums_avx2` is a processor with AVX2, which was just checked.
        #[allow(unsafe_code, reason = "run-time dispatch to a wider instruction set")]
        unsafe {
            table_sums_avx2(tables, blocks, into);
        }
        return;
    }
    table_sums_plain(tables, blocks, into);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn table_sums_avx2(tables: &[Tables], blocks: &[u8], into: &mut Vec<[i16; BLOCK_ROWS]>) {
    use std::arch::x86_64::{
        _mm256_add_epi8, _mm256_add_epi16, _mm256_and_si256, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_setzero_si256,
        _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_unpackhi_epi16,
        _mm256_unpacklo_epi16,
    };

    let low = _mm256_set1_epi8(0x0F);
    let columns = blocks.as_chunks::<BLOCK_ROWS>().0;
    for block in columns.chunks_exact(tables.len().max(1)) {
        // `all` adds 16-bit pairs of rows, `odd` the upper rows of the pairs; their difference leaves the lower rows.
        let (mut all, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (column, [first, second]) in block.iter().zip(tables) {
            let bytes = load(column);
            let a = _mm256_shuffle_epi8(load(first), _mm256_and_si256(bytes, low));
            let b = _mm256_shuffle_epi8(load(second), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low));
            let both = _mm256_add_epi8(a, b);
            all = _mm256_add_epi16(all, both);
            odd = _mm256_add_epi16(odd, _mm256_srli_epi16(both, 8));
        }
        let even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
        let (outer, inner) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
        let mut sums = [0; BLOCK_ROWS];
        let to = sums.as_mut_ptr();
        // SAFETY: `sums` is sixty-four bytes: two registers, the second from its sixteenth number.
        #[allow(unsafe_code, reason = "stores through a pointer into an array of two registers' size")]
        unsafe {
            _mm256_storeu_si256(to.cast(), _mm256_permute2x128_si256(outer, inner, 0x20));
            _mm256_storeu_si256(to.add(BLOCK_ROWS / 2).cast(), _mm256_permute2x128_si256(outer, inner, 0x31));
        }
        into.push(sums);
    }
}

/// [`table_sums`] of one sketch.
pub fn table_sum(tables: &[Tables], sketch: &[u8]) -> i16 {
    let numbers = tables
        .iter()
        .zip(sketch)
        .map(|([first, second], byte)| i16::from(first[usize::from(byte & 0x0F)]) + i16::from(second[usize::from(byte >> 4)]));
    numbers.sum()
}

fn table_sums_plain(tables: &[Tables], blocks: &[u8], into: &mut Vec<[i16; BLOCK_ROWS]>) {
    let columns = blocks.as_chunks::<BLOCK_ROWS>().0;
    for block in columns.chunks_exact(tables.len().max(1)) {
        let sketch = |row: usize| block.iter().map(|column| column[row]).collect::<Vec<u8>>();
        into.push(std::array::from_fn(|row| table_sum(tables, &sketch(row))));
    }
}

/// Asks the processor to fetch the first `bytes` of `values`, which are read soon. Changes nothing else.
pub fn prefetch<T>(values: &[T], bytes: usize) {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, bytes);
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes.min(size_of_val(values))).step_by(CACHE_LINE_BYTES) {
        // SAFETY: a prefetch reads nothing and faults at no address; this one is inside `values`.
        #[allow(unsafe_code, reason = "a hint about a pointer into a slice")]
        unsafe {
            std::arch::x86_64::_mm_prefetch(values.as_ptr().cast::<i8>().wrapping_add(offset), std::arch::x86_64::_MM_HINT_T0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE_BYTES: usize = 64;

/// Partial sums kept side by side: four AVX2 registers. Rows of a multiple of it are the fastest.
pub const LANES: usize = 32;

/// `a · b`; numbers past the shorter one are left out. `dot(a, b) = dot(b, a)`, bit for bit.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if fused() {
        // SAFETY: the only requirement of `dot_fused` is a processor with AVX2, F16C and FMA, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for wider instructions, after checking for them")]
        return unsafe { dot_fused(a, b) };
    }
    dot_plain(a, b)
}

/// Whether the processor has what the float paths are compiled for.
#[cfg(target_arch = "x86_64")]
#[inline]
fn fused() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("f16c") && std::arch::is_x86_feature_detected!("fma")
}

#[inline(always)]
fn dot_plain(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, b) = common(a, b);
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] = x[lane].mul_add(y[lane], sums[lane]);
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum = x.mul_add(*y, *sum);
    }
    fold(sums)
}

/// Both cut to the length of the shorter, so that blocks and rests belong together.
#[inline(always)]
fn common<'a, T>(a: &'a [T], b: &'a [T]) -> (&'a [T], &'a [T]) {
    let length = a.len().min(b.len());
    (&a[..length], &b[..length])
}

/// The lanes' sum, halves added to halves.
#[inline(always)]
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// [`dot`] of two rows kept in half precision: the same bits as widening both to `f32` first.
///
/// Numbers past the shorter one are left out; `dot_halves(a, b) = dot_halves(b, a)`, bit for bit.
pub fn dot_halves(a: &[f16], b: &[f16]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if fused() {
        // SAFETY: the only requirement of `dot_halves_fused` is a processor with AVX2, F16C and FMA, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for wider instructions, after checking for them")]
        return unsafe { dot_halves_fused(a, b) };
    }
    dot_halves_plain(a, b)
}

/// [`dot`] of each of `wide` and a row kept in half precision, which is read and widened once: the same bits as widening it first.
///
/// All are cut to the shortest.
#[inline]
pub fn dots_mixed<const N: usize>(wide: [&[f32]; N], halves: &[f16]) -> [f32; N] {
    let length = wide.iter().fold(halves.len(), |length, wide| length.min(wide.len()));
    let halves = &halves[..length];
    #[cfg(target_arch = "x86_64")]
    if fused() {
        // SAFETY: the only requirement of `dots_mixed_fused` is a processor with AVX2, F16C and FMA, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for wider instructions, after checking for them")]
        return unsafe { dots_mixed_fused(wide, halves) };
    }
    wide.map(|wide| dot_mixed_plain(wide, halves))
}

/// Lanes per register.
#[cfg(target_arch = "x86_64")]
const WIDTH: usize = 8;

/// Eight halves, widened.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn widen(halves: &[f16; WIDTH]) -> std::arch::x86_64::__m256 {
    // SAFETY: `halves` is eight `f16`s, sixteen bytes: all that an unaligned load of one register reads.
    #[allow(unsafe_code, reason = "a load through a pointer to an array of the register's size")]
    std::arch::x86_64::_mm256_cvtph_ps(unsafe { std::arch::x86_64::_mm_loadu_si128(halves.as_ptr().cast()) })
}

/// Eight wide numbers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn load_wide(wide: &[f32; WIDTH]) -> std::arch::x86_64::__m256 {
    // SAFETY: `wide` is eight `f32`s: all that an unaligned load of one register reads.
    #[allow(unsafe_code, reason = "a load through a pointer to an array of the register's size")]
    unsafe {
        std::arch::x86_64::_mm256_loadu_ps(wide.as_ptr())
    }
}

/// Eight lanes to memory.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn store(register: std::arch::x86_64::__m256, lanes: &mut [f32; WIDTH]) {
    // SAFETY: `lanes` is eight `f32`s: all that an unaligned store of one register writes.
    #[allow(unsafe_code, reason = "a store through a pointer to an array of the register's size")]
    unsafe {
        std::arch::x86_64::_mm256_storeu_ps(lanes.as_mut_ptr(), register);
    }
}

/// Registers that hold the sums of one product.
#[cfg(target_arch = "x86_64")]
const REGISTERS: usize = LANES / WIDTH;

/// [`dots_mixed`] with eight lanes at a time: each block of [`LANES`] goes into four registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
fn dots_mixed_fused<const N: usize>(wide: [&[f32]; N], halves: &[f16]) -> [f32; N] {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_setzero_ps};

    let mut sums = [[_mm256_setzero_ps(); REGISTERS]; N];
    let (blocks, rest) = halves.as_chunks::<LANES>();
    let mut wide_blocks: [&[[f32; LANES]]; N] = [&[]; N];
    for (wide_blocks, wide) in wide_blocks.iter_mut().zip(wide) {
        *wide_blocks = &wide.as_chunks::<LANES>().0[..blocks.len()];
    }
    for (at, block) in blocks.iter().enumerate() {
        let octets = block.as_chunks::<WIDTH>().0;
        for register in 0..REGISTERS {
            let narrow = widen(&octets[register]);
            for (sums, wide) in sums.iter_mut().zip(wide_blocks) {
                sums[register] = _mm256_fmadd_ps(load_wide(&wide[at].as_chunks::<WIDTH>().0[register]), narrow, sums[register]);
            }
        }
    }
    let mut products = [0.0; N];
    for ((product, sums), wide) in products.iter_mut().zip(sums).zip(wide) {
        *product = if rest.is_empty() { fold_registers(sums) } else { fold_with(sums, &wide[halves.len() - rest.len()..], &widened(rest)) };
    }
    products
}

/// [`fold`] of the lanes in registers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn fold_registers(registers: [std::arch::x86_64::__m256; REGISTERS]) -> f32 {
    use std::arch::x86_64::{
        _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
    };

    let [first, second, third, fourth] = registers;
    let eight = _mm256_add_ps(_mm256_add_ps(first, third), _mm256_add_ps(second, fourth));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// [`fold_registers`] with the numbers past the last block, which are added to the first lanes.
#[cfg(target_arch = "x86_64")]
#[cold]
#[target_feature(enable = "avx2,f16c,fma")]
fn fold_with(registers: [std::arch::x86_64::__m256; REGISTERS], a_rest: &[f32], b_rest: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (lanes, register) in sums.as_chunks_mut::<WIDTH>().0.iter_mut().zip(registers) {
        store(register, lanes);
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum = x.mul_add(*y, *sum);
    }
    fold(sums)
}

/// What is left past the last block, widened.
#[cfg(target_arch = "x86_64")]
fn widened(rest: &[f16]) -> [f32; LANES] {
    let mut wide = [0.0; LANES];
    wide.iter_mut().zip(rest).for_each(|(wide, half)| *wide = half.to_f32());
    wide
}

/// [`dot`] with eight lanes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
fn dot_fused(a: &[f32], b: &[f32]) -> f32 {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_setzero_ps};

    let (a, b) = common(a, b);
    let mut sums = [_mm256_setzero_ps(); REGISTERS];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for ((sum, x), y) in sums.iter_mut().zip(x.as_chunks::<WIDTH>().0).zip(y.as_chunks::<WIDTH>().0) {
            *sum = _mm256_fmadd_ps(load_wide(x), load_wide(y), *sum);
        }
    }
    if a_rest.is_empty() { fold_registers(sums) } else { fold_with(sums, a_rest, b_rest) }
}

/// [`dot_halves`] with eight lanes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
fn dot_halves_fused(a: &[f16], b: &[f16]) -> f32 {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_setzero_ps};

    let (a, b) = common(a, b);
    let mut sums = [_mm256_setzero_ps(); REGISTERS];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for ((sum, x), y) in sums.iter_mut().zip(x.as_chunks::<WIDTH>().0).zip(y.as_chunks::<WIDTH>().0) {
            *sum = _mm256_fmadd_ps(widen(x), widen(y), *sum);
        }
    }
    fold_with(sums, &widened(a_rest)[..a_rest.len()], &widened(b_rest))
}

#[inline(always)]
fn dot_mixed_plain(a: &[f32], b: &[f16]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let length = a.len().min(b.len());
    for (at, (x, y)) in a[..length].iter().zip(&b[..length]).enumerate() {
        sums[at % LANES] = x.mul_add(y.to_f32(), sums[at % LANES]);
    }
    fold(sums)
}

#[inline(always)]
fn dot_halves_plain(a: &[f16], b: &[f16]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, b) = common(a, b);
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] = x[lane].to_f32().mul_add(y[lane].to_f32(), sums[lane]);
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum = x.to_f32().mul_add(y.to_f32(), *sum);
    }
    fold(sums)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_path_gives_the_same_numbers(
            query in prop::collection::vec(-127i8..=127, 1..200),
            noise in prop::collection::vec(-127i8..=127, 0..4_000),
            extreme in any::<bool>(),
        ) {
            let push = |x: i8| if extreme { if x < 0 { -127 } else { 127 } } else { x };
            let query: Vec<i8> = query.into_iter().map(push).collect();
            let rows: Vec<i8> = noise.iter().copied().map(push).take(noise.len() / query.len() * query.len()).collect();
            let (mut fast, mut plain) = (vec![], vec![]);
            dots(&query, &rows, &mut fast);
            dots_plain(&query, &rows, &mut plain);
            prop_assert_eq!(fast, plain);
        }

        #[test]
        fn every_path_gives_the_same_table_sums(columns in 0usize..60, blocks in 0usize..5, seed in any::<u64>(), full in any::<bool>()) {
            let byte = |i: usize| (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64).wrapping_mul(1_442_695_040_888_963_407) >> 56) as u8;
            let number = |i: usize| if full { TABLE_MAX } else { byte(i) & TABLE_MAX };
            let table = |at: usize| std::array::from_fn(|i| number(at * 16 + i % 16));
            let tables: Vec<Tables> = (0..columns).map(|c| [table(2 * c), table(2 * c + 1)]).collect();
            let bytes: Vec<u8> = (0..blocks * columns * BLOCK_ROWS).map(|i| byte(i + 77_777)).collect();
            let (mut fast, mut plain) = (vec![], vec![]);
            table_sums(&tables, &bytes, &mut fast);
            table_sums_plain(&tables, &bytes, &mut plain);
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

        #[test]
        fn a_dot_product_of_halves_has_the_bits_of_the_widened_one(
            numbers in prop::collection::vec((-70_000.0f32..70_000.0, -1.0f32..1.0, -18i32..1), 0..400),
        ) {
            // Powers of two down to where halves are subnormal, and numbers that become infinite.
            let halves = |pick: fn(&(f32, f32, i32)) -> f32| numbers.iter().map(|n| f16::from_f32(pick(n))).collect::<Vec<f16>>();
            let (a, b) = (halves(|n| n.0 * (n.2 as f32).exp2()), halves(|n| n.1 * (n.2 as f32).exp2()));
            let wide = |halves: &[f16]| halves.iter().map(|x| x.to_f32()).collect::<Vec<f32>>();
            let expected = dot(&wide(&a), &wide(&b));
            let same = |got: f32| got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            let (first, second) = (wide(&a), wide(&b));
            let pair = dots_mixed([&first, &second], &b);
            prop_assert!(pair[1].to_bits() == dots_mixed([&second], &b)[0].to_bits() || pair[1].is_nan());
            let mixed = [dots_mixed([&first], &b)[0], dot_mixed_plain(&first, &b), pair[0]];
            for got in [dot_halves(&a, &b), dot_halves(&b, &a), dot_halves_plain(&a, &b)].into_iter().chain(mixed) {
                prop_assert!(same(got), "{got} for {expected}");
            }
        }

        #[test]
        fn numbers_past_the_shorter_row_are_left_out(long in prop::collection::vec(-1.0f32..1.0, 0..200), keep in 0usize..200) {
            let long: Vec<f16> = long.into_iter().map(f16::from_f32).collect();
            let short = &long[..keep.min(long.len())];
            prop_assert_eq!(dot_halves(&long, short).to_bits(), dot_halves(short, short).to_bits());
            let wide: Vec<f32> = long.iter().map(|x| x.to_f32()).collect();
            prop_assert_eq!(dot(&wide, &wide[..short.len()]).to_bits(), dot(&wide[..short.len()], &wide[..short.len()]).to_bits());
        }
    }
}
