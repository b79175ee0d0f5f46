//! Ed25519 (RFC 8032) over a record, whose it is, and the signature of the record before it: what is changed, moved, taken
//! out or put under another name no longer fits.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::domain::{UserId, consent::ConsentRecord};

const MESSAGE_CONTEXT: &str = "polyphony 2026-11 consent record to sign";

fn message(user: &UserId, before: Option<&ConsentRecord>, record: &ConsentRecord) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(MESSAGE_CONTEXT);
    let previous = before.map(|record| record.signature.as_slice()).unwrap_or_default();
    let at_ms = record.at.0.to_le_bytes();
    let parts: [&[u8]; 6] = [
        user.as_str().as_bytes(),
        previous,
        record.purpose.name().as_bytes(),
        record.decision.name().as_bytes(),
        &at_ms,
        record.notice.as_bytes(),
    ];
    for part in parts {
        // With its length, so that no two records read the same.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

pub(super) fn sign(key: &SigningKey, user: &UserId, before: Option<&ConsentRecord>, record: &ConsentRecord) -> Vec<u8> {
    key.sign(&message(user, before, record)).to_bytes().to_vec()
}

pub(super) fn is_of(public_key: &[u8; 32], user: &UserId, before: Option<&ConsentRecord>, record: &ConsentRecord) -> bool {
    let key = VerifyingKey::from_bytes(public_key).ok();
    let signature = Signature::from_slice(&record.signature).ok();
    let checked = key.zip(signature).map(|(key, signature)| key.verify_strict(&message(user, before, record), &signature));
    matches!(checked, Some(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        consent::verify,
        domain::{
            Time,
            consent::{Decision, Purpose},
        },
    };

    #[test]
    fn nothing_can_be_changed_moved_or_taken_out() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public_key = key.verifying_key().to_bytes();
        let ann = UserId::new("ann").unwrap();
        let mut log: Vec<ConsentRecord> = Vec::new();
        for (n, decision) in [Decision::Given, Decision::Withdrawn, Decision::Given].into_iter().enumerate() {
            let mut record =
                ConsentRecord { purpose: Purpose::ProfileUse, decision, at: Time(n as i64), notice: "b3:0".into(), signature: Vec::new() };
            record.signature = sign(&key, &ann, log.last(), &record);
            log.push(record);
        }
        assert_eq!(verify(&public_key, &ann, &log), Ok(()));
        assert_eq!(verify(&public_key, &UserId::new("bob").unwrap(), &log), Err(0));
        let broken = |change: fn(&mut Vec<ConsentRecord>)| {
            let mut log = log.clone();
            change(&mut log);
            verify(&public_key, &ann, &log)
        };
        assert_eq!(broken(|log| log[1].decision = Decision::Given), Err(1));
        assert_eq!(broken(|log| log[2].at = Time(9)), Err(2));
        assert_eq!(broken(|log| log[0].purpose = Purpose::ProfileCreate), Err(0));
        assert_eq!(broken(|log| log[0].notice.push('0')), Err(0));
        assert_eq!(broken(|log| drop(log.remove(1))), Err(1));
        assert_eq!(broken(|log| log.swap(0, 1)), Err(0));
        assert_eq!(broken(|log| log[1].signature.truncate(63)), Err(1));
    }
}
