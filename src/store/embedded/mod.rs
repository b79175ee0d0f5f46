//! The embedded store: one file, one process, nothing to install. Every `Ok` write is synced to disk.
//!
//! Writes run on blocking threads, because they end in an fsync; those that wait at the same time share it (`group.rs`). Reads of one person's records run where they are called:
//! a few B-tree steps over pages in memory take microseconds, less than handing them to another thread, and a running
//! write does not hold them up (redb's readers have their own snapshot).

mod catalogue;
mod change_log;
mod earlier;
mod engine;
mod group;
mod key_file;
mod pace;
mod people;
mod sealed;
mod tables;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use redb::{ReadableTable, ReadableTableMetadata};

use self::{
    change_log::{ChangeLog, Read},
    engine::{Engine, Fault, file_opener},
    key_file::KeyFile,
    tables::{ACTIVATIONS, CONSENTS, ERASED, EXPIRIES, FEEDS, ITEMS, META, PACES, PAGES, POLICIES, POPULARITY, PROFILES, REMEMBERED},
};
use super::{
    Basis, CatalogueRecord, Changes, Commit, FeedRecord, Learning, LogPosition, MAX_ACTIVATIONS_PER_READ, Person, PopularityDelta, Rotated,
    Store, StoreError, StoreOptions,
    touched::{Touch, coalesce},
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

/// Items written in one transaction.
const PUT_BATCH_ITEMS: usize = 1_000;
/// Batches read ahead of the sink while loading.
const LOAD_AHEAD_BATCHES: usize = 2;
/// The layout of the tables: people sealed, under lookup digests.
const FORMAT: &[u8] = b"2";
/// The layout that is brought up to [`FORMAT`] when it is opened; any other is refused.
const EARLIER_FORMAT: &[u8] = b"1";

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
    keys: Arc<KeyFile>,
    /// Held alone while keys are destroyed and while a consent lifts an erasure; shared while something is written with a key.
    erasing: tokio::sync::RwLock<()>,
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
        // The data first: its lock keeps a second process away from the keys, too.
        let engine = Engine::open(name.clone(), file_opener(&options.path))?;
        let keys = KeyFile::open(&options.store.keys, &options.path)?;
        Self::with(name, engine, keys, options.store, clock)
    }

    fn with(name: String, engine: Arc<Engine>, keys: KeyFile, options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let format = engine.write_here(|transaction| {
            transaction.open_table(ITEMS)?;
            transaction.open_table(POPULARITY)?;
            transaction.open_table(PROFILES)?;
            transaction.open_table(PACES)?;
            transaction.open_table(CONSENTS)?;
            transaction.open_table(REMEMBERED)?;
            transaction.open_table(FEEDS)?;
            transaction.open_table(PAGES)?;
            transaction.open_table(EXPIRIES)?;
            transaction.open_table(ERASED)?;
            transaction.open_table(POLICIES)?;
            transaction.open_table(ACTIVATIONS)?;
            let mut meta = transaction.open_table(META)?;
            let format = meta.get("format")?.map(|format| format.value().to_vec());
            if format.is_none() {
                meta.insert("format", FORMAT)?;
            }
            Ok(format)
        })?;
        match format.as_deref() {
            None | Some(FORMAT) => {}
            Some(EARLIER_FORMAT) => sealed::seal_earlier(&engine, &keys)?,
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                return Err(StoreError::Refused(format!("{name} has layout {other}; this server reads and writes layout 2")));
            }
        }
        // A process that ended in the middle of an erasure had noted it already.
        keys.destroy_here(&engine.read(|transaction| people::erased(transaction, clock.now()))?)?;
        let keys = Arc::new(keys);
        Ok(Self { engine, keys, erasing: tokio::sync::RwLock::default(), log: ChangeLog::new(), clock, options })
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
        self.read_person(user)
    }

    async fn append_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        self.write_consent(user, expected, record).await
    }

    async fn begin_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        self.read_learning(user, ids)
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
        self.read_pace(user)
    }

    async fn commit_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError> {
        self.write_pace(user, expected, pace, keep).await
    }

    async fn erase_user(&self, user: &UserId, now: Time) -> Result<Time, StoreError> {
        self.erase(user, now).await
    }

    async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, StoreError> {
        let who = self.keys.who(user)?;
        self.with_key(&who, |key| async move { Ok(key.pseudonym()) }).await
    }

    fn lookup(&self, user: &UserId) -> Option<String> {
        self.keys.lookup(user).map(|who| who.to_string())
    }

    /// There is no other process on the file: whoever erases knows it.
    async fn erased_since(&self, _: Time) -> Result<HashSet<String>, StoreError> {
        Ok(HashSet::new())
    }

    async fn rotate_keys(&self) -> Result<Rotated, StoreError> {
        self.keys.rotate().await
    }

    /// Nobody is supposed here: people are read from memory.
    async fn put_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration, _basis: Option<&Basis>) -> Result<(), StoreError> {
        self.write_feed(feed, first, keep).await
    }

    async fn feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        self.read_feed(owner, id)
    }

    async fn freeze_page(
        &self,
        owner: &Owner,
        id: &FeedId,
        number: u32,
        page: &Page,
        _basis: Option<&Basis>,
    ) -> Result<Option<Page>, StoreError> {
        super::check_page_number(number)?;
        self.keep_page(owner, id, number, page).await
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
        let _alone = self.erasing.write().await;
        let swept = self.engine.write(move |transaction| people::sweep(transaction, now)).await?;
        if !swept.unkept.is_empty() {
            self.keys.destroy(swept.unkept).await?;
        }
        Ok(swept.records)
    }

    fn kind(&self) -> &'static str {
        "embedded"
    }
}
