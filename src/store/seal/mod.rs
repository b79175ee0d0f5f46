//! Sealing: what is kept about a person can be read only with that person's key, and the key can be destroyed.
//!
//! Every person has a random 256-bit data key. Records are sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03; the
//! construction of RFC 8439 with 192-bit nonces, so that random ones never repeat). The data key is kept wrapped by a
//! [`MasterKeys`] key, apart from the records: a copy of the records says nothing once the key is gone (GDPR Art. 17 and 32).
//!
//! A sealed record is its version byte with [`SEALED`] set, the mark of the key, a nonce of 24 bytes, and the ciphertext with its tag of 16 bytes.
//! Associated data binds it to the person's pseudonym, its kind and place, and its version: no record can stand in for another.

mod master;
mod ring;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chacha20poly1305::{
    Key, KeyInit, Tag, XChaCha20Poly1305, XNonce,
    aead::{AeadInOut, inout::InOutBuf},
};
use zeroize::Zeroizing;

pub use self::master::{MASTER_KEY_BYTES, MasterKeyError, MasterKeys};
pub(super) use self::{
    master::ROOT,
    ring::{KeyRing, Lookup},
};
use super::StoreError;
use crate::domain::{EventId, FeedId, Pseudonym};

/// Set in the first byte of a sealed record; the rest of that byte is the version of what is sealed.
const SEALED: u8 = 0x80;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What sealing adds to a record, in bytes.
pub const SEAL_BYTES: usize = MARK_BYTES + NONCE_BYTES + TAG_BYTES;
/// Which key sealed a record: 8 bytes that belong to the key, and 4 by which damage is told from another key.
const MARK_BYTES: usize = KEY_MARK_BYTES + 4;
const KEY_MARK_BYTES: usize = 8;
/// What a sealed record begins with: no two ever begin alike, whatever they say.
pub(super) const HEAD_BYTES: usize = 1 + MARK_BYTES + NONCE_BYTES;

/// Built without sealing, to measure what it costs (`benches/ceiling/rights.py`): such a server only listens on loopback.
pub const IS_UNSEALED: bool = cfg!(polyphony_unsealed);

const MARK_CONTEXT: &str = "polyphony 2026-11 marks of keys";
const MARK_CHECK_CONTEXT: &str = "polyphony 2026-11 checks of marks of keys";
const DIGEST_CONTEXT: &str = "polyphony 2026-11 event digests of a person";

/// Where an owner's feeds are, and what seals them. Nobody's are not sealed.
pub(super) type Home = Option<(Lookup, Arc<PersonKey>)>;

/// A record of a feed as it is kept. Errors: the cipher refuses.
pub(super) fn sealed(home: &Home, record: Record<'_>, plain: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    match home {
        Some((_, key)) => key.seal(record, &plain),
        None => Ok(plain),
    }
}

/// A record of a feed as it was. Errors: [`StoreError::Corrupt`].
pub(super) fn opened(home: &Home, record: Record<'_>, stored: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    match home {
        Some((_, key)) => key.open(record, &stored),
        None => Ok(stored),
    }
}

/// What a record is and where it stands: part of the associated data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<'a> {
    Profile,
    Consents,
    Feed(&'a FeedId),
    Page(&'a FeedId, u32),
    Pace,
}

impl Record<'_> {
    /// The name in errors.
    const fn what(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Consents => "consent log",
            Self::Feed(_) => "feed",
            Self::Page(..) => "page",
            Self::Pace => "pace",
        }
    }

    /// Pseudonym, version, kind, then what tells records of one kind apart. Numbers come before texts: no two places agree.
    fn associated(self, pseudonym: Pseudonym, version: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&pseudonym.0);
        bytes.push(version);
        match self {
            Self::Profile => bytes.push(1),
            Self::Feed(id) => {
                bytes.push(2);
                bytes.extend_from_slice(id.as_str().as_bytes());
            }
            Self::Page(id, number) => {
                bytes.push(3);
                bytes.extend_from_slice(&number.to_le_bytes());
                bytes.extend_from_slice(id.as_str().as_bytes());
            }
            Self::Consents => bytes.push(4),
            Self::Pace => bytes.push(5),
        }
        bytes
    }
}

/// One person's key. Memory is wiped when it goes.
pub(super) struct PersonKey {
    pseudonym: Pseudonym,
    cipher: XChaCha20Poly1305,
    digests: Zeroizing<[u8; 32]>,
    mark: [u8; MARK_BYTES],
}

/// The mark of the key whose own part of it is `own`.
fn mark(own: &[u8; KEY_MARK_BYTES]) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    mark[..KEY_MARK_BYTES].copy_from_slice(own);
    mark[KEY_MARK_BYTES..].copy_from_slice(&blake3::derive_key(MARK_CHECK_CONTEXT, own)[..MARK_BYTES - KEY_MARK_BYTES]);
    mark
}

