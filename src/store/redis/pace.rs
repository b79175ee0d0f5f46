//! What was sent to people of late: one sealed record each, replaced only where nobody else did meanwhile.

use super::{
    RedisStore,
    link::{Ask, Lane},
    people::{Stored, ttl_ms},
};
use crate::{
    domain::{Span, UserId, reach::Pace},
    store::{
        Commit, StoreError, codec,
        seal::{Lookup, PersonKey, Record},
    },
};

/// What of before an erasure is nobody's.
fn opened(key: &PersonKey, stored: Option<&[u8]>) -> Result<Pace, StoreError> {
    let Some(stored) = stored.filter(|stored| !key.is_foreign(stored)) else { return Ok(Pace::default()) };
    codec::pace::decode(&key.open(Record::Pace, stored)?)
}

impl RedisStore {
    async fn stored_pace(&self, who: &Lookup) -> Result<Stored, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.pace(who));
        self.link.ask(Lane::Serving, Ask::Read(&get)).await
    }

    pub(super) async fn read_pace(&self, user: &UserId) -> Result<Pace, StoreError> {
        let who = self.who(user).await?;
        let Some(key) = self.current_key(&who).await? else { return Ok(Pace::default()) };
        opened(&key, self.stored_pace(&who).await?.as_deref())
    }

    pub(super) async fn write_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError> {
        let who = self.who(user).await?;
        let key = match self.key_for_writing(&who).await {
            Ok(key) => key,
            Err(StoreError::Erased) => return Ok(Commit::Erased),
            Err(error) => return Err(error),
        };
        let stored = self.stored_pace(&who).await?;
        if opened(&key, stored.as_deref())? != *expected {
            return Ok(Commit::Conflict);
        }
        // Replaces a record that still is what was read, as that of consents does, and lifts nothing.
        let mut replace = self.scripts.append_consent.key(self.keys.pace(&who));
        replace.key(self.keys.erased(&who));
        if self.keys_are_here() {
            replace.key(self.keys.key(&who));
        }
        replace.arg(stored.unwrap_or_default()).arg(key.seal(Record::Pace, &codec::pace::encode(pace)?)?);
        replace.arg(ttl_ms(keep.as_std())).arg(0).arg(self.key_ttl_ms()).arg(key.pseudonym().0.as_slice());
        let code = self.link.ask(Lane::Serving, Ask::Script(&replace)).await?;
        self.committed(&who, code).await
    }
}
