//! What earlier versions kept about people, in clear under their ids: sealed once, before the catalogue loads. Their feeds go;
//! a cursor into one begins a new feed.

use std::collections::BTreeSet;

use super::{
    RedisStore,
    link::{Ask, Lane},
    people::{split_revision, ttl_ms},
};
use crate::{
    domain::{UserId, event::DEDUPE_WINDOW},
    store::{
        StoreError,
        seal::{Record, is_sealed},
    },
};

const LAYOUT: &str = "layout";
/// The layout without rows in clear.
const SEALED_LAYOUT: &str = "2";

/// A profile and a consent log with their times to live in ms, and event digests with their expiry.
type Earlier = (Option<Vec<u8>>, i64, Option<Vec<u8>>, i64, Vec<(Vec<u8>, f64)>);

impl RedisStore {
    /// Does nothing where it was done before. Safe to interrupt and to run on several servers at once.
    pub(super) async fn seal_earlier_rows(&self) -> Result<(), StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.named(LAYOUT));
        let layout: Option<String> = self.link.ask(Lane::Bulk, Ask::Read(&get)).await?;
        if layout.as_deref() == Some(SEALED_LAYOUT) {
            return Ok(());
        }
        let mut sealed = 0u64;
        let mut keys = self.link.scan(self.keys.earlier_pattern()).await?;
        while let Some(found) = keys.next().await? {
            let people: BTreeSet<String> = found.iter().filter_map(|key| self.keys.earlier_user(key)).collect();
            for user in people.iter().filter_map(|user| UserId::new(user).ok()) {
                self.adopt(&user).await?;
                sealed += 1;
            }
        }
        if sealed > 0 {
            tracing::info!(people = sealed, "what an earlier version kept in clear is sealed now");
        }
        let mut set = redis::cmd("SET");
        set.arg(self.keys.named(LAYOUT)).arg(SEALED_LAYOUT);
        match self.link.ask::<()>(Lane::Bulk, Ask::Write(&set)).await {
            // A full Redis serves what it has; the next start looks again.
            Err(StoreError::Full(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn adopt(&self, user: &UserId) -> Result<(), StoreError> {
        let old = |what| self.keys.earlier(user.as_str(), what);
        let mut pipeline = redis::Pipeline::new();
        pipeline.cmd("GET").arg(old("profile"));
        pipeline.cmd("PTTL").arg(old("profile"));
        pipeline.cmd("GET").arg(old("consents"));
        pipeline.cmd("PTTL").arg(old("consents"));
        pipeline.cmd("ZRANGE").arg(old("dedupe")).arg(0).arg(-1).arg("WITHSCORES");
        let (profile, profile_ttl_ms, consents, consents_ttl_ms, ids): Earlier =
            self.link.ask(Lane::Bulk, Ask::Together(&pipeline)).await?;
        let who = self.who(user).await?;
        let mut adopt = self.scripts.adopt.key(self.keys.profile(&who));
        adopt.key(self.keys.dedupe(&who)).key(self.keys.erased(&who)).key(self.keys.consents(&who));
        // A damaged row, or a person who was erased meanwhile, leaves nothing to keep.
        let kept = match (profile.is_some() || consents.is_some() || !ids.is_empty()).then_some(self.key_for_writing(&who)) {
            Some(key) => match key.await {
                Ok(key) => Some(key),
                Err(StoreError::Erased) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let sealed = kept.as_ref().zip(profile.as_deref()).and_then(|(key, stored)| {
            let (_, plain) = split_revision(stored).ok().filter(|(_, plain)| !is_sealed(plain))?;
            Some([&stored[..8], &key.seal(Record::Profile, plain).ok()?].concat())
        });
        adopt.arg(sealed.unwrap_or_default()).arg(profile_ttl_ms.max(1)).arg(ttl_ms(DEDUPE_WINDOW.as_std()));
        let log = kept.as_ref().zip(consents.as_deref()).and_then(|(key, plain)| key.seal(Record::Consents, plain).ok());
        adopt.arg(log.unwrap_or_default()).arg(consents_ttl_ms.max(1));
        if let Some(key) = &kept {
            for (digest, expiry_ms) in &ids {
                adopt.arg(*expiry_ms).arg(key.digest(digest).as_slice());
            }
        }
        self.link.ask::<()>(Lane::Bulk, Ask::Script(&adopt)).await?;
        // Their keys have another tag. An end between the two steps leaves rows that are taken in again: nothing new gives way.
        let mut forget = self.scripts.forget_earlier.key(old("profile"));
        forget.key(old("dedupe")).key(old("feeds")).key(old("consents")).arg(old("feed:"));
        self.link.ask::<()>(Lane::Bulk, Ask::Script(&forget)).await
    }
}
