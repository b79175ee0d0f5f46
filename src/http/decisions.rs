//! `GET /v1/decisions/{feed_id}/items/{id}`: why an item came where it came, from the record of its feed.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    counterfactuals::CounterfactualBody,
    items::item_id,
    language::Language,
    params::{Query, shown},
    problem::Problem,
    reasons::{ReasonBody, Titles},
    slate::{ExplainBody, PolicyBody, explain_body},
};
use crate::{
    app::App,
    auth::Caller,
    domain::{
        FeedId, UserId,
        feed::{Owner, Slot},
    },
    feed::decision::Decision,
    rank::{
        explain::{Counterfactual, Standing, reasons},
        relevance::Part,
    },
};

/// What no part of the ranking has an input for.
const NEVER_USED: [&str; 4] = ["age", "gender", "location", "device"];
/// Not used in a feed that belongs to nobody.
const PROFILE: &str = "profile";

/// Why an item came where it came.
#[derive(Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct DecisionBody {
    #[schema(examples("fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19"))]
    pub feed_id: String,
    #[schema(examples("home"))]
    pub surface: String,
    pub policy: PolicyBody,
    #[schema(examples("itm_8c1f"))]
    pub id: String,
    /// 0-based, counted through all pages.
    pub position: u32,
    /// `ranked`, or `exploration`: drawn by chance.
    #[schema(examples("ranked"))]
    pub slot: &'static str,
    pub reasons: Vec<ReasonBody>,
    /// The sum of the parts, exact to 1e-9. `normalization` makes `explain.relevance` of it, by comparison with the rest of the pool.
    pub score: f64,
    /// What the score is made of, greatest first.
    pub parts: Vec<PartBody>,
    /// The policy's `score.normalize`.
    #[schema(examples("percentile"))]
    pub normalization: &'static str,
    pub explain: ExplainBody,
    /// What the position rests on; absent for draws, and where it does not come out as recorded any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub standing: Option<StandingBody>,
    /// The first item before it that is less relevant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub displaced_by: Option<String>,
    /// Candidates the draw was among, in an exploration slot that comes out as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub drawn_from: Option<usize>,
    /// What would have kept the item from coming as early as it did; each was run again before it was said.
    pub counterfactuals: Vec<CounterfactualBody>,
    /// What made no difference: `age gender location device`, and `profile` in a feed that belongs to nobody.
    pub not_used: Vec<&'static str>,
    /// Placed again now, the position comes out the same to the last bit.
    pub replayed: bool,
    /// What comes out differently, because the catalogue or what the person said has changed since: `id slot objective
    /// max_similarity propensity constraint`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<&'static str>,
}

/// One part of a score: `contribution` = `value` · `weight`, exact to 1e-9.
#[derive(Serialize, ToSchema)]
#[schema(as = ScorePart)]
pub struct PartBody {
    /// `interest topic creator follow recency popularity relevance less_like repetition uncertainty prior impressions`
    #[schema(examples("topic"))]
    pub factor: &'static str,
    /// 0 to 1.
    pub value: f64,
    /// The policy's weight over the sum of those that can count, negative for what is subtracted. Of `impressions`: the score
    /// that they take a share of, negated.
    pub weight: f64,
    pub contribution: f64,
}

impl From<&Part> for PartBody {
    fn from(part: &Part) -> Self {
        Self { factor: part.feature.name(), value: part.value, weight: part.weight, contribution: part.contribution }
    }
}

/// What a ranked position rests on: `relevance_part` + `diversity_part` is the objective, exact to 1e-9.
#[derive(Serialize, ToSchema)]
#[schema(as = Standing)]
pub struct StandingBody {
    /// `explain.relevance` times its weight.
    pub relevance_part: f64,
    /// What the method adds or takes for the items before it.
    pub diversity_part: f64,
    /// The best of the other items that could have come here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub runner_up: Option<String>,
    /// Objective above the runner-up's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub margin: Option<f64>,
    /// The most relevant item that could have come here; absent when it was this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub displaces: Option<String>,
}

