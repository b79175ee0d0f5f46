//! The stored form of a [`Popularity`]: 17 bytes of fixed layout, because the Redis script that adds to it reads and writes it too.

use super::{VERSION, corrupt, payload};
use crate::{
    domain::Time,
    store::{Popularity, StoreError},
};

/// Bytes of a stored popularity: version, weight (f64, little-endian), time (i64, little-endian, milliseconds).
pub const POPULARITY_BYTES: usize = 17;

const WHAT: &str = "popularity";

pub fn encode(popularity: &Popularity) -> [u8; POPULARITY_BYTES] {
    let mut bytes = [VERSION; POPULARITY_BYTES];
    bytes[1..9].copy_from_slice(&popularity.weight.to_le_bytes());
    bytes[9..].copy_from_slice(&popularity.as_of.0.to_le_bytes());
    bytes
}

/// Errors: [`StoreError::Corrupt`] for another version, another length or a weight that is not finite.
pub fn decode(bytes: &[u8]) -> Result<Popularity, StoreError> {
    let payload = payload(VERSION, WHAT, bytes)?;
    let (words, rest) = payload.as_chunks::<8>();
    let ([weight, as_of], []) = (words, rest) else {
        return Err(corrupt(WHAT, format!("{} bytes; expected {POPULARITY_BYTES}", bytes.len())));
    };
    let weight = f64::from_le_bytes(*weight);
    if !weight.is_finite() {
        return Err(corrupt(WHAT, format!("weight {weight}")));
    }
    Ok(Popularity { weight, as_of: Time(i64::from_le_bytes(*as_of)) })
}
