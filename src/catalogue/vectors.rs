//! Embedding rows: f16 for exact similarity, int8 for search. One fixed stride, in copy-on-write chunks.

use std::sync::Arc;

use half::{f16, slice::HalfFloatSliceExt};

use super::{
    best::Best,
    chunked::{CHUNK_ROWS, Chunked},
    dot,
    lists::Lists,
    sketch::Rotation,
};
use crate::domain::{Embedding, EmbeddingSpace};

#[derive(Clone, Debug, Default)]
struct Chunk {
    /// `rows × dimension`.
    halves: Vec<f16>,
    /// `rows × dimension`: `half ≈ scale · byte`.
    bytes: Vec<i8>,
    marks: Vec<Mark>,
}

/// What a row's numbers mean: beside each other, because a search wants both.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// `None` for a row without a vector.
    space: Option<EmbeddingSpace>,
    scale: f32,
}

/// What a space's rows are searched by.
#[derive(Clone, Debug, Default)]
struct Space {
    /// Rows there are.
    rows: usize,
    /// `None` while there are few, and until the first training.
    lists: Option<Lists>,
}

/// All rows of a snapshot.
#[derive(Clone, Debug)]
pub struct Vectors {
    dimension: usize,
    chunks: Vec<Arc<Chunk>>,
    rotation: Arc<Rotation>,
    /// By [`EmbeddingSpace`].
    spaces: [Space; 2],
    /// Every row that was ever written, in order; all but the last [`CHANGES_KEPT`] are forgotten.
    changes: Chunked<u32>,
}

/// Changes that are remembered.
const CHANGES_KEPT: usize = 4_096;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct VectorView<'a> {
    pub space: EmbeddingSpace,
    /// Unit length, `dimension` numbers.
    pub values: &'a [f16],
}

/// One row in int8.
struct ByteView<'a> {
    space: EmbeddingSpace,
    bytes: &'a [i8],
    scale: f32,
}

/// A unit vector ready for search.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    space: EmbeddingSpace,
    bytes: Vec<i8>,
    scale: f32,
}

impl Query {
    /// From unit-length `values`.
    pub fn new(space: EmbeddingSpace, values: &[f16]) -> Self {
        let (mut wide, mut bytes) = (vec![0.0; values.len()], vec![0; values.len()]);
        dot::widen(values, &mut wide);
        let scale = quantise(wide.into_iter(), &mut bytes);
        Self { space, bytes, scale }
    }

    pub fn space(&self) -> EmbeddingSpace {
        self.space
    }

    pub fn bytes(&self) -> &[i8] {
        &self.bytes
    }

    /// The vector as it is compared: of about unit length.
    pub fn to_f32(&self) -> Vec<f32> {
        self.bytes.iter().map(|byte| f32::from(*byte) * self.scale).collect()
    }
}

/// How near a row is: its cosine in millionths. A total order, and rounding noise below 1e-6 does not decide.
pub type Nearness = i32;

