//! `POST /v1/me/import`: what a person said elsewhere holds here.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Subject, change_profile,
    preferences::{PreferencesBody, read_preferences, refuse_sensitive},
    private,
};
use crate::{
    app::App,
    domain::{
        Facet, FacetValue, ItemId,
        profile::{Dislike, MAX_DISLIKES, MAX_FOLLOWS, MAX_LOCKED_TOPICS, MAX_MUTES, Mute, MuteTarget, Preferences},
    },
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    wire::{Faults, read},
};

const EXPORT_FIELDS: [&str; 5] = ["exported_at", "format", "given", "inferred", "observed"];
const GIVEN_FIELDS: [&str; 6] = ["consents", "dislikes", "follows", "locked_topics", "mutes", "preferences"];
const MUTE_FIELDS: [&str; 5] = ["facet", "item", "since", "until", "value"];
const DISLIKE_FIELDS: [&str; 4] = ["at", "facet", "value", "weight"];

/// Most that a dislike weighs: what a person would have to say a thousand times.
const MAX_DISLIKE_WEIGHT: f32 = 1_000.0;

/// An export as it is, or only its `given`. What the person did and what was concluded from it is not taken over.
#[derive(ToSchema)]
#[schema(as = ImportForm, example = json!({"given": {"preferences": {"topics": {"science": 1.0}}, "follows": ["ursula"]}}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct ImportForm {
    /// As in an export; what is left out is taken to be empty. `consents` are not taken over: they are given anew.
    #[schema(value_type = Object)]
    given: Value,
}

/// What the person said.
#[derive(Default)]
pub(in crate::http) struct Given {
    preferences: Preferences,
    mutes: Vec<Mute>,
    follows: Vec<FacetValue>,
    dislikes: Vec<Dislike>,
    locked_topics: BTreeSet<FacetValue>,
}

/// Bring what was said elsewhere
///
/// Takes an export and replaces preferences, mutes, follows, dislikes and locked topics by what it says. Everything else stays.
#[utoipa::path(post, path = "/v1/me/import", tag = "me", operation_id = "import",
    request_body = ImportForm,
    responses((status = 200, description = "The preferences as they are now", body = PreferencesBody)))]
pub async fn post(
    app: web::Data<App>,
    Subject(user): Subject,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.bulk_body_limit_bytes()).await?;
    let mut faults = Faults::default();
    let given = read_given(&body.value()?, &mut faults);
    refuse_sensitive(&app, &user, &given.preferences, |topic| read::below("/given/preferences/topics", topic), &mut faults).await?;
    faults.into_result().map_err(Problem::invalid_body)?;
    change_profile(&app, &user, |profile| {
        profile.preferences = given.preferences.clone();
        profile.mutes = given.mutes.clone();
        profile.follows = given.follows.clone();
        profile.dislikes = given.dislikes.clone();
        profile.locked_topics = given.locked_topics.clone();
        Ok(())
    })
    .await?;
    Ok(private(&PreferencesBody::from(&given.preferences)))
}

pub(in crate::http) fn read_given(value: &Value, faults: &mut Faults) -> Given {
    let mut given = Given::default();
    let Some(map) = read::object(value, "", faults) else { return given };
    read::unknown_keys(map, &EXPORT_FIELDS, "an export", "", faults);
    let stated = read::required(map, "given", "an object", "", faults).and_then(|v| read::object(v, "/given", faults));
    let Some(map) = stated else { return given };
    read::unknown_keys(map, &GIVEN_FIELDS, "an export", "/given", faults);
    if let Some(preferences) = read::optional(map, "preferences") {
        given.preferences = read_preferences(preferences, "/given/preferences", faults);
    }
    given.mutes = list(map, "mutes", MAX_MUTES, read_mute, faults);
    given.follows = list(map, "follows", MAX_FOLLOWS, read::facet_value, faults);
    given.dislikes = list(map, "dislikes", MAX_DISLIKES, read_dislike, faults);
    // As a profile keeps them: each once, found by their facet and value.
    given.dislikes.sort_by(|a, b| (a.facet, &a.value).cmp(&(b.facet, &b.value)));
    given.dislikes.dedup_by(|a, b| a.facet == b.facet && a.value == b.value);
    given.locked_topics = list(map, "locked_topics", MAX_LOCKED_TOPICS, read::facet_value, faults).into_iter().collect();
    let mut targets = BTreeSet::new();
    given.mutes.retain(|mute| targets.insert(mute.target.clone()));
    let mut creators = BTreeSet::new();
    given.follows.retain(|creator| creators.insert(FacetValue::clone(creator)));
    given
}

