//! Readers with a history: what the server learns from it, and what it leaves behind in popularity.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use polyphony::{
    catalogue::{Catalogue, CatalogueRecord, Snapshot},
    domain::{Event, EventId, EventKind, Item, ItemId, Policy, Popularity, Profile, Scope, Time, UserId},
    learn,
    store::PopularityDelta,
};

use super::{Asked, World};

/// A reader: what they did, and what they like besides.
#[derive(Clone)]
pub struct Reader {
    pub events: Vec<Event>,
    pub liked: Vec<ItemId>,
}

/// `user` opens `item`.
pub fn open(user: &str, item: &ItemId, at: Time) -> Event {
    Event {
        id: EventId::new(format!("{user}-{item}")).expect("a valid id"),
        user: UserId::new(user).expect("a valid id"),
        kind: EventKind::Open,
        item: item.clone(),
        at,
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    }
}

/// The catalogue after everything was learned in the order of time, and `feeds` feeds asked for at `now`, of the readers in
/// turns: a reader who comes again has another seed. `background` is popularity from before.
pub fn world(items: Vec<Item>, readers: &[Reader], background: &[PopularityDelta], now: Time, feeds: usize) -> World {
    let dimension = items.iter().find_map(|item| Some(item.embedding.as_ref()?.values.len())).expect("an embedding");
    let catalogue = Catalogue::new(dimension, Policy::default().score.popularity_half_life);
    catalogue.apply(items.into_iter().map(|item| CatalogueRecord::Put(Box::new(item))));
    // As a server does after loading: large catalogues are searched through lists.
    catalogue.train();
    let mut learning = Learning { snapshot: catalogue.snapshot(), used: HashMap::new(), most: None };
    for delta in background {
        learning.count(&delta.item, delta);
    }
    let mut events: Vec<(usize, &Event)> =
        readers.iter().enumerate().flat_map(|(n, reader)| reader.events.iter().map(move |e| (n, e))).collect();
    events.sort_by_key(|(n, event)| (event.at, *n));
    let mut profiles: BTreeMap<usize, Profile> = BTreeMap::new();
    for (n, event) in events {
        learning.learn(profiles.entry(n).or_default(), event);
    }
    catalogue.apply(learning.used.into_iter().map(|(item, popularity)| CatalogueRecord::Popularity(item, popularity)));
    let snapshot = catalogue.snapshot();
    let profiles: Vec<Arc<Profile>> = (0..readers.len()).map(|n| Arc::new(profiles.remove(&n).unwrap_or_default())).collect();
    let asked = (0..feeds).map(|n| {
        let (reader, profile) = (&readers[n % readers.len()], &profiles[n % readers.len()]);
        let liked = reader.liked.iter().filter_map(|item| snapshot.find(item)).collect();
        Asked { profile: Arc::clone(profile), liked, seed: n as u64 }
    });
    World { asked: asked.collect(), snapshot, now }
}

/// Popularity as it grows.
struct Learning {
    snapshot: Arc<Snapshot>,
    used: HashMap<ItemId, Popularity>,
    /// The most popular item so far.
    most: Option<ItemId>,
}

impl Learning {
    fn popularity(&self, item: &ItemId) -> Popularity {
        self.used.get(item).copied().unwrap_or_default()
    }

    /// Learns one event as the server does.
    fn learn(&mut self, profile: &mut Profile, event: &Event) {
        let row = self.snapshot.find(&event.item).expect("an item of the catalogue");
        let item = self.snapshot.item(row).expect("an item of the catalogue");
        let most = self.most.as_ref().map(|item| self.popularity(item)).unwrap_or_default();
        let prominence = self.popularity(&event.item).prominence(&most, event.at, self.snapshot.popularity_half_life());
        learn::learn(profile, event, &item, prominence).expect("nothing to refuse");
        self.count(&event.item, &PopularityDelta { item: event.item.clone(), used: learn::used(event), at: event.at });
    }

    fn count(&mut self, item: &ItemId, delta: &PopularityDelta) {
        let half_life = self.snapshot.popularity_half_life();
        let mut popularity = self.popularity(item);
        popularity.add(delta.used, delta.at, half_life);
        self.used.insert(item.clone(), popularity);
        // All of them fade alike, so only the one that was just used can have come to the front.
        let key = |item: &ItemId| self.popularity(item).order_key(half_life).unwrap_or(f64::MIN);
        if self.most.as_ref().is_none_or(|most| key(item) > key(most)) {
            self.most = Some(item.clone());
        }
    }
}
