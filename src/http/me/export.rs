//! `GET /v1/me/export`: everything that is kept about a person, told apart by where it comes from (GDPR Art. 15 and 20).

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Subject, consent::RecordBody, preferences::PreferencesBody, private};
use crate::{
    app::App,
    catalogue::Snapshot,
    domain::{
        EmbeddingSpace, Profile,
        profile::{Action, Interest, Mute, MuteTarget, Seen},
        reach::Pace,
    },
    http::problem::Problem,
    store::Person,
    wire::time::render,
};

/// The version of an export's form.
pub const EXPORT_FORMAT: u32 = 1;

/// Everything that is kept about a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportBody {
    /// 1: this form.
    format: u32,
    exported_at: String,
    given: GivenBody,
    observed: ObservedBody,
    inferred: InferredBody,
}

/// What the person said. `POST /v1/me/import` takes it back, but for consents: those are given anew.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportGiven)]
pub struct GivenBody {
    preferences: PreferencesBody,
    mutes: Vec<MuteBody>,
    /// Creators.
    follows: Vec<String>,
    dislikes: Vec<DislikeBody>,
    /// Topics nothing is inferred about: locked, or removed from the interests.
    locked_topics: Vec<String>,
    /// The consent log, oldest first.
    consents: Vec<RecordBody>,
}

/// What is never shown: an item, or a facet's value.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportMute)]
pub struct MuteBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item: Option<String>,
    /// `topic`, `creator`, `source`, `viewpoint`, `language` or `format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    facet: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<String>,
    since: String,
    /// The end of a snooze; absent: for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<String>,
}

/// What the person wants less of.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportDislike)]
pub struct DislikeBody {
    facet: &'static str,
    value: String,
    /// Above 0.
    weight: f32,
    /// When it was last said.
    at: String,
}

/// What the person did.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportObserved)]
pub struct ObservedBody {
    /// Events learned so far.
    events: u64,
    /// When the first of them was taken in; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// What the person added to items' popularity on the last day they did.
    popularity_given: PopularityGivenBody,
    /// Oldest first.
    seen: Vec<SeenBody>,
    /// Deliberate acts that can be undone, oldest first.
    actions: Vec<ActionBody>,
    sent: SentBody,
}

/// When something was sent to them; of what it was nothing is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportSent)]
pub struct SentBody {
    /// Oldest first.
    pushes: Vec<String>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<String>,
}

/// What one person added to items' popularity within a day.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportPopularityGiven)]
pub struct PopularityGivenBody {
    /// Days since 1970-01-01 (UTC).
    day: i64,
    /// 1 for each open, 2 for each deliberate act, as far as they counted.
    weight: f32,
}

/// An item that was shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportSeen)]
pub struct SeenBody {
    /// Absent when the catalogue no longer has the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item: Option<String>,
    /// What is kept in place of the item's id: 16 hex digits.
    item_hash: String,
    at: String,
    opened: bool,
    impressions: u8,
    /// What the person added to the item's popularity.
    popularity_given: u8,
    /// The liking that using the item has taught.
    taught: f32,
}

/// A deliberate act.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportAction)]
pub struct ActionBody {
    /// The event's type.
    #[serde(rename = "type")]
    kind: String,
    item: String,
    at: String,
}

/// What was concluded from it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportInferred)]
pub struct InferredBody {
    /// The time the weights are as of; they fade from there.
    as_of: String,
    affinities: Vec<AffinityBody>,
    exposures: Vec<ExposureBody>,
    interests: Vec<InterestBody>,
}

/// How much the person takes to a facet's value.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportAffinity)]
pub struct AffinityBody {
    facet: &'static str,
    value: String,
    /// 0 or more.
    liking: f32,
    /// Impressions, 0 or more: they take back some of the liking.
    shown: f32,
}

/// How much of a facet's value was shown lately.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportExposure)]
pub struct ExposureBody {
    facet: &'static str,
    value: String,
    /// 0 or more.
    shown: f32,
    /// 0 or more.
    opened: f32,
}

/// An interest as a direction among items.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportInterest)]
pub struct InterestBody {
    /// The item that last moved it.
    item: String,
    /// Above 0.
    weight: f32,
    /// `model` or `hashed_text`.
    space: &'static str,
    /// Of length 1, in the catalogue's dimension.
    vector: Vec<f32>,
}

