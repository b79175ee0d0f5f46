//! The receipt of an erasure: what was done where, signed, and the same however often it is asked for.

use ed25519_dalek::{Signature, Signer, VerifyingKey};

use super::Consents;
use crate::{
    domain::{Time, UserId},
    store::{StoreError, TOMBSTONE_TTL},
};

const MESSAGE_CONTEXT: &str = "polyphony 2026-11 erasure receipt to sign";

/// What was done with one kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Where: a kind of store, `keys`, `memory` or `journal`.
    pub place: &'static str,
    pub what: &'static str,
    /// `deleted`; `destroyed`: nobody can make it again; `unlinked`: it stays, and nothing tells any more whose it was.
    pub outcome: &'static str,
}

/// What a person keeps of their erasure. Says nothing about who they are; the signature holds for their id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReceipt {
    /// When it was done first.
    pub at: Time,
    /// What comes late is refused until then, unless the person consents anew.
    pub refused_until: Time,
    pub done: Vec<Erased>,
    /// Ed25519 (RFC 8032), 64 bytes.
    pub signature: Vec<u8>,
}

impl Consents {
    /// The receipt of an erasure that the store (of this `kind`) completed at `at`.
    pub async fn erasure_receipt(&self, user: &UserId, at: Time, kind: &'static str) -> Result<ErasureReceipt, StoreError> {
        let mut receipt = ErasureReceipt { at, refused_until: at.plus(TOMBSTONE_TTL), done: done(kind), signature: Vec::new() };
        receipt.signature = self.key().await?.sign(&message(user, &receipt)).to_bytes().to_vec();
        Ok(receipt)
    }
}

fn done(store: &'static str) -> Vec<Erased> {
    let deleted = |place, what| Erased { place, what, outcome: "deleted" };
    vec![
        deleted(store, "profile"),
        deleted(store, "consent log"),
        deleted(store, "digests of learned events"),
        deleted(store, "feeds"),
        Erased { place: "keys", what: "data key", outcome: "destroyed" },
        deleted("memory", "feeds and keys"),
        Erased { place: "journal", what: "pseudonym", outcome: "unlinked" },
    ]
}

/// Whether `receipt` was signed for `user` with the key of `public_key`.
pub fn verify_erasure(public_key: &[u8; 32], user: &UserId, receipt: &ErasureReceipt) -> bool {
    let key = VerifyingKey::from_bytes(public_key).ok();
    let signature = Signature::from_slice(&receipt.signature).ok();
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(&message(user, receipt), &signature).is_ok())
}

fn message(user: &UserId, receipt: &ErasureReceipt) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(MESSAGE_CONTEXT);
    // With its length, so that no two receipts read the same.
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(user.as_str().as_bytes());
    add(&receipt.at.0.to_le_bytes());
    add(&receipt.refused_until.0.to_le_bytes());
    for Erased { place, what, outcome } in &receipt.done {
        [place, what, outcome].into_iter().for_each(|part| add(part.as_bytes()));
    }
    *hasher.finalize().as_bytes()
}
