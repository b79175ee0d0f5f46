//! What a kept score is made of: each feature's value and weight, from its contribution.

use super::{Context, Feature};
use crate::domain::{
    Facet,
    feed::{FEATURES, PoolEntry, StoredFeed},
    policy::Weights,
};

/// What the candidates of a request can have: features nobody can have do not dilute the others.
pub(super) struct Possible {
    pub profile: bool,
    /// The surface likes topics that the catalogue knows.
    pub prior: bool,
    /// The caller gave relevance of its own.
    pub caller: bool,
    /// Something was shown, so that open rates tell items apart.
    pub open_rate: bool,
}

impl Possible {
    /// The policy's weight of each feature over the sum of the possible ones.
    pub fn shares(&self, weights: &Weights) -> [f32; FEATURES] {
        let mut sum = weights.recency + weights.popularity;
        if self.caller {
            sum += weights.relevance;
        }
        if self.open_rate {
            sum += weights.uncertainty;
        }
        if self.profile {
            sum += weights.interest + weights.creator + weights.follow;
        }
        if self.profile || self.prior {
            sum += weights.topic;
        }
        let sum = sum.max(f32::MIN_POSITIVE);
        Feature::ALL.map(|feature| feature.weight(weights) / sum)
    }

    /// As it was when `feed` was made: what can be had shows in what was had.
    fn of(feed: &StoredFeed, context: &Context) -> Self {
        let any = |feature: Feature| feed.pool.iter().any(|entry| entry.contributions[feature as usize] != 0.0);
        let codes = context.snapshot.codes();
        Self {
            // A profile that came with the request is nobody's: it shows in what it gave.
            profile: feed.owner.user().is_some() || Feature::ALL.into_iter().filter(|f| f.is_personal()).any(any),
            prior: context.policy.score.prior.iter().any(|prior| codes.get(Facet::Topic, &prior.topic).is_some()),
            caller: any(Feature::Relevance),
            open_rate: any(Feature::Uncertainty),
        }
    }
}

/// What the features that say nothing about the reader were worth, in a feed made by a profile that came with the request.
pub struct Impersonal {
    shares: [f32; FEATURES],
}

impl Impersonal {
    /// `context` has the policy that made `feed`.
    pub fn of(feed: &StoredFeed, context: &Context) -> Self {
        Self { shares: Possible { profile: true, ..Possible::of(feed, context) }.shares(&context.policy.score.weights) }
    }

    /// Each feature's value in [0, 1] within rounding; those that gave nothing are left out.
    pub fn values(&self, entry: &PoolEntry) -> impl Iterator<Item = (Feature, f32)> {
        let given = Feature::ALL.into_iter().filter(|feature| !feature.is_personal());
        given.filter_map(|feature| {
            let contribution = entry.contributions[feature as usize];
            (contribution != 0.0).then(|| (feature, (contribution / self.shares[feature as usize]).clamp(0.0, 1.0)))
        })
    }
}

/// One part of a score: `contribution = value · weight`, exact to 1e-9.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    pub feature: Feature,
    /// In [0, 1] within rounding.
    pub value: f64,
    /// Negative for what is subtracted. Of [`Feature::Impressions`], a factor: the score it takes a share (`value`) of, negated.
    pub weight: f64,
    pub contribution: f64,
}

/// The raw score of an entry: the sum of its contributions.
pub fn score_of(entry: &PoolEntry) -> f64 {
    entry.contributions.iter().copied().map(f64::from).sum()
}

/// What the score of `entry` is made of, greatest first; features that gave nothing are left out. `feed` is where it is from and
/// `context` has the policy that made it.
pub fn parts(feed: &StoredFeed, entry: &PoolEntry, context: &Context) -> Vec<Part> {
    let shares = Possible::of(feed, context).shares(&context.policy.score.weights);
    let impressions = f64::from(entry.contributions[Feature::Impressions as usize]);
    let discounted = score_of(entry) - impressions;
    let given = Feature::ALL.into_iter().filter(|feature| entry.contributions[*feature as usize] != 0.0);
    let mut parts: Vec<Part> = given
        .map(|feature| {
            let contribution = f64::from(entry.contributions[feature as usize]);
            let weight = if feature == Feature::Impressions { -discounted } else { f64::from(shares[feature as usize]) };
            Part { feature, value: contribution / weight, weight, contribution }
        })
        .collect();
    parts.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    parts
}
