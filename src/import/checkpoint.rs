//! Where an interrupted import goes on: a small file, written after each acknowledged batch.
//!
//! A batch may be repeated when the program stops between the store's answer and this write: items replace themselves
//! and event ids are learned once, so repeating is harmless.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// How far an import has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    version: u32,
    /// What was imported with which flags: another command starts over.
    fingerprint: String,
    /// Index of the file.
    pub part: usize,
    /// Rows of that file that are done.
    pub rows: u64,
}

impl Checkpoint {
    pub fn new(fingerprint: String, part: usize, rows: u64) -> Self {
        Self { version: VERSION, fingerprint, part, rows }
    }

    /// The checkpoint at `path`, if it belongs to this command. One that is damaged or of other files is no checkpoint.
    pub fn load(path: &Path, fingerprint: &str) -> Option<Self> {
        let found: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (found.version == VERSION && found.fingerprint == fingerprint).then_some(found)
    }

    /// Replaces the file at `path` in one step.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension("json.new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(&fresh, path)
    }

    /// Removes the file; that there is none is fine.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The place of the checkpoint of an import of `source` into the store at `data_dir`: beside the folder, not in it.
pub fn beside(data_dir: &Path, source: &Path) -> PathBuf {
    let source = fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
    let digest = blake3::hash(source.as_os_str().as_encoded_bytes()).to_hex();
    let name = data_dir.file_name().unwrap_or_default().to_string_lossy();
    data_dir.with_file_name(format!("{name}.import-{}.json", &digest[..12]))
}

/// Path, size and time of change of each file, and what else decides the rows.
pub fn fingerprint<'a>(files: impl IntoIterator<Item = &'a Path>, settings: &str) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(settings.as_bytes());
    for path in files {
        let path = fs::canonicalize(path)?;
        let about = fs::metadata(&path)?;
        let changed = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(format!("\0{}\0{changed}\0", about.len()).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_command_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("data"), Path::new("/nowhere/items.jsonl"));
        assert!(path.file_name().unwrap().to_string_lossy().starts_with("data.import-"));
        assert_eq!(Checkpoint::load(&path, "a"), None);
        let checkpoint = Checkpoint::new("a".to_owned(), 1, 500);
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, "a"), Some(checkpoint));
        assert_eq!(Checkpoint::load(&path, "b"), None);
        fs::write(&path, b"{\"version\":1").unwrap();
        assert_eq!(Checkpoint::load(&path, "a"), None);
        Checkpoint::remove(&path).unwrap();
        Checkpoint::remove(&path).unwrap();
    }

    #[test]
    fn a_changed_file_has_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("items.jsonl");
        fs::write(&file, "a").unwrap();
        let first = fingerprint([file.as_path()], "x").unwrap();
        assert_eq!(fingerprint([file.as_path()], "x").unwrap(), first);
        assert_ne!(fingerprint([file.as_path()], "y").unwrap(), first);
        fs::write(&file, "ab").unwrap();
        assert_ne!(fingerprint([file.as_path()], "x").unwrap(), first);
    }
}
