//! Sponsored slots in answers, why one was shown, and `GET /v1/admin/ads`: what was shown, for the record.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    items::item_id,
    language::Language,
    params::{Query, shown},
    problem::Problem,
};
use crate::{
    app::App,
    auth::Caller,
    domain::Time,
    domain::{FeedId, Item, UserId, feed::Owner, feed::SponsoredSlot, item::Sponsored},
    feed::Served,
    journal::{Ad, Shows},
    wire::{ItemForm, time::render},
};

/// What such a slot is called, and what was never looked at for it.
const SLOT: &str = "sponsored";
const NOT_USED: [&str; 5] = ["age", "gender", "location", "device", "profile"];

/// A sponsored item beside the feed. It has no position: those of the feed are as if it were not there.
#[derive(Serialize, ToSchema)]
#[schema(as = SponsoredSlot)]
pub struct SponsoredBody {
    pub id: String,
    /// `sponsored`.
    pub slot: &'static str,
    /// Show the item before the one at this position.
    pub before: u32,
    /// Show it with the item, always.
    #[schema(examples("Sponsored"))]
    pub label: &'static str,
    /// Who pays. Show it with the item.
    pub payer: String,
    /// On whose behalf, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub on_behalf_of: Option<String>,
    pub parameters: ParametersBody,
    /// The same as a sentence.
    #[schema(examples("Shown here because the page is about science. Your profile was not used."))]
    pub why: String,
    /// Absent with `hydrate=none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item: Option<ItemForm>,
}

/// All that the item was chosen by.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SponsoredParameters)]
pub struct ParametersBody {
    pub surface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub language: Option<&'static str>,
    /// Topics of the page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

/// The slots of a page.
pub(super) fn slots(served: &Served, language: Language, with_items: bool) -> Vec<SponsoredBody> {
    served.sponsored().filter_map(|(slot, item)| body(&served.feed.surface, slot, item, language, with_items)).collect()
}

fn body(surface: &str, slot: &SponsoredSlot, item: &Item, language: Language, with_item: bool) -> Option<SponsoredBody> {
    let Sponsored { payer, on_behalf_of, .. } = item.sponsored.as_ref()?;
    let parameters = parameters(surface, slot, language);
    Some(SponsoredBody {
        id: slot.item.to_string(),
        slot: SLOT,
        before: slot.before,
        label: label(language),
        payer: payer.clone(),
        on_behalf_of: on_behalf_of.clone(),
        why: why(&parameters, language),
        parameters,
        item: with_item.then(|| ItemForm::from(item)),
    })
}

fn parameters(surface: &str, slot: &SponsoredSlot, language: Language) -> ParametersBody {
    let topics = slot.topics.iter().map(ToString::to_string).collect();
    ParametersBody { surface: surface.to_owned(), language: slot.by_language.then(|| language.tag()), topics }
}

const fn label(language: Language) -> &'static str {
    match language {
        Language::English => "Sponsored",
        Language::German => "Anzeige",
        Language::French => "Sponsorisé",
    }
}

fn why(parameters: &ParametersBody, language: Language) -> String {
    let ParametersBody { surface, language: spoken, topics } = parameters;
    let topics = topics.join(", ");
    let because = match (language, spoken.is_some(), topics.is_empty()) {
        (Language::English, _, false) => format!("Shown here because the page is about {topics}."),
        (Language::English, true, true) => "Shown here because of your language.".to_owned(),
        (Language::English, false, true) => format!("Shown to everybody on `{surface}`."),
        (Language::German, _, false) => format!("Steht hier, weil es auf der Seite um {topics} geht."),
        (Language::German, true, true) => "Steht hier wegen der Sprache der Seite.".to_owned(),
        (Language::German, false, true) => format!("Wird allen auf `{surface}` gezeigt."),
        (Language::French, _, false) => format!("Affiché ici parce que la page parle de {topics}."),
        (Language::French, true, true) => "Affiché ici en raison de la langue.".to_owned(),
        (Language::French, false, true) => format!("Affiché à tous sur `{surface}`."),
    };
    let without = match language {
        Language::English => "Your profile was not used.",
        Language::German => "Ihr Profil wurde nicht verwendet.",
        Language::French => "Votre profil n’a pas été utilisé.",
    };
    format!("{because} {without}")
}

