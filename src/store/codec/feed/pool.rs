//! A feed's pool as columns of little-endian numbers: written and read by copying, with nothing for features that added
//! nothing to anybody.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::feed::{FEATURES, MAX_POOL, PoolEntry};

/// `PoolEntry::topic` and `PoolEntry::interest` that are `None`.
const NO_TOPIC: u16 = u16::MAX;
const NO_INTEREST: u8 = u8::MAX;
/// Bytes per entry, contributions aside: hash, relevance, sources, topic, interest.
const FIXED_BYTES: usize = 8 + 4 + 1 + 2 + 1;

// One bit per feature in `PoolV3::contributing`.
const _: () = assert!(FEATURES <= u16::BITS as usize);

#[derive(Serialize, Deserialize)]
pub(super) struct PoolV3<'a> {
    entries: u32,
    /// Bit `i` is set when feature `i` contributed to an entry.
    contributing: u16,
    /// One after another: hashes, relevances, sources, topics, interests, then the contributions of each set bit, lowest first.
    #[serde(borrow)]
    columns: Bytes<'a>,
}

/// Bytes as one piece: a sequence would be written number by number.
struct Bytes<'a>(Cow<'a, [u8]>);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> de::Visitor<'de> for Borrowed {
            type Value = &'de [u8];
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Borrowed).map(|bytes| Self(Cow::Borrowed(bytes)))
    }
}

impl From<&[PoolEntry]> for PoolV3<'_> {
    fn from(pool: &[PoolEntry]) -> Self {
        // By bits, so that −0 comes back as it went in.
        let mut used = [0u32; FEATURES];
        for entry in pool {
            used.iter_mut().zip(entry.contributions).for_each(|(used, value)| *used |= value.to_bits());
        }
        let contributing = (0..FEATURES).filter(|feature| used[*feature] != 0);
        let columns_bytes = pool.len() * (FIXED_BYTES + size_of::<f32>() * contributing.clone().count());
        let mut columns = Vec::with_capacity(columns_bytes);
        pool.iter().for_each(|entry| columns.extend_from_slice(&entry.item_hash.to_le_bytes()));
        pool.iter().for_each(|entry| columns.extend_from_slice(&entry.relevance.to_le_bytes()));
        pool.iter().for_each(|entry| columns.push(entry.sources));
        pool.iter().for_each(|entry| columns.extend_from_slice(&entry.topic.unwrap_or(NO_TOPIC).to_le_bytes()));
        pool.iter().for_each(|entry| columns.push(entry.interest.unwrap_or(NO_INTEREST)));
        for feature in contributing.clone() {
            pool.iter().for_each(|entry| columns.extend_from_slice(&entry.contributions[feature].to_le_bytes()));
        }
        let contributing = contributing.fold(0, |bits, feature| bits | 1 << feature);
        Self { entries: pool.len() as u32, contributing, columns: Bytes(columns.into()) }
    }
}

impl TryFrom<PoolV3<'_>> for Vec<PoolEntry> {
    type Error = String;

    fn try_from(stored: PoolV3<'_>) -> Result<Self, String> {
        let count = stored.entries as usize;
        let features: Vec<usize> = (0..u16::BITS as usize).filter(|feature| stored.contributing >> feature & 1 == 1).collect();
        let expected = count.saturating_mul(FIXED_BYTES + size_of::<f32>() * features.len());
        let bytes = &*stored.columns.0;
        if count > MAX_POOL || bytes.len() != expected || features.iter().any(|feature| *feature >= FEATURES) {
            let contributing = stored.contributing;
            return Err(format!("{} bytes for a pool of {count} entries and the features {contributing:#b}", bytes.len()));
        }
        let (hashes, rest) = column::<8>(bytes, count);
        let (relevances, rest) = column::<4>(rest, count);
        let (sources, rest) = column::<1>(rest, count);
        let (topics, rest) = column::<2>(rest, count);
        let (interests, rest) = column::<1>(rest, count);
        let (contributions, _) = column::<4>(rest, count * features.len());
        let entry = |at: usize| {
            let mut entry = PoolEntry {
                item_hash: u64::from_le_bytes(hashes[at]),
                relevance: f32::from_le_bytes(relevances[at]),
                contributions: [0.0; FEATURES],
                sources: sources[at][0],
                topic: Some(u16::from_le_bytes(topics[at])).filter(|topic| *topic != NO_TOPIC),
                interest: Some(interests[at][0]).filter(|interest| *interest != NO_INTEREST),
            };
            for (place, feature) in features.iter().enumerate() {
                entry.contributions[*feature] = f32::from_le_bytes(contributions[place * count + at]);
            }
            entry
        };
        Ok((0..count).map(entry).collect())
    }
}

/// The first `count` numbers of `N` bytes, of which there are so many, and what follows them.
fn column<const N: usize>(bytes: &[u8], count: usize) -> (&[[u8; N]], &[u8]) {
    let (column, rest) = bytes.split_at((count * N).min(bytes.len()));
    (column.as_chunks().0, rest)
}
