//! The Redis store: shared by any number of server instances. Plain commands and small scripts, so Valkey does as well;
//! Redis 7.0 or newer.
//!
//! What Redis keeps through a crash is Redis' own setting (`appendonly`). A Redis that comes back emptier than it was is
//! noticed: the change log no longer holds the position of its readers.

mod breaker;
mod catalogue;
mod changes;
mod dial;
mod earlier;
mod errors;
mod key_table;
mod keys;
mod link;
pub mod look;
mod options;
mod pace;
mod people;
mod remembered;
mod scan;
mod scripts;

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Pipeline;
use tokio::sync::OnceCell;

pub use self::options::{RedisOptions, TlsFiles, redacted_url};
use self::{
    changes::Idle,
    keys::Keys,
    link::{Ask, Lane, Link},
    remembered::Remembered,
    scripts::Scripts,
};
use super::{
    Basis, CatalogueRecord, Changes, Commit, FeedRecord, Learning, LogPosition, MAX_ACTIVATIONS_PER_READ, Person, PopularityDelta, Rotated,
    Store, StoreError, Supposed, seal::KeyRing,
};
use crate::{
    clock::Clock,
    domain::{
        EventId, FeedId, Item, ItemId, Profile, Pseudonym, Span, Time, UserId,
        consent::ConsentRecord,
        feed::{Owner, Page, StoredFeed},
        reach::Pace,
    },
};

/// How long the key that [`Store::ping`] writes stays, in ms.
const PING_TTL_MS: u32 = 60_000;

/// See the module.
pub struct RedisStore {
    link: Link,
    /// Where people's keys are, if not with everything else.
    key_link: Option<Link>,
    /// Empty until the first call about a person.
    ring: OnceCell<KeyRing>,
    remembered: Remembered,
    keys: Keys,
    scripts: Scripts,
    idle: Idle,
    clock: Arc<dyn Clock>,
    options: RedisOptions,
}

impl RedisStore {
    /// Connects with the first call, so a Redis that is not there yet is no error here. `clock` decides which event ids
    /// are still remembered; times to live run by Redis' own clock.
    ///
    /// Errors: [`StoreError::Refused`] for a URL or key prefix that cannot be used.
    pub fn new(options: RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let link = |dialer| Link::new(dialer, options.timeout.as_std(), options.bulk_timeout.as_std());
        let (key_link, link) = (options.key_dialer()?.map(link), link(options.dialer()?));
        let keys = Keys::new(&options.key_prefix);
        // Where keys are elsewhere, no one command can tell whether a person still has theirs.
        let remembered = Remembered::new(if key_link.is_none() { options.person_cache_bytes } else { 0 });
        Ok(Self { link, key_link, ring: OnceCell::new(), remembered, keys, scripts: Scripts::new(), idle: Idle::default(), clock, options })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("options", &self.options).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn put_items(&self, items: &[Item]) -> Result<(), StoreError> {
        self.write_items(items).await
    }

    async fn delete_items(&self, ids: &[ItemId]) -> Result<Vec<bool>, StoreError> {
        self.remove_items(ids).await
    }

    async fn add_popularity(&self, deltas: &[PopularityDelta]) -> Result<(), StoreError> {
        self.add_weights(deltas).await
    }

    async fn load_catalogue(&self, sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError> {
        self.load(sink).await
    }

    async fn changes(&self, position: &LogPosition, wait: Duration) -> Result<Changes, StoreError> {
        self.read_changes(position, wait).await
    }

    fn logged_at(&self, position: &LogPosition) -> Option<Time> {
        let (ms, _) = position.0.split_once('-')?;
        ms.parse().ok().map(Time)
    }

    async fn person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        self.read_person(user).await
    }

    fn supposed(&self, user: &UserId) -> Option<Supposed> {
        let who = self.ring.get()?.lookup(user)?;
        // While calls fail, what is made from memory is made in vain.
        if self.link.is_well(&self.keys.profile(&who)) { self.remembered.supposed(&who) } else { None }
    }

    async fn append_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        self.write_consent(user, expected, record).await
    }

    async fn begin_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        self.read_learning(user, ids).await
    }

    async fn commit_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        self.write_profile(user, expected, profile, ids, now).await
    }

    async fn pace(&self, user: &UserId) -> Result<Pace, StoreError> {
        self.read_pace(user).await
    }

    async fn commit_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError> {
        self.write_pace(user, expected, pace, keep).await
    }

    async fn erase_user(&self, user: &UserId, now: Time) -> Result<Time, StoreError> {
        self.erase(user, now).await
    }

    async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, StoreError> {
        let who = self.who(user).await?;
        Ok(self.key_for_writing(&who).await?.pseudonym())
    }

    fn lookup(&self, user: &UserId) -> Option<String> {
        Some(self.ring.get()?.lookup(user)?.to_string())
    }

    async fn erased_since(&self, since: Time) -> Result<HashSet<String>, StoreError> {
        self.follow_erasures(since).await
    }

    async fn rotate_keys(&self) -> Result<Rotated, StoreError> {
        self.rewrap_keys().await
    }

    async fn put_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration, basis: Option<&Basis>) -> Result<(), StoreError> {
        self.write_feed(feed, first, keep, basis).await
    }

    async fn feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        self.read_feed(owner, id).await
    }

    async fn freeze_page(
        &self,
        owner: &Owner,
        id: &FeedId,
        number: u32,
        page: &Page,
        basis: Option<&Basis>,
    ) -> Result<Option<Page>, StoreError> {
        super::check_page_number(number)?;
        self.keep_page((owner, id, number), page, basis).await
    }

    async fn put_policy(&self, digest: &str, json: &str) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.keys.policy(digest)).arg(json);
        self.link.ask::<()>(Lane::Serving, Ask::Write(&set)).await
    }

    async fn policy(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.policy(digest));
        self.link.ask(Lane::Serving, Ask::Read(&get)).await
    }

    async fn append_activation(&self, expected: u64, line: &str) -> Result<Commit, StoreError> {
        let mut append = self.scripts.append_activation.key(self.keys.activations());
        append.arg(expected).arg(line);
        let appended: u8 = self.link.ask(Lane::Serving, Ask::Script(&append)).await?;
        Ok(if appended == 1 { Commit::Done } else { Commit::Conflict })
    }

    async fn activations(&self, after: u64) -> Result<Vec<String>, StoreError> {
        // Redis counts in 63 bits.
        let first = after.min(u64::MAX >> 2);
        let mut range = redis::cmd("LRANGE");
        range.arg(self.keys.activations()).arg(first).arg(first + MAX_ACTIVATIONS_PER_READ as u64 - 1);
        self.link.ask(Lane::Serving, Ask::Read(&range)).await
    }

    async fn shared_secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SETNX").arg(self.keys.secret()).arg(&fresh).ignore();
        pipeline.cmd("GET").arg(self.keys.secret());
        let (kept,): (Vec<u8>,) = self.link.ask(Lane::Serving, Ask::Together(&pipeline)).await?;
        super::secret(&kept)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.keys.ping()).arg(self.clock.now().0).arg("PX").arg(PING_TTL_MS);
        self.link.ask::<()>(Lane::Serving, Ask::Write(&set)).await
    }

    fn kind(&self) -> &'static str {
        "redis"
    }
}
