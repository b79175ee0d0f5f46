//! One candidate's features, from what is the same for every candidate of a request.

use super::{Candidate, Context, Feature, Scored, dislike::Dislikes, exposure::Exposures, widened};
use crate::{
    catalogue::{Entry, FacetCode, NumberMap, VectorView, dots_mixed},
    domain::{EmbeddingSpace, Facet, Popularity, Profile, feed::FEATURES, profile::Affinity, time::decay},
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
    /// Liking by topic or creator code, scaled so that the largest of each facet is 1.
    liking: NumberMap<FacetCode, f32>,
    /// What the surface likes, faded by what is known of the reader.
    prior: NumberMap<FacetCode, f32>,
    dislikes: Dislikes,
    exposures: Exposures,
    /// Items that were shown and not opened, by hash: how often.
    passed_by: NumberMap<u64, u8>,
    follows: Vec<FacetCode>,
    interests: Vec<InterestVector>,
    weights_sum: f32,
    /// Greatest [`crate::domain::Popularity::order_key`] in the pool.
    popularity_max: Option<f64>,
    /// Mean open rate of the pool's items that were shown; `None` when none was: then nothing tells them apart.
    open_rate: Option<f64>,
}

struct InterestVector {
    index: u8,
    space: EmbeddingSpace,
    values: Vec<f32>,
    /// Square root of the interest's share of the strongest: a minor interest counts, but less.
    strength: f32,
    /// The vector of the interest's evidence, if it is still in the catalogue.
    exemplar: Option<(EmbeddingSpace, Vec<f32>)>,
}

impl<'a> Scorer<'a> {
    pub fn new(kept: &[Candidate], context: &'a Context<'a>) -> Self {
        let weights = &context.policy.score.weights;
        let half_life = context.snapshot.popularity_half_life();
        let popular = |c: &Candidate| context.snapshot.popularity(c.row).order_key(half_life);
        let mut scorer = Self {
            context,
            liking: NumberMap::default(),
            prior: NumberMap::default(),
            dislikes: Dislikes::new(context, None),
            exposures: Exposures::default(),
            passed_by: NumberMap::default(),
            follows: Vec::new(),
            interests: Vec::new(),
            // Features nobody in this request can have do not dilute the others: the sum is over the possible ones.
            weights_sum: weights.recency + weights.popularity,
            popularity_max: kept.iter().filter_map(popular).max_by(f64::total_cmp),
            open_rate: mean_open_rate(kept, context),
        };
        if kept.iter().any(|c| c.relevance != 0.0) {
            scorer.weights_sum += weights.relevance;
        }
        if scorer.open_rate.is_some() {
            scorer.weights_sum += weights.uncertainty;
        }
        scorer.learn_prior();
        if let Some(profile) = context.profile {
            scorer.weights_sum += weights.interest + weights.creator + weights.follow;
            scorer.learn(profile);
        }
        if context.profile.is_some() || !scorer.prior.is_empty() {
            scorer.weights_sum += weights.topic;
        }
        scorer
    }

    /// The surface's topics, fading as the reader's events come.
    fn learn_prior(&mut self) {
        let fade = prior_fade(self.context.profile);
        for prior in &self.context.policy.score.prior {
            if let Some(code) = self.context.snapshot.codes().get(Facet::Topic, &prior.topic) {
                self.prior.insert(code, prior.weight * fade);
            }
        }
    }

