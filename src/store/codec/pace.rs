//! The stored form of a [`Pace`].

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Time, reach::Pace},
    store::StoreError,
};

const WHAT: &str = "pace";

pub fn encode(pace: &Pace) -> Result<Vec<u8>, StoreError> {
    super::encode(WHAT, super::VERSION, &PaceV1::from(pace))
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Pace, StoreError> {
    Ok(super::decode::<PaceV1>(WHAT, bytes)?.into())
}

#[derive(Serialize, Deserialize)]
struct PaceV1 {
    pushes_ms: Vec<i64>,
    digest_ms: Option<i64>,
}

impl From<&Pace> for PaceV1 {
    fn from(pace: &Pace) -> Self {
        Self { pushes_ms: pace.pushes.iter().map(|at| at.0).collect(), digest_ms: pace.digest.map(|at| at.0) }
    }
}

impl From<PaceV1> for Pace {
    fn from(stored: PaceV1) -> Self {
        Self { pushes: stored.pushes_ms.into_iter().map(Time).collect(), digest: stored.digest_ms.map(Time) }
    }
}