impl StandingBody {
    fn new(standing: &Standing, decision: &Decision) -> Self {
        let name = |index: Option<usize>| Some(decision.candidate(index?)?.to_string());
        Self {
            relevance_part: standing.relevance_part,
            diversity_part: standing.diversity_part,
            runner_up: name(standing.runner_up),
            margin: standing.margin,
            displaces: name(standing.displaces),
        }
    }
}

impl DecisionBody {
    fn new(decision: &Decision, counterfactuals: &[Counterfactual], language: Language) -> Self {
        let Decision { feed, policy, position, page, placed, entry, snapshot, .. } = decision;
        let listed = snapshot.find(&placed.item).and_then(|row| snapshot.entry(row));
        let reasons = reasons(feed, placed, *position);
        let titles = Titles::of(snapshot);
        let is_nobodys = feed.owner == Owner::Nobody;
        Self {
            feed_id: feed.id.to_string(),
            surface: feed.surface.clone(),
            policy: PolicyBody { id: policy.policy.id.clone(), version: policy.policy.version, digest: policy.digest.clone() },
            id: placed.item.to_string(),
            position: *position as u32,
            slot: placed.slot.name(),
            reasons: reasons.iter().map(|reason| ReasonBody::new(reason, listed, &titles, language)).collect(),
            score: decision.score,
            parts: decision.parts.iter().map(PartBody::from).collect(),
            normalization: policy.policy.score.normalize.name(),
            explain: explain_body(page, &policy.policy, *position, placed, entry),
            standing: decision.standing.as_ref().map(|standing| StandingBody::new(standing, decision)),
            displaced_by: decision.displaced_by.as_ref().filter(|_| placed.slot == Slot::Ranked).map(ToString::to_string),
            drawn_from: decision.drawn_from,
            counterfactuals: counterfactuals.iter().map(|found| CounterfactualBody::new(found, language)).collect(),
            not_used: NEVER_USED.into_iter().chain(is_nobodys.then_some(PROFILE)).collect(),
            replayed: decision.differs.is_empty(),
            differs: decision.differs.clone(),
        }
    }
}

/// Why an item came where it came
///
/// For the person whose feed it was (their user token), or a server key that names them. The position is placed again from the
/// feed's record, and what it rests on is said only if it comes out the same to the last bit. Kept as long as the feed is.
#[utoipa::path(get, path = "/v1/decisions/{feed_id}/items/{id}", tag = "feed", operation_id = "get_decision",
    params(("feed_id" = String, Path, description = "The feed", example = "fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19"),
        ("id" = String, Path, description = "An item it served", example = "itm_8c1f"),
        ("user" = Option<String>, Query, description = "Whose feed it was (with a server key; a user token names its subject)", example = "ana")),
    responses((status = 200, description = "The decision", body = DecisionBody)))]
pub async fn get(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("GET /v1/decisions/{feed_id}/items/{id}", request.query_string());
    let asked = params.checked("user", |text| UserId::new(text));
    params.finish()?;
    let user = caller.user_for(asked)?;
    let (feed, item) = path.into_inner();
    let item = item_id(&item)?;
    let unknown =
        || Problem::not_found(format!("No feed `{}` that served `{}` is kept for this person.", shown(&feed), shown(item.as_str())));
    let id = FeedId::new(feed.as_str()).map_err(|_| unknown())?;
    // A feed that belongs to nobody says nothing about anybody.
    let owners: Vec<Owner> = user.map(Owner::User).into_iter().chain([Owner::Nobody]).collect();
    let decision = app.feed.decision(&owners, &id, &item).await?.ok_or_else(unknown)?;
    caller.require_surface(&decision.feed.surface)?;
    let search = web::block(move || (decision.counterfactuals(), decision)).await;
    let (counterfactuals, decision) = search.map_err(Problem::internal)?;
    let body = DecisionBody::new(&decision, &counterfactuals, Language::of(&request));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body))
}
