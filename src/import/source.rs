//! What can be imported, and the files it consists of.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    csv, jsonl,
    mapping::Mapping,
    mind, movielens,
    row::{Known, Rows},
};

/// Something to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The folder with `u.item` and `u.data`, and a file of directors.
    Movielens {
        folder: PathBuf,
        creators: Option<PathBuf>,
    },
    /// A folder with `news.tsv`, `behaviors.tsv` or both, or one such file.
    Mind {
        path: PathBuf,
    },
    Jsonl {
        path: PathBuf,
        mapping: Mapping,
    },
    Csv {
        path: PathBuf,
        mapping: Mapping,
    },
}

/// Why an import cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}: cannot be opened: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {detail}", path.display())]
    Content { path: PathBuf, detail: String },
    /// A whole sentence about the embedding files.
    #[error("{0}")]
    Embeddings(String),
}

/// One file of an import.
pub struct Part {
    pub file: PathBuf,
    pub rows: Rows,
}

impl Source {
    /// The word on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Movielens { .. } => "movielens",
            Self::Mind { .. } => "mind",
            Self::Jsonl { .. } => "jsonl",
            Self::Csv { .. } => "csv",
        }
    }

    /// What was named on the command line.
    pub fn path(&self) -> &Path {
        match self {
            Self::Movielens { folder: path, .. } | Self::Mind { path } | Self::Jsonl { path, .. } | Self::Csv { path, .. } => path,
        }
    }

    /// Every file it reads, those with rows first and in their order.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Movielens { folder, creators } => {
                [folder.join("u.item"), folder.join("u.data")].into_iter().chain(creators.clone()).collect()
            }
            Self::Mind { path } if path.is_dir() => {
                ["news.tsv", "behaviors.tsv"].map(|name| path.join(name)).into_iter().filter(|file| file.is_file()).collect()
            }
            Self::Mind { path } | Self::Jsonl { path, .. } | Self::Csv { path, .. } => vec![path.clone()],
        }
    }

    /// Whether two sources read the same rows from the same files.
    pub(super) fn settings(&self) -> String {
        format!("{self:?}")
    }

    /// Opens every file. Errors name the file.
    pub(super) fn open(&self, dimension: usize) -> Result<Vec<Part>, OpenError> {
        match self {
            Self::Movielens { folder, creators } => open_movielens(folder, creators.as_deref(), dimension),
            Self::Mind { path } => open_mind(path, &self.files(), dimension),
            Self::Jsonl { path, mapping } => Ok(vec![part(path, jsonl::rows(path, mapping.clone(), dimension))?]),
            Self::Csv { path, mapping } => match csv::rows(path, mapping.clone(), dimension) {
                Ok(rows) => Ok(vec![Part { file: path.clone(), rows }]),
                Err(csv::HeaderError::Io(source)) => Err(OpenError::File { path: path.clone(), source }),
                Err(error) => Err(OpenError::Content { path: path.clone(), detail: error.to_string() }),
            },
        }
    }
}

fn open_movielens(folder: &Path, creators: Option<&Path>, dimension: usize) -> Result<Vec<Part>, OpenError> {
    let known = Known::default();
    let creators = match creators {
        Some(path) => movielens::creators(path).map_err(|detail| OpenError::Content { path: path.to_path_buf(), detail })?,
        None => movielens::Creators::new(),
    };
    let (items, ratings) = (folder.join("u.item"), folder.join("u.data"));
    Ok(vec![
        part(&items, movielens::items(&items, creators, known.clone(), dimension))?,
        part(&ratings, movielens::ratings(&ratings, known))?,
    ])
}

fn open_mind(path: &Path, files: &[PathBuf], dimension: usize) -> Result<Vec<Part>, OpenError> {
    if files.is_empty() {
        let detail = "holds neither news.tsv nor behaviors.tsv; expected a folder with one or both, or one such file".to_owned();
        return Err(OpenError::Content { path: path.to_path_buf(), detail });
    }
    let known = Known::default();
    let is_behaviors = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().contains("behaviors"));
    // Alone, behaviors say nothing about which items exist: the store knows.
    let has_news = files.iter().any(|file| !is_behaviors(file));
    let parts = files.iter().map(|file| {
        let rows = match is_behaviors(file) {
            true => mind::behaviors(file, has_news.then(|| known.clone())),
            false => mind::news(file, known.clone(), dimension),
        };
        part(file, rows)
    });
    parts.collect()
}

fn part(path: &Path, rows: io::Result<Rows>) -> Result<Part, OpenError> {
    // A folder opens like a file and only fails when read.
    let rows = if path.is_dir() { Err(io::Error::from(io::ErrorKind::IsADirectory)) } else { rows };
    let rows = rows.map_err(|source| OpenError::File { path: path.to_path_buf(), source })?;
    Ok(Part { file: path.to_path_buf(), rows })
}

/// Bytes of a file, 0 when it cannot be told.
pub fn size_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}