    fn learn(&mut self, profile: &Profile) {
        let codes = self.context.snapshot.codes();
        for facet in [Facet::Topic, Facet::Creator] {
            let of_facet = || profile.affinities.iter().filter(|a| a.facet == facet);
            let largest = of_facet().map(Affinity::net_liking).fold(0.0, f32::max);
            for affinity in of_facet().filter(|a| a.net_liking() > 0.0) {
                if let Some(code) = codes.get(facet, &affinity.value) {
                    self.liking.insert(code, affinity.net_liking() / largest);
                }
            }
        }
        // A topic the person set by hand outweighs what was inferred, in both directions.
        for (topic, level) in &profile.preferences.topics {
            let Some(code) = codes.get(Facet::Topic, topic) else { continue };
            if *level > 0.0 {
                let liking = self.liking.entry(code).or_insert(0.0);
                *liking = liking.max(*level);
            } else if *level < 0.0 {
                self.liking.remove(&code);
                self.prior.remove(&code);
            }
        }
        self.exposures = Exposures::new(profile, self.context.snapshot, self.context.now);
        self.passed_by = profile.seen.iter().map(|seen| (seen.item_hash, seen.passed_by())).filter(|(_, count)| *count > 0).collect();
        self.follows = profile.follows.iter().filter_map(|c| codes.get(Facet::Creator, c)).collect();
        let strongest = profile.interests.iter().map(|i| i.weight).fold(0.0, f32::max);
        for (index, interest) in profile.interests.iter().enumerate() {
            if interest.vector.len() == self.context.snapshot.dimension() && strongest > 0.0 {
                let exemplar = self.context.snapshot.find(&interest.exemplar).and_then(|row| self.context.snapshot.vector(row));
                self.interests.push(InterestVector {
                    exemplar: exemplar.map(|vector| (vector.space, widened(vector.values))),
                    index: index as u8,
                    space: interest.space,
                    values: widened(&interest.vector),
                    strength: (interest.weight / strongest).sqrt(),
                });
            }
        }
    }

    pub fn score(&self, candidate: &Candidate) -> Option<(f32, Scored)> {
        let entry = self.context.snapshot.entry(candidate.row)?;
        let (interest_value, interest) = self.interest(self.context.snapshot.vector(candidate.row));
        let (topic_value, topic) = self.topic(entry);
        let policy = self.context.policy;
        let recency = entry.item.published_at.map_or(0.0, |at| decay(self.context.now.since(at), policy.score.recency_half_life));
        let caller = if candidate.relevance.is_finite() { candidate.relevance.clamp(0.0, 1.0) } else { 0.0 };
        let values: [f32; FEATURES] = [
            interest_value,
            topic_value,
            entry.creator.and_then(|c| self.liking.get(&c)).copied().unwrap_or(0.0),
            f32::from(u8::from(entry.creator.is_some_and(|c| self.follows.contains(&c)))),
            recency as f32,
            self.popularity(candidate),
            caller,
            self.dislikes.of(entry),
            self.exposures.repetition(entry),
            self.uncertainty(candidate),
            self.prior(entry),
            0.0,
        ];
        let mut contributions = [0.0; FEATURES];
        for feature in Feature::ALL {
            let share = feature.weight(&policy.score.weights) / self.weights_sum.max(f32::MIN_POSITIVE);
            contributions[feature as usize] = share * values[feature as usize];
        }
        contributions[Feature::Impressions as usize] = self.discount(entry, contributions.iter().sum());
        let raw = contributions.iter().sum();
        let scored = Scored { row: candidate.row, sources: candidate.sources, relevance: 0.0, contributions, topic, interest };
        Some((raw, scored))
    }

