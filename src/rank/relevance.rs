//! Relevance: a weighted sum of features, each in [0, 1]. Every feature's contribution is kept, so the score explains itself.
//!
//! `raw = Σ wᶠ·xᶠ / Σ wᶠ` over the positive features, minus the same for `less_like`; then normalised within the feed.

use std::collections::HashMap;

use half::f16;

use super::{Candidate, Context, Scored};
use crate::{
    catalogue::{Entry, FacetCode, VectorView, dot},
    domain::{
        EmbeddingSpace, Facet, Profile,
        feed::FEATURES,
        policy::{Normalize, Weights},
        time::decay,
    },
};

/// What relevance is made of. The discriminant is the index into contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Feature {
    Interest = 0,
    Topic = 1,
    Creator = 2,
    Follow = 3,
    Recency = 4,
    Popularity = 5,
    /// The caller's own relevance.
    Relevance = 6,
    /// Subtracted.
    LessLike = 7,
}

impl Feature {
    pub const ALL: [Feature; FEATURES] =
        [Self::Interest, Self::Topic, Self::Creator, Self::Follow, Self::Recency, Self::Popularity, Self::Relevance, Self::LessLike];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Interest => "interest",
            Self::Topic => "topic",
            Self::Creator => "creator",
            Self::Follow => "follow",
            Self::Recency => "recency",
            Self::Popularity => "popularity",
            Self::Relevance => "relevance",
            Self::LessLike => "less_like",
        }
    }

    /// The policy's weight of it.
    pub const fn weight(self, weights: &Weights) -> f32 {
        match self {
            Self::Interest => weights.interest,
            Self::Topic => weights.topic,
            Self::Creator => weights.creator,
            Self::Follow => weights.follow,
            Self::Recency => weights.recency,
            Self::Popularity => weights.popularity,
            Self::Relevance => weights.relevance,
            Self::LessLike => weights.less_like,
        }
    }
}

/// Scores, normalises and sorts: highest relevance first, ties by item id.
pub fn score(kept: &[Candidate], context: &Context) -> Vec<Scored> {
    let scorer = Scorer::new(kept, context);
    let mut raw: Vec<(f32, Scored)> = kept.iter().filter_map(|candidate| scorer.score(candidate)).collect();
    normalise(&mut raw, context.policy.score.normalize);
    let mut scored: Vec<Scored> = raw.into_iter().map(|(_, scored)| scored).collect();
    let id = |s: &Scored| context.snapshot.entry(s.row).map(|e| &e.item.id);
    scored.sort_by(|a, b| b.relevance.total_cmp(&a.relevance).then_with(|| id(a).cmp(&id(b))));
    scored
}

