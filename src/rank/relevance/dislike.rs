//! Dislikes: `less_like` as a feature of a new feed, and as a demotion on the later pages of a running one.

use super::{Context, Feature};
use crate::{
    catalogue::{Entry, FacetCode, NumberMap},
    domain::{Facet, Time, feed::PoolEntry, time::decay},
};

/// From this dislike on, chance does not bring an item up.
const TURNED_DOWN: f32 = 0.5;

/// Dislike by facet code, saturating: d / (d + 1), in [0, 1]; 1 only for a topic set to −1 by hand.
#[derive(Default)]
pub(super) struct Dislikes(NumberMap<FacetCode, f32>);

impl Dislikes {
    /// What the person said until `context.now`, faded with `repeat.less_like_half_life`; only what was said `since`, if given.
    pub fn new(context: &Context, since: Option<Time>) -> Self {
        let Some(profile) = context.profile else { return Self::default() };
        let codes = context.snapshot.codes();
        let half_life = context.policy.repeat.less_like_half_life;
        let mut by_code = NumberMap::default();
        for dislike in profile.dislikes.iter().filter(|d| since.is_none_or(|since| d.at >= since)) {
            if let Some(code) = codes.get(dislike.facet, &dislike.value) {
                let now = dislike.weight * decay(context.now.since(dislike.at), half_life) as f32;
                by_code.insert(code, now / (1.0 + now));
            }
        }
        if since.is_none() {
            // A topic the person set by hand outweighs what was said of items.
            for (topic, level) in profile.preferences.topics.iter().filter(|(_, level)| **level < 0.0) {
                by_code.extend(codes.get(Facet::Topic, topic).map(|code| (code, -level)));
            }
        }
        Self(by_code)
    }

    pub fn iter(&self) -> impl Iterator<Item = (FacetCode, f32)> + '_ {
        self.0.iter().map(|(code, dislike)| (*code, *dislike))
    }

    /// The greatest over the item's topics (as it weights them), creator and source.
    pub fn of(&self, entry: &Entry) -> f32 {
        if self.0.is_empty() {
            return 0.0;
        }
        let single = [entry.creator, entry.source].into_iter().flatten();
        let of = |code| self.0.get(&code).copied().unwrap_or(0.0);
        let strongest_single = single.map(of).fold(0.0, f32::max);
        entry.topics.iter().map(|(code, weight)| of(*code) * weight).fold(strongest_single, f32::max)
    }
}

/// What was said since a feed was made, against its frozen relevance.
///
/// A demotion and not a filter: with nothing else left, the reader still gets a page.
pub struct Demotion {
    all: Dislikes,
    recent: Dislikes,
}

/// What a frozen entry is worth on a later page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demoted {
    /// In [0, 1], at most the frozen one.
    pub relevance: f32,
    /// It may still be drawn by chance.
    pub may_explore: bool,
}

impl Demotion {
    /// `made_at`: when the feed was made. Without a profile, or with `score.weights.less_like` 0, nothing is demoted.
    pub fn new(context: &Context, made_at: Time) -> Self {
        if context.policy.score.weights.less_like <= 0.0 {
            return Self { all: Dislikes::default(), recent: Dislikes::default() };
        }
        Self { all: Dislikes::new(context, None), recent: Dislikes::new(context, Some(made_at)) }
    }

    /// Whether chance must not bring the item up.
    pub fn turns_down(&self, entry: &Entry) -> bool {
        self.all.of(entry) >= TURNED_DOWN
    }

    /// Frozen relevance × (1 − dislike). What the frozen relevance has accounted for is not held against it twice.
    pub fn of(&self, pooled: &PoolEntry, entry: &Entry) -> Demoted {
        // An event may arrive late, with a time before the feed's: an entry without any dislike then has it all before it.
        let is_new = pooled.contributions[Feature::LessLike as usize] == 0.0;
        let dislike = if is_new { self.all.of(entry) } else { self.recent.of(entry) }.clamp(0.0, 1.0);
        Demoted { relevance: pooled.relevance * (1.0 - dislike), may_explore: dislike < TURNED_DOWN }
    }
}
