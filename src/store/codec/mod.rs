//! Stored encodings, shared by both stores: one version byte, then postcard.
//!
//! The stored structs are separate from the domain types, so that a change of either shows in the conversion between
//! them. Writing is `From`; reading is `TryFrom`, because bytes may be damaged. Reading never panics and allocates at
//! most in proportion to the bytes it was given, of which it takes [`MAX_RECORD_BYTES`] at most. What is structurally
//! sound is carried bit for bit; what the numbers mean is the domain's business.
//!
//! Fields and variants are stored by position. Any change of a `…V1` or `…V2` struct is a new version, read beside the old one.

pub mod consent;
pub mod feed;
pub mod item;
pub mod pace;
pub mod popularity;
pub mod profile;
#[cfg(test)]
pub(super) mod tests;

use half::f16;
use serde::{Deserialize, Serialize, Serializer};

use super::StoreError;
use crate::domain::Facet;

/// First byte of a stored record of the first version.
const VERSION: u8 = 1;

/// Largest stored record, in bytes. The largest lawful one, a feed with a pool of 5,000 long ids, is under 1 MiB.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

fn encode<T: Serialize>(what: &'static str, version: u8, stored: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = postcard::to_extend(stored, vec![version])
        .map_err(|fault| StoreError::Refused(format!("this {what} cannot be encoded: {fault}")))?;
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(StoreError::Refused(format!("this {what} takes {} bytes; at most {MAX_RECORD_BYTES} are stored", bytes.len())));
    }
    Ok(bytes)
}

/// A record that has had one version only.
fn decode<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, StoreError> {
    let (_, payload) = payload(what, bytes, VERSION)?;
    read(what, payload)
}

/// All of `payload` as one stored struct.
fn read<'a, T: Deserialize<'a>>(what: &'static str, payload: &'a [u8]) -> Result<T, StoreError> {
    let (stored, rest) = postcard::take_from_bytes(payload).map_err(|fault| corrupt(what, fault))?;
    if !rest.is_empty() {
        return Err(corrupt(what, format!("{} bytes follow its end", rest.len())));
    }
    Ok(stored)
}

/// The version, 1 to `newest`, and the bytes after it.
fn payload<'a>(what: &'static str, bytes: &'a [u8], newest: u8) -> Result<(u8, &'a [u8]), StoreError> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(corrupt(what, format!("{} bytes; at most {MAX_RECORD_BYTES} were ever written", bytes.len())));
    }
    match bytes.split_first() {
        Some((version, payload)) if (VERSION..=newest).contains(version) => Ok((*version, payload)),
        Some((version, _)) => Err(corrupt(what, format!("unknown version {version}; this server reads version {}", up_to(newest)))),
        None => Err(corrupt(what, "no bytes")),
    }
}

fn up_to(newest: u8) -> String {
    if newest == VERSION { newest.to_string() } else { format!("{VERSION} to {newest}") }
}

fn corrupt(what: &'static str, detail: impl ToString) -> StoreError {
    StoreError::Corrupt { what, detail: detail.to_string() }
}

/// A facet by position: only append.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum FacetV1 {
    Topic,
    Creator,
    Source,
    Viewpoint,
    Language,
    Format,
}

impl From<Facet> for FacetV1 {
    fn from(facet: Facet) -> Self {
        match facet {
            Facet::Topic => Self::Topic,
            Facet::Creator => Self::Creator,
            Facet::Source => Self::Source,
            Facet::Viewpoint => Self::Viewpoint,
            Facet::Language => Self::Language,
            Facet::Format => Self::Format,
        }
    }
}

impl From<FacetV1> for Facet {
    fn from(facet: FacetV1) -> Self {
        match facet {
            FacetV1::Topic => Self::Topic,
            FacetV1::Creator => Self::Creator,
            FacetV1::Source => Self::Source,
            FacetV1::Viewpoint => Self::Viewpoint,
            FacetV1::Language => Self::Language,
            FacetV1::Format => Self::Format,
        }
    }
}

/// Half-precision numbers as raw little-endian bytes: two per number, copied rather than parsed.
fn halves_to_bytes(halves: &[f16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

fn halves_from_bytes(bytes: &[u8]) -> Result<impl Iterator<Item = f16>, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("a vector of {} bytes; expected an even number", bytes.len()));
    }
    Ok(pairs.iter().map(|pair| f16::from_le_bytes(*pair)))
}

/// For `serialize_with`: as one run of bytes instead of one call per byte.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}
