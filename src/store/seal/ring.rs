//! The keys this process knows: master keys, the secret behind lookup digests, and a bounded cache of people's keys.

use std::{ops::Deref, sync::Arc};

use arc_swap::ArcSwapOption;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::{MASTER_KEY_BYTES, MasterKeys, PersonKey};
use crate::{domain::UserId, store::StoreError};

/// People whose keys stay unwrapped in memory; about 300 bytes each.
const CACHED_KEYS_MAX: usize = 100_000;
const LOOKUP_CONTEXT: &str = "polyphony 2026-11 lookup digests";

/// What a person's records are kept under: 128 bits of keyed BLAKE3 of their id, in hex. Without the key nobody can tell whether
/// an id is in a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Lookup(Arc<str>);

impl Lookup {
    /// From what a record was found under.
    pub fn of(digest: &str) -> Self {
        Self(Arc::from(digest))
    }
}

impl Deref for Lookup {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A cached key with the row it came from.
struct Known {
    row: Vec<u8>,
    key: Arc<PersonKey>,
}

struct Root {
    /// As it is stored, wrapped.
    row: Arc<Vec<u8>>,
    lookup_key: Zeroizing<[u8; 32]>,
}

/// See the module.
pub(in crate::store) struct KeyRing {
    masters: MasterKeys,
    /// The master key that the store made for itself, if it did.
    made: Option<Zeroizing<[u8; MASTER_KEY_BYTES]>>,
    /// Empty until the store has told.
    root: ArcSwapOption<Root>,
    cache: Cache<Lookup, Arc<Known>>,
}

impl KeyRing {
    pub fn new(masters: MasterKeys, made: Option<Zeroizing<[u8; MASTER_KEY_BYTES]>>) -> Self {
        Self { masters, made, root: ArcSwapOption::empty(), cache: Cache::new(CACHED_KEYS_MAX) }
    }

    pub fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    pub fn made(&self) -> Option<&[u8; MASTER_KEY_BYTES]> {
        self.made.as_deref()
    }

    /// Takes the root secret from its row. Errors: [`StoreError::Corrupt`].
    pub fn set_root(&self, row: &[u8]) -> Result<(), StoreError> {
        let secret = self.masters.root(row)?;
        let lookup_key = Zeroizing::new(blake3::derive_key(LOOKUP_CONTEXT, &secret[..]));
        self.root.store(Some(Arc::new(Root { row: Arc::new(row.to_vec()), lookup_key })));
        Ok(())
    }

    /// The row that [`KeyRing::set_root`] took; empty before.
    pub fn root_row(&self) -> Arc<Vec<u8>> {
        self.root.load().as_ref().map(|root| Arc::clone(&root.row)).unwrap_or_default()
    }

    /// Where the person's records are; `None` until [`KeyRing::set_root`].
    pub fn lookup(&self, user: &UserId) -> Option<Lookup> {
        let root = self.root.load();
        let digest = blake3::keyed_hash(&root.as_ref()?.lookup_key, user.as_str().as_bytes()).to_hex();
        Some(Lookup(Arc::from(&digest[..32])))
    }

    /// The person's key as it was last seen.
    pub fn cached(&self, lookup: &Lookup) -> Option<Arc<PersonKey>> {
        self.cache.get(lookup).map(|known| Arc::clone(&known.key))
    }

    /// The key in `row`, which was just read. Errors: [`StoreError::Corrupt`].
    pub fn key_of(&self, lookup: &Lookup, row: &[u8]) -> Result<Arc<PersonKey>, StoreError> {
        if let Some(known) = self.cache.get(lookup).filter(|known| known.row == row) {
            return Ok(Arc::clone(&known.key));
        }
        let key = Arc::new(self.masters.person(lookup, row)?);
        self.cache.insert(lookup.clone(), Arc::new(Known { row: row.to_vec(), key: Arc::clone(&key) }));
        Ok(key)
    }

    /// The person's key is gone.
    pub fn forget(&self, lookup: &str) {
        self.cache.remove(&Lookup::of(lookup));
    }

    /// Every person's key is gone, as far as this process knows.
    pub fn clear(&self) {
        self.cache.clear();
    }
}
