//! The catalogue in memory: immutable snapshots for readers, one writer that publishes the next.
//!
//! A request takes one [`Snapshot`] and keeps it: what it sees never changes under it. The writer copies only the
//! chunks it touches, so publishing costs in proportion to the change. Nothing here reads a clock or does I/O.

mod best;
mod centroids;
mod chunked;
mod codes;
mod dot;
mod head;
mod listed;
mod lists;
mod near;
mod numbers;
mod search;
mod sketch;
mod snapshot;
mod train;
mod vectors;
mod writer;

#[cfg(test)]
mod recall;
#[cfg(test)]
mod tests;

pub use codes::{FacetCode, FacetCodes, FacetReader};
pub use dot::{LANES, dot, dot_halves, dots_mixed, widen};
pub use listed::Listed;
pub use near::{Near, State};
pub use numbers::{NumberMap, NumberSet};
pub use snapshot::{Entry, Row, Snapshot};
pub use train::INDEXED_MIN_ROWS;
pub use vectors::{Query, VectorView};

use std::{collections::VecDeque, sync::Arc};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{Item, ItemId, Popularity, Span};

/// One change of the catalogue as it stands now (not as it was when logged): applying it twice is harmless.
#[derive(Clone, Debug, PartialEq)]
pub enum CatalogueRecord {
    Put(Box<Item>),
    Deleted(ItemId),
    /// For an item that is there; ignored otherwise.
    Popularity(ItemId, Popularity),
}

impl CatalogueRecord {
    /// The item it is about.
    pub fn id(&self) -> &ItemId {
        match self {
            Self::Put(item) => &item.id,
            Self::Deleted(id) | Self::Popularity(id, _) => id,
        }
    }
}

/// Deletions that what is written here is checked against; past them the change log brings it.
const MAX_DELETIONS: usize = 16_384;

/// What writers of the catalogue hold.
#[derive(Default)]
struct Writing {
    /// Calls of [`Catalogue::apply`].
    applied: u64,
    /// The latest deletions, also of what was not here: the snapshot's number, and the item's hash.
    deleted: VecDeque<(u64, u64)>,
}

impl Writing {
    /// Hashes of the items deleted after the snapshot of that number; `None`: too many to tell.
    fn deleted_since(&self, number: u64) -> Option<NumberSet<u64>> {
        let since = || self.deleted.iter().rev().take_while(|(at, _)| *at > number);
        let is_known = self.deleted.len() < MAX_DELETIONS || self.deleted.front().is_some_and(|(at, _)| *at <= number);
        is_known.then(|| since().map(|(_, hash)| *hash).collect())
    }
}

/// The live catalogue: readers load a snapshot without locking, writers queue.
pub struct Catalogue {
    current: ArcSwap<Snapshot>,
    /// Held while writing.
    writing: Mutex<Writing>,
}

impl Catalogue {
    /// An empty catalogue of `dimension`-dimensional embeddings (≥ 1); popularity halves in `popularity_half_life`.
    pub fn new(dimension: usize, popularity_half_life: Span) -> Self {
        Self { current: ArcSwap::from_pointee(Snapshot::empty(dimension, popularity_half_life)), writing: Mutex::default() }
    }

    /// The catalogue as it is now. Never changes once taken.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Applies changes in order and publishes them together.
    pub fn apply(&self, records: impl IntoIterator<Item = CatalogueRecord>) {
        let mut writing = self.writing.lock();
        writing.applied += 1;
        self.publish(&mut writing, records);
    }

    /// Applies what this instance wrote to the store after it took `since`, less the items that were changed here meanwhile:
    /// theirs may be the later state. What is left out comes by the change log, which has this instance's writes too.
    pub fn apply_written(&self, records: impl IntoIterator<Item = CatalogueRecord>, since: &Snapshot) {
        let mut writing = self.writing.lock();
        writing.applied += 1;
        let now = self.current.load();
        // Loaded anew: the log says all of it.
        if !Arc::ptr_eq(&since.codes, &now.codes) {
            return;
        }
        let deleted = writing.deleted_since(since.number);
        let is_changed = |id: &ItemId| match &deleted {
            Some(deleted) => deleted.contains(&id.hash64()) || !now.has_same(id, since),
            None => true,
        };
        let records = records.into_iter().filter(|record| !is_changed(record.id())).collect::<Vec<_>>();
        self.publish(&mut writing, records);
    }

    /// Calls of [`Self::apply`] so far: what [`Self::apply_read`] compares with.
    pub fn applied(&self) -> u64 {
        self.writing.lock().applied
    }

    /// Applies records that were read from the store after [`Self::applied`] was `since`. `false`, and nothing changes,
    /// when something was applied meanwhile and the records say otherwise: they may be the older ones.
    pub fn apply_read(&self, records: Vec<CatalogueRecord>, since: u64) -> bool {
        let mut writing = self.writing.lock();
        let now = self.current.load();
        if writing.applied != since && records.iter().any(|record| now.contradicts(record)) {
            return false;
        }
        self.publish(&mut writing, records);
        true
    }

    fn publish(&self, writing: &mut Writing, records: impl IntoIterator<Item = CatalogueRecord>) {
        let mut next = Snapshot::clone(&self.current.load());
        let mut deleted = Vec::new();
        next.apply(records.into_iter().inspect(|record| {
            if let CatalogueRecord::Deleted(id) = record {
                deleted.push(id.hash64());
            }
        }));
        next.number += 1;
        writing.deleted.extend(deleted.into_iter().map(|hash| (next.number, hash)));
        let over = writing.deleted.len().saturating_sub(MAX_DELETIONS);
        writing.deleted.drain(..over);
        self.current.store(Arc::new(next));
    }

    /// Makes the search lists that are wanted ([`Snapshot::wants_training`]) and publishes them. Readers and writers go on
    /// meanwhile; a call takes about a second per 100,000 items of 384 dimensions and belongs on a thread that may block.
    /// `false`, and nothing changes, when none are wanted or the catalogue was replaced meanwhile.
    pub fn train(&self) -> bool {
        let before = self.snapshot();
        if !before.wants_training() {
            return false;
        }
        let trained = before.train();
        let _one_at_a_time = self.writing.lock();
        let mut next = Snapshot::clone(&self.current.load());
        if !Arc::ptr_eq(&before.codes, &next.codes) {
            return false;
        }
        next.install(trained);
        self.current.store(Arc::new(next));
        true
    }

    /// Replaces everything by `records`: the answer to a change log that was trimmed.
    pub fn replace(&self, records: impl IntoIterator<Item = CatalogueRecord>) {
        let _one_at_a_time = self.writing.lock();
        let old = self.current.load();
        let mut next = Snapshot::empty(old.dimension(), old.popularity_half_life());
        next.apply(records);
        next.number = old.number + 1;
        self.current.store(Arc::new(next));
    }
}
