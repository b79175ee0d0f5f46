//! What goes to a person who is not there: digests, pushes, and the way out of the mails. For the operator's sender, which holds
//! a server key; nothing is sent from here.

pub mod digest;
pub mod push;
mod render;
pub mod unsubscribe;

use actix_web::{HttpRequest, web};
use serde_json::{Map, Value};

use super::{
    age,
    body::{Body, Takes},
    feed::{SURFACE_IN_BODY, problem},
    feed_lists::exclude_list,
    middleware::RequestId,
    problem::Problem,
};
use crate::{
    app::App,
    domain::{
        ItemId, Time, UserId,
        consent::{Purpose, latest},
        policy,
        profile::Mode,
        reach::{Against, Pace, Refused},
    },
    feed::{FeedRequest, Served},
    store::{Commit, Person, StoreError},
    wire::{Faults, event::id_of, read},
};

/// Times a pace is read and tried again when somebody else wrote it meanwhile.
const MAX_COMMIT_TRIES: usize = 32;

/// What both digests and pushes are asked with.
struct Asked {
    user: UserId,
    surface: String,
    /// When the person was last there, as the caller knows.
    last_seen_at: Option<Time>,
    exclude: Vec<ItemId>,
}

/// One of the two forms.
struct Form {
    fields: &'static [&'static str],
    /// Completes "is not a field of …".
    what: &'static str,
    /// Where it is shown, if the form does not say.
    surface: &'static str,
}

impl Form {
    /// Reads the body: what both ask with, and what `own` reads besides, `None` where that is faulty. Errors: all faults at once.
    async fn read<T>(
        &self,
        app: &App,
        request: &HttpRequest,
        payload: &mut web::Payload,
        own: impl FnOnce(&Map<String, Value>, &mut Faults) -> Option<T>,
    ) -> Result<(Asked, T), Problem> {
        let value = Body::read(request, payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
        let mut faults = Faults::default();
        let read = read::object(&value, "", &mut faults).and_then(|map| {
            read::unknown_keys(map, self.fields, self.what, "", &mut faults);
            let own = own(map, &mut faults);
            self.asked(map, &mut faults).zip(own)
        });
        faults.into_result().map_err(Problem::invalid_body)?;
        read.ok_or_else(|| Problem::internal("a form without faults was not read"))
    }

    fn asked(&self, map: &Map<String, Value>, faults: &mut Faults) -> Option<Asked> {
        let user = read::required(map, "user", "who it is for", "", faults);
        let user = user.and_then(|v| id_of(v, "/user", faults, |text| UserId::new(text)));
        let named = read::optional(map, "surface").and_then(|v| read::text(v, 1, 64, "/surface", faults));
        let last_seen_at = read::optional(map, "last_seen_at").and_then(|v| read::time(v, "/last_seen_at", faults));
        let exclude = read::optional(map, "exclude").map(|v| exclude_list(v, faults)).unwrap_or_default();
        Some(Asked { user: user?, surface: named.unwrap_or(self.surface).to_owned(), last_seen_at, exclude })
    }
}

/// The person, and what is known of when they were last there: what they did, when they agreed, and what the caller says.
async fn reached(
    app: &App,
    user: &UserId,
    purpose: Purpose,
    last_seen_at: Option<Time>,
) -> Result<(Person, Result<Time, Refused>), Problem> {
    let person = app.store.person(user).await?.unwrap_or_default();
    let now = app.now();
    if !app.settings.consent.default.allows(&person.consents, purpose, now) {
        return Ok((person, Err((Against::NoConsent, None))));
    }
    let agreed = latest(&person.consents, purpose).map(|record| record.at);
    let acted = person.profile.as_ref().map(|profile| profile.as_of);
    let seen = [agreed, acted, last_seen_at].into_iter().flatten().max().unwrap_or_default();
    Ok((person, Ok(seen.min(now))))
}

/// The rules of the surface.
fn rules(app: &App, surface: &str) -> Result<policy::Reach, Problem> {
    let serving = app.feed.serving.load();
    let policy = serving.set.surface(surface);
    policy
        .map(|active| active.policy.reach.clone())
        .ok_or_else(|| Problem::unknown_surface(surface, SURFACE_IN_BODY, serving.set.surfaces.names()))
}

/// Notes what is about to be sent, if `next` still permits it: of two senders at once one is told no.
async fn note(
    app: &App,
    user: &UserId,
    rules: &policy::Reach,
    next: impl Fn(&Pace) -> Result<Pace, Refused>,
) -> Result<Result<(), Refused>, Problem> {
    for _ in 0..MAX_COMMIT_TRIES {
        let pace = app.store.pace(user).await?;
        let after = match next(&pace) {
            Ok(after) => after,
            Err(refused) => return Ok(Err(refused)),
        };
        match app.store.commit_pace(user, &pace, &after, Pace::keep(rules)).await? {
            Commit::Done => return Ok(Ok(())),
            Commit::Erased => return Ok(Err((Against::NoConsent, None))),
            Commit::Conflict => tokio::task::yield_now().await,
        }
    }
    Err(StoreError::Refused(format!("the pace changed {MAX_COMMIT_TRIES} times meanwhile")).into())
}

/// The page that would be sent.
async fn page(app: &App, id: &RequestId, asked: &Asked, is_minor: bool, limit: Option<usize>) -> Result<Served, Problem> {
    let request = FeedRequest {
        request_id: id.as_str().to_owned(),
        surface: asked.surface.clone(),
        user: Some(asked.user.clone()),
        is_minor,
        mode: age::narrowed(is_minor, Mode::Profile),
        limit,
        exclude: asked.exclude.clone(),
        ..FeedRequest::default()
    };
    let served = app.feed.serve(&request).await.map_err(|error| problem(app, error, SURFACE_IN_BODY))?;
    app.record_served(&served);
    Ok(served)
}
