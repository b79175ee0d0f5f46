//! `/v1/me/interests`: what a feed takes a person to like, said or inferred, and their word against it.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Subject, change_profile, export::ActionBody, preferences::refuse_sensitive, private};
use crate::{
    app::App,
    domain::{
        Facet, FacetValue, Profile, Time,
        profile::{Affinity, PROFILE_HALF_LIFE, Preferences},
        time::decay,
    },
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    learn::controls,
    rank::subject::{is_about, is_only_about},
    wire::{Faults, event::flag, read},
};

const FIELDS: [&str; 2] = ["locked", "weight"];
/// Most acts told of one interest.
const MAX_TOLD_ACTS: usize = 10;

/// What a feed takes the person to like.
#[derive(Serialize, ToSchema)]
#[schema(as = Interests)]
pub struct InterestsBody {
    /// Strongest first.
    interests: Vec<TopicInterestBody>,
    /// Topics whose interest was removed: nothing is inferred about them until a `PUT`.
    removed: Vec<String>,
}

/// An interest in a topic.
#[derive(Serialize, ToSchema)]
#[schema(as = TopicInterest)]
pub struct TopicInterestBody {
    topic: String,
    /// `said` by the person, here or in the preferences, and counting whatever is inferred; or `inferred` from what they did.
    origin: &'static str,
    /// As said: −1 (none of it) to 1 (more of it). Inferred: above 0, up to 1 for the strongest topic.
    strength: f32,
    /// Nothing is inferred about the topic: only what was said counts.
    locked: bool,
    /// What was inferred and from what. Where the interest is `said`, it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<EvidenceBody>,
}

/// What is known of how an interest came about. Events are not kept one by one: an open is counted in `liking` and is not told apart
/// from others there. Deliberate acts are kept while they can be undone, at most 256 of all topics.
#[derive(Serialize, ToSchema)]
#[schema(as = InterestEvidence)]
pub struct EvidenceBody {
    /// Above 0: about 1 for an open, 2 for a like, save or share, 3 for "more of this", each times the topic's weight in the item.
    /// Halves in 30 days.
    liking: f32,
    /// Impressions of the topic, likewise. They take back a part of the liking.
    shown: f32,
    /// Deliberate acts that added to it, newest first; at most 10.
    acts: Vec<ActionBody>,
}

/// What the person says of a topic.
#[derive(ToSchema)]
#[schema(as = InterestForm, example = json!({"weight": 0.5, "locked": true}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct InterestForm {
    /// −1 (none of it) to 1 (more of it).
    #[schema(minimum = -1, maximum = 1)]
    weight: f32,
    /// Infer nothing about the topic from now on, and forget what was. `false` when left out.
    locked: Option<bool>,
}

/// The topic in the path.
#[derive(Deserialize)]
pub struct TopicPath {
    topic: String,
}

/// What a feed takes the person to like
///
/// Every interest in a topic, said or inferred, with what it was inferred from.
#[utoipa::path(get, path = "/v1/me/interests", tag = "me", operation_id = "get_interests",
    responses((status = 200, description = "The interests; none for somebody unknown", body = InterestsBody)))]
pub async fn get(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let profile = app.store.profile(&user).await?.unwrap_or_default();
    Ok(private(&InterestsBody::new(&profile, app.now())))
}

/// Add or correct an interest
///
/// What is said counts from the next first page on, whatever was or will be inferred. Lifts a removal.
#[utoipa::path(put, path = "/v1/me/interests/{topic}", tag = "me", operation_id = "put_interest",
    params(("topic" = String, Path, description = "The topic")),
    request_body = InterestForm,
    responses((status = 200, description = "The interests as they are now", body = InterestsBody)))]
