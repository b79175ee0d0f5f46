//! Embedding rows: f16 for exact similarity, int8 for search. One fixed stride, in copy-on-write chunks.

use std::sync::Arc;

use half::f16;

use super::{chunked::CHUNK_ROWS, dot};
use crate::domain::{Embedding, EmbeddingSpace};

#[derive(Clone, Debug, Default)]
struct Chunk {
    /// `rows × dimension`.
    halves: Vec<f16>,
    /// `rows × dimension`: `half ≈ scale · byte`.
    bytes: Vec<i8>,
    scales: Vec<f32>,
    spaces: Vec<Option<EmbeddingSpace>>,
}

/// All rows of a snapshot.
#[derive(Clone, Debug)]
pub struct Vectors {
    dimension: usize,
    chunks: Vec<Arc<Chunk>>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct VectorView<'a> {
    pub space: EmbeddingSpace,
    /// Unit length, `dimension` numbers.
    pub values: &'a [f16],
}

/// A unit vector ready for search.
#[derive(Clone, Debug)]
pub struct Query {
    space: EmbeddingSpace,
    bytes: Vec<i8>,
    scale: f32,
}

impl Query {
    /// From unit-length `values`.
    pub fn new(space: EmbeddingSpace, values: &[f16]) -> Self {
        let mut bytes = vec![0; values.len()];
        let scale = quantise(values, &mut bytes);
        Self { space, bytes, scale }
    }
}

impl Vectors {
    pub fn new(dimension: usize) -> Self {
        Self { dimension, chunks: Vec::new() }
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Writes row `index` (at most one past the last). `None`, or a wrong dimension, leaves the row without a vector.
    pub fn set(&mut self, index: usize, embedding: Option<&Embedding>) {
        let (at, within) = (index / CHUNK_ROWS, index % CHUNK_ROWS);
        if at == self.chunks.len() {
            self.chunks.push(Arc::default());
        }
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let chunk = Arc::make_mut(chunk);
        let rows = chunk.spaces.len().max(within + 1);
        chunk.halves.resize(rows * self.dimension, f16::ZERO);
        chunk.bytes.resize(rows * self.dimension, 0);
        chunk.scales.resize(rows, 0.0);
        chunk.spaces.resize(rows, None);
        let span = within * self.dimension..(within + 1) * self.dimension;
        match embedding.filter(|e| e.values.len() == self.dimension) {
            Some(embedding) => {
                chunk.halves[span.clone()].copy_from_slice(&embedding.values);
                chunk.scales[within] = quantise(&embedding.values, &mut chunk.bytes[span]);
                chunk.spaces[within] = Some(embedding.space);
            }
            None => chunk.spaces[within] = None,
        }
    }

    pub fn get(&self, index: usize) -> Option<VectorView<'_>> {
        let chunk = self.chunks.get(index / CHUNK_ROWS)?;
        let within = index % CHUNK_ROWS;
        let space = (*chunk.spaces.get(within)?)?;
        let values = chunk.halves.get(within * self.dimension..(within + 1) * self.dimension)?;
        Some(VectorView { space, values })
    }

    /// Calls `visit(row index, approximate cosine)` for every row of the query's space. Error ≤ about 0.01 at d ≥ 64.
    pub fn scan(&self, query: &Query, mut visit: impl FnMut(usize, f32)) {
        if query.bytes.len() != self.dimension {
            return;
        }
        let mut dots = Vec::with_capacity(CHUNK_ROWS);
        for (at, chunk) in self.chunks.iter().enumerate() {
            dots.clear();
            dot::dots(&query.bytes, &chunk.bytes, &mut dots);
            for (within, dot) in dots.iter().enumerate() {
                if chunk.spaces[within] == Some(query.space) {
                    visit(at * CHUNK_ROWS + within, *dot as f32 * query.scale * chunk.scales[within]);
                }
            }
        }
    }
}

/// Symmetric int8: returns the scale with `value ≈ scale · byte`.
fn quantise(values: &[f16], bytes: &mut [i8]) -> f32 {
    let largest = values.iter().map(|x| x.to_f32().abs()).fold(0.0f32, f32::max);
    if largest == 0.0 {
        bytes.fill(0);
        return 0.0;
    }
    let scale = largest / 127.0;
    for (byte, value) in bytes.iter_mut().zip(values) {
        *byte = (value.to_f32() / scale).round() as i8;
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_finds_the_nearest_row() {
        let mut vectors = Vectors::new(64);
        for i in 0..700 {
            vectors.set(i, Some(&Embedding::of_text(&format!("word{} thing{}", i, i % 7), 64)));
        }
        let wanted = Embedding::of_text("word431 thing4", 64);
        let mut best = (0, f32::MIN);
        let mut visited = 0;
        vectors.scan(&Query::new(wanted.space, &wanted.values), |row, cosine| {
            visited += 1;
            if cosine > best.1 {
                best = (row, cosine);
            }
        });
        assert_eq!((best.0, visited), (431, 700));
        assert!((best.1 - 1.0).abs() < 0.02, "{}", best.1);
    }

    #[test]
    fn rows_of_another_space_and_removed_rows_are_not_visited() {
        let mut vectors = Vectors::new(8);
        vectors.set(0, Embedding::from_model(&[1.0; 8], 8).ok().as_ref());
        vectors.set(1, Some(&Embedding::of_text("a b", 8)));
        vectors.set(2, Some(&Embedding::of_text("c d", 8)));
        vectors.set(2, None);
        let query = Embedding::of_text("a b", 8);
        let mut rows = vec![];
        vectors.scan(&Query::new(query.space, &query.values), |row, _| rows.push(row));
        assert_eq!(rows, [1]);
        assert!(vectors.get(2).is_none());
        assert!(vectors.get(99).is_none());
    }
}
