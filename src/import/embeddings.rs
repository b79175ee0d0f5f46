//! Embeddings in a side file: rows of little-endian half-precision numbers, and their ids one per line.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::f16;

use super::{
    lines::{Lines, utf8},
    row::Notes,
};
use crate::domain::{Embedding, ItemId};

/// Where the side files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingFiles {
    /// `NAME.f16.bin`.
    pub vectors: PathBuf,
    /// `NAME.ids.txt`.
    pub ids: PathBuf,
}

impl EmbeddingFiles {
    /// The ids are beside the vectors unless said otherwise: `NAME.f16.bin` → `NAME.ids.txt`.
    pub fn new(vectors: PathBuf, ids: Option<PathBuf>) -> Self {
        let beside = || {
            let name = vectors.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.strip_suffix(".f16.bin").or_else(|| name.strip_suffix(".bin")).unwrap_or(&name);
            vectors.with_file_name(format!("{stem}.ids.txt"))
        };
        let ids = ids.unwrap_or_else(beside);
        Self { vectors, ids }
    }
}

/// Open side files: rows are read when asked for.
#[derive(Debug)]
pub struct Embeddings {
    file: File,
    row_of: HashMap<String, u64>,
    dimension: usize,
}

impl Embeddings {
    /// Errors: a sentence with the file and, when sizes disagree, the numbers.
    pub fn open(files: &EmbeddingFiles, dimension: usize) -> Result<Self, String> {
        let at = |path: &Path, error: io::Error| format!("{}: cannot be read: {error}", path.display());
        let ids = File::open(&files.ids).map_err(|error| at(&files.ids, error))?;
        let mut row_of = HashMap::new();
        let mut rows = 0u64;
        for line in Lines::new(BufReader::new(ids)) {
            let id = line.bytes.and_then(utf8).map_err(|detail| format!("{}:{}: {detail}", files.ids.display(), line.number))?;
            row_of.insert(id.trim().to_owned(), rows);
            rows += 1;
        }
        let file = File::open(&files.vectors).map_err(|error| at(&files.vectors, error))?;
        let found = file.metadata().map_err(|error| at(&files.vectors, error))?.len();
        let expected = rows * dimension as u64 * size_of::<f16>() as u64;
        if found != expected {
            let (vectors, ids) = (files.vectors.display(), files.ids.display());
            let fits = found / size_of::<f16>() as u64 / rows.max(1);
            return Err(format!(
                "{vectors}: is {found} bytes; expected {expected}: {rows} ids in {ids} × {dimension} numbers × 2 bytes \
                 (it would fit {fits} numbers per id; this server is configured for `catalogue.dimension = {dimension}`)"
            ));
        }
        Ok(Self { file, row_of, dimension })
    }

    /// The item's embedding; `None`, with a note, when there is none or it cannot be used.
    pub fn get(&mut self, item: &ItemId, notes: &mut Notes) -> Option<Embedding> {
        let Some(row) = self.row_of.get(item.as_str()) else {
            notes.add("no embedding in the side file: made from the text");
            return None;
        };
        let embedding = self.read(*row).ok().and_then(|numbers| Embedding::from_model(&numbers, self.dimension).ok());
        if embedding.is_none() {
            notes.add("embedding in the side file cannot be used: made from the text");
        }
        embedding
    }

    fn read(&mut self, row: u64) -> io::Result<Vec<f32>> {
        let mut bytes = vec![0u8; self.dimension * size_of::<f16>()];
        self.file.seek(SeekFrom::Start(row * bytes.len() as u64))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect())
    }
}
