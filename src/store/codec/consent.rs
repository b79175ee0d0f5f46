//! A person's consent log as it is stored: oldest record first.

use serde::{Deserialize, Serialize};

use super::{StoreError, VERSION, corrupt, decode as decode_first, encode as encode_version};
use crate::domain::{
    Time,
    consent::{ConsentRecord, Decision, MAX_CONSENT_RECORDS, Purpose},
};

const WHAT: &str = "consent log";

/// By position: only append.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum DecisionV1 {
    Given,
    Refused,
    Withdrawn,
}

/// By position: only append.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum PurposeV1 {
    ProfileCreate,
    ProfileUse,
    Measure,
    Improve,
    Sensitive,
    Email,
    Push,
    Research,
    SaleShare,
    Dwell,
    SensitiveHealth,
    SensitivePolitics,
    SensitiveBelief,
    SensitiveUnion,
    SensitiveSexLife,
    SensitiveOrigin,
}

#[derive(Serialize, Deserialize)]
struct RecordV1<'a> {
    purpose: PurposeV1,
    decision: DecisionV1,
    at_ms: i64,
    notice: &'a str,
    signature: &'a [u8],
}

/// Errors: [`StoreError::Refused`] past [`MAX_CONSENT_RECORDS`].
pub fn encode(log: &[ConsentRecord]) -> Result<Vec<u8>, StoreError> {
    if log.len() > MAX_CONSENT_RECORDS {
        return Err(StoreError::Refused(format!("a consent log has at most {MAX_CONSENT_RECORDS} records")));
    }
    let records: Vec<RecordV1<'_>> = log.iter().map(RecordV1::from).collect();
    encode_version(WHAT, VERSION, &records)
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Vec<ConsentRecord>, StoreError> {
    let records: Vec<RecordV1<'_>> = decode_first(WHAT, bytes)?;
    if records.len() > MAX_CONSENT_RECORDS {
        return Err(corrupt(WHAT, format!("{} records; at most {MAX_CONSENT_RECORDS} were ever written", records.len())));
    }
    Ok(records.into_iter().map(ConsentRecord::from).collect())
}

impl<'a> From<&'a ConsentRecord> for RecordV1<'a> {
    fn from(record: &'a ConsentRecord) -> Self {
        Self {
            purpose: match record.purpose {
                Purpose::ProfileCreate => PurposeV1::ProfileCreate,
                Purpose::ProfileUse => PurposeV1::ProfileUse,
                Purpose::Measure => PurposeV1::Measure,
                Purpose::Improve => PurposeV1::Improve,
                Purpose::Sensitive => PurposeV1::Sensitive,
                Purpose::Email => PurposeV1::Email,
                Purpose::Push => PurposeV1::Push,
                Purpose::Research => PurposeV1::Research,
                Purpose::SaleShare => PurposeV1::SaleShare,
                Purpose::Dwell => PurposeV1::Dwell,
                Purpose::SensitiveHealth => PurposeV1::SensitiveHealth,
                Purpose::SensitivePolitics => PurposeV1::SensitivePolitics,
                Purpose::SensitiveBelief => PurposeV1::SensitiveBelief,
                Purpose::SensitiveUnion => PurposeV1::SensitiveUnion,
                Purpose::SensitiveSexLife => PurposeV1::SensitiveSexLife,
                Purpose::SensitiveOrigin => PurposeV1::SensitiveOrigin,
            },
            decision: match record.decision {
                Decision::Given => DecisionV1::Given,
                Decision::Refused => DecisionV1::Refused,
                Decision::Withdrawn => DecisionV1::Withdrawn,
            },
            at_ms: record.at.0,
            notice: &record.notice,
            signature: &record.signature,
        }
    }
}

impl From<RecordV1<'_>> for ConsentRecord {
    fn from(stored: RecordV1<'_>) -> Self {
        Self {
            purpose: match stored.purpose {
                PurposeV1::ProfileCreate => Purpose::ProfileCreate,
                PurposeV1::ProfileUse => Purpose::ProfileUse,
                PurposeV1::Measure => Purpose::Measure,
                PurposeV1::Improve => Purpose::Improve,
                PurposeV1::Sensitive => Purpose::Sensitive,
                PurposeV1::Email => Purpose::Email,
                PurposeV1::Push => Purpose::Push,
                PurposeV1::Research => Purpose::Research,
                PurposeV1::SaleShare => Purpose::SaleShare,
                PurposeV1::Dwell => Purpose::Dwell,
                PurposeV1::SensitiveHealth => Purpose::SensitiveHealth,
                PurposeV1::SensitivePolitics => Purpose::SensitivePolitics,
                PurposeV1::SensitiveBelief => Purpose::SensitiveBelief,
                PurposeV1::SensitiveUnion => Purpose::SensitiveUnion,
                PurposeV1::SensitiveSexLife => Purpose::SensitiveSexLife,
                PurposeV1::SensitiveOrigin => Purpose::SensitiveOrigin,
            },
            decision: match stored.decision {
                DecisionV1::Given => Decision::Given,
                DecisionV1::Refused => Decision::Refused,
                DecisionV1::Withdrawn => Decision::Withdrawn,
            },
            at: Time(stored.at_ms),
            notice: stored.notice.to_owned(),
            signature: stored.signature.to_vec(),
        }
    }
}
