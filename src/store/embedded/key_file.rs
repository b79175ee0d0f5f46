//! People's keys, in a file of their own: a backup of the store's file says nothing about anybody once their key is gone.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use zeroize::Zeroizing;

use super::engine::{Engine, Fault, Opener, file_opener};
use crate::{
    domain::UserId,
    store::{
        KeyOptions, Rotated, StoreError,
        seal::{KeyRing, Lookup, MASTER_KEY_BYTES, MasterKeys, PersonKey, ROOT},
    },
};

/// Lookup digest → wrapped key; [`ROOT`] → the secret behind the digests, wrapped.
const KEYS: TableDefinition<&str, &[u8]> = TableDefinition::new("keys");
const KEY_FILE: &str = "keys.redb";
/// A master key that was made here, in hex; beside the key file, so that copying one does not copy the other.
const MASTER_FILE: &str = "master.key";

/// See the module.
pub(super) struct KeyFile {
    engine: Arc<Engine>,
    ring: KeyRing,
    /// Held for reading while a row becomes a cached key, for writing while a cached key is forgotten: no key is cached after its
    /// row went.
    caching: RwLock<()>,
}

impl KeyFile {
    /// Opens or makes the key file, and a master key if none is configured. `store`: the path of the store's file.
    ///
    /// Errors: as of the store's file; [`StoreError::Corrupt`] when no master key opens it.
    pub fn open(options: &KeyOptions, store: &Path) -> Result<Self, StoreError> {
        let path = options.path.clone().unwrap_or_else(|| store.with_file_name(KEY_FILE));
        let masters = masters(options, &path.with_file_name(MASTER_FILE))?;
        Self::open_with(path.display().to_string(), file_opener(&path), masters)
    }

    pub fn open_with(name: String, open: Opener, masters: MasterKeys) -> Result<Self, StoreError> {
        let engine = Engine::open(name, open)?;
        let fresh = masters.make(ROOT)?;
        let root = engine.write_here(|transaction| put_if_absent(transaction, ROOT, &fresh))?;
        let ring = KeyRing::new(masters, None);
        ring.set_root(&root)?;
        Ok(Self { engine, ring, caching: RwLock::new(()) })
    }

    pub fn who(&self, user: &UserId) -> Result<Lookup, StoreError> {
        self.ring.lookup(user).ok_or_else(|| StoreError::Refused("the lookup secret is not there".into()))
    }

    /// The person's key, if there is one.
    pub fn key(&self, who: &Lookup) -> Result<Option<Arc<PersonKey>>, StoreError> {
        if let Some(key) = self.ring.cached(who) {
            return Ok(Some(key));
        }
        let _caching = self.caching.read();
        let row = self.engine.read(|transaction| Ok(transaction.open_table(KEYS)?.get(&**who)?.map(|row| row.value().to_vec())))?;
        row.map(|row| self.ring.key_of(who, &row)).transpose()
    }

    /// The person's key, made when there is none.
    pub async fn key_or_make(&self, who: &Lookup) -> Result<Arc<PersonKey>, StoreError> {
        if let Some(key) = self.key(who)? {
            return Ok(key);
        }
        let (fresh, at) = (self.ring.masters().make(who)?, who.clone());
        self.engine.write(move |transaction| put_if_absent(transaction, &at, &fresh)).await?;
        self.key(who)?.ok_or(StoreError::Erased)
    }

    /// As [`Self::key_or_make`] for many people, in one transaction, on this thread.
    pub fn make_all_here(&self, people: &[Lookup]) -> Result<(), StoreError> {
        self.engine.write_here(|transaction| {
            for who in people {
                let fresh = self.ring.masters().make(who)?;
                put_if_absent(transaction, who, &fresh)?;
            }
            Ok(())
        })
    }

    /// Deletes people's keys, in the file and in memory.
    pub async fn destroy(&self, people: Vec<String>) -> Result<(), StoreError> {
        let gone = people.clone();
        let delete = move |transaction: &WriteTransaction| -> Result<(), Fault> {
            let mut keys = transaction.open_table(KEYS)?;
            gone.iter().try_for_each(|who| keys.remove(who.as_str()).map(drop))?;
            Ok(())
        };
        self.engine.write(delete).await?;
        let _caching = self.caching.write();
        people.iter().for_each(|who| self.ring.forget(who));
        Ok(())
    }

    /// As [`Self::destroy`], on this thread.
    pub fn destroy_here(&self, people: &[String]) -> Result<(), StoreError> {
        self.engine.write_here(|transaction| {
            let mut keys = transaction.open_table(KEYS)?;
            people.iter().try_for_each(|who| keys.remove(who.as_str()).map(drop))?;
            Ok(())
        })
    }

    pub fn lookup(&self, user: &UserId) -> Option<Lookup> {
        self.ring.lookup(user)
    }

    /// Wraps every key by the newest master key, all in one transaction.
    pub async fn rotate(&self) -> Result<Rotated, StoreError> {
        let masters = self.ring.masters().clone();
        let rotate = move |transaction: &WriteTransaction| -> Result<Rotated, Fault> {
            let mut keys = transaction.open_table(KEYS)?;
            let (mut rotated, mut new) = (Rotated::default(), Vec::new());
            for row in keys.iter()? {
                let (who, row) = row?;
                match masters.rewrap(who.value(), row.value()) {
                    Ok(None) => rotated.current += 1,
                    Ok(Some(row)) => new.push((who.value().to_owned(), row)),
                    Err(_) => rotated.unreadable += 1,
                }
            }
            for (who, row) in &new {
                keys.insert(who.as_str(), row.as_slice())?;
            }
            rotated.rewrapped = new.len() as u64;
            Ok(rotated)
        };
        self.engine.write(rotate).await
    }
}

/// What is kept under `who`; `fresh` if there is nothing.
fn put_if_absent(transaction: &WriteTransaction, who: &str, fresh: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut keys = transaction.open_table(KEYS)?;
    let kept = keys.get(who)?.map(|row| row.value().to_vec());
    if kept.is_none() {
        keys.insert(who, fresh)?;
    }
    Ok(kept.unwrap_or_else(|| fresh.to_vec()))
}

/// The configured master keys, and behind them the one that was made at `path`; made now where none is configured.
fn masters(options: &KeyOptions, path: &PathBuf) -> Result<MasterKeys, StoreError> {
    let unreadable = |fault: &dyn std::fmt::Display| StoreError::Unreachable(format!("{}: {fault}", path.display()));
    let made = match std::fs::read_to_string(path) {
        Ok(text) => {
            let detail = |fault| StoreError::Corrupt { what: "master key", detail: format!("{} {fault}", path.display()) };
            MasterKeys::parse([text.as_str()]).map_err(detail)?
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => None,
        Err(fault) => return Err(unreadable(&fault)),
    };
    match (options.masters.clone(), made) {
        (Some(configured), Some(made)) => Ok(configured.before(made)),
        (Some(masters), None) | (None, Some(masters)) => Ok(masters),
        (None, None) => {
            let key = Zeroizing::new(rand::random::<[u8; MASTER_KEY_BYTES]>());
            make_file(path, &key).map_err(|fault| unreadable(&fault))?;
            Ok(MasterKeys::of(&key))
        }
    }
}

/// Readable by this account alone, and on disk before anything is wrapped by it.
fn make_file(path: &Path, key: &[u8; MASTER_KEY_BYTES]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    writeln!(file, "{}", *text)?;
    file.sync_all()
}
