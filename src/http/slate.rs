//! The JSON of a served page: what `GET /v1/feed` and `POST /v1/rerank` answer.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    gpc::PrivacyBody,
    language::Language,
    local_rank::{RankingBody, Signals},
    reasons::{ReasonBody, Titles},
    session::SessionBody,
    sponsored::SponsoredBody,
};
use crate::{
    catalogue::Listed,
    domain::{
        Item, Policy,
        feed::{Page, Placed, PoolEntry},
        policy::Weights,
        profile::Mode,
    },
    feed::{Degradation, Served, cursor::Signer},
    policy::serving::Exposure,
    rank::{
        Feature,
        explain::{reasons, source_names},
        target::{Missed, Outcome},
    },
    wire::{self, ItemForm},
};

/// How much of each item comes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hydrate {
    /// Ids only.
    None,
    #[default]
    Card,
    /// Every field but the embedding.
    Full,
}

impl Hydrate {
    pub const NAMES: [&'static str; 3] = ["none", "card", "full"];

    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "card" => Self::Card,
            "full" => Self::Full,
            _ => return None,
        })
    }
}

/// How much is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Explain {
    None,
    #[default]
    Reasons,
    /// Reasons and every number behind them.
    Full,
}

impl Explain {
    pub const NAMES: [&'static str; 3] = ["none", "reasons", "full"];

    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "reasons" => Self::Reasons,
            "full" => Self::Full,
            _ => return None,
        })
    }
}

/// What the client wants to see of a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    pub language: Language,
    pub hydrate: Hydrate,
    pub explain: Explain,
    pub metrics: bool,
}

/// A page of a feed. Clients ignore fields they do not know.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedPage)]
pub struct FeedBody {
    /// One id for all pages of a feed; no item repeats within it.
    #[schema(examples("fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19"))]
    pub feed_id: String,
    #[schema(examples("rq_0192f0c1a7b27c3e8b7d6f5a4c3b2a18"))]
    pub request_id: String,
    #[schema(examples("home"))]
    pub surface: String,
    /// Whether anything known about the person shaped the feed.
    pub personalised: bool,
    pub privacy: PrivacyBody,
    pub policy: PolicyBody,
    /// The experiment whose arm's policy made the page. Absent where it does not matter which arm one is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub experiment: Option<ExperimentBody>,
    /// With `mode` = `client_profile`: the policy's weights, so that a client can rank again what it got by what it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<BTreeMap<String, f32>>)]
    pub weights: Option<Weights>,
    /// With `mode` = `client_profile`: how the rest of ranking is done, for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ranking: Option<RankingBody>,
    pub items: Vec<PlacedBody>,
    /// Sponsored items, to be shown between the others with their label. Absent: there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sponsored: Vec<SponsoredBody>,
    pub page: PageBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session: Option<SessionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metrics: Option<MetricsBody>,
    /// On the first page, where the policy asks for an outcome instead of a fixed diversity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<TargetBody>,
    /// Constraints that could not be met on this page, where and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relaxed: Vec<RelaxedBody>,
    /// What was missing; the feed is valid all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<DegradationBody>,
}

/// The policy that made the slate.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyRef)]
pub struct PolicyBody {
    #[schema(examples("balanced"))]
    pub id: String,
    pub version: u32,
    /// Of the policy's content.
    #[schema(examples("b3:9f2c41d0a1b2c3d4"))]
    pub digest: String,
}

/// An experiment, and which of its policies this is.
#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentRef)]
pub struct ExperimentBody {
    #[schema(examples("home-breadth-2026w42"))]
    pub id: String,
    /// Name of the arm's policy.
    #[schema(examples("home-breadth"))]
    pub arm: String,
}

impl ExperimentBody {
    /// Who is held out of every experiment is in none.
    fn of(exposure: &Exposure) -> Option<Self> {
        Some(Self { id: exposure.experiment.as_deref()?.to_owned(), arm: exposure.arm.to_string() })
    }
}

/// One position of the slate.
#[derive(Serialize, ToSchema)]
#[schema(as = PlacedItem)]
pub struct PlacedBody {
    pub id: String,
    /// 0-based, counted through all pages.
    pub position: u32,
    /// `ranked`, or `exploration`: drawn by chance.
    #[schema(examples("ranked"))]
    pub slot: &'static str,
    /// Send it back with events about the item.
    pub track: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonBody>,
    /// Absent with `hydrate=none`, and when the item was deleted after the page was first served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[schema(value_type = Option<ItemForm>)]
    pub item: Option<ItemBody>,
    /// With `mode` = `client_profile`: what the item is worth to everybody, feature by feature, each 0 to 1; what is 0 is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(json!({"recency": 0.82, "popularity": 0.4})))]
    pub signals: Option<BTreeMap<&'static str, f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub explain: Option<ExplainBody>,
}

