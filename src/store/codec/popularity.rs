//! The stored form of a [`Popularity`]: 41 bytes of fixed layout, because the Redis script that adds to it reads and writes it too.

use super::{corrupt, payload};
use crate::{
    domain::Time,
    store::{Popularity, StoreError},
};

/// Bytes of a stored popularity: version, weight (f64, little-endian), time (i64, little-endian, milliseconds),
/// impressions, opens and newcomers' weight (f64, little-endian). Version 1 ends after the time, version 2 after the opens.
pub const POPULARITY_BYTES: usize = 41;

const WHAT: &str = "popularity";
const VERSION: u8 = 3;

pub fn encode(popularity: &Popularity) -> [u8; POPULARITY_BYTES] {
    let mut bytes = [VERSION; POPULARITY_BYTES];
    bytes[1..9].copy_from_slice(&popularity.weight.to_le_bytes());
    bytes[9..17].copy_from_slice(&popularity.as_of.0.to_le_bytes());
    bytes[17..25].copy_from_slice(&popularity.impressions.to_le_bytes());
    bytes[25..33].copy_from_slice(&popularity.opens.to_le_bytes());
    bytes[33..].copy_from_slice(&popularity.newcomer_weight.to_le_bytes());
    bytes
}

/// Errors: [`StoreError::Corrupt`] for another version, another length or a number that is not finite.
pub fn decode(bytes: &[u8]) -> Result<Popularity, StoreError> {
    let (version, payload) = payload(WHAT, bytes, VERSION)?;
    let (words, rest) = payload.as_chunks::<8>();
    let (weight, as_of, impressions, opens, newcomer) = match (version, words, rest) {
        (1, [weight, as_of], []) => (weight, as_of, &[0; 8], &[0; 8], &[0; 8]),
        (2, [weight, as_of, impressions, opens], []) => (weight, as_of, impressions, opens, &[0; 8]),
        (VERSION, [weight, as_of, impressions, opens, newcomer], []) => (weight, as_of, impressions, opens, newcomer),
        _ => {
            return Err(corrupt(
                WHAT,
                format!("{} bytes of version {version}; expected {POPULARITY_BYTES} of version {VERSION}", bytes.len()),
            ));
        }
    };
    let numbers = [weight, impressions, opens, newcomer].map(|word| f64::from_le_bytes(*word));
    let [weight, impressions, opens, newcomer_weight] = numbers;
    if let Some(odd) = numbers.into_iter().find(|number| !number.is_finite()) {
        return Err(corrupt(WHAT, format!("the number {odd}")));
    }
    Ok(Popularity { weight, newcomer_weight, as_of: Time(i64::from_le_bytes(*as_of)), impressions, opens })
}