/// A list under `key`; empty when it is left out.
fn list<T>(
    map: &Map<String, Value>,
    key: &str,
    most: usize,
    one: impl Fn(&Value, &str, &mut Faults) -> Option<T>,
    faults: &mut Faults,
) -> Vec<T> {
    let at = read::below("/given", key);
    match read::optional(map, key) {
        None => Vec::new(),
        Some(Value::Array(values)) if values.len() <= most => {
            values.iter().enumerate().filter_map(|(n, value)| one(value, &format!("{at}/{n}"), faults)).collect()
        }
        Some(Value::Array(values)) => {
            faults.add(at, format!("has {} entries; expected at most {most}", values.len()));
            Vec::new()
        }
        Some(other) => {
            faults.add(at, format!("is {}; expected an array", read::kind(other)));
            Vec::new()
        }
    }
}

fn read_mute(value: &Value, at: &str, faults: &mut Faults) -> Option<Mute> {
    let map = read::object(value, at, faults)?;
    read::unknown_keys(map, &MUTE_FIELDS, "a mute", at, faults);
    let target = match read::optional(map, "item") {
        Some(item) => {
            let below = read::below(at, "item");
            let text = read::string(item, &below, faults)?;
            match ItemId::new(text) {
                Ok(item) => Some(MuteTarget::Item(item)),
                Err(fault) => {
                    faults.add(below, fault.to_string());
                    None
                }
            }
        }
        None => read_facet(map, at, faults).map(|(facet, value)| MuteTarget::Facet(facet, value)),
    };
    let since = read::required(map, "since", "a time", at, faults).and_then(|v| read::time(v, &read::below(at, "since"), faults));
    let until = read::optional(map, "until").map(|v| read::time(v, &read::below(at, "until"), faults));
    Some(Mute { target: target?, since: since?, until: until.map_or(Some(None), |until| until.map(Some))? })
}

fn read_dislike(value: &Value, at: &str, faults: &mut Faults) -> Option<Dislike> {
    let map = read::object(value, at, faults)?;
    read::unknown_keys(map, &DISLIKE_FIELDS, "a dislike", at, faults);
    let facet = read_facet(map, at, faults);
    let said = read::required(map, "at", "a time", at, faults).and_then(|v| read::time(v, &read::below(at, "at"), faults));
    let weight = read::required(map, "weight", "a number above 0", at, faults);
    let weight = weight.and_then(|v| read::number(v, &read::below(at, "weight"), faults));
    let weight = weight.filter(|weight| {
        let is_sound = *weight > 0.0 && *weight <= f64::from(MAX_DISLIKE_WEIGHT);
        if !is_sound {
            faults.add(read::below(at, "weight"), format!("is {weight}; expected a number above 0 and at most {MAX_DISLIKE_WEIGHT}"));
        }
        is_sound
    });
    let (facet, value) = facet?;
    Some(Dislike { facet, value, weight: (weight? as f32).max(f32::MIN_POSITIVE), at: said? })
}

fn read_facet(map: &Map<String, Value>, at: &str, faults: &mut Faults) -> Option<(Facet, FacetValue)> {
    let names = Facet::ALL.map(Facet::name);
    let below = read::below(at, "facet");
    let name = read::required(map, "facet", "the name of a facet", at, faults).and_then(|v| read::named(v, &names, &below, faults));
    let facet = name.and_then(|name| Facet::ALL.into_iter().find(|facet| facet.name() == name));
    let value = read::required(map, "value", "a value of the facet", at, faults);
    let value = value.and_then(|v| read::facet_value(v, &read::below(at, "value"), faults));
    facet.zip(value)
}