/// Every number behind a position (`explain=full`).
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplainBody {
    /// Normalised within the feed, 0 to 1, as of its first page. `less_like` said since then lowers it on later pages.
    pub relevance: f32,
    /// What each feature added to the raw relevance, of which they are the sum; `less_like`, `repetition` and
    /// `impressions` are negative.
    pub contributions: BTreeMap<&'static str, f32>,
    /// To the most similar item placed before, 0 to 1.
    pub max_similarity: f32,
    /// The value the position was won with.
    pub objective: f32,
    /// Position by relevance alone, 0-based.
    pub rank_before: u32,
    /// How far diversity, constraints and chance moved it: positive is up.
    pub moved: i64,
    /// Probability of this item at this position given those before it: 1 for ranked slots.
    pub propensity: f64,
    /// The constraint that kept a better-scored item out of this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub constraint: Option<String>,
    /// Constraints that could not be met here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relaxed: Vec<RelaxedBody>,
    /// Candidate sources that found it.
    pub sources: Vec<&'static str>,
}

/// A constraint of the policy that could not be met.
#[derive(Serialize, ToSchema)]
#[schema(as = RelaxedConstraint)]
pub struct RelaxedBody {
    #[schema(examples("max_share creator 2/10"))]
    pub constraint: String,
    /// Of the item that breaks it; for a lower bound, the first from which on its block cannot reach it.
    pub position: u32,
    /// `supply`: what is left of the pool cannot meet it. `conflict`: not together with those declared before it.
    /// `budget`: the search for a way ended at its limit.
    #[schema(examples("supply"))]
    pub why: &'static str,
}

/// Where the feed goes on.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageBody {
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    /// Until when the cursor continues this feed; later it restarts without what was served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<String>,
    /// Nothing follows; where the policy ends the feed (`session`), more comes with the same call and `continue`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub end_of_feed: bool,
    /// The cursor had expired: this is a new feed without what the old one served.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
}

/// Measured on this page (`include=metrics`).
#[derive(Serialize, ToSchema)]
#[schema(as = SlateMetrics)]
pub struct MetricsBody {
    /// Intra-list diversity: mean of 1 − similarity over all pairs, 0 to 1.
    pub ild: f64,
    /// Distinct topics (each item counts under its heaviest).
    pub topics: usize,
    /// Shannon entropy of those topics, in bits.
    pub topic_entropy: f64,
    pub exploration_share: f64,
    /// Relevance of the page as a share of the most relevant page possible, 0 to 1.
    pub relevance_kept: f64,
}

/// The outcome the policy asks for, and what the page has.
#[derive(Serialize, ToSchema)]
#[schema(as = Target)]
pub struct TargetBody {
    /// `entropy` (bits), `ild` (0 to 1) or `distinct` (topics).
    #[schema(examples("ild"))]
    pub metric: &'static str,
    pub at_least: f32,
    pub achieved: f64,
    pub relevance_kept: f64,
    pub relevance_kept_min: f32,
    /// The diversity found, 0 to 1: it holds for the whole feed.
    pub diversity: f32,
    /// Absent when reached. `unreachable`: no diversity gets there; `relevance_kept`: only at the price of more relevance than allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("relevance_kept"))]
    pub missed: Option<&'static str>,
}

impl From<&Outcome> for TargetBody {
    fn from(outcome: &Outcome) -> Self {
        Self {
            metric: outcome.target.metric.name(),
            at_least: outcome.target.at_least,
            achieved: outcome.achieved,
            relevance_kept: outcome.relevance_kept,
            relevance_kept_min: outcome.target.relevance_kept_min,
            diversity: outcome.diversity,
            missed: outcome.missed.map(Missed::name),
        }
    }
}

/// Something was missing, and what was done instead.
#[derive(Serialize, ToSchema)]
#[schema(as = Degradation)]
pub struct DegradationBody {
    /// `profile`, `candidates`, `feed` or `policy`.
    #[schema(examples("profile"))]
    pub stage: &'static str,
    /// Why: `store_…`, `policy_missing`, `source_…`, `search_…`, or `overload` (more is asked than can be done in time).
    #[schema(examples("store_timeout"))]
    pub reason: &'static str,
    /// What was done instead: `cold_profile`, `local_feed`, `active_policy`, `other_sources` or `fewer_candidates`.
    #[schema(examples("cold_profile"))]
    pub fallback: &'static str,
}

impl From<&Degradation> for DegradationBody {
    fn from(d: &Degradation) -> Self {
        Self { stage: d.stage, reason: d.reason, fallback: d.fallback }
    }
}

