//! What earlier versions kept about people, in clear under their ids: sealed once, before the catalogue loads. Their feeds go;
//! a cursor into one begins a new feed.

use std::collections::BTreeSet;

use super::{
    RedisStore,
    link::Lane,
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
/// Keys asked for in one step of the scan. A hint: Redis may send more.
const SCAN_KEYS: usize = 1_000;

/// A profile and a consent log with their times to live in ms, and event digests with their expiry.
type Earlier = (Option<Vec<u8>>, i64, Option<Vec<u8>>, i64, Vec<(Vec<u8>, f64)>);

impl RedisStore {
    /// Does nothing where it was done before. Safe to interrupt and to run on several servers at once.
    pub(super) async fn seal_earlier_rows(&self) -> Result<(), StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.named(LAYOUT));
        let work = |mut connection| async move { get.query_async(&mut connection).await };
        let layout: Option<String> = self.link.call(Lane::Bulk, work).await?;
        if layout.as_deref() == Some(SEALED_LAYOUT) {
            return Ok(());
        }
        let (mut cursor, mut sealed) = (0u64, 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.earlier_pattern()).arg("COUNT").arg(SCAN_KEYS);
            let work = |mut connection| async move { scan.query_async(&mut connection).await };
            let (next, found): (u64, Vec<String>) = self.link.call(Lane::Bulk, work).await?;
            let people: BTreeSet<String> = found.iter().filter_map(|key| self.keys.earlier_user(key)).collect();
            for user in people.iter().filter_map(|user| UserId::new(user).ok()) {
                self.adopt(&user).await?;
                sealed += 1;
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
        if sealed > 0 {
            tracing::info!(people = sealed, "what an earlier version kept in clear is sealed now");
        }
        let mut set = redis::cmd("SET");
        set.arg(self.keys.named(LAYOUT)).arg(SEALED_LAYOUT);
        match self.link.call(Lane::Bulk, |mut connection| async move { set.exec_async(&mut connection).await }).await {
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
        let work = |mut connection| async move { pipeline.query_async(&mut connection).await };
        let (profile, profile_ttl_ms, consents, consents_ttl_ms, ids): Earlier = self.link.call(Lane::Bulk, work).await?;
        let who = self.who(user).await?;
        let mut adopt = self.scripts.adopt.key(self.keys.profile(&who));
        adopt.key(self.keys.dedupe(&who)).key(self.keys.erased(&who)).key(old("profile")).key(old("dedupe")).key(old("feeds"));
        adopt.key(self.keys.consents(&who)).key(old("consents"));
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
        adopt.arg(sealed.unwrap_or_default()).arg(profile_ttl_ms.max(1)).arg(ttl_ms(DEDUPE_WINDOW.as_std())).arg(old("feed:"));
        let log = kept.as_ref().zip(consents.as_deref()).and_then(|(key, plain)| key.seal(Record::Consents, plain).ok());
        adopt.arg(log.unwrap_or_default()).arg(consents_ttl_ms.max(1));
        if let Some(key) = &kept {
            for (digest, expiry_ms) in &ids {
                adopt.arg(*expiry_ms).arg(key.digest(digest).as_slice());
            }
        }
        self.link.call(Lane::Bulk, |mut connection| async move { adopt.invoke_async::<()>(&mut connection).await }).await
    }
}
