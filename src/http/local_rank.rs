//! What ranks a page again on the reader's device: the policy's public numbers, and what each item is worth to everybody.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        Policy,
        feed::PoolEntry,
        policy::{Aggregate, Constraint},
    },
    feed::Served,
    rank::{
        Context, diversify,
        relevance::{Feature, Impersonal},
    },
};

/// How the server ranks, for a client that ranks the same candidates by what it knows (`clients/typescript`).
#[derive(Serialize, ToSchema)]
#[schema(as = LocalRanking)]
pub struct RankingBody {
    /// How raw relevance becomes 0 to 1: `percentile`, `minmax` or `none`.
    #[schema(examples("percentile"))]
    pub normalize: &'static str,
    /// Of diversification: `mmr`, `dpp`, `msd`, `ssd`, `coverage`, `calibrated` or `none`.
    #[schema(examples("mmr"))]
    pub method: &'static str,
    /// In force for this feed, 0 to 1.
    pub diversity: f32,
    /// The weight of relevance that this diversity gives the method, 0 to 1.
    pub lambda: f32,
    /// For `mmr`, likeness to the items before it: `mean` or `max`.
    #[schema(examples("mean"))]
    pub aggregate: &'static str,
    /// For `mmr`: only so many items before it count; 0 = all.
    pub window: u32,
    /// Best candidates that are diversified; the rest follow by relevance.
    pub pool: u32,
    /// What alike means: the weight of each axis, 0 to 1.
    #[schema(examples(json!({"topic": 0.4, "creator": 0.15, "embedding": 0.3})))]
    pub similarity: BTreeMap<&'static str, f32>,
    /// The policy's hard rules, first declared first.
    pub constraints: Vec<ConstraintBody>,
}

/// A rule of the policy, as policy files write it.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = LocalConstraint)]
pub struct ConstraintBody {
    /// `max_share`, `min_share`, `min_gap`, `min_distinct` or `pin`.
    #[schema(examples("max_share"))]
    pub kind: &'static str,
    /// `topic`, `creator`, `source`, `viewpoint`, `language` or `format`.
    #[schema(examples("creator"))]
    pub facet: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gap: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub per: Option<u32>,
    /// It holds among the first so many positions only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub top: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub position: Option<u32>,
    /// Of a `cap`: an item with any of these counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub topics: Option<Vec<String>>,
}

impl From<&Constraint> for ConstraintBody {
    fn from(constraint: &Constraint) -> Self {
        let common = Self {
            kind: constraint.kind(),
            facet: constraint.facet().name(),
            value: constraint.value().map(ToString::to_string),
            top: constraint.top(),
            ..Self::default()
        };
        match *constraint {
            Constraint::MaxShare { max, per, .. } => Self { max: Some(max), per: Some(per), ..common },
            Constraint::MinShare { min, per, .. } | Constraint::MinDistinct { min, per, .. } => {
                Self { min: Some(min), per: Some(per), ..common }
            }
            Constraint::MinGap { gap, .. } => Self { gap: Some(gap), ..common },
            Constraint::Cap { ref topics, max, per, .. } => {
                let topics = topics.iter().map(ToString::to_string).collect();
                Self { topics: Some(topics), max: Some(max), per: Some(per), ..common }
            }
            Constraint::Pin { position, .. } => Self { position: Some(position), ..common },
        }
    }
}

impl RankingBody {
    /// `diversity`: the feed's own.
    pub fn new(policy: &Policy, diversity: f32) -> Self {
        let diversify = &policy.diversify;
        Self {
            normalize: policy.score.normalize.name(),
            method: diversify.method.name(),
            diversity,
            lambda: diversify::lambda(diversify, diversity),
            aggregate: match diversify.aggregate {
                Aggregate::Max => "max",
                Aggregate::Mean => "mean",
            },
            window: diversify.window,
            pool: diversify.pool,
            similarity: diversify.similarity.named().into_iter().filter(|(_, weight)| *weight > 0.0).collect(),
            constraints: policy.constraint.iter().map(ConstraintBody::from).collect(),
        }
    }
}

/// What the items of a page are worth to everybody.
pub struct Signals(Impersonal);

impl Signals {
    pub fn of(served: &Served) -> Self {
        let context = Context { snapshot: &served.snapshot, profile: None, policy: &served.policy.policy, now: served.feed.created_at };
        Self(Impersonal::of(&served.feed, &context))
    }

    /// Feature to its value, 0 to 1; what is 0 is left out.
    pub fn of_entry(&self, entry: &PoolEntry) -> BTreeMap<&'static str, f32> {
        self.0.values(entry).map(|(feature, value)| (Feature::name(feature), value)).collect()
    }
}
