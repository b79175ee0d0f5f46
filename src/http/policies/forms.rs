//! JSON of the policy routes: what a check and a preview answer.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::slate::PolicyBody;
use crate::{
    domain::feed::Placed,
    feed::{
        Served,
        preview::{Move, Previewed},
        supply::Sampled,
    },
    policy::report::Report,
    rank::metrics::SlateMetrics,
};

/// What a check found.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyCheck)]
pub struct CheckBody<'a> {
    #[serde(flatten)]
    pub report: Report<'a>,
    /// What sampled pages were like; absent when no catalogue was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sampled: Vec<SampledBody>,
}

/// Sampled pages of one surface.
#[derive(Serialize, ToSchema)]
#[schema(as = SampledPages)]
pub struct SampledBody {
    #[schema(examples("home"))]
    pub surface: String,
    pub pages: usize,
    /// Means over the pages.
    pub metrics: SlateMetricsBody,
}

/// Measured on a page, or the means over several.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = PolicyMetrics)]
pub struct SlateMetricsBody {
    /// Relevance of the page as a share of the most relevant page possible under the same policy, 0 to 1.
    pub relevance_kept: f64,
    /// Intra-list diversity, 0 to 1. In a preview measured with the first policy's similarity on every slate.
    pub ild: f64,
    /// Distinct topics.
    pub topics: usize,
    /// Shannon entropy of the topics, in bits.
    pub topic_entropy: f64,
    pub exploration_share: f64,
}

impl From<&SlateMetrics> for SlateMetricsBody {
    fn from(metrics: &SlateMetrics) -> Self {
        // Three decimals: more would be noise to read.
        let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
        Self {
            relevance_kept: rounded(metrics.relevance_kept),
            ild: rounded(metrics.ild),
            topics: metrics.topics,
            topic_entropy: rounded(metrics.topic_entropy),
            exploration_share: rounded(metrics.exploration_share),
        }
    }
}

impl From<&Sampled> for SampledBody {
    fn from(sampled: &Sampled) -> Self {
        Self { surface: sampled.surface.clone(), pages: sampled.pages, metrics: SlateMetricsBody::from(&sampled.metrics) }
    }
}

/// What policies would serve, side by side. Nothing of it was served, kept or written down.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyPreview)]
pub struct PreviewBody {
    #[schema(examples("home"))]
    pub surface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<String>,
    /// Whether anything known about the person shaped the slates.
    pub personalised: bool,
    /// Repeats the draws.
    pub seed: u64,
    /// In the order asked; the others are compared with the first.
    pub slates: Vec<SlateBody>,
}

/// One policy's slate.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewSlate)]
pub struct SlateBody {
    /// Of the surface's policy.
    pub policy: PolicyBody,
    /// In force: the policy's, or what reaches its target.
    pub diversity: f32,
    pub items: Vec<ItemBody>,
    /// Items of the first slate that are not in this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<OutBody>,
    pub metrics: SlateMetricsBody,
    /// Constraints that kept a better item out of a position, and those that gave way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<BindingBody>,
    /// What was missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

/// One position.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewItem)]
pub struct ItemBody {
    pub id: String,
    /// 0-based.
    pub position: u32,
    /// `ranked`, or `exploration`: drawn by chance.
    #[schema(examples("ranked"))]
    pub slot: &'static str,
    /// Against the first slate: `in`, `same`, `up` or `down`.
    #[schema(examples("up"))]
    pub change: &'static str,
    /// Positions moved up (above 0) or down (below 0); absent for `in` and `same`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<i64>,
    /// Normalised within the feed, 0 to 1.
    pub relevance: f32,
    /// Position by relevance alone, 0-based.
    pub rank_before: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub creator: Option<String>,
}

/// An item that is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewOut)]
pub struct OutBody {
    pub id: String,
    /// In the first slate, 0-based.
    pub position: u32,
}

/// How a constraint was felt on a slate.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewConstraint)]
pub struct BindingBody {
    #[schema(examples("max_share creator 2/10"))]
    pub constraint: String,
    /// Positions where it kept a better-scored item out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds_at: Vec<u32>,
    /// Positions where it could not be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relaxed_at: Vec<u32>,
}

impl PreviewBody {
    pub fn new(previewed: &[Previewed], user: Option<String>) -> Self {
        let first = previewed.first().map(|first| &first.served);
        Self {
            surface: first.map(|served| served.feed.surface.clone()).unwrap_or_default(),
            user,
            personalised: first.is_some_and(|served| served.personalised),
            seed: first.map_or(0, |served| served.feed.seed),
            slates: previewed.iter().map(SlateBody::from).collect(),
        }
    }
}

impl From<&Previewed> for SlateBody {
    fn from(previewed: &Previewed) -> Self {
        let served = &previewed.served;
        let policy = &served.policy.policy;
        let placed = served.page.placed.iter().zip(&previewed.moves).enumerate();
        Self {
            policy: PolicyBody { id: policy.id.clone(), version: policy.version, digest: served.policy.digest.clone() },
            diversity: served.feed.diversity,
            items: placed.filter_map(|(at, (placed, moved))| item(served, at as u32, placed, *moved)).collect(),
            out: previewed.out.iter().map(|(id, position)| OutBody { id: id.to_string(), position: *position }).collect(),
            metrics: SlateMetricsBody::from(&previewed.metrics),
            constraints: constraints(served),
            degraded: served.degraded.iter().map(|d| format!("{}: {}", d.stage, d.reason)).collect(),
        }
    }
}

fn item(served: &Served, position: u32, placed: &Placed, moved: Move) -> Option<ItemBody> {
    let pooled = served.feed.pool.get(placed.pool_index as usize)?;
    let entry = served.snapshot.find(&placed.item).and_then(|row| served.snapshot.entry(row));
    let creator = entry.and_then(|entry| entry.item.creator.as_ref());
    Some(ItemBody {
        id: placed.item.to_string(),
        position,
        slot: placed.slot.name(),
        change: moved.name(),
        by: match moved {
            Move::Up(by) => Some(i64::from(by)),
            Move::Down(by) => Some(-i64::from(by)),
            Move::In | Move::Same => None,
        },
        relevance: pooled.relevance,
        rank_before: placed.pool_index,
        title: entry.map(|entry| entry.item.title.clone()),
        topics: entry.map(|entry| entry.item.topics.iter().map(|(topic, _)| topic.to_string()).collect()).unwrap_or_default(),
        creator: creator.map(|creator| creator.name.as_deref().unwrap_or(&creator.id).to_owned()),
    })
}

fn constraints(served: &Served) -> Vec<BindingBody> {
    let felt = served.policy.policy.constraint.iter().enumerate().map(|(index, constraint)| {
        let binds = served.page.placed.iter().enumerate().filter(|(_, placed)| placed.bound_by.map(usize::from) == Some(index));
        let relaxed = served.page.relaxed.iter().filter(|relaxed| usize::from(relaxed.constraint) == index);
        BindingBody {
            constraint: constraint.to_string(),
            binds_at: binds.map(|(at, _)| at as u32).collect(),
            relaxed_at: relaxed.map(|relaxed| relaxed.position).collect(),
        }
    });
    felt.filter(|felt| !felt.binds_at.is_empty() || !felt.relaxed_at.is_empty()).collect()
}
