//! MovieLens 100K: a rating of 4 or 5 is an open at its own time, the last fifth of each person's is kept back.

use std::collections::BTreeMap;

use polyphony::{
    domain::{Event, EventKind, Span, Time, UserId},
    import::Source,
};

use super::{World, data, readers};

/// Readers with fewer likings have no history to speak of.
const LEAST_LIKED: usize = 5;
/// Of ten likings so many feed the profile.
const LEARNED_OF_TEN: usize = 8;

/// `None`, with the reason printed, when the data is not there.
pub fn world(feeds: usize) -> Option<World> {
    let source =
        Source::Movielens { folder: data::path("movielens-100k")?, creators: Some(data::path("movielens-extra/ml100k_extra.jsonl")?) };
    let set = data::catalogue(source, data::path("embeddings/ml-100k.f16.bin")?);
    let now = set.events.iter().map(|event| event.at).max().unwrap_or(Time(0)).plus(Span::hours(1));
    // The import's events come by time.
    let mut liked: BTreeMap<UserId, Vec<Event>> = BTreeMap::new();
    for event in set.events.into_iter().filter(|event| event.kind == EventKind::Like) {
        liked.entry(event.user.clone()).or_default().push(event);
    }
    let readers: Vec<readers::Reader> = liked.into_values().filter(|liked| liked.len() >= LEAST_LIKED).map(reader).collect();
    Some(readers::world(set.items, &readers, &[], now, feeds))
}

fn reader(liked: Vec<Event>) -> readers::Reader {
    let learned = liked.len() * LEARNED_OF_TEN / 10;
    let event = |event: &Event| readers::open(event.user.as_str(), &event.item, event.at);
    let held_out = liked[learned..].iter().map(|event| event.item.clone()).collect();
    readers::Reader { events: liked[..learned].iter().map(event).collect(), liked: held_out }
}
