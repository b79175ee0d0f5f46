//! Readers with a history: what the server learns from it, and what it leaves behind in popularity.

use std::{collections::BTreeMap, sync::Arc};

use polyphony::{
    domain::{Event, EventId, EventKind, Item, ItemId, Policy, Profile, Scope, Time, UserId},
    evaluate::{Asked, Learner, Pipeline},
    store::PopularityDelta,
};

use super::World;

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
    let mut learner = Learner::new(items, dimension, Policy::default().score.popularity_half_life);
    for delta in background {
        learner.count(learner.find(&delta.item).expect("an item of the catalogue"), delta.used, delta.at);
    }
    let mut events: Vec<(usize, &Event)> =
        readers.iter().enumerate().flat_map(|(n, reader)| reader.events.iter().map(move |e| (n, e))).collect();
    events.sort_by_key(|(n, event)| (event.at, *n));
    let mut profiles: BTreeMap<usize, Profile> = BTreeMap::new();
    for (n, event) in events {
        learner.learn(profiles.entry(n).or_default(), event).expect("nothing to refuse");
    }
    let snapshot = learner.snapshot();
    let profiles: Vec<Arc<Profile>> = (0..readers.len()).map(|n| Arc::new(profiles.remove(&n).unwrap_or_default())).collect();
    let asked = (0..feeds).map(|n| {
        let person = n % readers.len();
        let liked = readers[person].liked.iter().filter_map(|item| snapshot.find(item)).collect();
        let (snapshot, profile) = (Arc::clone(&snapshot), Arc::clone(&profiles[person]));
        Asked { person: person as u32, snapshot, now, profile, liked, seed: n as u64 }
    });
    World { pipeline: Pipeline::new().expect("a runtime"), asked: asked.collect(), snapshot }
}
