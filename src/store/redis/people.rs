//! Everything kept under a person's id: profile, consent log, de-duplication window, feeds. Every key has a time to live, set with
//! every write.

use std::{collections::HashMap, time::Duration};

use super::{RedisStore, link::Lane};
use crate::{
    domain::{
        EventId, FeedId, Profile, Span, Time, UserId,
        consent::{CONSENT_KEEP, ConsentRecord},
        event::DEDUPE_WINDOW,
        feed::{Owner, Page, StoredFeed},
    },
    store::{Commit, FeedRecord, Learning, MAX_REMEMBERED_EVENTS, Person, StoreError, codec},
};

/// Longest time to live, in ms: "forever" still ends, and Redis refuses times that overflow.
const MAX_TTL_MS: i64 = Span::days(3_650).as_millis();
/// Field of a feed's hash with the feed itself; `p0`, `p1`, … are its pages.
const FEED_FIELD: &str = "h";

impl RedisStore {
    pub(super) async fn read_person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        let mut get = redis::cmd("MGET");
        get.arg(self.keys.profile(user)).arg(self.keys.consents(user));
        let work = |mut connection| async move { get.query_async(&mut connection).await };
        let (profile, consents): (Option<Vec<u8>>, Option<Vec<u8>>) = self.link.call(Lane::Serving, work).await?;
        if profile.is_none() && consents.is_none() {
            return Ok(None);
        }
        let profile = profile.map(|stored| decode_profile(&stored).map(|(profile, _)| profile)).transpose()?;
        let consents = consents.map(|stored| codec::consent::decode(&stored)).transpose()?.unwrap_or_default();
        Ok(Some(Person { profile, consents }))
    }

    /// Reads the log, and replaces it where it still is what was read.
    pub(super) async fn write_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        let key = self.keys.consents(user);
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let stored: Option<Vec<u8>> =
            self.link.call(Lane::Serving, |mut connection| async move { get.query_async(&mut connection).await }).await?;
        let mut log = stored.as_deref().map(codec::consent::decode).transpose()?.unwrap_or_default();
        if log.len() != expected {
            return Ok(Commit::Conflict);
        }
        log.push(record.clone());
        let mut append = self.scripts.append_consent.key(key);
        append.arg(stored.unwrap_or_default()).arg(codec::consent::encode(&log)?).arg(ttl_ms(CONSENT_KEEP.as_std()));
        match self.link.call(Lane::Serving, |mut connection| async move { append.invoke_async(&mut connection).await }).await? {
            1 => Ok(Commit::Done),
            _ => Ok(Commit::Conflict),
        }
    }

    pub(super) async fn read_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        let mut begin = self.scripts.begin_learning.key(self.keys.profile(user));
        begin.key(self.keys.dedupe(user));
        for id in ids {
            begin.arg(&id.digest());
        }
        let now_ms = self.clock.now().0 as f64;
        let work = |mut connection| async move { begin.invoke_async(&mut connection).await };
        let (stored, expiries): (Option<Vec<u8>>, Vec<Option<f64>>) = self.link.call(Lane::Serving, work).await?;
        let (profile, revision) = stored.map(|stored| decode_profile(&stored)).transpose()?.unwrap_or_default();
        let known = expiries.into_iter().map(|expiry_ms| expiry_ms.is_some_and(|expiry_ms| expiry_ms > now_ms)).collect();
        Ok(Learning { profile, revision, known })
    }

    pub(super) async fn write_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        let mut commit = self.scripts.commit_profile.key(self.keys.profile(user));
        commit.key(self.keys.dedupe(user)).arg(expected).arg(codec::profile::encode(profile)?);
        commit.arg(ttl_ms(self.options.store.profile_ttl.as_std())).arg(now.0);
        commit.arg(now.plus(DEDUPE_WINDOW).0).arg(ttl_ms(DEDUPE_WINDOW.as_std())).arg(MAX_REMEMBERED_EVENTS);
        for id in ids {
            commit.arg(&id.digest());
        }
        let work = |mut connection| async move { commit.invoke_async(&mut connection).await };
        match self.link.call(Lane::Serving, work).await? {
            1 => Ok(Commit::Done),
            _ => Ok(Commit::Conflict),
        }
    }

    pub(super) async fn erase(&self, user: &UserId) -> Result<(), StoreError> {
        let mut erase = self.scripts.erase_user.key(self.keys.profile(user));
        erase.key(self.keys.dedupe(user)).key(self.keys.feeds(user)).key(self.keys.consents(user)).arg(self.keys.feed_prefix(user));
        self.link.call(Lane::Serving, |mut connection| async move { erase.invoke_async(&mut connection).await }).await
    }

    pub(super) async fn write_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration) -> Result<(), StoreError> {
        let mut put = self.scripts.put_feed.key(self.keys.feed(&feed.owner, &feed.id));
        put.arg(codec::feed::encode(feed)?).arg(codec::feed::encode_page(first)?).arg(ttl_ms(keep));
        if let Owner::User(user) = &feed.owner {
            put.key(self.keys.feeds(user)).arg(feed.id.as_str());
        }
        self.link.call(Lane::Serving, |mut connection| async move { put.invoke_async(&mut connection).await }).await
    }

    pub(super) async fn read_feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.keys.feed(owner, id));
        let work = |mut connection| async move { get.query_async(&mut connection).await };
        let fields: HashMap<String, Vec<u8>> = self.link.call(Lane::Serving, work).await?;
        let Some(feed) = fields.get(FEED_FIELD) else { return Ok(None) };
        // Pages are cut in order; what follows a gap cannot be continued from.
        let pages = (0u32..).map_while(|number| fields.get(&page_field(number))).map(Vec::as_slice);
        codec::feed::decode_record(feed, pages).map(Some)
    }

    pub(super) async fn keep_page(&self, owner: &Owner, id: &FeedId, number: u32, page: &Page) -> Result<Option<Page>, StoreError> {
        let mut freeze = self.scripts.freeze_page.key(self.keys.feed(owner, id));
        freeze.arg(page_field(number)).arg(codec::feed::encode_page(page)?);
        let work = |mut connection| async move { freeze.invoke_async(&mut connection).await };
        let frozen: Option<Vec<u8>> = self.link.call(Lane::Serving, work).await?;
        frozen.map(|page| codec::feed::decode_page(&page)).transpose()
    }
}

fn page_field(number: u32) -> String {
    format!("p{number}")
}

/// At least 1 ms: Redis deletes a key whose time is 0, and refuses to set one.
fn ttl_ms(keep: Duration) -> i64 {
    i64::try_from(keep.as_millis()).unwrap_or(MAX_TTL_MS).clamp(1, MAX_TTL_MS)
}

/// The profile and its revision.
fn decode_profile(stored: &[u8]) -> Result<(Profile, u64), StoreError> {
    let Some((revision, profile)) = stored.split_first_chunk::<8>() else {
        return Err(StoreError::Corrupt { what: "profile", detail: format!("{} bytes", stored.len()) });
    };
    Ok((codec::profile::decode(profile)?, u64::from_le_bytes(*revision)))
}