/// Export everything about a person
///
/// What they said (`given`), what they did (`observed`) and what was concluded from it (`inferred`). Complete: nothing else is kept
/// about a person besides the feeds served of late, which end by themselves.
#[utoipa::path(get, path = "/v1/me/export", tag = "me", operation_id = "export",
    responses((status = 200, description = "The export; empty for somebody unknown", body = ExportBody)))]
pub async fn get(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let person = app.store.person(&user).await?.unwrap_or_default();
    let snapshot = app.feed.catalogue.snapshot();
    let pace = app.store.pace(&user).await?;
    Ok(private(&export(&person, &pace, &snapshot, render(app.now()))))
}

fn export(person: &Person, pace: &Pace, snapshot: &Snapshot, exported_at: String) -> ExportBody {
    // Every field is named: a new one is exported, or this does not compile.
    let Profile {
        as_of,
        affinities,
        dislikes,
        exposures,
        interests,
        seen,
        mutes,
        follows,
        locked_topics,
        preferences,
        actions,
        events,
        since,
        given,
    } = &*person.profile.clone().unwrap_or_default();
    let dislike = |dislike: &crate::domain::profile::Dislike| DislikeBody {
        facet: dislike.facet.name(),
        value: dislike.value.to_string(),
        weight: dislike.weight,
        at: render(dislike.at),
    };
    let affinity = |affinity: &crate::domain::profile::Affinity| AffinityBody {
        facet: affinity.facet.name(),
        value: affinity.value.to_string(),
        liking: affinity.liking,
        shown: affinity.shown,
    };
    let exposure = |exposure: &crate::domain::profile::Exposure| ExposureBody {
        facet: exposure.facet.name(),
        value: exposure.value.to_string(),
        shown: exposure.shown,
        opened: exposure.opened,
    };
    ExportBody {
        format: EXPORT_FORMAT,
        exported_at,
        given: GivenBody {
            preferences: preferences.into(),
            mutes: mutes.iter().map(MuteBody::from).collect(),
            follows: follows.iter().map(ToString::to_string).collect(),
            dislikes: dislikes.iter().map(dislike).collect(),
            locked_topics: locked_topics.iter().map(ToString::to_string).collect(),
            consents: person.consents.iter().map(RecordBody::from).collect(),
        },
        observed: ObservedBody {
            events: *events,
            since: (*events > 0).then(|| render(*since)),
            popularity_given: PopularityGivenBody { day: given.day, weight: given.weight },
            seen: seen.iter().map(|seen| SeenBody::of(seen, snapshot)).collect(),
            actions: actions.iter().map(ActionBody::from).collect(),
            sent: SentBody { pushes: pace.pushes.iter().map(|at| render(*at)).collect(), digest: pace.digest.map(render) },
        },
        inferred: InferredBody {
            as_of: render(*as_of),
            affinities: affinities.iter().map(affinity).collect(),
            exposures: exposures.iter().map(exposure).collect(),
            interests: interests.iter().map(InterestBody::from).collect(),
        },
    }
}

impl From<&Mute> for MuteBody {
    fn from(mute: &Mute) -> Self {
        let (since, until) = (render(mute.since), mute.until.map(render));
        match &mute.target {
            MuteTarget::Item(item) => Self { item: Some(item.to_string()), facet: None, value: None, since, until },
            MuteTarget::Facet(facet, value) => Self { item: None, facet: Some(facet.name()), value: Some(value.to_string()), since, until },
        }
    }
}

impl SeenBody {
    fn of(seen: &Seen, snapshot: &Snapshot) -> Self {
        let entry = snapshot.find_hash(seen.item_hash).and_then(|row| snapshot.entry(row));
        Self {
            item: entry.map(|entry| entry.item.id.to_string()),
            item_hash: format!("{:016x}", seen.item_hash),
            at: render(seen.at),
            opened: seen.opened,
            impressions: seen.impressions,
            popularity_given: seen.given,
            taught: f32::from(seen.taught) / Seen::TAUGHT_UNITS,
        }
    }
}

impl From<&Action> for ActionBody {
    fn from(action: &Action) -> Self {
        Self { kind: action.kind.clone(), item: action.item.to_string(), at: render(action.at) }
    }
}

impl From<&Interest> for InterestBody {
    fn from(interest: &Interest) -> Self {
        let space = match interest.space {
            EmbeddingSpace::Model => "model",
            EmbeddingSpace::HashedText => "hashed_text",
        };
        let vector = interest.vector.iter().map(|number| number.to_f32()).collect();
        Self { item: interest.exemplar.to_string(), weight: interest.weight, space, vector }
    }
}
