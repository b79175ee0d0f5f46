//! Data sets that are not part of the repository: from `POLYPHONY_DATA`, or `../shared/data` beside it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use polyphony::{
    clock::SystemClock,
    import::{self, Collected, EmbeddingFiles, Options, Source},
};

/// Numbers in the embeddings beside the data.
pub const DIMENSION: usize = 384;

/// A file or folder of the data; `None`, with the reason printed, when it is not there.
pub fn path(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = std::env::var_os("POLYPHONY_DATA").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Unpacks an archive of the data into `folder`; `None`, with the reason printed, when that cannot be.
pub fn unpack(name: &str, folder: &Path) -> Option<()> {
    let archive = path(name)?;
    let done = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder).status();
    if !done.as_ref().is_ok_and(|status| status.success()) {
        println!("skipped: tar cannot unpack {}: {done:?}", archive.display());
        return None;
    }
    Some(())
}

/// Imports a set with its embeddings.
pub fn catalogue(source: Source, embeddings: PathBuf) -> Collected {
    import(source, Some(EmbeddingFiles::new(embeddings, None)), DIMENSION)
}

/// Imports a set; items without an embedding get one from their words.
pub fn import(source: Source, embeddings: Option<EmbeddingFiles>, dimension: usize) -> Collected {
    let options = Options { source, dimension, embeddings, strict: false, restart: false, checkpoint: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(import::collect(&options, &SystemClock)).expect("an import").0
}
