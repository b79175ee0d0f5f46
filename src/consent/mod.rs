//! Decisions about consent: signed, appended to the person's log, and shown back as receipts. What the log means is
//! [`crate::domain::consent`].

mod erasure;
pub mod form;
pub mod lint;
mod notice;
mod signature;
mod unsubscribe;

use std::{collections::BTreeMap, sync::Arc};

use ed25519_dalek::{Signer, SigningKey};
use tokio::sync::OnceCell;

pub use self::{
    erasure::{Erased, ErasureReceipt, verify_erasure},
    notice::{FormsRefused, GPC_NOTICE, GPC_TEXT, Notice, Notices, UNSUBSCRIBE_NOTICE, UNSUBSCRIBE_TEXT},
    unsubscribe::Unsubscribe,
};
use crate::{
    clock::Clock,
    domain::{
        Span, Time, UserId,
        consent::{ConsentRecord, Decision, MAX_CONSENT_RECORDS, Purpose, Standing, latest, standing},
    },
    store::{Commit, Store, StoreError},
};

/// Times a log is read and written again when it grew meanwhile.
const MAX_APPEND_TRIES: usize = 32;
/// What was given is given again, for its full time, when it is said again after this.
const RENEW_AFTER: Span = Span::days(1);
/// Records kept free for withdrawals: one for each purpose.
const RESERVED_RECORDS: usize = Purpose::ALL.len();
const SIGNING_CONTEXT: &str = "polyphony 2026-11 consent records";

/// Why a decision was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Withdrawing goes on; giving does not.
    #[error("the consent log is full: nothing more can be given, only withdrawn")]
    LogFull,
}

/// Writes the logs. One per process; every instance on one store signs with the same key.
pub struct Consents {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    key: OnceCell<SigningKey>,
}