impl Vectors {
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension,
            chunks: Vec::new(),
            rotation: Arc::new(Rotation::new(dimension)),
            spaces: Default::default(),
            changes: Chunked::default(),
        }
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Rows of a space.
    pub fn rows_in(&self, space: EmbeddingSpace) -> usize {
        self.spaces[space as usize].rows
    }

    pub fn lists(&self, space: EmbeddingSpace) -> Option<&Lists> {
        self.spaces[space as usize].lists.as_ref()
    }

    pub fn set_lists(&mut self, space: EmbeddingSpace, lists: Option<Lists>) {
        self.spaces[space as usize].lists = lists;
    }

    pub fn rotation(&self) -> &Arc<Rotation> {
        &self.rotation
    }

    /// Writes row `index` (at most one past the last). `None`, or a wrong dimension, leaves the row without a vector.
    ///
    /// The row counts as changed whatever it was: more than its vector may have. What is the same is not written again.
    pub fn set(&mut self, index: usize, embedding: Option<&Embedding>) {
        self.changes.push(index as u32);
        self.changes.forget_before(self.changes.len().saturating_sub(CHANGES_KEPT));
        let embedding = embedding.filter(|embedding| embedding.values.len() == self.dimension);
        if let (Some(old), Some(new)) = (self.get(index), embedding)
            && (old.space, bits(old.values)) == (new.space, bits(&new.values))
        {
            return;
        }
        if let Some(old) = byte_view(&self.chunks, self.dimension, index) {
            let space = &mut self.spaces[old.space as usize];
            space.rows -= 1;
            if let Some(lists) = &mut space.lists {
                lists.remove(index as u32, old.bytes);
            }
        }
        let (at, within) = (index / CHUNK_ROWS, index % CHUNK_ROWS);
        if at == self.chunks.len() {
            self.chunks.push(Arc::default());
        }
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let chunk = Arc::make_mut(chunk);
        let rows = chunk.marks.len().max(within + 1);
        chunk.halves.resize(rows * self.dimension, f16::ZERO);
        chunk.bytes.resize(rows * self.dimension, 0);
        chunk.marks.resize(rows, Mark::default());
        let span = within * self.dimension..(within + 1) * self.dimension;
        let Some(embedding) = embedding else {
            chunk.marks[within].space = None;
            return;
        };
        chunk.halves[span.clone()].copy_from_slice(&embedding.values);
        let scale = quantise(embedding.values.iter().map(|x| x.to_f32()), &mut chunk.bytes[span.clone()]);
        chunk.marks[within] = Mark { space: Some(embedding.space), scale };
        let space = &mut self.spaces[embedding.space as usize];
        space.rows += 1;
        if let Some(lists) = &mut space.lists {
            lists.insert(index as u32, &chunk.bytes[span]);
        }
    }

    pub fn get(&self, index: usize) -> Option<VectorView<'_>> {
        let chunk = self.chunks.get(index / CHUNK_ROWS)?;
        let within = index % CHUNK_ROWS;
        let space = chunk.marks.get(within)?.space?;
        let values = chunk.halves.get(within * self.dimension..(within + 1) * self.dimension)?;
        Some(VectorView { space, values })
    }

    fn bytes(&self, index: usize) -> Option<ByteView<'_>> {
        byte_view(&self.chunks, self.dimension, index)
    }

    /// Asks the processor for a row in int8, without waiting for any part of it.
    pub fn prefetch(&self, index: usize) {
        let Some(chunk) = self.chunks.get(index / CHUNK_ROWS) else { return };
        let within = index % CHUNK_ROWS;
        dot::prefetch(chunk.marks.get(within..).unwrap_or_default(), 1);
        dot::prefetch(chunk.bytes.get(within * self.dimension..).unwrap_or_default(), self.dimension);
    }

    /// Rows written so far: another number for every state.
    pub fn version(&self) -> usize {
        self.changes.len()
    }

    /// Rows written since `version`. `None` for a version that is yet to come, or with more than `most` changes since.
    pub fn changes_since(&self, version: usize, most: usize) -> Option<impl Iterator<Item = u32> + '_> {
        let count = self.version().checked_sub(version).filter(|count| *count <= most.min(CHANGES_KEPT))?;
        Some((version..version + count).filter_map(|at| self.changes.get(at).copied()))
    }

    /// How near a row is to the query; `None` in another space and without a vector.
    pub fn nearness(&self, query: &Query, index: usize) -> Option<Nearness> {
        let row = self.bytes(index).filter(|row| row.space == query.space && query.bytes.len() == self.dimension)?;
        let [dot] = dot::dots_of([&query.bytes[..]], row.bytes);
        Some(nearness(dot, query.scale * row.scale))
    }

    /// Calls `each` with the place and the cosine to row `index` of every query that can be compared with it. Cosines are those
    /// of the int8 rows: the same on every processor, error ≤ about 0.01 at d ≥ 64.
    pub fn cosines(&self, queries: &[Query], index: usize, mut each: impl FnMut(usize, f32)) {
        let Some(row) = self.bytes(index) else { return };
        let mut say = |at: usize, query: &Query, dot: i32| {
            if query.space == row.space && query.bytes.len() == self.dimension {
                each(at, dot as f32 * (query.scale * row.scale));
            }
        };
        let (fours, rest) = queries.as_chunks::<4>();
        for (at, four) in fours.iter().enumerate() {
            let dots = dot::dots_of(four.each_ref().map(|query| &query.bytes[..]), row.bytes);
            for (within, dot) in dots.into_iter().enumerate() {
                say(4 * at + within, &four[within], dot);
            }
        }
        for (within, query) in rest.iter().enumerate() {
            let [dot] = dot::dots_of([&query.bytes[..]], row.bytes);
            say(4 * fours.len() + within, query, dot);
        }
    }

    /// A row of `space` in int8.
    pub fn bytes_in(&self, space: EmbeddingSpace, index: usize) -> Option<&[i8]> {
        self.bytes(index).filter(|row| row.space == space).map(|row| row.bytes)
    }

    /// A query that is one of the rows.
    pub fn query_of(&self, index: usize) -> Option<Query> {
        self.bytes(index).map(|row| Query { space: row.space, bytes: row.bytes.to_vec(), scale: row.scale })
    }

    /// Rows whose vector differs from the one in `older`, or is there in only one of the two.
    pub fn changed_since(&self, older: &Self) -> Vec<usize> {
        let chunks = self.chunks.len().max(older.chunks.len());
        let is_shared = |at: usize| self.chunks.get(at).zip(older.chunks.get(at)).is_some_and(|(a, b)| Arc::ptr_eq(a, b));
        let key = |vectors: &Self, index| vectors.bytes(index).map(|row| (row.space as usize, row.scale.to_bits(), row.bytes.to_vec()));
        (0..chunks)
            .filter(|at| !is_shared(*at))
            .flat_map(|at| at * CHUNK_ROWS..(at + 1) * CHUNK_ROWS)
            .filter(|index| key(self, *index) != key(older, *index))
            .collect()
    }

    /// The `keep` rows nearest to the query, and all that are as near as the last, from every row of its space; in no
    /// particular order. Cosines are those of the int8 rows: error ≤ about 0.01 at d ≥ 64.
    pub fn scan(&self, query: &Query, keep: usize) -> Vec<(Nearness, u32)> {
        let mut best = Best::new(keep);
        if query.bytes.len() != self.dimension {
            return Vec::new();
        }
        let mut dots = Vec::with_capacity(CHUNK_ROWS);
        for (at, chunk) in self.chunks.iter().enumerate() {
            dots.clear();
            dot::dots(&query.bytes, &chunk.bytes, &mut dots);
            for (within, dot) in dots.iter().enumerate() {
                let mark = chunk.marks[within];
                if mark.space == Some(query.space) {
                    best.offer(nearness(*dot, query.scale * mark.scale), (at * CHUNK_ROWS + within) as u32);
                }
            }
        }
        best.into_hits()
    }

    /// Rows with their nearness among which are most of the `count` nearest, through the lists of the space if it has any;
    /// `breadth` times as many as are needed when all of them may be shown.
    pub fn search(&self, query: &Query, count: usize, breadth: usize) -> Option<Vec<(Nearness, u32)>> {
        let lists = self.lists(query.space)?;
        if query.bytes.len() != self.dimension {
            return None;
        }
        let candidates = lists.candidates(&query.bytes, count, breadth);
        let mut found = Vec::with_capacity(candidates.len());
        let mut dots = Vec::with_capacity(1);
        for (at, row) in candidates.iter().enumerate() {
            if let Some(ahead) = candidates.get(at + PREFETCH_ROWS) {
                self.prefetch(*ahead as usize);
            }
            let Some(view) = self.bytes(*row as usize) else { continue };
            dots.clear();
            dot::dots(&query.bytes, view.bytes, &mut dots);
            found.extend(dots.iter().map(|dot| (nearness(*dot, query.scale * view.scale), *row)));
        }
        Some(found)
    }
}

