//! The embedded store: one file, one process, nothing to install. Every `Ok` write is synced to disk.
//!
//! Writes run on blocking threads, because they end in an fsync. Reads of one person's records run where they are called:
//! a few B-tree steps over pages in memory take microseconds, less than handing them to another thread, and a running
//! write does not hold them up (redb's readers have their own snapshot).

mod catalogue;
mod change_log;
mod engine;
mod people;
mod tables;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use redb::{ReadableTable, ReadableTableMetadata};

use self::{
    change_log::{ChangeLog, Read},
    engine::{Engine, Fault, Opener, file_opener},
    people::Learned,
    tables::{ACTIVATIONS, CONSENTS, EXPIRIES, FEEDS, ITEMS, META, PAGES, POLICIES, POPULARITY, PROFILES, REMEMBERED},
};
use super::{
    CatalogueRecord, Changes, Commit, FeedRecord, Learning, LogPosition, MAX_ACTIVATIONS_PER_READ, Person, PopularityDelta, Store,
    StoreError, StoreOptions, codec,
    touched::{Touch, coalesce},
};
use crate::{
    clock::Clock,
    domain::{
        EventId, FeedId, Item, ItemId, Profile, Span, Time, UserId,
        consent::ConsentRecord,
        feed::{Owner, Page, StoredFeed},
    },
};

/// Items written in one transaction.
const PUT_BATCH_ITEMS: usize = 1_000;
/// Batches read ahead of the sink while loading.
const LOAD_AHEAD_BATCHES: usize = 2;
/// The layout of the tables; a file with another one is refused.
const FORMAT: &[u8] = b"1";

/// Where the file is.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Made, with its folders, when it is not there; readable by this account alone.
    pub path: PathBuf,
    pub store: StoreOptions,
}

/// See the module.
pub struct EmbeddedStore {
    engine: Arc<Engine>,
    log: ChangeLog,
    clock: Arc<dyn Clock>,
    options: StoreOptions,
}

impl EmbeddedStore {
    /// Opens or makes the file; checks all of it, so this takes longer the larger it is. `clock` decides what is over.
    ///
    /// Errors: [`StoreError::Refused`] when another process has it open or it has another layout,
    /// [`StoreError::Corrupt`] when it is damaged or not a database, [`StoreError::Full`] and
    /// [`StoreError::Unreachable`] for the disk's own.
    pub fn open(options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let name = options.path.display().to_string();
        Self::open_with(name, file_opener(&options.path), options.store, clock)
    }

    fn open_with(name: String, open: Opener, options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let engine = Engine::open(name.clone(), open)?;
        let format = engine.write_here(|transaction| {
            transaction.open_table(ITEMS)?;
            transaction.open_table(POPULARITY)?;
            transaction.open_table(PROFILES)?;
            transaction.open_table(CONSENTS)?;
            transaction.open_table(REMEMBERED)?;
            transaction.open_table(FEEDS)?;
            transaction.open_table(PAGES)?;
            transaction.open_table(EXPIRIES)?;
            transaction.open_table(POLICIES)?;
            transaction.open_table(ACTIVATIONS)?;
            let mut meta = transaction.open_table(META)?;
            let format = meta.get("format")?.map(|format| format.value().to_vec());
            if format.is_none() {
                meta.insert("format", FORMAT)?;
            }
            Ok(format)
        })?;
        if let Some(other) = format.filter(|format| format != FORMAT) {
            let other = String::from_utf8_lossy(&other).into_owned();
            return Err(StoreError::Refused(format!("{name} has layout {other}; this server reads and writes layout 1")));
        }
        Ok(Self { engine, log: ChangeLog::new(), clock, options })
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("options", &self.options).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn put_items(&self, items: &[Item]) -> Result<(), StoreError> {
        for batch in items.chunks(PUT_BATCH_ITEMS) {
            let written = batch.to_vec();
            self.engine.write(move |transaction| catalogue::put(transaction, &written)).await?;
            self.log.append(batch.iter().map(|item| (item.id.clone(), Touch::Put)));
        }
        Ok(())
    }

    async fn delete_items(&self, ids: &[ItemId]) -> Result<Vec<bool>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let deleted = ids.to_vec();
        let there = self.engine.write(move |transaction| catalogue::delete(transaction, &deleted)).await?;
        self.log.append(ids.iter().map(|id| (id.clone(), Touch::Deleted)));
        Ok(there)
    }

    async fn add_popularity(&self, deltas: &[PopularityDelta]) -> Result<(), StoreError> {
        if deltas.is_empty() {
            return Ok(());
        }
        let deltas = deltas.to_vec();
        let half_life = self.options.popularity_half_life;
        let touched = self.engine.write(move |transaction| catalogue::add_popularity(transaction, &deltas, half_life)).await?;
        self.log.append(coalesce(touched).into_iter().map(|(id, _)| (id, Touch::Popularity)));
        Ok(())
    }

