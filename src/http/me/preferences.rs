//! `GET` and `PUT /v1/me/preferences`: what a person set by hand.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Subject, change_profile, private};
use crate::{
    app::App,
    domain::{
        FacetValue,
        keyword::{self, MAX_BLOCKED_KEYWORDS},
        preset::Preset,
        profile::{MAX_PREFERRED_TOPICS, Mode, Preferences},
    },
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    wire::{Faults, read, rerank::unit},
};

/// Most languages in preferences.
pub const MAX_PREFERRED_LANGUAGES: usize = 20;
const FIELDS: [&str; 6] = ["blocked_keywords", "diversity", "languages", "mode", "preset", "topics"];

/// What a person sets by hand. A `PUT` replaces all of it; what is left out is back at its default.
#[derive(ToSchema)]
#[schema(as = PreferencesForm, example = json!({"mode": "profile", "preset": "broader", "topics": {"science": 1.0}, "languages": ["en"], "blocked_keywords": ["royal wedding"]}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct PreferencesForm {
    /// `profile` (the default), `explicit_only`, `no_profile`, `chronological` or `client_profile`.
    mode: Option<String>,
    /// 0 = relevance only … 1 = most varied; within what the policy allows. Left out: the policy decides.
    #[schema(minimum = 0, maximum = 1, example = 0.4)]
    diversity: Option<f32>,
    /// Instead of `diversity`: `focused`, `balanced` or `broader` (`GET /v1/preferences/presets`).
    preset: Option<String>,
    /// Topic to −1 (none of it) … 1 (more of it); at most 100.
    topics: Option<BTreeMap<String, f32>>,
    /// Only items in these languages; at most 20.
    languages: Option<Vec<String>>,
    /// No item that says one of these: at most 50, of 2 to 64 characters.
    blocked_keywords: Option<Vec<String>>,
}

/// What a person set by hand.
#[derive(Serialize, ToSchema)]
#[schema(as = Preferences, example = json!({"mode": "profile", "diversity": 0.4, "topics": {"science": 1.0}, "languages": ["en"], "blocked_keywords": ["royal wedding"]}))]
pub struct PreferencesBody {
    /// `profile`, `explicit_only`, `no_profile`, `chronological` or `client_profile`. Kept for ever and on every device.
    mode: &'static str,
    /// 0 = relevance only … 1 = most varied. Absent: the policy decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    diversity: Option<f32>,
    /// Topic to −1 (none of it by choice) … 1 (more of it); at most 100.
    topics: BTreeMap<String, f32>,
    /// Only items in these languages; empty: any. At most 20.
    languages: Vec<String>,
    /// No item that says one of these, in any mode: words and phrases compared whole, in any case and form of Unicode, with title, description, topics,
    /// creator's name and source. At most 50, of 2 to 64 characters.
    blocked_keywords: Vec<String>,
}

impl From<&Preferences> for PreferencesBody {
    fn from(preferences: &Preferences) -> Self {
        Self {
            mode: preferences.mode.name(),
            diversity: preferences.diversity,
            topics: preferences.topics.iter().map(|(topic, weight)| (topic.to_string(), *weight)).collect(),
            languages: preferences.languages.iter().map(ToString::to_string).collect(),
            blocked_keywords: preferences.blocked_keywords.clone(),
        }
    }
}

/// What the person set
#[utoipa::path(get, path = "/v1/me/preferences", tag = "me", operation_id = "get_preferences",
    responses((status = 200, description = "The preferences; the defaults for somebody unknown", body = PreferencesBody)))]
pub async fn get(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let profile = app.store.profile(&user).await?.unwrap_or_default();
    Ok(private(&PreferencesBody::from(&profile.preferences)))
}

/// Set preferences
///
/// Counts from the next request on.
#[utoipa::path(put, path = "/v1/me/preferences", tag = "me", operation_id = "put_preferences",
    request_body = PreferencesForm,
    responses((status = 200, description = "The preferences as they are now", body = PreferencesBody)))]
