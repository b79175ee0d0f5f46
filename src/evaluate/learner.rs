//! Learning a log in the order of time, as the server does: the catalogue as it was at any moment of it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    catalogue::{Catalogue, CatalogueRecord, Row, Snapshot},
    domain::{Event, Item, ItemId, Popularity, Profile, Span, Time, Use},
    learn::{self, LearnError},
};

/// Why an event taught nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLearned {
    #[error("the item is not in the catalogue")]
    UnknownItem,
    #[error(transparent)]
    Refused(#[from] LearnError),
}

/// A catalogue whose items gain popularity as events are learned.
pub struct Learner {
    catalogue: Catalogue,
    /// Where items are: rows do not change while only popularity does.
    snapshot: Arc<Snapshot>,
    used: HashMap<Row, Popularity>,
    /// The most popular item so far.
    most: Option<Row>,
    /// Items whose popularity is not published yet.
    changed: BTreeSet<Row>,
}

impl Learner {
    /// `dimension` numbers in every embedding (≥ 1); popularity halves in `popularity_half_life`.
    pub fn new(items: Vec<Item>, dimension: usize, popularity_half_life: Span) -> Self {
        let catalogue = Catalogue::new(dimension, popularity_half_life);
        catalogue.apply(items.into_iter().map(|item| CatalogueRecord::Put(Box::new(item))));
        // As a server does after loading: large catalogues are searched through lists.
        catalogue.train();
        let snapshot = catalogue.snapshot();
        Self { catalogue, snapshot, used: HashMap::new(), most: None, changed: BTreeSet::new() }
    }

    /// Where an item is, in every snapshot of this learner.
    pub fn find(&self, item: &ItemId) -> Option<Row> {
        self.snapshot.find(item)
    }

    /// Learns one event into its person's profile and its item's popularity. A refused event changes neither, as in the server.
    pub fn learn(&mut self, profile: &mut Profile, event: &Event) -> Result<(), NotLearned> {
        let row = self.find(&event.item).ok_or(NotLearned::UnknownItem)?;
        let item = self.snapshot.item(row).ok_or(NotLearned::UnknownItem)?;
        let most = self.most.map(|row| self.popularity(row)).unwrap_or_default();
        let prominence = self.popularity(row).prominence(&most, event.at, self.snapshot.popularity_half_life());
        learn::learn(profile, event, &item, prominence)?;
        self.count(row, learn::used(event), event.at);
        Ok(())
    }

    /// Adds to an item's popularity: what people did of whom no profile is kept.
    pub fn count(&mut self, row: Row, used: Use, at: Time) {
        if used.is_nothing() {
            return;
        }
        let half_life = self.snapshot.popularity_half_life();
        let mut popularity = self.popularity(row);
        popularity.add(used, at, half_life);
        self.used.insert(row, popularity);
        self.changed.insert(row);
        // All of them fade alike, so only the one that was just used can have come to the front.
        let key = |row: Row| self.popularity(row).order_key(half_life).unwrap_or(f64::MIN);
        if self.most.is_none_or(|most| key(row) > key(most)) {
            self.most = Some(row);
        }
    }

    fn popularity(&self, row: Row) -> Popularity {
        self.used.get(&row).copied().unwrap_or_default()
    }

    /// The catalogue as it is after what was learned so far.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        if !self.changed.is_empty() {
            let changed = std::mem::take(&mut self.changed);
            let record = |row: Row| {
                let id = self.snapshot.entry(row)?.item.id.clone();
                Some(CatalogueRecord::Popularity(id, self.popularity(row)))
            };
            self.catalogue.apply(changed.into_iter().filter_map(record));
            self.snapshot = self.catalogue.snapshot();
        }
        Arc::clone(&self.snapshot)
    }
}