    /// Greatest strength-weighted cosine to an interest, clamped at 0, and which interest if its exemplar is like the item.
    fn interest<'s>(&'s self, vector: Option<VectorView>) -> (f32, Option<u8>) {
        let Some(vector) = vector else { return (0.0, None) };
        if self.interests.is_empty() {
            return (0.0, None);
        }
        let mut best: (f32, Option<&InterestVector>) = (0.0, None);
        let mut compare = |interest: &'s InterestVector, cosine: f32| {
            let value = (cosine * interest.strength).clamp(0.0, 1.0);
            if interest.space == vector.space && value > best.0 {
                best = (value, Some(interest));
            }
        };
        let (pairs, last) = self.interests.as_chunks::<2>();
        for [first, second] in pairs {
            let [to_first, to_second] = dots_mixed([&first.values, &second.values], vector.values);
            compare(first, to_first);
            compare(second, to_second);
        }
        for interest in last {
            let [cosine] = dots_mixed([&interest.values], vector.values);
            compare(interest, cosine);
        }
        // The interest counts by its direction; the reason names an item, so it must hold for that item.
        let like_exemplar = |(space, exemplar): &(EmbeddingSpace, Vec<f32>)| {
            let [cosine] = dots_mixed([exemplar], vector.values);
            *space == vector.space && cosine >= space.alike()
        };
        let named = best.1.filter(|interest| interest.exemplar.as_ref().is_some_and(like_exemplar));
        (best.0, named.map(|interest| interest.index))
    }

    /// Mean liking over the item's topics, weighted as the item weights them, and the topic that gave most.
    fn topic(&self, entry: &Entry) -> (f32, Option<u8>) {
        let mut sum = 0.0;
        let mut best = (0.0, None);
        for (index, (code, weight)) in entry.topics.iter().enumerate() {
            let part = self.liking.get(code).copied().unwrap_or(0.0) * weight;
            sum += part;
            if part > best.0 {
                best = (part, Some(index as u8));
            }
        }
        if entry.topic_mass > 0.0 { (sum / entry.topic_mass, best.1) } else { (0.0, None) }
    }

    /// Mean of what the surface likes beyond the reader's own liking, over the item's topics as it weights them.
    fn prior(&self, entry: &Entry) -> f32 {
        if self.prior.is_empty() || entry.topic_mass <= 0.0 {
            return 0.0;
        }
        let of = |map: &NumberMap<FacetCode, f32>, code| map.get(code).copied().unwrap_or(0.0);
        let sum: f32 = entry.topics.iter().map(|(code, weight)| (of(&self.prior, code) - of(&self.liking, code)).max(0.0) * weight).sum();
        sum / entry.topic_mass
    }

    /// Share of the pool's most popular item, square-rooted so that one runaway item does not flatten the rest. From the
    /// order keys: the same at every moment, however long ago the events were. An item opened more seldom than the pool's
    /// when it is shown counts less in proportion: it is popular for having been shown.
    fn popularity(&self, candidate: &Candidate) -> f32 {
        let half_life = self.context.snapshot.popularity_half_life();
        let popularity = self.context.snapshot.popularity(candidate.row);
        let (Some(key), Some(max)) = (popularity.order_key(half_life), self.popularity_max) else { return 0.0 };
        let share = ((key - max) / 2.0).exp2();
        let debias = match self.open_rate {
            Some(mean) if popularity.impressions > 0.0 => (popularity.open_rate(self.context.now, half_life).0 / mean).min(1.0),
            _ => 1.0,
        };
        (share * debias) as f32
    }

    /// Standard deviation of the item's open rate as a share of a new item's, in [0, 1].
    fn uncertainty(&self, candidate: &Candidate) -> f32 {
        if self.open_rate.is_none() {
            return 0.0;
        }
        let half_life = self.context.snapshot.popularity_half_life();
        let deviation = |popularity: Popularity| popularity.open_rate(self.context.now, half_life).1;
        let share = deviation(self.context.snapshot.popularity(candidate.row)) / deviation(Popularity::default());
        share.min(1.0) as f32
    }

    /// What impressions without an open take off `raw`: −(1 − discountⁿ) of what is positive in it (impression discounting,
    /// Lee et al., KDD 2014, exponential in the count).
    fn discount(&self, entry: &Entry, raw: f32) -> f32 {
        let Some(count) = self.passed_by.get(&entry.hash) else { return 0.0 };
        let kept = self.context.policy.repeat.impression_discount.powi(i32::from(*count));
        -(1.0 - kept) * raw.max(0.0)
    }
}

/// Mean open rate over the candidates that were shown.
fn mean_open_rate(kept: &[Candidate], context: &Context) -> Option<f64> {
    let half_life = context.snapshot.popularity_half_life();
    let shown = kept.iter().map(|c| context.snapshot.popularity(c.row)).filter(|popularity| popularity.impressions > 0.0);
    let (sum, count) = shown.fold((0.0, 0u32), |(sum, count), p| (sum + p.open_rate(context.now, half_life).0, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
