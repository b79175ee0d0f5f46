//! Master keys: they wrap the keys of people, and nothing else. Several at once, so that one can take over from another.
//!
//! A key row is `[version][key id 8][pseudonym 16][nonce 24][wrapped data key 32][tag 16]`, bound to the digest under which it
//! is kept: a row moved to another person does not open.

use chacha20poly1305::{
    Key, KeyInit, Tag, XChaCha20Poly1305, XNonce,
    aead::{AeadInOut, inout::InOutBuf},
};
use zeroize::Zeroizing;

use super::{NONCE_BYTES, PersonKey, TAG_BYTES};
use crate::{domain::Pseudonym, store::StoreError};

/// Bytes of a master key, as of every key here.
pub const MASTER_KEY_BYTES: usize = 32;
/// Most master keys at once: one that wraps, and those that are on their way out.
const MASTER_KEYS_MAX: usize = 16;
const ROW_VERSION: u8 = 1;
const ID_BYTES: usize = 8;
const ROW_BYTES: usize = 1 + ID_BYTES + 16 + NONCE_BYTES + MASTER_KEY_BYTES + TAG_BYTES;
const ID_CONTEXT: &str = "polyphony 2026-11 master key id";
/// Where the secret behind all lookup digests is kept: wrapped like a person's key, under this name.
pub(in crate::store) const ROOT: &str = "root";
const WHAT: &str = "key";

/// Why a text is no list of master keys. Never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    #[error("is not 64 hex digits; make one with `openssl rand -hex 32`")]
    Digits,
    #[error("has more than {MASTER_KEYS_MAX} keys")]
    TooMany,
}

/// The keys that wrap: the first one wraps, all of them unwrap.
#[derive(Clone)]
pub struct MasterKeys(Vec<MasterKey>);

#[derive(Clone)]
struct MasterKey {
    id: [u8; ID_BYTES],
    cipher: XChaCha20Poly1305,
}

impl MasterKey {
    fn new(key: &[u8; MASTER_KEY_BYTES]) -> Self {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&blake3::derive_key(ID_CONTEXT, key)[..ID_BYTES]);
        Self { id, cipher: XChaCha20Poly1305::new(&Key::from(*key)) }
    }
}

impl MasterKeys {
    /// One key.
    pub fn of(key: &[u8; MASTER_KEY_BYTES]) -> Self {
        Self(vec![MasterKey::new(key)])
    }

