//! What was sent to people of late: one sealed row each, replaced only where nobody else did meanwhile.

use redb::{ReadableTable, WriteTransaction};

use super::{
    EmbeddedStore,
    engine::Fault,
    people,
    tables::{Kind, PACES},
};
use crate::{
    domain::{Span, Time, UserId, reach::Pace},
    store::{
        Commit, StoreError, codec,
        seal::{PersonKey, Record},
    },
};

/// The sealed row.
fn row(table: &impl ReadableTable<&'static str, (i64, &'static [u8])>, who: &str, now: Time) -> Result<Option<Vec<u8>>, Fault> {
    let Some(row) = table.get(who)? else { return Ok(None) };
    let (expiry_ms, sealed) = row.value();
    Ok((expiry_ms > now.0).then(|| sealed.to_vec()))
}

/// What of before an erasure is nobody's.
fn opened(key: &PersonKey, sealed: Option<Vec<u8>>) -> Result<Pace, StoreError> {
    let Some(sealed) = sealed.filter(|sealed| !key.is_foreign(sealed)) else { return Ok(Pace::default()) };
    codec::pace::decode(&key.open(Record::Pace, &sealed)?)
}

impl EmbeddedStore {
    pub(super) fn read_pace(&self, user: &UserId) -> Result<Pace, StoreError> {
        let who = self.keys.who(user)?;
        let Some(key) = self.keys.key(&who)? else { return Ok(Pace::default()) };
        let now = self.now();
        opened(&key, self.engine.read(|transaction| row(&transaction.open_table(PACES)?, &who, now))?)
    }

    pub(super) async fn write_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError> {
        let who = self.keys.who(user)?;
        let written = self.with_key(&who, |key| async move {
            let (who, now, expected) = (self.keys.who(user)?.to_string(), self.now(), expected.clone());
            let sealed = key.seal(Record::Pace, &codec::pace::encode(pace)?)?;
            let replace = move |transaction: &WriteTransaction| -> Result<Commit, Fault> {
                if people::is_erased(transaction, &who, now)? {
                    return Ok(Commit::Erased);
                }
                let mut table = transaction.open_table(PACES)?;
                if opened(&key, row(&table, &who, now)?)? != expected {
                    return Ok(Commit::Conflict);
                }
                let expiry = now.plus(keep);
                let before = table.insert(who.as_str(), (expiry.0, sealed.as_slice()))?.map(|row| row.value().0);
                people::expire(transaction, Kind::Pace, (&who, ""), before, expiry)?;
                Ok(Commit::Done)
            };
            match self.engine.write(replace).await? {
                Commit::Erased => Err(StoreError::Erased),
                commit => Ok(commit),
            }
        });
        match written.await {
            Err(StoreError::Erased) => Ok(Commit::Erased),
            outcome => outcome,
        }
    }
}