/// Why a sponsored item was shown.
#[derive(Serialize, ToSchema)]
#[schema(as = SponsoredDecision)]
pub struct DecisionBody {
    pub feed_id: String,
    pub surface: String,
    pub id: String,
    /// `sponsored`.
    pub slot: &'static str,
    /// Position of the item it stood before.
    pub before: u32,
    /// Absent when the item is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub on_behalf_of: Option<String>,
    pub parameters: ParametersBody,
    pub why: String,
    /// `age gender location device profile`.
    pub not_used: [&'static str; 5],
}

/// Why a sponsored item was shown
///
/// For the person whose feed it was (their user token), or a server key that names them. Kept as long as the feed is. In what
/// language the page was asked for is not kept: where the item was chosen by it, that of this request is named.
#[utoipa::path(get, path = "/v1/decisions/{feed_id}/sponsored/{id}", tag = "feed", operation_id = "get_sponsored_decision",
    params(("feed_id" = String, Path, description = "The feed", example = "fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19"),
        ("id" = String, Path, description = "A sponsored item beside it", example = "ad_12"),
        ("user" = Option<String>, Query, description = "Whose feed it was (with a server key; a user token names its subject)", example = "ana")),
    responses((status = 200, description = "The decision", body = DecisionBody)))]
pub async fn decision(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("GET /v1/decisions/{feed_id}/sponsored/{id}", request.query_string());
    let asked = params.checked("user", |text| UserId::new(text));
    params.finish()?;
    let user = caller.user_for(asked)?;
    let (feed, item) = path.into_inner();
    let item = item_id(&item)?;
    let unknown = || {
        let (feed, item) = (shown(&feed), shown(item.as_str()));
        Problem::not_found(format!("No feed `{feed}` that `{item}` stood beside as a sponsored item is kept for this person."))
    };
    let id = FeedId::new(feed.as_str()).map_err(|_| unknown())?;
    let owners: Vec<Owner> = user.map(Owner::User).into_iter().chain([Owner::Nobody]).collect();
    let found = app.feed.sponsored_decision(&owners, &id, &item).await?.ok_or_else(unknown)?;
    caller.require_surface(&found.surface)?;
    let language = Language::of(&request);
    let parameters = parameters(&found.surface, &found.slot, language);
    let sponsored = found.item.and_then(|item| item.sponsored);
    let body = DecisionBody {
        feed_id: feed,
        id: item.to_string(),
        slot: SLOT,
        before: found.slot.before,
        payer: sponsored.as_ref().map(|sponsored| sponsored.payer.clone()),
        on_behalf_of: sponsored.and_then(|sponsored| sponsored.on_behalf_of),
        why: why(&parameters, language),
        surface: found.surface,
        parameters,
        not_used: NOT_USED,
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body))
}

/// The ad log.
#[derive(Serialize, ToSchema)]
#[schema(as = AdLog)]
pub struct AdsBody {
    ads: Vec<AdBody>,
}

/// A sponsored item as it was shown by the same parameters.
#[derive(Serialize, ToSchema)]
#[schema(as = AdShown)]
pub struct AdBody {
    id: String,
    payer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    on_behalf_of: Option<String>,
    surface: String,
    /// There where it was chosen by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    language: Option<String>,
    /// Topics of the page it was chosen by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topics: Vec<String>,
    #[schema(format = DateTime)]
    first_shown_at: String,
    #[schema(format = DateTime)]
    last_shown_at: String,
    /// Pages it was shown on.
    shown: u64,
}

impl From<(Ad, Shows)> for AdBody {
    fn from((ad, shows): (Ad, Shows)) -> Self {
        let Ad { item, payer, on_behalf_of, surface, language, topics } = ad;
        let (first_shown_at, last_shown_at) = (render(Time(shows.first_at)), render(Time(shows.last_at)));
        Self { id: item, payer, on_behalf_of, surface, language, topics, first_shown_at, last_shown_at, shown: shows.shown }
    }
}

/// What was shown in sponsored slots
///
/// For whom, where, by which parameters, when first and last, and on how many pages; to whom is not known. Kept for
/// `journal.ad_retention` after an item was last shown. Of this server, and of all that share its journal's folder.
#[utoipa::path(get, path = "/v1/admin/ads", tag = "operations", operation_id = "get_ads",
    responses((status = 200, description = "The log, summed up by item and parameters", body = AdsBody)))]
pub async fn ads(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let log = std::sync::Arc::clone(&app.feed.ads);
    let all = web::block(move || log.all()).await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let body = AdsBody { ads: all.into_iter().map(AdBody::from).collect() };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body))
}