    /// Keys as 64 hex digits each, the one that wraps first. `None` when there are none.
    ///
    /// Errors: a text that is no key.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, MasterKeyError> {
        let keys = texts.into_iter().map(|text| digits(text.trim()).map(|key| MasterKey::new(&key)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.len() > MASTER_KEYS_MAX {
            return Err(MasterKeyError::TooMany);
        }
        Ok((!keys.is_empty()).then_some(Self(keys)))
    }

    /// With `other`'s keys behind these: they only unwrap.
    pub fn before(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A fresh key row for what is kept under `lookup`.
    pub(in crate::store) fn make(&self, lookup: &str) -> Result<Vec<u8>, StoreError> {
        let data_key = Zeroizing::new(rand::random::<[u8; MASTER_KEY_BYTES]>());
        self.wrap(lookup, Pseudonym(rand::random()), &data_key)
    }

    fn wrap(&self, lookup: &str, pseudonym: Pseudonym, data_key: &[u8; MASTER_KEY_BYTES]) -> Result<Vec<u8>, StoreError> {
        let refused = || StoreError::Refused("there is no master key".into());
        let master = self.0.first().ok_or_else(refused)?;
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let mut row = Vec::with_capacity(ROW_BYTES);
        row.push(ROW_VERSION);
        row.extend_from_slice(&master.id);
        row.extend_from_slice(&pseudonym.0);
        row.extend_from_slice(&nonce);
        let head = row.len();
        row.extend_from_slice(data_key);
        let associated = associated(lookup, pseudonym);
        let body = InOutBuf::from(&mut row[head..]);
        let tag = master.cipher.encrypt_inout_detached(&XNonce::from(nonce), &associated, body).map_err(|_| refused())?;
        row.extend_from_slice(&tag);
        Ok(row)
    }

    /// The pseudonym and the data key of a row.
    fn open(&self, lookup: &str, row: &[u8]) -> Result<(Pseudonym, Zeroizing<[u8; MASTER_KEY_BYTES]>), StoreError> {
        let row = Row::read(row)?;
        let Some(master) = self.0.iter().find(|master| master.id == *row.id) else {
            return Err(corrupt(
                "its master key is not among `privacy.master_keys`: keep the old one there until `polyphony keys rotate` ran",
            ));
        };
        let mut data_key = Zeroizing::new(*row.wrapped);
        let associated = associated(lookup, row.pseudonym);
        let body = InOutBuf::from(&mut data_key[..]);
        master
            .cipher
            .decrypt_inout_detached(&XNonce::from(*row.nonce), &associated, body, &Tag::from(*row.tag))
            .map_err(|_| corrupt("its seal does not hold"))?;
        Ok((row.pseudonym, data_key))
    }

    /// The person's key in a row kept under `lookup`. Errors: [`StoreError::Corrupt`].
    pub(in crate::store) fn person(&self, lookup: &str, row: &[u8]) -> Result<PersonKey, StoreError> {
        let (pseudonym, data_key) = self.open(lookup, row)?;
        Ok(PersonKey::new(pseudonym, &data_key))
    }

    /// The secret in the row kept under [`ROOT`]. Errors: [`StoreError::Corrupt`].
    pub(in crate::store) fn root(&self, row: &[u8]) -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>, StoreError> {
        Ok(self.open(ROOT, row)?.1)
    }

    /// The row wrapped by the first key; `None` when it is already. Errors: [`StoreError::Corrupt`].
    pub(in crate::store) fn rewrap(&self, lookup: &str, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.0.first().is_some_and(|first| Row::read(row).is_ok_and(|row| *row.id == first.id)) {
            return Ok(None);
        }
        let (pseudonym, data_key) = self.open(lookup, row)?;
        self.wrap(lookup, pseudonym, &data_key).map(Some)
    }
}

/// The parts of a key row.
struct Row<'a> {
    id: &'a [u8; ID_BYTES],
    pseudonym: Pseudonym,
    nonce: &'a [u8; NONCE_BYTES],
    wrapped: &'a [u8; MASTER_KEY_BYTES],
    tag: &'a [u8; TAG_BYTES],
}

impl<'a> Row<'a> {
    fn read(row: &'a [u8]) -> Result<Self, StoreError> {
        let parts = || {
            let (_, rest) = row.split_first().filter(|(version, _)| **version == ROW_VERSION)?;
            let (id, rest) = rest.split_first_chunk()?;
            let (pseudonym, rest) = rest.split_first_chunk()?;
            let (nonce, rest) = rest.split_first_chunk()?;
            let (wrapped, rest) = rest.split_first_chunk()?;
            let tag = rest.try_into().ok()?;
            Some(Self { id, pseudonym: Pseudonym(*pseudonym), nonce, wrapped, tag })
        };
        parts().ok_or_else(|| corrupt(&format!("{} bytes of another form; expected {ROW_BYTES}", row.len())))
    }
}

/// A pseudonym has 16 bytes, so that no two pairs agree.
fn associated(lookup: &str, pseudonym: Pseudonym) -> Vec<u8> {
    [&pseudonym.0[..], lookup.as_bytes()].concat()
}

fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt { what: WHAT, detail: detail.to_owned() }
}

fn digits(text: &str) -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>, MasterKeyError> {
    let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != MASTER_KEY_BYTES || !rest.is_empty() {
        return Err(MasterKeyError::Digits);
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        let nibble = |digit: u8| char::from(digit).to_digit(16).ok_or(MasterKeyError::Digits);
        *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
    }
    Ok(key)
}