/// Two rows are the same when their bits are.
fn bits(values: &[f16]) -> &[u16] {
    values.reinterpret_cast()
}

fn byte_view(chunks: &[Arc<Chunk>], dimension: usize, index: usize) -> Option<ByteView<'_>> {
    let chunk = chunks.get(index / CHUNK_ROWS)?;
    let within = index % CHUNK_ROWS;
    let mark = chunk.marks.get(within)?;
    let space = mark.space?;
    let bytes = chunk.bytes.get(within * dimension..(within + 1) * dimension)?;
    Some(ByteView { space, bytes, scale: mark.scale })
}

/// Rows asked for ahead of the one compared: about as many as a core waits for at once.
const PREFETCH_ROWS: usize = 8;

fn nearness(dot: i32, scale: f32) -> Nearness {
    (dot as f32 * scale * 1e6) as i32
}

/// Symmetric int8, −127..=127: returns the scale with `value ≈ scale · byte`.
pub fn quantise(values: impl Iterator<Item = f32> + Clone, bytes: &mut [i8]) -> f32 {
    let largest = values.clone().map(f32::abs).fold(0.0f32, f32::max);
    if largest == 0.0 {
        bytes.fill(0);
        return 0.0;
    }
    let scale = largest / 127.0;
    for (byte, value) in bytes.iter_mut().zip(values) {
        *byte = nearest_byte(value / scale);
    }
    scale
}

