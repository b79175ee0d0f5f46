//! Dot products: the inner loops of search and similarity.
//!
//! Integer sums are exact, and float sums are added in one fixed order of [`LANES`] lanes, each product added with one
//! rounding (fused multiply-add), so every path gives the same bits whatever the processor. The wide
//! instructions are in `x86`, the crate's only `unsafe`.

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

use half::f16;

/// Appends `query · row` for every row of `rows` (`rows.len()` is a multiple of `query.len()`, which is ≥ 1).
///
/// Numbers are in −127..=127: the sums of two products then fit 16 bits, and rows of 130,000 numbers fit 32.
pub fn dots(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    into.reserve(rows.len() / query.len());
    #[cfg(target_arch = "x86_64")]
    if x86::dots(query, rows, into) {
        return;
    }
    dots_plain(query, rows, into);
}

/// `queries[i] · row` for each query, with the row read once. All are cut to the shortest; numbers as for [`dots`].
#[inline]
pub fn dots_of<const N: usize>(queries: [&[i8]; N], row: &[i8]) -> [i32; N] {
    let length = queries.iter().fold(row.len(), |length, query| length.min(query.len()));
    let row = &row[..length];
    #[cfg(target_arch = "x86_64")]
    if let Some(products) = x86::dots_of(queries, row) {
        return products;
    }
    queries.map(|query| dot_bytes(query, row))
}

fn dot_bytes(query: &[i8], row: &[i8]) -> i32 {
    query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// Bytes of an AVX2 register.
const REGISTER_BYTES: usize = 32;

fn dots_plain(query: &[i8], rows: &[i8], into: &mut Vec<i32>) {
    into.extend(rows.chunks_exact(query.len()).map(|row| dot_bytes(query, row)));
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
    if x86::table_sums(tables, blocks, into) {
        return;
    }
    table_sums_plain(tables, blocks, into);
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
    x86::prefetch(values, bytes);
}

/// Partial sums kept side by side: four AVX2 registers. Rows of a multiple of it are the fastest.
pub const LANES: usize = 32;

/// `a · b`; numbers past the shorter one are left out. `dot(a, b) = dot(b, a)`, bit for bit.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(product) = x86::dot(a, b) {
        return product;
    }
    dot_plain(a, b)
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
    if let Some(product) = x86::dot_halves(a, b) {
        return product;
    }
    dot_halves_plain(a, b)
}

/// Writes `halves` as `f32`: as many as both have room for.
pub fn widen(halves: &[f16], into: &mut [f32]) {
    let length = halves.len().min(into.len());
    let (halves, into) = (&halves[..length], &mut into[..length]);
    #[cfg(target_arch = "x86_64")]
    if x86::widen_all(halves, into) {
        return;
    }
    widen_plain(halves, into);
}

fn widen_plain(halves: &[f16], into: &mut [f32]) {
    into.iter_mut().zip(halves).for_each(|(wide, half)| *wide = half.to_f32());
}

/// [`dot`] of each of `wide` and a row kept in half precision, which is read and widened once: the same bits as widening it first.
///
/// All are cut to the shortest.
#[inline]
pub fn dots_mixed<const N: usize>(wide: [&[f32]; N], halves: &[f16]) -> [f32; N] {
    let length = wide.iter().fold(halves.len(), |length, wide| length.min(wide.len()));
    let halves = &halves[..length];
    #[cfg(target_arch = "x86_64")]
    if let Some(products) = x86::dots_mixed(wide, halves) {
        return products;
    }
    wide.map(|wide| dot_mixed_plain(wide, halves))
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
