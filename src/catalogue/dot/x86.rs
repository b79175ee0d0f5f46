//! Dot products with wide instructions where the processor has them, and the crate's only `unsafe`.
//!
//! A public function asks for its instructions first; without them it does nothing and answers `None` or `false`.

use half::f16;

use super::{BLOCK_ROWS, LANES, REGISTER_BYTES, Tables, common, fold};

/// The value of `$call`, a function compiled for AVX2, if the processor has it.
macro_rules! with_avx2 {
    ($call:expr) => {{
        let present = std::arch::is_x86_feature_detected!("avx2");
        // SAFETY: all that the call requires is a processor with AVX2, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for wider instructions, after checking for them")]
        present.then(|| unsafe { $call })
    }};
}

/// `$call`, a function compiled for AVX2, F16C and FMA, if the processor has them.
macro_rules! with_fma {
    ($call:expr) => {{
        let present = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("f16c")
            && std::arch::is_x86_feature_detected!("fma");
        // SAFETY: all that the call requires is a processor with AVX2, F16C and FMA, which was just checked.
        #[allow(unsafe_code, reason = "calling a function compiled for wider instructions, after checking for them")]
        present.then(|| unsafe { $call })
    }};
}

/// [`super::dots`].
pub fn dots(query: &[i8], rows: &[i8], into: &mut Vec<i32>) -> bool {
    with_avx2!(dots_avx2(query, rows, into)).is_some()
}

/// [`super::dots_of`]; each query is at least as long as the row.
#[inline]
pub fn dots_of<const N: usize>(queries: [&[i8]; N], row: &[i8]) -> Option<[i32; N]> {
    with_avx2!(dots_of_avx2(queries, row))
}

/// [`super::table_sums`].
pub fn table_sums(tables: &[Tables], blocks: &[u8], into: &mut Vec<[i16; BLOCK_ROWS]>) -> bool {
    with_avx2!(table_sums_avx2(tables, blocks, into)).is_some()
}

/// [`super::dot`].
pub fn dot(a: &[f32], b: &[f32]) -> Option<f32> {
    with_fma!(dot_fused(a, b))
}

/// [`super::dot_halves`].
pub fn dot_halves(a: &[f16], b: &[f16]) -> Option<f32> {
    with_fma!(dot_halves_fused(a, b))
}

/// [`super::dots_mixed`]; each of `wide` is at least as long as `halves`.
#[inline]
pub fn dots_mixed<const N: usize>(wide: [&[f32]; N], halves: &[f16]) -> Option<[f32; N]> {
    with_fma!(dots_mixed_fused(wide, halves))
}

/// [`super::widen`], both of one length.
pub fn widen_all(halves: &[f16], into: &mut [f32]) -> bool {
    with_fma!(widen_octets(halves, into)).is_some()
}

/// [`super::prefetch`].
pub fn prefetch<T>(values: &[T], bytes: usize) {
    for offset in (0..bytes.min(size_of_val(values))).step_by(CACHE_LINE_BYTES) {
        // SAFETY: a prefetch reads nothing and faults at no address; this one is inside `values`.
        #[allow(unsafe_code, reason = "a hint about a pointer into a slice")]
        unsafe {
            std::arch::x86_64::_mm_prefetch(values.as_ptr().cast::<i8>().wrapping_add(offset), std::arch::x86_64::_MM_HINT_T0);
        }
    }
}

/// Thirty-two products at a time: `|a| · sign(a)·b`, because the instruction takes one side without a sign.
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

/// As [`dots_avx2`], with the sides changed: the row loses its signs, each query takes them.
#[target_feature(enable = "avx2")]
fn dots_of_avx2<const N: usize>(queries: [&[i8]; N], row: &[i8]) -> [i32; N] {
    use std::arch::x86_64::{
        _mm256_abs_epi8, _mm256_add_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_setzero_si256,
        _mm256_sign_epi8,
    };

    let ones = _mm256_set1_epi16(1);
    let (row_blocks, row_rest) = row.as_chunks::<REGISTER_BYTES>();
    let mut sums = [_mm256_setzero_si256(); N];
    let mut query_blocks: [&[[i8; REGISTER_BYTES]]; N] = [&[]; N];
    for (blocks, query) in query_blocks.iter_mut().zip(queries) {
        *blocks = &query.as_chunks::<REGISTER_BYTES>().0[..row_blocks.len()];
    }
    for (at, b) in row_blocks.iter().enumerate() {
        let b = load(bytemuck::cast_ref(b));
        let unsigned = _mm256_abs_epi8(b);
        for (sum, blocks) in sums.iter_mut().zip(query_blocks) {
            let a = load(bytemuck::cast_ref(&blocks[at]));
            let pairs = _mm256_maddubs_epi16(unsigned, _mm256_sign_epi8(a, b));
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
        }
    }
    let mut products = [0; N];
    for ((product, sum), query) in products.iter_mut().zip(sums).zip(queries) {
        *product = across(sum) + super::dot_bytes(&query[row.len() - row_rest.len()..], row_rest);
    }
    products
}

#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; REGISTER_BYTES]) -> std::arch::x86_64::__m256i {
    // SAFETY: `bytes` is thirty-two bytes, all that an unaligned load of one register reads.
    #[allow(unsafe_code, reason = "a load through a pointer to an array of the register's size")]
    unsafe {
        std::arch::x86_64::_mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

/// The sum of a register's eight numbers.
#[target_feature(enable = "avx2")]
fn across(sums: std::arch::x86_64::__m256i) -> i32 {
    use std::arch::x86_64::{_mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256};

    let four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b01_00_11_10));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0b10_11_00_01)))
}

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

const CACHE_LINE_BYTES: usize = 64;

/// Lanes per register.
const WIDTH: usize = 8;

/// Eight halves, widened.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn widen(halves: &[f16; WIDTH]) -> std::arch::x86_64::__m256 {
    // SAFETY: `halves` is eight `f16`s, sixteen bytes: all that an unaligned load of one register reads.
    #[allow(unsafe_code, reason = "a load through a pointer to an array of the register's size")]
    std::arch::x86_64::_mm256_cvtph_ps(unsafe { std::arch::x86_64::_mm_loadu_si128(halves.as_ptr().cast()) })
}

/// Eight halves at a time.
#[target_feature(enable = "avx2,f16c,fma")]
fn widen_octets(halves: &[f16], into: &mut [f32]) {
    let (octets, rest) = halves.as_chunks::<WIDTH>();
    let (wide, wide_rest) = into.as_chunks_mut::<WIDTH>();
    for (octet, lanes) in octets.iter().zip(wide) {
        store(widen(octet), lanes);
    }
    super::widen_plain(rest, wide_rest);
}

/// Eight wide numbers.
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
const REGISTERS: usize = LANES / WIDTH;

/// [`dots_mixed`] with eight lanes at a time: each block of [`LANES`] goes into four registers.
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
fn widened(rest: &[f16]) -> [f32; LANES] {
    let mut wide = [0.0; LANES];
    wide.iter_mut().zip(rest).for_each(|(wide, half)| *wide = half.to_f32());
    wide
}

/// [`dot`] with eight lanes at a time.
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
