//! What an interest vector speaks of, judged by the catalogue: a vector itself has no topic.

use crate::{
    catalogue::{Query, Row, Snapshot},
    domain::{
        Facet,
        profile::{Affinity, Interest},
    },
};

/// Items looked at around a vector.
const NEAREST_ITEMS: usize = 8;
/// With so many of them of a topic, a vector speaks of it. Fewer than half: when a topic is removed, a vector too much goes rather
/// than one too few.
const SPOKEN_ITEMS: usize = 3;

/// Whether an interest speaks of `topic`: the item that last moved it does, or enough of the items nearest to it.
pub fn is_about(interest: &Interest, topic: &str, snapshot: &Snapshot) -> bool {
    let Some(code) = snapshot.codes().get(Facet::Topic, topic) else { return false };
    let speaks = |row: &Row| snapshot.entry(*row).is_some_and(|entry| entry.primary_topic == Some(code));
    if snapshot.find(&interest.exemplar).is_some_and(|row| speaks(&row)) {
        return true;
    }
    interest.vector.len() == snapshot.dimension() && {
        let nearest = snapshot.nearest(&Query::new(interest.space, &interest.vector), NEAREST_ITEMS, |_| true);
        nearest.iter().filter(|row| speaks(row)).count() >= SPOKEN_ITEMS
    }
}

/// Whether all that the catalogue has of a creator or source has `topic` for its heaviest: to like them is to like it.
pub fn is_only_about(affinity: &Affinity, topic: &str, snapshot: &Snapshot) -> bool {
    let codes = snapshot.codes();
    let (Some(topic), Some(whose)) = (codes.get(Facet::Topic, topic), codes.get(affinity.facet, &affinity.value)) else { return false };
    let mut items = snapshot.posting(whose).iter().filter_map(|row| snapshot.entry(*row)).peekable();
    items.peek().is_some() && items.all(|entry| entry.primary_topic == Some(topic))
}
