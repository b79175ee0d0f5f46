//! Storage behind one small trait: [`Store`], with an embedded and a Redis implementation that pass one conformance suite.
//!
//! What a store promises:
//! - An `Ok` write is durable as far as the engine is configured to be (embedded: synced to disk).
//! - A write that fails changes nothing, or leaves a state that repeating the call completes.
//! - [`Store::commit_profile`] is atomic: profile and event ids together, or neither.
//! - What is kept about a person is sealed with their key and kept under a keyed digest of their id ([`seal`]).
//! - Every key with a person's data has a time to live.
//! - Every call returns within the store's own time limit ([`StoreError::Timeout`] past it).

pub mod codec;
pub mod embedded;
pub mod metered;
pub mod redis;
pub mod seal;
mod touched;

use std::{collections::HashSet, fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;

pub use crate::{
    catalogue::CatalogueRecord,
    domain::{Popularity, Use},
};

use self::seal::MasterKeys;
use crate::domain::{
    EventId, FeedId, Item, ItemId, Profile, Pseudonym, Span, Time, UserId,
    consent::ConsentRecord,
    feed::{MAX_PAGES, Owner, Page, StoredFeed},
    reach::Pace,
};

/// Most event ids remembered per person for de-duplication; the oldest are forgotten first.
pub const MAX_REMEMBERED_EVENTS: usize = 10_000;

/// Most entries of the activation log in one answer.
pub const MAX_ACTIVATIONS_PER_READ: usize = 1_000;

/// An erasure is remembered this long, by digest alone, so that late events and imports bring nothing back.
pub const TOMBSTONE_TTL: Span = Span::days(30);

/// What both stores need to know.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// A profile that is not written for this long is forgotten.
    pub profile_ttl: Span,
    /// An item's popularity halves in this time. The same for every instance on one store.
    pub popularity_half_life: Span,
    pub keys: KeyOptions,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { profile_ttl: Span::days(365), popularity_half_life: Span::hours(24), keys: KeyOptions::default() }
    }
}

/// Where people's keys are kept and what wraps them.
#[derive(Clone, Default)]
pub struct KeyOptions {
    /// `None`: the store makes a master key of its own and keeps it beside the keys, which protects backups without it only.
    pub masters: Option<MasterKeys>,
    /// File of the embedded store's keys; `None`: `keys.redb` beside the store's file.
    pub path: Option<PathBuf>,
    /// Another Redis for the keys; `None`: the one with everything else. May hold a password.
    pub redis_url: Option<String>,
}

impl fmt::Debug for KeyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { masters, path, redis_url } = self;
        let url = redis_url.as_deref().map(redis::redacted_url);
        f.debug_struct("KeyOptions").field("masters", &masters.is_some()).field("path", path).field("redis_url", &url).finish()
    }
}

/// Why a store call failed. Says what happened; the caller decides what it means.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store did not answer within its time limit")]
    Timeout,
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    #[error("the store has no room for writes: {0}")]
    Full(String),
    /// The stored bytes are not what was written: other version, or damaged.
    #[error("a stored {what} cannot be read: {detail}")]
    Corrupt { what: &'static str, detail: String },
    #[error("the store refused: {0}")]
    Refused(String),
    /// The person was erased, and has not asked for anything to be kept since.
    #[error("the person was erased; nothing is kept about them until they consent anew")]
    Erased,
    /// What it was made from is not what is stored any more: read and make it again.
    #[error("what is known of the person has changed meanwhile")]
    Outdated,
}

impl StoreError {
    /// The `reason` in degradations and metrics; a closed list.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "store_timeout",
            Self::Unreachable(_) => "store_unreachable",
            Self::Full(_) => "store_full",
            Self::Corrupt { .. } => "store_corrupt",
            Self::Refused(_) => "store_refused",
            Self::Erased => "erased",
            Self::Outdated => "outdated",
        }
    }
}

/// A place in the change log. Opaque: only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPosition(pub String);

/// What the change log says after a position.
#[derive(Clone, Debug, PartialEq)]
pub enum Changes {
    /// In log order, coalesced per item; `next` is where to read on. Empty when nothing came within the wait.
    Records { records: Vec<CatalogueRecord>, next: LogPosition },
    /// The position is older than the log: load the whole catalogue again.
    Resync,
}