/// What is the same for every candidate of a request.
struct Scorer<'a> {
    context: &'a Context<'a>,
    /// Liking by topic or creator code, scaled so that the largest of each facet is 1.
    liking: HashMap<FacetCode, f32>,
    /// Dislike by code, saturating: in [0, 1).
    dislike: HashMap<FacetCode, f32>,
    follows: Vec<FacetCode>,
    interests: Vec<InterestVector>,
    weights_sum: f32,
    /// Greatest [`crate::domain::Popularity::order_key`] in the pool.
    popularity_max: Option<f64>,
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
    fn new(kept: &[Candidate], context: &'a Context<'a>) -> Self {
        let weights = &context.policy.score.weights;
        // Features nobody in this request can have do not dilute the others: the sum is over the possible ones.
        let caller = kept.iter().any(|c| c.relevance != 0.0);
        let mut weights_sum = weights.recency + weights.popularity;
        if caller {
            weights_sum += weights.relevance;
        }
        let half_life = context.snapshot.popularity_half_life();
        let popular = |c: &Candidate| context.snapshot.popularity(c.row).order_key(half_life);
        let mut scorer = Self {
            context,
            liking: HashMap::new(),
            dislike: HashMap::new(),
            follows: Vec::new(),
            interests: Vec::new(),
            weights_sum,
            popularity_max: kept.iter().filter_map(popular).max_by(f64::total_cmp),
        };
        if let Some(profile) = context.profile {
            scorer.weights_sum += weights.interest + weights.topic + weights.creator + weights.follow;
            scorer.learn(profile);
        }
        scorer
    }

    fn learn(&mut self, profile: &Profile) {
        let codes = self.context.snapshot.codes();
        let fresh = profile.decay_to(self.context.now) as f32;
        for facet in [Facet::Topic, Facet::Creator] {
            let of_facet = || profile.affinities.iter().filter(|a| a.facet == facet);
            let largest = of_facet().map(|a| a.liking).fold(0.0, f32::max);
            for affinity in of_facet().filter(|a| a.liking > 0.0) {
                if let Some(code) = codes.get(facet, &affinity.value) {
                    self.liking.insert(code, affinity.liking / largest);
                }
            }
        }
        for affinity in profile.affinities.iter().filter(|a| a.dislike > 0.0) {
            if let Some(code) = codes.get(affinity.facet, &affinity.value) {
                let now = affinity.dislike * fresh;
                self.dislike.insert(code, now / (1.0 + now));
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
                self.dislike.insert(code, -level);
            }
        }
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

    fn score(&self, candidate: &Candidate) -> Option<(f32, Scored)> {
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
            self.disliked(entry),
        ];
        let mut contributions = [0.0; FEATURES];
        for feature in Feature::ALL {
            let sign = if feature == Feature::LessLike { -1.0 } else { 1.0 };
            let share = feature.weight(&policy.score.weights) / self.weights_sum.max(f32::MIN_POSITIVE);
            contributions[feature as usize] = sign * share * values[feature as usize];
        }
        let raw = contributions.iter().sum();
        let scored = Scored { row: candidate.row, sources: candidate.sources, relevance: 0.0, contributions, topic, interest };
        Some((raw, scored))
    }

    /// Greatest strength-weighted cosine to an interest, clamped at 0, and which interest if its exemplar is like the item.
    fn interest(&self, vector: Option<VectorView>) -> (f32, Option<u8>) {
        let Some(vector) = vector else { return (0.0, None) };
        if self.interests.is_empty() {
            return (0.0, None);
        }
        let values = widened(vector.values);
        let mut best: (f32, Option<&InterestVector>) = (0.0, None);
        for interest in self.interests.iter().filter(|i| i.space == vector.space) {
            let cosine = dot(&interest.values, &values);
            let value = (cosine * interest.strength).clamp(0.0, 1.0);
            if value > best.0 {
                best = (value, Some(interest));
            }
        }
        // The interest counts by its direction; the reason names an item, so it must hold for that item.
        let named = best.1.filter(|interest| {
            interest.exemplar.as_ref().is_some_and(|(space, exemplar)| *space == vector.space && dot(exemplar, &values) >= space.alike())
        });
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

    /// Share of the pool's most popular item, square-rooted so that one runaway item does not flatten the rest. From the
    /// order keys: the same at every moment, however long ago the events were.
    fn popularity(&self, candidate: &Candidate) -> f32 {
        let half_life = self.context.snapshot.popularity_half_life();
        let key = self.context.snapshot.popularity(candidate.row).order_key(half_life);
        match (key, self.popularity_max) {
            (Some(key), Some(max)) => ((key - max) / 2.0).exp2() as f32,
            _ => 0.0,
        }
    }

    fn disliked(&self, entry: &Entry) -> f32 {
        if self.dislike.is_empty() {
            return 0.0;
        }
        let single = [entry.creator, entry.source].into_iter().flatten();
        let of = |code| self.dislike.get(&code).copied().unwrap_or(0.0);
        let strongest_single = single.map(of).fold(0.0, f32::max);
        entry.topics.iter().map(|(code, weight)| of(*code) * weight).fold(strongest_single, f32::max)
    }
}

/// Half precision to f32, once per vector and request.
pub(super) fn widened(values: &[f16]) -> Vec<f32> {
    use half::slice::HalfFloatSliceExt;
    let mut wide = vec![0.0; values.len()];
    values.convert_to_f32_slice(&mut wide);
    wide
}

/// Raw scores to [0, 1]. Equal raw scores get equal relevance under every rule.
fn normalise(raw: &mut [(f32, Scored)], rule: Normalize) {
    // A score that is not a number sinks below every number.
    for (score, _) in raw.iter_mut() {
        if !score.is_finite() {
            *score = f32::MIN;
        }
    }
    let (low, high) = raw.iter().fold((f32::MAX, f32::MIN), |(low, high), (score, _)| (low.min(*score), high.max(*score)));
    match rule {
        Normalize::None => raw.iter_mut().for_each(|(score, scored)| scored.relevance = score.clamp(0.0, 1.0)),
        _ if high <= low => raw.iter_mut().for_each(|(_, scored)| scored.relevance = 1.0),
        Normalize::Minmax => raw.iter_mut().for_each(|(score, scored)| scored.relevance = (*score - low) / (high - low)),
        Normalize::Percentile => percentile(raw),
    }
}

/// The best is 1, the worst 0, evenly spaced by rank; ties share their mean rank.
fn percentile(raw: &mut [(f32, Scored)]) {
    let last = (raw.len() - 1) as f32;
    raw.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut from = 0;
    while from < raw.len() {
        let to = raw[from..].iter().take_while(|(score, _)| *score == raw[from].0).count() + from;
        let mean_rank = (from + to - 1) as f32 / 2.0;
        raw[from..to].iter_mut().for_each(|(_, scored)| scored.relevance = mean_rank / last);
        from = to;
    }
}
