//! The tables of the file, and the small encodings that only this store uses.

use redb::TableDefinition;

use crate::{
    domain::Time,
    store::{MAX_REMEMBERED_EVENTS, StoreError},
};

/// Item id → `codec::item`.
pub(super) const ITEMS: TableDefinition<&str, &[u8]> = TableDefinition::new("items");
/// Item id → `codec::popularity`.
pub(super) const POPULARITY: TableDefinition<&str, &[u8]> = TableDefinition::new("popularity");
/// Person (their lookup digest) → (revision, expiry in ms, sealed `codec::profile`).
pub(super) const PROFILES: TableDefinition<&str, (u64, i64, &[u8])> = TableDefinition::new("profiles");
/// Person → (expiry in ms, sealed `codec::consent`).
pub(super) const CONSENTS: TableDefinition<&str, (i64, &[u8])> = TableDefinition::new("consents");
/// Person → (expiry in ms, sealed `codec::pace`).
pub(super) const PACES: TableDefinition<&str, (i64, &[u8])> = TableDefinition::new("paces");
/// Person → (expiry in ms, [`Remembered`]).
pub(super) const REMEMBERED: TableDefinition<&str, (i64, &[u8])> = TableDefinition::new("remembered");
/// (person, or "" for nobody; feed id) → (expiry in ms, `codec::feed`, sealed where it is a person's).
pub(super) const FEEDS: TableDefinition<(&str, &str), (i64, &[u8])> = TableDefinition::new("feeds");
/// (as in [`FEEDS`], page number) → `codec::feed` page, sealed likewise.
pub(super) const PAGES: TableDefinition<(&str, &str, u32), &[u8]> = TableDefinition::new("pages");
/// Person → when they were erased, in ms.
pub(super) const ERASED: TableDefinition<&str, i64> = TableDefinition::new("erased");
/// (expiry in ms, [`Kind`], person or "", feed id or "") of every row that expires: what a sweep walks.
pub(super) const EXPIRIES: TableDefinition<(i64, u8, &str, &str), ()> = TableDefinition::new("expiries");
/// Policy digest → JSON.
pub(super) const POLICIES: TableDefinition<&str, &str> = TableDefinition::new("policies");
/// 0-based number → line of the activation log.
pub(super) const ACTIVATIONS: TableDefinition<u64, &str> = TableDefinition::new("activations");
/// `"format"`, `"secret"`, `"ping"`.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// Which table a row of [`EXPIRIES`] speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Profile = 0,
    Remembered = 1,
    Feed = 2,
    Consents = 3,
    Erased = 4,
    Pace = 5,
}

impl Kind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        let all = [Self::Profile, Self::Remembered, Self::Feed, Self::Consents, Self::Erased, Self::Pace];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Bytes of one remembered event: its digest with the person's key, then its expiry in ms, little-endian.
const ENTRY_BYTES: usize = 24;

/// A person's de-duplication window: one value, oldest first, because it is always read and written with the profile.
#[derive(Debug, Default)]
pub(super) struct Remembered(Vec<([u8; 16], i64)>);

impl Remembered {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            let detail = format!("{} bytes; expected a multiple of {ENTRY_BYTES}", bytes.len());
            return Err(StoreError::Corrupt { what: "de-duplication window", detail });
        }
        let entry = |bytes: &[u8; ENTRY_BYTES]| {
            let (mut digest, mut expiry) = ([0; 16], [0; 8]);
            digest.copy_from_slice(&bytes[..16]);
            expiry.copy_from_slice(&bytes[16..]);
            (digest, i64::from_le_bytes(expiry))
        };
        Ok(Self(entries.iter().map(entry).collect()))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(digest, expiry)| digest.iter().copied().chain(expiry.to_le_bytes())).collect()
    }

    pub(super) fn knows(&self, digest: &[u8; 16], now: Time) -> bool {
        self.0.iter().any(|(known, expiry)| known == digest && *expiry > now.0)
    }

    /// Forgets what is over at `now`, then adds `digests` until `expiry`.
    pub(super) fn add(&mut self, digests: &[[u8; 16]], now: Time, expiry: Time) {
        self.0.retain(|(digest, expiry)| *expiry > now.0 && !digests.contains(digest));
        self.0.extend(digests.iter().map(|digest| (*digest, expiry.0)));
        let excess = self.0.len().saturating_sub(MAX_REMEMBERED_EVENTS);
        self.0.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_bounded_and_forgets() {
        let id = |n: usize| (n as u128).to_le_bytes();
        let digests: Vec<_> = (0..MAX_REMEMBERED_EVENTS + 2).map(id).collect();
        let mut window = Remembered::default();
        window.add(&digests, Time(0), Time(100));
        let mut window = Remembered::decode(&window.encode()).unwrap();
        assert!(!window.knows(&id(1), Time(0)) && window.knows(&id(2), Time(99)) && !window.knows(&id(2), Time(100)));
        window.add(&[id(0)], Time(100), Time(200));
        assert_eq!(window.0.len(), 1);
        assert!(Remembered::decode(&[0; 25]).is_err());
    }
}