/// A profile with the revision its next commit must name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learning {
    /// The default profile when the person is unknown.
    pub profile: Profile,
    /// 0 when the person is unknown.
    pub revision: u64,
    /// For each event id asked about: already learned within the de-duplication window.
    pub known: Vec<bool>,
    /// The person was erased: nothing is kept about them.
    pub is_erased: bool,
}

/// What is kept about a person, as a request needs it. Empty for somebody unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    pub profile: Option<Arc<Profile>>,
    /// The consent log, oldest first.
    pub consents: Arc<[ConsentRecord]>,
}

/// What a person's records were when they were read, so that a store can tell whether they still are. Opaque: only the store that
/// made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    profile: Box<[u8]>,
    consents: Box<[u8]>,
}

/// A person as this process last saw them.
#[derive(Clone, Debug, PartialEq)]
pub struct Supposed {
    pub person: Person,
    pub basis: Basis,
}

/// Outcome of a write that only holds on what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Done,
    /// Somebody else committed first: read again and retry.
    Conflict,
    /// The person was erased: nothing was written.
    Erased,
}

/// What became of key rows when [`Store::rotate_keys`] went over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Wrapped anew by the newest master key.
    pub rewrapped: u64,
    /// Wrapped by it already.
    pub current: u64,
    /// Of no master key that is known, or damaged: left as they are.
    pub unreadable: u64,
}

/// What to add to an item's popularity.
#[derive(Clone, Debug, PartialEq)]
pub struct PopularityDelta {
    pub item: ItemId,
    pub used: Use,
    pub at: Time,
}

/// A stored feed with its frozen pages, page 0 first.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedRecord {
    pub feed: Arc<StoredFeed>,
    pub pages: Vec<Page>,
}