impl PersonKey {
    fn new(pseudonym: Pseudonym, data_key: &[u8; 32]) -> Self {
        let cipher = XChaCha20Poly1305::new(&Key::from(*data_key));
        let mut own = [0; KEY_MARK_BYTES];
        own.copy_from_slice(&blake3::derive_key(MARK_CONTEXT, data_key)[..KEY_MARK_BYTES]);
        Self { pseudonym, cipher, mark: mark(&own), digests: Zeroizing::new(blake3::derive_key(DIGEST_CONTEXT, data_key)) }
    }

    pub fn pseudonym(&self) -> Pseudonym {
        self.pseudonym
    }

    /// What stands for an event id in the de-duplication window: means nothing once the key is gone.
    pub fn event_digest(&self, id: &EventId) -> [u8; 16] {
        self.digest(&id.digest())
    }

    /// As [`Self::event_digest`], from the plain digest that earlier versions kept.
    pub fn digest(&self, plain: &[u8]) -> [u8; 16] {
        let mut first = [0; 16];
        first.copy_from_slice(&blake3::keyed_hash(&self.digests, plain).as_bytes()[..16]);
        first
    }

    /// Seals `plain`, whose first byte is its version, below [`SEALED`].
    ///
    /// Errors: [`StoreError::Refused`] for what is no record.
    pub fn seal(&self, record: Record<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let refused = || StoreError::Refused(format!("this {} cannot be sealed", record.what()));
        let (version, payload) = plain.split_first().filter(|(version, _)| **version < SEALED).ok_or_else(refused)?;
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.push(version | SEALED);
        sealed.extend_from_slice(&self.mark);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(payload);
        if IS_UNSEALED {
            sealed.extend_from_slice(&[0; TAG_BYTES]);
            return Ok(sealed);
        }
        let body = InOutBuf::from(&mut sealed[1 + MARK_BYTES + NONCE_BYTES..]);
        let associated = record.associated(self.pseudonym, *version);
        let tag = self.cipher.encrypt_inout_detached(&XNonce::from(nonce), &associated, body).map_err(|_| refused())?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Whether a record was sealed by another key: of before an erasure, brought back by a backup. Damage is not taken for that.
    pub fn is_foreign(&self, sealed: &[u8]) -> bool {
        let Some(found) = sealed.get(1..).and_then(|rest| rest.first_chunk::<MARK_BYTES>()) else { return false };
        let Some(own) = found.first_chunk::<KEY_MARK_BYTES>() else { return false };
        is_sealed(sealed) && *found != self.mark && *found == mark(own)
    }

    /// Whether a record is of before an erasure: of another key, or in clear although this one `is_new`. What others wrote with the
    /// new key meanwhile is not.
    pub fn is_older(&self, is_new: bool, stored: &[u8]) -> bool {
        self.is_foreign(stored) || (is_new && !is_sealed(stored))
    }

    /// The record as it was given to [`Self::seal`].
    ///
    /// Errors: [`StoreError::Corrupt`] when it is damaged, of another person or from another place.
    pub fn open(&self, record: Record<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let corrupt = |detail: &str| StoreError::Corrupt { what: record.what(), detail: detail.to_owned() };
        let version = sealed.first().filter(|first| **first >= SEALED).ok_or_else(|| corrupt("it is not sealed"))? ^ SEALED;
        let Some((mark, rest)) = sealed[1..].split_first_chunk::<MARK_BYTES>() else { return Err(corrupt("it ends early")) };
        if *mark != self.mark {
            return Err(corrupt("it is of another key, or damaged"));
        }
        let Some((nonce, rest)) = rest.split_first_chunk::<NONCE_BYTES>() else { return Err(corrupt("it ends early")) };
        let Some((payload, tag)) = rest.split_last_chunk::<TAG_BYTES>() else { return Err(corrupt("it ends early")) };
        let mut plain = Vec::with_capacity(1 + payload.len());
        plain.push(version);
        plain.extend_from_slice(payload);
        if IS_UNSEALED {
            return Ok(plain);
        }
        let body = InOutBuf::from(&mut plain[1..]);
        let associated = record.associated(self.pseudonym, version);
        self.cipher
            .decrypt_inout_detached(&XNonce::from(*nonce), &associated, body, &Tag::from(*tag))
            .map_err(|_| corrupt("its seal does not hold: damaged, or of another person or place"))?;
        Ok(plain)
    }
}

/// Whether a stored record is sealed; those of earlier versions are not.
pub(super) fn is_sealed(stored: &[u8]) -> bool {
    stored.first().is_some_and(|first| *first >= SEALED)
}
