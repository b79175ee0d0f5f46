//! `GET /v1/data-inventory`: every field that is kept about people, with its purpose, basis and end (GDPR Art. 13, 14 and 30).
//! A test holds it against the code.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::{
        consent::{CONSENT_KEEP, ConsentDefault},
        event::DEDUPE_WINDOW,
        reach::Pace,
    },
    settings::Settings,
    store::TOMBSTONE_TTL,
};

/// Everything that is kept about people. What is not in here is not kept.
#[derive(Serialize, ToSchema)]
#[schema(as = DataInventory)]
pub struct InventoryBody {
    records: Vec<RecordBody>,
}

/// One kind of record.
#[derive(Serialize, ToSchema)]
#[schema(as = DataRecord)]
pub struct RecordBody {
    name: &'static str,
    /// `store`, `keys` or `journal`.
    kept_in: &'static str,
    /// Whether only the person's key opens it.
    sealed: bool,
    /// How long it is kept, as in the settings: `400d`.
    retention: String,
    /// What allows keeping it.
    legal_basis: &'static str,
    fields: Vec<FieldBody>,
}

/// One field.
#[derive(Serialize, ToSchema)]
#[schema(as = DataField)]
pub struct FieldBody {
    name: &'static str,
    /// `given` by the person, `observed` of them, `inferred` from that, or `made` by the server.
    source: &'static str,
    purpose: &'static str,
}

type Fields = &'static [(&'static str, &'static str, &'static str)];

const PROFILE: Fields = &[
    ("as_of", "made", "the time the fading weights are as of"),
    ("affinities", "inferred", "ranking by what the person takes to"),
    ("dislikes", "given", "showing less of what they want less of"),
    ("exposures", "observed", "spreading what is shown"),
    ("interests", "inferred", "ranking by what is near to what they liked, and saying so"),
    ("seen", "observed", "not repeating items"),
    ("mutes", "given", "never showing what they muted"),
    ("follows", "given", "showing whom they follow"),
    ("locked_topics", "given", "inferring nothing about topics they locked or removed"),
    ("preferences", "given", "feeds as they set them"),
    ("actions", "observed", "undoing what they did"),
    ("events", "observed", "telling new people from others"),
    ("since", "observed", "bounding what new accounts add to popularity"),
    ("given", "observed", "bounding what one person adds to popularity in a day"),
];
const PREFERENCES: Fields = &[
    ("diversity", "given", "how varied their feed is"),
    ("source_mix", "given", "how much sources are spread"),
    ("viewpoint_mix", "given", "how much viewpoints are spread"),
    ("topics", "given", "more or less of a topic"),
    ("languages", "given", "items in languages they read"),
    ("blocked_keywords", "given", "no items that say them"),
    ("mode", "given", "what of them a feed may use"),
    ("lifts_caps", "given", "whether the caps on rabbit holes hold"),
    ("pauses", "given", "breaks when they want them"),
    ("push_categories", "given", "pushes of the kinds they want, and no others"),
    ("time_zone", "given", "no push at night"),
];
const CONSENT: Fields = &[
    ("purpose", "given", "what was decided about"),
    ("decision", "given", "what was decided"),
    ("at", "observed", "when, for expiry and for not asking again"),
    ("notice", "made", "what they were shown"),
    ("signature", "made", "proof that nothing was changed"),
];
const EVENT_IDS: Fields = &[("digest", "observed", "learning an event that is sent again once"), ("expires_at", "made", "forgetting it")];
const FEED: Fields = &[
    ("id", "made", "finding it by a cursor"),
    ("owner", "made", "showing it to nobody else; kept as a keyed digest"),
    ("surface", "observed", "going on by the same policy"),
    ("policy_digest", "made", "going on by the same policy"),
    ("diversity", "given", "going on as varied as it began"),
    ("dials", "given", "going on as mixed as it began"),
    ("seed", "made", "the same draws"),
    ("created_at", "made", "ages of items as they were"),
    ("expires_at", "made", "ending it"),
    ("topics", "made", "reasons"),
    ("exemplars", "inferred", "reasons"),
    ("pool", "inferred", "the pages to come"),
];
const PAGE: Fields = &[
    ("placed", "inferred", "the same page for the same cursor; not repeating what was served"),
    ("relaxed", "made", "saying which constraints gave way"),
    ("has_next", "made", "whether there is more"),
    ("sponsored", "made", "the same sponsored items for the same cursor; none too often"),
    ("draws", "made", "the journal's record of chance; not kept with the page"),
];
const PACE: Fields = &[
    ("pushes", "made", "sending no more pushes than the policy allows; when, not what"),
    ("digest", "made", "sending no more mails than the policy allows; when, not what"),
];
const SERVED: Fields = &[
    ("at", "observed", "order in time"),
    ("request_id", "made", "finding what a report is about"),
    ("feed_id", "made", "pages that belong together"),
    ("surface", "observed", "audit by surface"),
    ("user", "made", "pages of one person, by a pseudonym that nobody can resolve after erasure"),
    ("policy", "made", "which policy served"),
    ("policy_version", "made", "which policy served"),
    ("policy_digest", "made", "which policy served"),
    ("ranking_digest", "made", "which policy ranked"),
    ("explore", "made", "how exploration drew"),
    ("diversity", "given", "diversity in force"),
    ("seed", "made", "replaying draws"),
    ("page", "observed", "pages in order"),
    ("pool_size", "made", "audit of choice"),
    ("pool_digest", "made", "audit of choice"),
    ("items", "inferred", "audit, evaluation and experiments: what was served where, with which chance"),
    ("metrics", "made", "diversity of what was served"),
    ("experiment", "made", "which arm of an experiment served"),
    ("degraded", "made", "what was missing"),
];
const EVENT: Fields = &[
    ("at", "observed", "order in time"),
    ("id", "observed", "counting each once; kept as a keyed digest"),
    ("user", "made", "events of one person, by a pseudonym that nobody can resolve after erasure"),
    ("type", "observed", "evaluation"),
    ("item", "observed", "evaluation"),
    ("feed_id", "observed", "which page it answers"),
    ("position", "observed", "which place it answers"),
    ("undo", "observed", "taking it back"),
];
const KEY: Fields = &[
    ("lookup", "made", "finding a person's records: a keyed digest of their id"),
    ("pseudonym", "made", "naming them in the journal"),
    ("data_key", "made", "sealing their records; wrapped by the master key"),
];
const TOMBSTONE: Fields = &[("erased_at", "observed", "refusing what comes late")];

