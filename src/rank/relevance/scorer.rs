//! One candidate's features, from what is the same for every candidate of a request.

use super::{Candidate, Context, Feature, Scored, parts::Possible, taste::Tastes};
use crate::{
    catalogue::{Entry, NumberMap, Query, Row},
    domain::{Popularity, Profile, feed::FEATURES, time::decay},
};

/// A surface's prior counts half once this many events of a reader are learned.
const PRIOR_EVENTS: f32 = 20.0;

/// What a surface's prior counts for a reader, in (0, 1]: 1 while nothing is learned.
pub fn prior_fade(profile: Option<&Profile>) -> f32 {
    let events = profile.map_or(0, |profile| profile.events);
    PRIOR_EVENTS / (PRIOR_EVENTS + events as f32)
}

/// What is the same for every candidate of a request.
pub(super) struct Scorer<'a> {
    context: &'a Context<'a>,
    tastes: Tastes,
    /// Items that were shown and not opened, by hash: how often.
    passed_by: NumberMap<u64, u8>,
    interests: Vec<Query>,
    /// Of `interests`: its index in the profile, and the square root of its share of the strongest. A minor one counts, but less.
    strengths: Vec<(u8, f32)>,
    /// The policy's weight of each feature over the sum of those that a candidate can have.
    shares: [f32; FEATURES],
    /// Greatest [`Popularity::order_key`] in the pool.
    popularity_max: Option<f64>,
    /// Mean open rate of the pool's items that were shown; `None` when none was: then nothing tells them apart.
    open_rate: Option<f64>,
    /// Standard deviation of the open rate of an item of which nothing is known.
    unknown_deviation: f64,
}

impl<'a> Scorer<'a> {
    pub fn new(kept: &[Candidate], context: &'a Context<'a>) -> Self {
        let half_life = context.snapshot.popularity_half_life();
        let used = || kept.iter().map(|c| context.snapshot.popularity(c.row)).filter(|popularity| !popularity.is_unused());
        let mut scorer = Self {
            context,
            tastes: Tastes::new(context),
            passed_by: NumberMap::default(),
            interests: Vec::new(),
            strengths: Vec::new(),
            shares: [0.0; FEATURES],
            popularity_max: used().filter_map(|popularity| popularity.order_key(half_life)).max_by(f64::total_cmp),
            open_rate: mean_open_rate(used(), context),
            unknown_deviation: Popularity::default().open_rate(context.now, half_life).1,
        };
        if let Some(profile) = context.profile {
            scorer.passed_by = profile.seen.iter().map(|seen| (seen.item_hash, seen.passed_by())).filter(|(_, count)| *count > 0).collect();
            scorer.learn_interests(profile);
        }
        let possible = Possible {
            profile: context.profile.is_some(),
            prior: scorer.tastes.has_prior,
            caller: kept.iter().any(|c| c.relevance != 0.0),
            open_rate: scorer.open_rate.is_some(),
        };
        scorer.shares = possible.shares(&context.policy.score.weights);
        scorer
    }

    fn learn_interests(&mut self, profile: &Profile) {
        let strongest = profile.interests.iter().map(|i| i.weight).fold(0.0, f32::max);
        for (index, interest) in profile.interests.iter().enumerate() {
            if interest.vector.len() == self.context.snapshot.dimension() && strongest > 0.0 {
                self.interests.push(Query::new(interest.space, &interest.vector));
                self.strengths.push((index as u8, (interest.weight / strongest).sqrt()));
            }
        }
    }

    pub fn score(&self, candidate: &Candidate) -> Option<(f32, Scored)> {
        let entry = self.context.snapshot.entry(candidate.row)?;
        let felt = self.tastes.of(entry);
        let (interest_value, interest) = if felt.is_closed { (0.0, None) } else { self.interest(candidate.row) };
        let popularity = self.context.snapshot.popularity(candidate.row);
        let half_life = self.context.policy.score.recency_half_life;
        let recency = entry.published_at.map_or(0.0, |at| decay(self.context.now.since(at), half_life));
        let caller = if candidate.relevance.is_finite() { candidate.relevance.clamp(0.0, 1.0) } else { 0.0 };
        let values: [f32; FEATURES] = [
            interest_value,
            felt.topic,
            felt.creator,
            f32::from(u8::from(felt.is_followed)),
            recency as f32,
            self.popularity(&popularity),
            caller,
            felt.dislike,
            felt.repetition,
            self.uncertainty(&popularity),
            felt.prior,
            0.0,
        ];
        let mut contributions = [0.0; FEATURES];
        for ((contribution, share), value) in contributions.iter_mut().zip(self.shares).zip(values) {
            *contribution = share * value;
        }
        contributions[Feature::Impressions as usize] = self.discount(entry, contributions.iter().sum());
        let raw = contributions.iter().sum();
        let topic = felt.best_topic;
        let scored = Scored { row: candidate.row, sources: candidate.sources, relevance: 0.0, contributions, topic, interest };
        Some((raw, scored))
    }

    /// Greatest strength-weighted cosine to an interest, clamped at 0, and which interest.
    fn interest(&self, row: Row) -> (f32, Option<u8>) {
        let mut best = (0.0, None);
        self.context.snapshot.cosines(&self.interests, row, |at, cosine| {
            let (index, strength) = self.strengths[at];
            let value = (cosine * strength).clamp(0.0, 1.0);
            if value > best.0 {
                best = (value, Some(index));
            }
        });
        best
    }

    /// Share of the pool's most popular item, square-rooted so that one runaway item does not flatten the rest. From the
    /// order keys: the same at every moment, however long ago the events were. An item opened more seldom than the pool's
    /// when it is shown counts less in proportion: it is popular for having been shown.
    fn popularity(&self, popularity: &Popularity) -> f32 {
        let half_life = self.context.snapshot.popularity_half_life();
        let (Some(key), Some(max)) = (popularity.order_key(half_life), self.popularity_max) else { return 0.0 };
        let share = ((key - max) / 2.0).exp2();
        let debias = match self.open_rate {
            Some(mean) if popularity.impressions > 0.0 => (popularity.open_rate(self.context.now, half_life).0 / mean).min(1.0),
            _ => 1.0,
        };
        (share * debias) as f32
    }

    /// Standard deviation of the item's open rate as a share of a new item's, in [0, 1].
    fn uncertainty(&self, popularity: &Popularity) -> f32 {
        if self.open_rate.is_none() {
            return 0.0;
        }
        if popularity.is_unused() {
            return 1.0;
        }
        let (_, deviation) = popularity.open_rate(self.context.now, self.context.snapshot.popularity_half_life());
        (deviation / self.unknown_deviation).min(1.0) as f32
    }

    /// What impressions without an open take off `raw`: −(1 − discountⁿ) of what is positive in it (impression discounting,
    /// Lee et al., KDD 2014, exponential in the count).
    fn discount(&self, entry: &Entry, raw: f32) -> f32 {
        let Some(count) = self.passed_by.get(&entry.hash) else { return 0.0 };
        let kept = self.context.policy.repeat.impression_discount.powi(i32::from(*count));
        -(1.0 - kept) * raw.max(0.0)
    }
}

/// Mean open rate over the items that were shown.
fn mean_open_rate(used: impl Iterator<Item = Popularity>, context: &Context) -> Option<f64> {
    let half_life = context.snapshot.popularity_half_life();
    let shown = used.filter(|popularity| popularity.impressions > 0.0);
    let (sum, count) = shown.fold((0.0, 0u32), |(sum, count), p| (sum + p.open_rate(context.now, half_life).0, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