impl Consents {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, key: OnceCell::new() }
    }

    /// The person's log, oldest record first.
    pub async fn log(&self, user: &UserId) -> Result<Vec<ConsentRecord>, StoreError> {
        Ok(self.store.person(user).await?.unwrap_or_default().consents.to_vec())
    }

    /// Records what the person decided on being shown `notice`: `true` gives, `false` refuses or, where it was given,
    /// withdraws. What holds already is not recorded again. Returns the log as it is then.
    ///
    /// Errors: after [`ConsentError::Store`] some decisions may be recorded; repeating the call completes it.
    pub async fn decide(
        &self,
        user: &UserId,
        decisions: &BTreeMap<Purpose, bool>,
        notice: &str,
    ) -> Result<Vec<ConsentRecord>, ConsentError> {
        let mut log = self.log(user).await?;
        // Refusals first: no failure leaves more allowed than the person wants.
        let mut ordered: Vec<(Purpose, bool)> = decisions.iter().map(|(purpose, gives)| (*purpose, *gives)).collect();
        ordered.sort_by_key(|(_, gives)| *gives);
        let mut until_lifted = Vec::new();
        for (purpose, gives) in ordered {
            match self.append(user, log.clone(), purpose, notice, |log, now| needed(log, purpose, gives, notice, now)).await {
                Ok(grown) => log = grown,
                // Of somebody erased nothing is kept, a refusal included; unless they come back with the same form.
                Err(ConsentError::Store(StoreError::Erased)) => until_lifted.push(purpose),
                Err(error) => return Err(error),
            }
        }
        for purpose in until_lifted {
            if log.is_empty() {
                break;
            }
            log = self.append(user, log, purpose, notice, |log, now| needed(log, purpose, false, notice, now)).await?;
        }
        Ok(log)
    }

    /// Records that a signal refuses `purposes`, where the person has not decided themselves and no consent is in force. `log` is
    /// the person's as it was just read.
    pub async fn object(&self, user: &UserId, log: &[ConsentRecord], purposes: &[Purpose]) -> Result<(), ConsentError> {
        let objected = |log: &[ConsentRecord], purpose: Purpose, now: Time| {
            let is_open = matches!(standing(log, purpose, now), Standing::Unasked | Standing::Expired);
            is_open.then(|| needed(log, purpose, false, &GPC_NOTICE, now)).flatten()
        };
        if purposes.iter().all(|purpose| objected(log, *purpose, self.clock.now()).is_none()) {
            return Ok(());
        }
        // What was read may be old, or could not be read: what the person decided meanwhile, or before, stands.
        let mut log = self.log(user).await?;
        for purpose in purposes {
            log = match self.append(user, log, *purpose, &GPC_NOTICE, |log, now| objected(log, *purpose, now)).await {
                // Of somebody erased nothing is kept.
                Err(ConsentError::Store(StoreError::Erased)) => return Ok(()),
                grown => grown?,
            };
        }
        Ok(())
    }

    /// Appends what `needed` says of the log as it is stored; `None`: nothing.
    async fn append(
        &self,
        user: &UserId,
        mut log: Vec<ConsentRecord>,
        purpose: Purpose,
        notice: &str,
        needed: impl Fn(&[ConsentRecord], Time) -> Option<Decision>,
    ) -> Result<Vec<ConsentRecord>, ConsentError> {
        for _ in 0..MAX_APPEND_TRIES {
            let now = self.clock.now();
            let Some(decision) = needed(&log, now) else { return Ok(log) };
            if decision == Decision::Given && log.len() + RESERVED_RECORDS >= MAX_CONSENT_RECORDS {
                return Err(ConsentError::LogFull);
            }
            let mut record = ConsentRecord { purpose, decision, at: now, notice: notice.to_owned(), signature: Vec::new() };
            record.signature = signature::sign(self.key().await?, user, log.last(), &record);
            match self.store.append_consent(user, log.len(), &record).await? {
                Commit::Done => {
                    log.push(record);
                    return Ok(log);
                }
                Commit::Conflict => log = self.log(user).await?,
                Commit::Erased => return Err(StoreError::Erased.into()),
            }
        }
        Err(StoreError::Refused(format!("the consent log grew {MAX_APPEND_TRIES} times meanwhile")).into())
    }

    /// Signs a document as it is, for whoever has it and the public key: 64 bytes. What else is signed is 32 bytes long, and no
    /// document is.
    pub async fn sign_document(&self, document: &[u8]) -> Result<[u8; 64], StoreError> {
        Ok(self.key().await?.sign(document).to_bytes())
    }

    /// The public key that [`verify`] takes: 32 bytes.
    pub async fn public_key(&self) -> Result<[u8; 32], StoreError> {
        Ok(self.key().await?.verifying_key().to_bytes())
    }

    /// Made from the secret that is in the store, so that a record outlives the process and the instance that made it.
    async fn key(&self) -> Result<&SigningKey, StoreError> {
        let from_store = async || {
            let secret = self.store.shared_secret(rand::random()).await?;
            Ok(SigningKey::from_bytes(&blake3::derive_key(SIGNING_CONTEXT, &secret)))
        };
        self.key.get_or_try_init(from_store).await
    }
}

/// The record that makes the log say what the person decided; `None`: it says so.
fn needed(log: &[ConsentRecord], purpose: Purpose, gives: bool, notice: &str, now: Time) -> Option<Decision> {
    let last = latest(log, purpose);
    match (standing(log, purpose, now), gives) {
        (Standing::Given, true) => {
            let is_recent = last.is_some_and(|record| record.notice == notice && now.since(record.at) < RENEW_AFTER.as_millis());
            (!is_recent).then_some(Decision::Given)
        }
        (_, true) => Some(Decision::Given),
        (Standing::Refused | Standing::Withdrawn, false) => None,
        (Standing::Given | Standing::Expired, false) => Some(Decision::Withdrawn),
        (Standing::Unasked, false) => Some(Decision::Refused),
    }
}

/// Whether every record of `user`'s log was signed with the key of `public_key`, in this order and with none taken out
/// before the last. Error: the 0-based place of the first that was not.
pub fn verify(public_key: &[u8; 32], user: &UserId, log: &[ConsentRecord]) -> Result<(), usize> {
    let holds = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| log.get(before));
        log.get(at).is_some_and(|record| signature::is_of(public_key, user, before, record))
    };
    (0..log.len()).find(|at| !holds(*at)).map_or(Ok(()), Err)
}