pub async fn put(
    app: web::Data<App>,
    Subject(user): Subject,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let mut faults = Faults::default();
    let preferences = read_preferences(&body.value()?, "", &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    change_profile(&app, &user, |profile| {
        profile.preferences = preferences.clone();
        Ok(())
    })
    .await?;
    Ok(private(&PreferencesBody::from(&preferences)))
}

/// Preferences at the pointer `at`; the defaults where there are faults.
pub(in crate::http) fn read_preferences(value: &Value, at: &str, faults: &mut Faults) -> Preferences {
    let Some(map) = read::object(value, at, faults) else { return Preferences::default() };
    read::unknown_keys(map, &FIELDS, "preferences", at, faults);
    let get = |key: &str| read::optional(map, key);
    let diversity = get("diversity").and_then(|v| unit(v, &read::below(at, "diversity"), faults));
    let preset = get("preset").and_then(|v| read::named(v, &Preset::NAMES, &read::below(at, "preset"), faults)).and_then(Preset::find);
    if get("diversity").is_some() && get("preset").is_some() {
        faults.add(read::below(at, "preset"), "is given along with `diversity`, which it sets; expected one of the two");
    }
    Preferences {
        diversity: diversity.or(preset.map(|preset| preset.diversity)),
        topics: get("topics").map(|v| read_topics(v, &read::below(at, "topics"), faults)).unwrap_or_default(),
        languages: get("languages").map(|v| read_languages(v, &read::below(at, "languages"), faults)).unwrap_or_default(),
        blocked_keywords: get("blocked_keywords")
            .map(|v| read_keywords(v, &read::below(at, "blocked_keywords"), faults))
            .unwrap_or_default(),
        mode: get("mode")
            .and_then(|v| read::named(v, &Mode::NAMES, &read::below(at, "mode"), faults))
            .and_then(Mode::parse)
            .unwrap_or_default(),
    }
}

/// How much of a topic: a number in [−1, 1].
pub(super) fn read_level(value: &Value, at: &str, faults: &mut Faults) -> Option<f32> {
    let number = read::number(value, at, faults)?;
    if !(-1.0..=1.0).contains(&number) {
        faults.add(at, format!("is {number}; expected a number from -1 to 1"));
        return None;
    }
    Some(number)
}

fn read_topics(value: &Value, at: &str, faults: &mut Faults) -> BTreeMap<FacetValue, f32> {
    let mut topics = BTreeMap::new();
    let Some(map) = read::object(value, at, faults) else { return topics };
    if map.len() > MAX_PREFERRED_TOPICS {
        faults.add(at, format!("has {} topics; expected at most {MAX_PREFERRED_TOPICS}", map.len()));
        return topics;
    }
    for (topic, weight) in map {
        let at = read::below(at, topic);
        let name = read::facet_text(topic, &at, faults);
        let level = read_level(weight, &at, faults);
        topics.extend(name.zip(level));
    }
    topics
}

fn read_languages(value: &Value, at: &str, faults: &mut Faults) -> Vec<FacetValue> {
    let values = list(value, MAX_PREFERRED_LANGUAGES, "languages", at, faults);
    values.iter().enumerate().filter_map(|(n, value)| read::facet_value(value, &format!("{at}/{n}"), faults)).collect()
}

/// Lower-case, what blocks the same once, in the order given.
fn read_keywords(value: &Value, at: &str, faults: &mut Faults) -> Vec<String> {
    let mut keywords: Vec<String> = Vec::new();
    for (n, value) in list(value, MAX_BLOCKED_KEYWORDS, "keywords", at, faults).iter().enumerate() {
        let at = format!("{at}/{n}");
        let Some(keyword) = read::string(value, &at, faults).map(|text| text.trim().to_lowercase()) else { continue };
        match keyword::fault(&keyword) {
            Some(fault) => faults.add(at, fault),
            None if keywords.iter().any(|known| keyword::is_same(known, &keyword)) => {}
            None => keywords.push(keyword),
        }
    }
    keywords
}

/// At most `most` values; none where there are faults.
fn list<'a>(value: &'a Value, most: usize, what: &str, at: &str, faults: &mut Faults) -> &'a [Value] {
    match value {
        Value::Array(values) if values.len() <= most => return values,
        Value::Array(values) => faults.add(at, format!("has {} {what}; expected at most {most}", values.len())),
        other => faults.add(at, format!("is {}; expected an array of {what}", read::kind(other))),
    }
    &[]
}