/// What is kept about people
#[utoipa::path(get, path = "/v1/data-inventory", tag = "consent", operation_id = "data_inventory", security(()),
    responses((status = 200, description = "Every kind of record with every field", body = InventoryBody)))]
pub async fn get(app: web::Data<App>) -> HttpResponse {
    let body = InventoryBody { records: records(&app.settings) };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(body)
}

fn records(settings: &Settings) -> Vec<RecordBody> {
    let use_basis = match settings.consent.default {
        ConsentDefault::Required => "consent (GDPR Art. 6(1)(a))",
        ConsentDefault::Assumed => "as stated by the operator, until refused",
    };
    let duty = "duty to show and to keep to decisions (GDPR Art. 7(1), 17(1))";
    let profile_ttl = settings.store.profile_ttl;
    let record = |name, kept_in, sealed, retention: String, legal_basis, fields: Fields| RecordBody {
        name,
        kept_in,
        sealed,
        retention,
        legal_basis,
        fields: fields.iter().map(|(name, source, purpose)| FieldBody { name, source, purpose }).collect(),
    };
    let feeds = format!("{} and while it is left out of the next feed", settings.policy.feed.ttl);
    let journal = settings.journal.retention.to_string();
    vec![
        record("profile", "store", true, profile_ttl.to_string(), use_basis, PROFILE),
        record("preferences", "store", true, profile_ttl.to_string(), "request of the person (GDPR Art. 6(1)(b))", PREFERENCES),
        record("consent", "store", true, CONSENT_KEEP.to_string(), duty, CONSENT),
        record("event_ids", "store", false, DEDUPE_WINDOW.to_string(), use_basis, EVENT_IDS),
        record("feed", "store", true, feeds.clone(), use_basis, FEED),
        record("page", "store", true, feeds, use_basis, PAGE),
        record("pace", "store", true, Pace::keep(&settings.policy.reach).to_string(), "consent (GDPR Art. 6(1)(a))", PACE),
        record("served", "journal", false, journal.clone(), use_basis, SERVED),
        record("event", "journal", false, journal, use_basis, EVENT),
        record("key", "keys", false, "as long as what it seals".to_owned(), duty, KEY),
        record("tombstone", "store", false, TOMBSTONE_TTL.to_string(), duty, TOMBSTONE),
    ]
}