    async fn load_catalogue(&self, sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError> {
        let position = self.log.end();
        let (sender, mut batches) = tokio::sync::mpsc::channel(LOAD_AHEAD_BATCHES);
        let engine = self.engine.clone();
        let reading = tokio::task::spawn_blocking(move || {
            engine.read(|transaction| catalogue::load(transaction, |batch| sender.blocking_send(batch).is_ok()))
        });
        while let Some(batch) = batches.recv().await {
            sink(batch);
        }
        let damaged = reading.await.map_err(|_| StoreError::Refused("the database engine stopped while loading".into()))??;
        Ok((position, damaged))
    }

    async fn changes(&self, position: &LogPosition, wait: Duration) -> Result<Changes, StoreError> {
        let Read::Entries { entries, next } = self.log.read(position, wait).await else { return Ok(Changes::Resync) };
        let touched = coalesce(entries);
        let records = self.engine.read(|transaction| catalogue::current(transaction, touched))?;
        Ok(Changes::Records { records, next })
    }

    async fn person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        self.engine.read(|transaction| people::person(transaction, user, self.now()))
    }

    async fn append_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        let (user, record, now) = (user.clone(), record.clone(), self.now());
        self.engine.write(move |transaction| people::append_consent(transaction, &user, expected, &record, now)).await
    }

    async fn begin_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        self.engine.read(|transaction| people::begin_learning(transaction, user, ids, self.now()))
    }

    async fn commit_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        let learned = Learned {
            user: user.clone(),
            expected,
            profile: codec::profile::encode(profile)?,
            profile_expiry: now.plus(self.options.profile_ttl),
            digests: ids.iter().map(EventId::digest).collect(),
            now,
        };
        self.engine.write(move |transaction| people::commit(transaction, &learned)).await
    }

    async fn erase_user(&self, user: &UserId) -> Result<(), StoreError> {
        let user = user.clone();
        self.engine.write(move |transaction| people::erase(transaction, &user)).await
    }

    async fn put_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration) -> Result<(), StoreError> {
        let (owner, id) = (feed.owner.clone(), feed.id.clone());
        let (feed, first) = (codec::feed::encode(feed)?, codec::feed::encode_page(first)?);
        let expiry = self.now().plus(Span::millis(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)));
        self.engine.write(move |transaction| people::put_feed(transaction, (&owner, &id), &feed, &first, expiry)).await
    }

    async fn feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        self.engine.read(|transaction| people::feed(transaction, owner, id, self.now()))
    }

    async fn freeze_page(&self, owner: &Owner, id: &FeedId, number: u32, page: &Page) -> Result<Option<Page>, StoreError> {
        super::check_page_number(number)?;
        let (owner, id, page, now) = (owner.clone(), id.clone(), codec::feed::encode_page(page)?, self.now());
        self.engine.write(move |transaction| people::freeze_page(transaction, (&owner, &id), number, &page, now)).await
    }

    async fn put_policy(&self, digest: &str, json: &str) -> Result<(), StoreError> {
        // Written again with every start and every feed: a read saves the fsync.
        if self.policy(digest).await?.as_deref() == Some(json) {
            return Ok(());
        }
        let (digest, json) = (digest.to_owned(), json.to_owned());
        let write = move |transaction: &redb::WriteTransaction| -> Result<(), Fault> {
            transaction.open_table(POLICIES)?.insert(digest.as_str(), json.as_str())?;
            Ok(())
        };
        self.engine.write(write).await
    }

    async fn policy(&self, digest: &str) -> Result<Option<String>, StoreError> {
        self.engine.read(|transaction| Ok(transaction.open_table(POLICIES)?.get(digest)?.map(|json| json.value().to_owned())))
    }

    async fn append_activation(&self, expected: u64, line: &str) -> Result<Commit, StoreError> {
        let line = line.to_owned();
        let write = move |transaction: &redb::WriteTransaction| -> Result<Commit, Fault> {
            let mut log = transaction.open_table(ACTIVATIONS)?;
            if log.len()? != expected {
                return Ok(Commit::Conflict);
            }
            log.insert(expected, line.as_str())?;
            Ok(Commit::Done)
        };
        self.engine.write(write).await
    }

    async fn activations(&self, after: u64) -> Result<Vec<String>, StoreError> {
        self.engine.read(|transaction| {
            let log = transaction.open_table(ACTIVATIONS)?;
            let lines = log.range(after..)?.take(MAX_ACTIVATIONS_PER_READ);
            lines.map(|row| Ok(row?.1.value().to_owned())).collect()
        })
    }

    async fn shared_secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let write = move |transaction: &redb::WriteTransaction| -> Result<Vec<u8>, Fault> {
            let mut meta = transaction.open_table(META)?;
            let kept = meta.get("secret")?.map(|secret| secret.value().to_vec());
            if kept.is_none() {
                meta.insert("secret", fresh.as_slice())?;
            }
            Ok(kept.unwrap_or_else(|| fresh.to_vec()))
        };
        super::secret(&self.engine.write(write).await?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let stamp = self.now().0.to_le_bytes();
        let write = move |transaction: &redb::WriteTransaction| -> Result<(), Fault> {
            transaction.open_table(META)?.insert("ping", stamp.as_slice())?;
            Ok(())
        };
        self.engine.write(write).await
    }

    /// At most 1,000 records at a time, so that other writers get their turn.
    async fn sweep(&self, now: Time) -> Result<usize, StoreError> {
        if !self.engine.read(|transaction| people::is_due(transaction, now))? {
            return Ok(0);
        }
        self.engine.write(move |transaction| people::sweep(transaction, now)).await
    }

    fn kind(&self) -> &'static str {
        "embedded"
    }
}
