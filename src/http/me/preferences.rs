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
        FacetValue, Span, UserId,
        keyword::{self, MAX_BLOCKED_KEYWORDS},
        policy::{MAX_PAUSES, PAUSE_MAX, PAUSE_MIN},
        preset::Preset,
        profile::{MAX_PREFERRED_TOPICS, MAX_PUSH_CATEGORIES, Mode, Preferences},
    },
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    wire::{self, Faults, event::flag, read, rerank::unit},
};

/// Most languages in preferences.
pub const MAX_PREFERRED_LANGUAGES: usize = 20;
/// Longest name of a category of pushes.
pub(in crate::http) const MAX_CATEGORY_BYTES: usize = 64;
/// Longest IANA name of a zone.
const MAX_TIME_ZONE_BYTES: usize = 64;
const FIELDS: [&str; 12] = [
    "blocked_keywords",
    "diversity",
    "languages",
    "mode",
    "pauses",
    "preset",
    "push_categories",
    "rabbit_hole_caps",
    "source_mix",
    "time_zone",
    "topics",
    "viewpoint_mix",
];

/// What a person sets by hand. A `PUT` replaces all of it; what is left out is back at its default.
#[derive(ToSchema)]
#[schema(as = PreferencesForm, example = json!({"mode": "profile", "preset": "broader", "topics": {"science": 1.0}, "languages": ["en"], "blocked_keywords": ["royal wedding"], "pauses": ["20m", "1h"], "push_categories": ["breaking"], "time_zone": "Europe/Berlin"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct PreferencesForm {
    /// `profile` (the default), `explicit_only`, `no_profile`, `chronological` or `client_profile`.
    mode: Option<String>,
    /// 0 = relevance only … 1 = most varied; within what the policy allows. Left out: the policy decides.
    #[schema(minimum = 0, maximum = 1, example = 0.4)]
    diversity: Option<f32>,
    /// Instead of `diversity`: `focused`, `balanced` or `broader` (`GET /v1/preferences/presets`).
    preset: Option<String>,
    /// 0 to 1: how much being of one source weighs in what counts as alike, and so is spread. Left out: the policy decides.
    #[schema(minimum = 0, maximum = 1)]
    source_mix: Option<f32>,
    /// 0 to 1: the same for viewpoints.
    #[schema(minimum = 0, maximum = 1)]
    viewpoint_mix: Option<f32>,
    /// `false` lifts the policy's caps on topics that are fine once and harmful over and over. Not for minors. Left out: `true`.
    rabbit_hole_caps: Option<bool>,
    /// Topic to −1 (none of it) … 1 (more of it); at most 100.
    topics: Option<BTreeMap<String, f32>>,
    /// Only items in these languages; at most 20.
    #[schema(max_items = 20)]
    languages: Option<Vec<String>>,
    /// No item that says one of these: at most 50, of 2 to 64 characters, at least 2 of them letters or digits.
    #[schema(max_items = 50)]
    blocked_keywords: Option<Vec<String>>,
    /// Times into a session at which a break is due: at most 8, each `1m` to `1d`. Besides the policy's.
    #[schema(max_items = 8, example = json!(["20m", "1h"]))]
    pauses: Option<Vec<String>>,
    /// Categories of pushes that may be sent, with consent to pushes: at most 32, each 1 to 64 of a-z, 0-9, `-` and `_`. None unless named.
    #[schema(max_items = 32, example = json!(["breaking"]))]
    push_categories: Option<Vec<String>>,
    /// IANA name of the zone the reader's day is in, for quiet hours.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
}

/// What a person set by hand.
#[derive(Serialize, ToSchema)]
#[schema(as = Preferences, example = json!({"mode": "profile", "diversity": 0.4, "topics": {"science": 1.0}, "languages": ["en"], "blocked_keywords": ["royal wedding"], "pauses": ["20m", "1h"], "push_categories": ["breaking"], "time_zone": "Europe/Berlin"}))]
pub struct PreferencesBody {
    /// `profile`, `explicit_only`, `no_profile`, `chronological` or `client_profile`. Kept for ever and on every device.
    mode: &'static str,
    /// 0 = relevance only … 1 = most varied. Absent: the policy decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    diversity: Option<f32>,
    /// 0 to 1: how much being of one source weighs in what counts as alike. Absent: the policy decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    source_mix: Option<f32>,
    /// 0 to 1: the same for viewpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    viewpoint_mix: Option<f32>,
    /// `false`: the person lifted the policy's caps on topics that are fine once and harmful over and over. Absent: they hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rabbit_hole_caps: Option<bool>,
    /// Topic to −1 (none of it by choice) … 1 (more of it); at most 100.
    topics: BTreeMap<String, f32>,
    /// Only items in these languages; empty: any. At most 20.
    languages: Vec<String>,
    /// No item that says one of these, in any mode: words and phrases compared whole, in any case and form of Unicode, with title, description, topics,
    /// creator's name and source. At most 50, of 2 to 64 characters.
    blocked_keywords: Vec<String>,
    /// Times into a session at which a break is due.
    pauses: Vec<String>,
    /// Categories of pushes that may be sent.
    push_categories: Vec<String>,
    /// Absent: not known, and no push is sent unless the sender names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time_zone: Option<String>,
}