/// The whole number nearest to `x`, halves away from zero as [`f32::round`] has it, within −127..=127: without a branch or a call.
fn nearest_byte(x: f32) -> i8 {
    // One half itself would lift what is just below one half.
    const BELOW_HALF: f32 = 0.5 - f32::EPSILON / 4.0;
    (x + BELOW_HALF.copysign(x)).clamp(-127.0, 127.0) as i32 as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_byte_is_the_rounded_number() {
        let steps = (-130 * 512..=130 * 512).map(|step| step as f32 / 512.0);
        let near_halves = (-128..=128).map(|n| n as f32 + 0.5).flat_map(|half| [half.next_down(), half, half.next_up()]);
        for x in steps.chain(near_halves).chain([0.0, -0.0, f32::MIN_POSITIVE, 1e30, -1e30, f32::NAN]) {
            assert_eq!(nearest_byte(x), x.round().clamp(-127.0, 127.0) as i8, "{x:?}");
        }
    }

    #[test]
    fn search_finds_the_nearest_row() {
        let mut vectors = Vectors::new(64);
        for i in 0..700 {
            vectors.set(i, Some(&Embedding::of_text(&format!("word{} thing{}", i, i % 7), 64)));
        }
        let wanted = Embedding::of_text("word431 thing4", 64);
        let query = Query::new(wanted.space, &wanted.values);
        assert_eq!(vectors.scan(&query, 1_000).len(), 700);
        let best = vectors.scan(&query, 1);
        assert_eq!(best.iter().map(|(_, row)| *row).collect::<Vec<_>>(), [431]);
        assert!((best[0].0 - 1_000_000).abs() < 20_000, "{best:?}");
    }

    #[test]
    fn a_row_that_stays_is_told_of_and_not_written_again() {
        let embedding = |text: &str| Embedding::of_text(text, 64);
        let mut vectors = Vectors::new(64);
        for i in 0..CHUNK_ROWS + 1 {
            vectors.set(i, Some(&embedding(&format!("word{i}"))));
        }
        let before = vectors.clone();
        vectors.set(0, Some(&embedding("word0")));
        vectors.set(CHUNK_ROWS, Some(&embedding("another")));
        let is_shared = |at: usize| Arc::ptr_eq(&vectors.chunks[at], &before.chunks[at]);
        assert_eq!((is_shared(0), is_shared(1)), (true, false));
        let changes: Vec<u32> = vectors.changes_since(before.version(), 9).unwrap().collect();
        assert_eq!(changes, [0, CHUNK_ROWS as u32]);
        assert_eq!(vectors.changed_since(&before), [CHUNK_ROWS]);
        assert_eq!(vectors.rows_in(EmbeddingSpace::HashedText), CHUNK_ROWS + 1);
        // The same numbers mean another thing in another space.
        let (values, space) = (vectors.get(0).unwrap().values.into(), EmbeddingSpace::Model);
        vectors.set(0, Some(&Embedding { space, values }));
        assert_eq!((vectors.rows_in(EmbeddingSpace::HashedText), vectors.rows_in(EmbeddingSpace::Model)), (CHUNK_ROWS, 1));
    }

    #[test]
    fn rows_of_another_space_and_removed_rows_are_not_visited() {
        let mut vectors = Vectors::new(8);
        vectors.set(0, Embedding::from_model(&[1.0; 8], 8).ok().as_ref());
        vectors.set(1, Some(&Embedding::of_text("a b", 8)));
        vectors.set(2, Some(&Embedding::of_text("c d", 8)));
        vectors.set(2, None);
        let query = Embedding::of_text("a b", 8);
        let rows: Vec<u32> = vectors.scan(&Query::new(query.space, &query.values), 9).into_iter().map(|(_, row)| row).collect();
        assert_eq!(rows, [1]);
        assert_eq!((vectors.rows_in(EmbeddingSpace::HashedText), vectors.rows_in(EmbeddingSpace::Model)), (1, 1));
        assert!(vectors.get(2).is_none());
        assert!(vectors.get(99).is_none());
    }
}