impl FeedBody {
    /// The JSON of a page, as the client wants to see it.
    pub fn new(served: &Served, request_id: String, view: View, privacy: PrivacyBody, signer: &Signer) -> Self {
        let policy = &served.policy.policy;
        let expires_at = served.next.is_some().then(|| wire::time::render(served.feed.expires_at));
        let metrics = &served.metrics;
        let by_client = served.mode == Mode::ClientProfile;
        let signals = by_client.then(|| Signals::of(served));
        let items = served.page.placed.iter().enumerate();
        let titles = Titles::of(&served.snapshot);
        Self {
            feed_id: served.feed.id.to_string(),
            request_id,
            surface: served.feed.surface.clone(),
            personalised: served.personalised,
            privacy,
            policy: PolicyBody { id: policy.id.clone(), version: policy.version, digest: served.policy.digest.clone() },
            experiment: served.exposure.as_ref().and_then(ExperimentBody::of),
            weights: by_client.then(|| policy.score.weights.clone()),
            ranking: by_client.then(|| RankingBody::new(policy, served.feed.diversity)),
            items: items.filter_map(|(at, placed)| placed_body(served, (at, placed), view, signals.as_ref(), &titles, signer)).collect(),
            sponsored: super::sponsored::slots(served, view.language, view.hydrate != Hydrate::None),
            page: PageBody { next: served.next.clone(), expires_at, end_of_feed: served.end_of_feed, restarted: served.restarted },
            session: None,
            metrics: view.metrics.then_some(MetricsBody {
                ild: metrics.ild,
                topics: metrics.topics,
                topic_entropy: metrics.topic_entropy,
                exploration_share: metrics.exploration_share,
                relevance_kept: metrics.relevance_kept,
            }),
            target: served.outcome.as_ref().map(TargetBody::from),
            relaxed: relaxed(&served.page, &served.policy.policy).collect(),
            degraded: served.degraded.iter().map(DegradationBody::from).collect(),
        }
    }
}

fn placed_body(
    served: &Served,
    (offset, placed): (usize, &Placed),
    view: View,
    signals: Option<&Signals>,
    titles: &Titles,
    signer: &Signer,
) -> Option<PlacedBody> {
    let pooled = served.feed.pool.get(placed.pool_index as usize)?;
    let position = served.first_position + offset;
    let entry = served.rows.get(offset).copied().flatten().and_then(|row| served.snapshot.entry(row));
    let explained = if view.explain >= Explain::Reasons { reasons(&served.feed, placed, position) } else { Vec::new() };
    Some(PlacedBody {
        id: placed.item.to_string(),
        position: position as u32,
        slot: placed.slot.name(),
        track: signer.track(&served.feed.id, position as u32, &placed.item),
        reasons: explained.iter().map(|reason| ReasonBody::new(reason, entry, titles, view.language)).collect(),
        item: entry.and_then(|entry| ItemBody::new(&entry.item, view.hydrate)),
        signals: signals.map(|signals| signals.of_entry(pooled)),
        explain: (view.explain == Explain::Full).then(|| explain_body(&served.page, &served.policy.policy, position, placed, pooled)),
    })
}

/// An item on a page, as much of it as was asked for.
pub struct ItemBody {
    item: Arc<Listed>,
    is_card: bool,
}

impl ItemBody {
    fn new(item: &Arc<Listed>, hydrate: Hydrate) -> Option<Self> {
        (hydrate != Hydrate::None).then(|| Self { item: Arc::clone(item), is_card: hydrate == Hydrate::Card })
    }
}

impl Serialize for ItemBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_card {
            true => self.item.card(card).serialize(serializer),
            false => ItemForm::from(&**self.item).serialize(serializer),
        }
    }
}

/// A card leaves out what a client does not show in a list.
fn card(item: &Item) -> Box<RawValue> {
    let form = ItemForm { description: None, attributes: None, expires_at: None, ..ItemForm::from(item) };
    serde_json::value::to_raw_value(&form).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn relaxed(page: &Page, policy: &Policy) -> impl Iterator<Item = RelaxedBody> {
    page.relaxed.iter().filter_map(|relaxed| {
        let constraint = policy.constraint.get(usize::from(relaxed.constraint))?.to_string();
        Some(RelaxedBody { constraint, position: relaxed.position, why: relaxed.why.name() })
    })
}

/// `position` is 0-based in the feed; `page` is the one it is on, made by `policy`.
pub(super) fn explain_body(page: &Page, policy: &Policy, position: usize, placed: &Placed, pooled: &PoolEntry) -> ExplainBody {
    let name = |index: u8| policy.constraint.get(usize::from(index)).map(ToString::to_string);
    let here = relaxed(page, policy).filter(|relaxed| relaxed.position as usize == position);
    ExplainBody {
        relevance: pooled.relevance,
        contributions: Feature::ALL.into_iter().map(|f| (f.name(), pooled.contributions[f as usize])).filter(|(_, c)| *c != 0.0).collect(),
        max_similarity: placed.max_similarity,
        objective: placed.objective,
        rank_before: placed.pool_index,
        moved: i64::from(placed.pool_index) - position as i64,
        propensity: placed.propensity,
        constraint: placed.bound_by.and_then(name),
        relaxed: here.collect(),
        sources: source_names(pooled.sources).collect(),
    }
}