pub async fn put(
    app: web::Data<App>,
    Subject(user): Subject,
    path: web::Path<TopicPath>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let topic = topic(&path)?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut faults = Faults::default();
    let said = read::object(&body, "", &mut faults).and_then(|map| {
        read::unknown_keys(map, &FIELDS, "an interest", "", &mut faults);
        let locked = read::optional(map, "locked").map(|v| flag(v, "/locked", &mut faults));
        let weight = read::required(map, "weight", "a number from -1 to 1", "", &mut faults);
        let weight = weight.and_then(|v| super::preferences::read_level(v, "/weight", &mut faults));
        Some((weight?, locked.flatten().unwrap_or(false)))
    });
    let (weight, locked) = said.unwrap_or_default();
    let asked = Preferences { topics: [(topic.clone(), weight)].into(), ..Preferences::default() };
    refuse_sensitive(&app, &user, &asked, |_| "/weight".to_owned(), &mut faults).await?;
    faults.into_result().map_err(Problem::invalid_body)?;
    let snapshot = app.feed.catalogue.snapshot();
    let now = app.now();
    let body = change_profile(&app, &user, |profile| {
        controls::set_interest(profile, &topic, weight, locked, |interest| is_about(interest, &topic, &snapshot))?;
        Ok(InterestsBody::new(profile, now))
    });
    Ok(private(&body.await?))
}

/// Remove an interest
///
/// Said or inferred. The removal is remembered: whatever the person opens, nothing is inferred about the topic again until a `PUT`.
/// Creators and sources that make nothing else are no longer liked either; those that are followed still are.
/// Its items may still come, as they come to somebody of whom nothing is known; a weight of −1 keeps them out.
#[utoipa::path(delete, path = "/v1/me/interests/{topic}", tag = "me", operation_id = "delete_interest",
    params(("topic" = String, Path, description = "The topic")),
    responses((status = 200, description = "The interests as they are now", body = InterestsBody)))]
pub async fn delete(app: web::Data<App>, Subject(user): Subject, path: web::Path<TopicPath>) -> Result<HttpResponse, Problem> {
    let topic = topic(&path)?;
    let snapshot = app.feed.catalogue.snapshot();
    let now = app.now();
    let body = change_profile(&app, &user, |profile| {
        let only = |affinity: &Affinity| is_only_about(affinity, &topic, &snapshot);
        controls::remove_interest(profile, &topic, |interest| is_about(interest, &topic, &snapshot), only)?;
        Ok(InterestsBody::new(profile, now))
    });
    Ok(private(&body.await?))
}

fn topic(path: &TopicPath) -> Result<FacetValue, Problem> {
    // Decoding has put it in place of broken bytes: different topics would become one.
    if path.topic.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Problem::not_found("The topic in the path is not UTF-8 when decoded."));
    }
    match read::facet_fault(&path.topic) {
        None => Ok(path.topic.as_str().into()),
        Some(fault) => Err(Problem::not_found(format!("The topic in the path {fault}."))),
    }
}

impl InterestsBody {
    fn new(profile: &Profile, now: Time) -> Self {
        let said = &profile.preferences.topics;
        let strongest = profile.inferred(Facet::Topic).map(Affinity::net_liking).fold(0.0, f32::max);
        let liked: BTreeSet<&FacetValue> =
            profile.affinities.iter().filter(|a| a.facet == Facet::Topic && a.net_liking() > 0.0).map(|a| &a.value).collect();
        let topics: BTreeSet<&FacetValue> = liked.into_iter().chain(said.keys()).collect();
        let interest = |topic: &FacetValue| {
            let affinity = profile.affinity(Facet::Topic, topic).filter(|a| a.net_liking() > 0.0);
            let (origin, strength) = match said.get(topic) {
                Some(level) => ("said", *level),
                None => ("inferred", affinity.map_or(0.0, |a| a.net_liking() / strongest)),
            };
            let evidence = affinity.map(|affinity| EvidenceBody::new(affinity, profile, now));
            TopicInterestBody { topic: topic.to_string(), origin, strength, locked: profile.locked_topics.contains(topic), evidence }
        };
        let mut interests: Vec<TopicInterestBody> = topics.into_iter().map(interest).collect();
        interests.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        let removed = profile.locked_topics.iter().filter(|topic| !said.contains_key(*topic)).map(ToString::to_string).collect();
        Self { interests, removed }
    }
}

impl EvidenceBody {
    fn new(affinity: &Affinity, profile: &Profile, now: Time) -> Self {
        let faded = decay(now.since(profile.as_of), PROFILE_HALF_LIFE) as f32;
        let adds = |added: &(Facet, FacetValue, f32, f32)| added.0 == Facet::Topic && added.1 == affinity.value && added.2 > 0.0;
        let acts = profile.actions.iter().rev().filter(|action| action.added.iter().any(adds));
        let acts = acts.take(MAX_TOLD_ACTS).map(ActionBody::from).collect();
        Self { liking: affinity.liking * faded, shown: affinity.shown * faded, acts }
    }
}
