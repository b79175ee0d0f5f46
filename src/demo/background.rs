//! What everybody reads: enough use of the catalogue that "trending" means something.

use super::{
    draw::{Draw, Weighted},
    words::TOPICS,
};
use crate::{
    domain::{Item, Span, Time, Use, time::decay},
    store::PopularityDelta,
};

/// Readers nobody is shown; they only leave popularity behind.
const READERS: usize = 200;
/// Items each of them opens.
const OPENED_PER_READER: usize = 16;
/// How often an item is shown for each time it is opened.
const IMPRESSIONS_PER_OPEN: f64 = 5.0;
/// The longest after its publication that an item is opened.
const MAX_READING_DELAY: Span = Span::days(3);
/// How fast a reader's choice moves on to newer items.
const CHOICE_HALF_LIFE: Span = Span::days(6);

/// Popularity left by 200 readers with one or two favourite topics each: a few hits, a long tail, mostly lately.
///
/// `items` is [`super::catalogue()`]'s; every delta is between its item's publication and `now`.
pub fn background(seed: u64, now: Time, items: &[Item]) -> Vec<PopularityDelta> {
    let mut draw = Draw::new(seed, "background");
    let weights: Vec<f64> = items.iter().map(|item| appeal(&mut draw, item, now)).collect();
    let by_topic: Vec<Weighted> = TOPICS
        .iter()
        .map(|topic| Weighted::new(items.iter().zip(&weights).map(|(item, weight)| share(item, topic.name) * weight)))
        .collect();
    let mut deltas = Vec::with_capacity(READERS * OPENED_PER_READER);
    for _ in 0..READERS {
        let favourites = [draw.below(TOPICS.len()), draw.below(TOPICS.len())];
        for _ in 0..OPENED_PER_READER {
            let topic = if draw.chance(0.85) { *draw.pick(&favourites) } else { draw.below(TOPICS.len()) };
            let Some(item) = by_topic[topic].draw(&mut draw).map(|at| &items[at]) else { continue };
            let published = item.published_at.unwrap_or(now);
            let at = Time(draw.between(published.0, published.plus(MAX_READING_DELAY).0.min(now.0)));
            // An open, now and then a like on top.
            let weight = if draw.chance(0.15) { 3.0 } else { 1.0 };
            let used = Use { weight, impressions: IMPRESSIONS_PER_OPEN, opens: 1.0, ..Use::default() };
            deltas.push(PopularityDelta { item: item.id.clone(), used, at });
        }
    }
    deltas.sort_by(|a, b| (a.at, &a.item).cmp(&(b.at, &b.item)));
    deltas
}

/// A few items are hits, most are not; older ones are past theirs; expired ones are not read at all.
fn appeal(draw: &mut Draw, item: &Item, now: Time) -> f64 {
    let hit = (1.0 - draw.unit()).powf(-0.7);
    if item.expires_at.is_some_and(|at| at <= now) {
        return 0.0;
    }
    hit.min(60.0) * decay(now.since(item.published_at.unwrap_or(now)), CHOICE_HALF_LIFE)
}

fn share(item: &Item, topic: &str) -> f64 {
    item.topics.iter().find(|(name, _)| &**name == topic).map_or(0.0, |(_, weight)| f64::from(*weight))
}
