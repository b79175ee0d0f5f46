//! A vector in shared chunks: cloning shares every chunk, writing copies only the chunk written to.

use std::sync::Arc;

/// Elements per chunk: small enough that one write copies little, large enough that a clone is few pointers.
pub const CHUNK_ROWS: usize = 256;

/// A growable vector with copy-on-write chunks of [`CHUNK_ROWS`].
#[derive(Clone, Debug)]
pub struct Chunked<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Chunked<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK_ROWS)?.get(index % CHUNK_ROWS)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(index / CHUNK_ROWS)?).get_mut(index % CHUNK_ROWS)
    }

    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(CHUNK_ROWS) {
            self.chunks.push(Arc::new(Vec::with_capacity(CHUNK_ROWS)));
        }
        if let Some(last) = self.chunks.last_mut() {
            Arc::make_mut(last).push(value);
            self.len += 1;
        }
    }

    /// Lets go of the chunks that lie wholly before `index`, which nobody asks for any more. To be called with every push.
    pub fn forget_before(&mut self, index: usize) {
        if let Some(chunk) =
            (index / CHUNK_ROWS).checked_sub(1).and_then(|last| self.chunks.get_mut(last)).filter(|chunk| !chunk.is_empty())
        {
            *chunk = Arc::default();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut a = Chunked::default();
        for i in 0..600 {
            a.push(i);
        }
        let b = a.clone();
        if let Some(x) = a.get_mut(300) {
            *x = -1;
        }
        a.push(600);
        assert_eq!((a.get(300), b.get(300)), (Some(&-1), Some(&300)));
        assert_eq!((a.len(), b.len(), b.get(600)), (601, 600, None));
        assert!(Arc::ptr_eq(&a.chunks[0], &b.chunks[0]), "untouched chunks are shared");
        assert_eq!(b.iter().count(), 600);
    }
}
