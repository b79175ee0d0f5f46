//! What is wrong with the settings, and where it was written.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// No layer set it: the value is the built-in default.
    BuiltIn,
    /// 1-based line and column (in characters) of a settings file.
    File { file: PathBuf, line: usize, column: usize },
    /// The file as a whole: it cannot be opened or is not text.
    WholeFile(PathBuf),
    /// An environment variable, by its full name.
    Environment(String),
    /// A command line flag as typed: `--listen`, `--set server.workers`.
    Flag(String),
}

impl Place {
    /// For sorting: by layer, within a file as it reads.
    const fn order(&self) -> (u8, usize) {
        match self {
            Self::WholeFile(_) => (0, 0),
            Self::File { line, .. } => (0, *line),
            Self::Environment(_) => (1, 0),
            Self::Flag(_) => (2, 0),
            Self::BuiltIn => (3, 0),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in default"),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::WholeFile(file) => write!(f, "{}", file.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing wrong, in words an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// Dotted key; empty when the fault has none (a file that is not TOML).
    pub key: String,
    /// A sentence that names the key, the value (never a secret one) and what is expected.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place == Place::BuiltIn {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything wrong with the settings, in the order of the layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, place: Place, key: &str, message: String) {
        self.0.push(Fault { place, key: key.to_owned(), message });
    }

    /// `Ok` when nothing is wrong.
    pub fn into_result(mut self) -> Result<(), Self> {
        self.0.sort_by_key(|fault| fault.place.order());
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the settings have {count} {}:", if count == 1 { "fault" } else { "faults" })?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