impl From<&Preferences> for PreferencesBody {
    fn from(preferences: &Preferences) -> Self {
        Self {
            mode: preferences.mode.name(),
            diversity: preferences.diversity,
            source_mix: preferences.source_mix,
            viewpoint_mix: preferences.viewpoint_mix,
            rabbit_hole_caps: preferences.lifts_caps.then_some(false),
            topics: preferences.topics.iter().map(|(topic, weight)| (topic.to_string(), *weight)).collect(),
            languages: preferences.languages.iter().map(ToString::to_string).collect(),
            blocked_keywords: preferences.blocked_keywords.clone(),
            pauses: preferences.pauses.iter().map(ToString::to_string).collect(),
            push_categories: preferences.push_categories.clone(),
            time_zone: preferences.time_zone.clone(),
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
    refuse_sensitive(&app, &user, &preferences, |topic| read::below("/topics", topic), &mut faults).await?;
    faults.into_result().map_err(Problem::invalid_body)?;
    change_profile(&app, &user, |profile| {
        profile.preferences = preferences.clone();
        Ok(())
    })
    .await?;
    Ok(private(&PreferencesBody::from(&preferences)))
}

/// Faults for interests in topics of special categories that the person did not consent to. Turning them down is always theirs.
pub(super) async fn refuse_sensitive(
    app: &App,
    user: &UserId,
    preferences: &Preferences,
    at: impl Fn(&str) -> String,
    faults: &mut Faults,
) -> Result<(), Problem> {
    let sensitive = &app.ingest.sensitive;
    let wanted = || preferences.topics.iter().filter(|(topic, level)| **level > 0.0 && sensitive.category(topic).is_some());
    if wanted().next().is_none() {
        return Ok(());
    }
    let consents = app.consents.log(user).await?;
    for (topic, _) in wanted() {
        if let Some(category) = sensitive.withheld_topic(topic, &consents, app.now()) {
            let purpose = category.purpose().name();
            faults.add(at(topic), format!("is a sensitive topic; it is kept with consent to `{purpose}` (PUT /v1/me/consent)"));
        }
    }
    Ok(())
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
        source_mix: get("source_mix").and_then(|v| unit(v, &read::below(at, "source_mix"), faults)),
        viewpoint_mix: get("viewpoint_mix").and_then(|v| unit(v, &read::below(at, "viewpoint_mix"), faults)),
        lifts_caps: get("rabbit_hole_caps").and_then(|v| flag(v, &read::below(at, "rabbit_hole_caps"), faults)) == Some(false),
        topics: get("topics").map(|v| read_topics(v, &read::below(at, "topics"), faults)).unwrap_or_default(),
        languages: get("languages").map(|v| read_languages(v, &read::below(at, "languages"), faults)).unwrap_or_default(),
        blocked_keywords: get("blocked_keywords")
            .map(|v| read_keywords(v, &read::below(at, "blocked_keywords"), faults))
            .unwrap_or_default(),
        mode: get("mode")
            .and_then(|v| read::named(v, &Mode::NAMES, &read::below(at, "mode"), faults))
            .and_then(Mode::parse)
            .unwrap_or_default(),
        pauses: get("pauses").map(|v| read_pauses(v, &read::below(at, "pauses"), faults)).unwrap_or_default(),
        push_categories: get("push_categories")
            .map(|v| read_categories(v, &read::below(at, "push_categories"), faults))
            .unwrap_or_default(),
        time_zone: get("time_zone").and_then(|v| read_time_zone(v, &read::below(at, "time_zone"), faults)),
    }
}

/// Ascending, each once.
fn read_pauses(value: &Value, at: &str, faults: &mut Faults) -> Vec<Span> {
    let mut pauses: Vec<Span> = Vec::new();
    for (n, value) in list(value, MAX_PAUSES, "breaks", at, faults).iter().enumerate() {
        let at = format!("{at}/{n}");
        let Some(text) = read::string(value, &at, faults) else { continue };
        match Span::parse(text) {
            Ok(pause) if !(PAUSE_MIN..=PAUSE_MAX).contains(&pause) => {
                faults.add(at, format!("is {pause}; expected {PAUSE_MIN} to {PAUSE_MAX}"));
            }
            Ok(pause) => pauses.push(pause),
            Err(_) => faults.add(at, format!("is `{}`; expected a duration such as \"20m\" or \"1h\"", read::shown(text))),
        }
    }
    pauses.sort_unstable();
    pauses.dedup();
    pauses
}

/// Each once, in the order given.
fn read_categories(value: &Value, at: &str, faults: &mut Faults) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for (n, value) in list(value, MAX_PUSH_CATEGORIES, "categories", at, faults).iter().enumerate() {
        let category = read_category(value, &format!("{at}/{n}"), faults).filter(|category| !categories.contains(category));
        categories.extend(category);
    }
    categories
}

/// The name of a category of pushes.
pub(in crate::http) fn read_category(value: &Value, at: &str, faults: &mut Faults) -> Option<String> {
    let text = read::text(value, 1, MAX_CATEGORY_BYTES, at, faults)?;
    if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        return Some(text.to_owned());
    }
    faults.add(at, format!("is `{}`; expected 1 to {MAX_CATEGORY_BYTES} of a-z, 0-9, - and _", read::shown(text)));
    None
}

/// The IANA name of a zone that is known here.
pub(in crate::http) fn read_time_zone(value: &Value, at: &str, faults: &mut Faults) -> Option<String> {
    let text = read::text(value, 1, MAX_TIME_ZONE_BYTES, at, faults)?;
    if wire::time::is_zone(text) {
        return Some(text.to_owned());
    }
    faults.add(at, format!("is `{}`, which is no time zone; expected an IANA name such as `Europe/Berlin`", read::shown(text)));
    None
}

/// How much of a topic: a number in [−1, 1].
pub(super) fn read_level(value: &Value, at: &str, faults: &mut Faults) -> Option<f32> {
    read::ranged(value, -1.0, 1.0, at, faults)
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
