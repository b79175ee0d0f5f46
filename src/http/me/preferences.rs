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
        profile::{Mode, Preferences},
    },
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    wire::{Faults, read, rerank::unit},
};

/// Most topics in preferences.
pub const MAX_PREFERRED_TOPICS: usize = 100;
/// Most languages in preferences.
pub const MAX_PREFERRED_LANGUAGES: usize = 20;
const FIELDS: [&str; 4] = ["diversity", "languages", "mode", "topics"];

/// What a person set by hand. A `PUT` replaces all of it; what is left out is back at its default.
#[derive(Serialize, ToSchema)]
#[schema(as = Preferences, example = json!({"mode": "profile", "diversity": 0.4, "topics": {"science": 1.0}, "languages": ["en"]}))]
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
}

impl From<&Preferences> for PreferencesBody {
    fn from(preferences: &Preferences) -> Self {
        Self {
            mode: preferences.mode.name(),
            diversity: preferences.diversity,
            topics: preferences.topics.iter().map(|(topic, weight)| (topic.to_string(), *weight)).collect(),
            languages: preferences.languages.iter().map(ToString::to_string).collect(),
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
    request_body = PreferencesBody,
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
    change_profile(&app, &user, |profile| profile.preferences = preferences.clone()).await?;
    Ok(private(&PreferencesBody::from(&preferences)))
}

/// Preferences at the pointer `at`; the defaults where there are faults.
pub(super) fn read_preferences(value: &Value, at: &str, faults: &mut Faults) -> Preferences {
    let Some(map) = read::object(value, at, faults) else { return Preferences::default() };
    read::unknown_keys(map, &FIELDS, "preferences", at, faults);
    let get = |key: &str| read::optional(map, key);
    Preferences {
        diversity: get("diversity").and_then(|v| unit(v, &read::below(at, "diversity"), faults)),
        topics: get("topics").map(|v| read_topics(v, &read::below(at, "topics"), faults)).unwrap_or_default(),
        languages: get("languages").map(|v| read_languages(v, &read::below(at, "languages"), faults)).unwrap_or_default(),
        mode: get("mode").and_then(|v| read_mode(v, &read::below(at, "mode"), faults)).unwrap_or_default(),
    }
}

fn read_mode(value: &Value, at: &str, faults: &mut Faults) -> Option<Mode> {
    let name = read::string(value, at, faults)?;
    let mode = Mode::parse(name);
    if mode.is_none() {
        faults.add(at, format!("is `{}`; expected {}", read::shown(name), read::one_of(&Mode::NAMES)));
    }
    mode
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
        let number = read::number(weight, &at, faults);
        let (Some(name), Some(number)) = (name, number) else { continue };
        if !(-1.0..=1.0).contains(&number) {
            faults.add(at, format!("is {number}; expected a number from -1 to 1"));
            continue;
        }
        topics.insert(name, number);
    }
    topics
}

fn read_languages(value: &Value, at: &str, faults: &mut Faults) -> Vec<FacetValue> {
    let Value::Array(values) = value else {
        faults.add(at, format!("is {}; expected an array of languages", read::kind(value)));
        return Vec::new();
    };
    if values.len() > MAX_PREFERRED_LANGUAGES {
        faults.add(at, format!("has {} languages; expected at most {MAX_PREFERRED_LANGUAGES}", values.len()));
        return Vec::new();
    }
    values.iter().enumerate().filter_map(|(n, value)| read::facet_value(value, &format!("{at}/{n}"), faults)).collect()
}