/// Everything the server keeps. Two implementations: [`embedded`] and [`redis`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Inserts or replaces items and logs the change. All or, on error, possibly some: repeating completes it.
    async fn put_items(&self, items: &[Item]) -> Result<(), StoreError>;

    /// Deletes items, their popularity too, and logs the change. Per id: whether it was there.
    async fn delete_items(&self, ids: &[ItemId]) -> Result<Vec<bool>, StoreError>;

    /// Adds to items' popularity and logs the change. Unknown items and numbers that are not finite are skipped.
    /// Repeating a call that failed may add some of it twice.
    async fn add_popularity(&self, deltas: &[PopularityDelta]) -> Result<(), StoreError>;

    /// Streams the whole catalogue in batches to `sink`, in any order (an item's `Put` before its `Popularity`);
    /// returns the log position to continue from (changes made meanwhile come after it). Corrupt records are skipped,
    /// logged and counted in the second value; so a `Popularity` may come whose item never did: ignore it.
    async fn load_catalogue(&self, sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError>;

    /// Waits up to `wait` for changes after `position`. Not subject to the store's time limit.
    async fn changes(&self, position: &LogPosition, wait: std::time::Duration) -> Result<Changes, StoreError>;

    /// When the change at `position` was logged, by the store's clock; `None` where nobody else writes the log.
    fn logged_at(&self, _position: &LogPosition) -> Option<Time> {
        None
    }

    /// Profile and consent log in one round trip, or `None` for an unknown person.
    async fn person(&self, user: &UserId) -> Result<Option<Person>, StoreError>;

    /// The person as this process last saw them, without asking anybody: for a page alone that is then kept on this basis by
    /// [`Store::put_feed`] or [`Store::freeze_page`], which refuse it where anything changed since (optimistic concurrency control:
    /// Kung and Robinson 1981). `None`: read them.
    fn supposed(&self, _user: &UserId) -> Option<Supposed> {
        None
    }

    /// The profile alone, or `None` where there is none.
    async fn profile(&self, user: &UserId) -> Result<Option<Profile>, StoreError> {
        Ok(self.person(user).await?.and_then(|person| person.profile).map(Arc::unwrap_or_clone))
    }

    /// Adds a record to a person's consent log if it has `expected` of them so far, and keeps the log for
    /// [`crate::domain::consent::CONSENT_KEEP`] from now. Records are never changed or taken out.
    ///
    /// Errors: [`StoreError::Refused`] when the log is full.
    async fn append_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError>;

    /// Profile, revision and which of `ids` were learned before, in one consistent read.
    async fn begin_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError>;

    /// Writes the profile and remembers `ids` for the de-duplication window, if the revision still is `expected`.
    async fn commit_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError>;

    /// What was sent to the person of late; nothing for somebody unknown.
    async fn pace(&self, user: &UserId) -> Result<Pace, StoreError>;

    /// Replaces it for `keep` from now, if it still is `expected`.
    async fn commit_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError>;

    /// Deletes everything kept about the person (profile, consents, pace, de-duplication window, feeds), destroys their key, and refuses what comes
    /// late for [`TOMBSTONE_TTL`]. Repeating it is safe and completes what a failure left. Returns when they were erased: with the
    /// first of several calls.
    async fn erase_user(&self, user: &UserId, now: Time) -> Result<Time, StoreError>;

    /// What stands for the person in journals: made with their key when there is none yet.
    ///
    /// Errors: [`StoreError::Erased`] after an erasure.
    async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, StoreError>;

    /// What the person's records are kept under; `None` while the store has not told its secret yet.
    fn lookup(&self, user: &UserId) -> Option<String>;

    /// Forgets the cached keys of everybody erased after `since` anywhere on this store, and tells what their records were kept
    /// under, so that other caches can follow.
    async fn erased_since(&self, since: Time) -> Result<HashSet<String>, StoreError>;

    /// Wraps every person's key by the newest master key. Safe while servers run, and to repeat.
    async fn rotate_keys(&self) -> Result<Rotated, StoreError>;

    /// Keeps a new feed with its first page for `keep`.
    ///
    /// Errors: [`StoreError::Outdated`] where the person the feed is of is not as `basis` says any more.
    async fn put_feed(&self, feed: &StoredFeed, first: &Page, keep: std::time::Duration, basis: Option<&Basis>) -> Result<(), StoreError>;

    /// A feed and its pages, or `None` when it never was or its time is over.
    async fn feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError>;

    /// Freezes page `number` (≥ 1). If it is frozen already, returns the frozen one: the first writer wins.
    /// `None` when the feed is gone.
    ///
    /// Errors: [`StoreError::Outdated`] where the owner is not as `basis` says any more.
    async fn freeze_page(
        &self,
        owner: &Owner,
        id: &FeedId,
        number: u32,
        page: &Page,
        basis: Option<&Basis>,
    ) -> Result<Option<Page>, StoreError>;

    /// Keeps a policy's JSON under its digest (idempotent), so that any instance can continue a feed it made.
    async fn put_policy(&self, digest: &str, json: &str) -> Result<(), StoreError>;

    /// A policy's JSON by digest.
    async fn policy(&self, digest: &str) -> Result<Option<String>, StoreError>;

    /// Adds a line to the activation log if it has `expected` of them so far. Lines are never changed or taken out.
    async fn append_activation(&self, expected: u64, line: &str) -> Result<Commit, StoreError>;

    /// The activation log after its first `after` lines, oldest first, at most [`MAX_ACTIVATIONS_PER_READ`].
    async fn activations(&self, after: u64) -> Result<Vec<String>, StoreError>;

    /// 32 secret bytes shared by every instance on this store; `fresh` is kept if there are none yet.
    async fn shared_secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Deletes what is over by now; how many records. Stores whose engine does so by itself have nothing to do.
    async fn sweep(&self, _now: Time) -> Result<usize, StoreError> {
        Ok(0)
    }

    /// Whether the store answers and takes writes.
    async fn ping(&self) -> Result<(), StoreError>;

    /// `"embedded"` or `"redis"`, for readiness and metrics.
    fn kind(&self) -> &'static str;
}

/// Page 0 comes with the feed, and a feed has at most [`MAX_PAGES`].
fn check_page_number(number: u32) -> Result<(), StoreError> {
    if (1..MAX_PAGES as u32).contains(&number) {
        return Ok(());
    }
    Err(StoreError::Refused(format!("page {number}; pages 1 to {} can be frozen", MAX_PAGES - 1)))
}

fn secret(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt { what: "secret", detail: format!("{} bytes; expected 32", bytes.len()) })
}
