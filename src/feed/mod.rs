//! Serving a feed: the use case every request goes through.
//!
//! ```text
//! policy snapshot → profile → pool → score → place → keep → journal
//! ```
//!
//! What cannot be had is left out and said ([`Degradation`]); a feed fails only for bad input or an empty catalogue.

mod chronological;
pub mod cursor;
pub mod decision;
mod degradation;
mod first;
mod journaling;
mod local;
mod next;
pub mod preview;
mod rerank;
mod session;
pub mod sponsored;
pub mod supply;
mod usable;
pub mod verdict;

pub use degradation::Degradation;
pub use rerank::{RerankCandidate, RerankRequest};

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tracing::Instrument;

use crate::{
    catalogue::{Catalogue, Row, Snapshot},
    clock::Clock,
    domain::{
        FacetValue, FeedId, ItemId, Profile, SessionId, Time, UserId,
        consent::{ConsentDefault, ConsentRecord, Purpose},
        feed::{Draw, Owner, Page, StoredFeed},
        policy::ActivePolicy,
        profile::{Mode, Preferences},
        sensitive::SensitiveTopics,
        session::Turn,
    },
    journal::{AdLog, Journal},
    policy::{
        Serving,
        serving::{Choice, Exposure, Watched, Who},
    },
    rank::{self, metrics::SlateMetrics, target::Outcome},
    source::CandidateSource,
    store::{Basis, Person, Store, StoreError, Supposed},
};

use cursor::{Cursor, Signer};
use local::ReaderMark;

/// What a client asked for, checked.
#[derive(Clone, Debug, Default)]
pub struct FeedRequest {
    /// `rq_…`, for the journal.
    pub request_id: String,
    pub surface: String,
    /// The person; `None` for an anonymous request.
    pub user: Option<UserId>,
    /// The visit, for experiments that count visits. Not kept.
    pub session: Option<SessionId>,
    /// The most of the person that may be used; what they chose and consented to narrows it. What they blocked stays out
    /// in every mode.
    pub mode: Mode,
    /// No cap is lifted for a minor.
    pub is_minor: bool,
    /// Topic to how much, in (0, 1]: what somebody whom nobody names keeps of themselves. Not kept.
    pub interests: BTreeMap<FacetValue, f32>,
    /// 1 to 100; `None` takes the surface's page size.
    pub limit: Option<usize>,
    /// 0 to 1; clamped to the policy's range. Only counts on a first page.
    pub diversity: Option<f32>,
    /// Replays a draw: for operators and tests.
    pub seed: Option<u64>,
    pub cursor: Option<String>,
    /// An expired cursor is an error instead of a restart.
    pub strict: bool,
    /// Items that must not come.
    pub exclude: Vec<ItemId>,
    /// Primary language subtag of the request: what sponsored items may be chosen by.
    pub language: Option<&'static str>,
    /// Whether the answer has room for sponsored items.
    pub takes_sponsored: bool,
    /// The session that goes on with this first page, as an answer gave it.
    pub session_token: Option<String>,
    /// The client asks for more past an end or a break.
    pub goes_on: bool,
    /// More is asked than can be done in time: a new feed makes do with [`FeedService::brownout_share`] of its candidates.
    pub pressed: bool,
}

/// Why no feed could be served.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("there is no surface `{0}`")]
    UnknownSurface(String),
    #[error("the cursor was not made by this server for this user and surface")]
    InvalidCursor,
    #[error("the session token was not made by this server for this user")]
    InvalidSession,
    #[error("the cursor has expired")]
    CursorExpired,
    #[error("the catalogue is empty")]
    EmptyCatalogue,
}

/// How long each stage took. Zero where a stage did not run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    pub candidates: Duration,
    pub score: Duration,
    pub diversify: Duration,
    pub store: Duration,
}

/// One page, with everything that made it. The response, the journal and the metrics all read this.
#[derive(Clone, Debug)]
pub struct Served {
    pub feed: Arc<StoredFeed>,
    pub policy: Arc<ActivePolicy>,
    pub page_number: u32,
    /// 0-based position of the page's first item.
    pub first_position: usize,
    pub page: Page,
    /// What the page's exploration slots were drawn from; empty when the page was made before.
    pub draws: Vec<Draw>,
    pub next: Option<String>,
    /// Nothing follows, unless the client asks to go on.
    pub end_of_feed: bool,
    /// The session the page is read in, where breaks or an end are set.
    pub turn: Option<Turn>,
    /// The catalogue the page is shown from.
    pub snapshot: Arc<Snapshot>,
    /// Where the page's items are in it, in order; `None`: gone.
    pub rows: Vec<Option<Row>>,
    pub metrics: SlateMetrics,
    pub personalised: bool,
    /// What the page may be made from.
    pub mode: Mode,
    /// The person's consent log when it was made; empty where nobody is known.
    pub consents: Arc<[ConsentRecord]>,
    /// An expired cursor was answered with a new feed.
    pub restarted: bool,
    /// What became of the policy's target, on the first page of a feed made with one.
    pub outcome: Option<Outcome>,
    /// The experiment whose arm's policy made this page.
    pub exposure: Option<Exposure>,
    /// This first page tells how a canary does.
    pub watched: Option<Watched>,
    pub degraded: Vec<Degradation>,
    pub timings: Timings,
}

/// Everything that serving needs. One per process.
pub struct FeedService {
    pub store: Arc<dyn Store>,
    pub catalogue: Arc<Catalogue>,
    pub clock: Arc<dyn Clock>,
    pub journal: Arc<Journal>,
    pub signer: Arc<Signer>,
    /// One snapshot per request; swapped whole.
    pub serving: Arc<ArcSwap<Serving>>,
    pub sources: Vec<Box<dyn CandidateSource>>,
    pub local: local::LocalFeeds,
    /// What holds for people who were never asked.
    pub consent: ConsentDefault,
    /// Share of `retrieve.candidates` that a new feed is made of while too much is asked, in (0, 1]; 1: all the same
    /// (brownout: Klein et al., ICSE 2014).
    pub brownout_share: f32,
    /// What is used of people with consent to its category alone.
    pub sensitive: Arc<SensitiveTopics>,
    has_sensitive: usable::HasSensitive,
    /// Without one there are no sponsored slots.
    pub ads: Arc<AdLog>,
}

impl FeedService {
    pub fn new(
        store: Arc<dyn Store>,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
        journal: Arc<Journal>,
        signer: Arc<Signer>,
        serving: impl Into<Serving>,
    ) -> Self {
        let sources = crate::source::in_process();
        Self {
            store,
            catalogue,
            clock,
            journal,
            signer,
            serving: Arc::new(ArcSwap::from_pointee(serving.into())),
            sources,
            local: local::LocalFeeds::default(),
            consent: ConsentDefault::Assumed,
            brownout_share: 1.0,
            sensitive: Arc::default(),
            has_sensitive: usable::HasSensitive::default(),
            ads: Arc::new(AdLog::off()),
        }
    }

    /// Serves a page: the first of a new feed, or the one a cursor names. Errors: [`FeedError`].
    pub async fn serve(&self, request: &FeedRequest) -> Result<Served, FeedError> {
        let span = tracing::info_span!("feed", feed.surface = request.surface, feed.policy.digest = tracing::field::Empty);
        self.serve_page(request).instrument(span).await
    }

    async fn serve_page(&self, request: &FeedRequest) -> Result<Served, FeedError> {
        let serving = self.serving.load_full();
        if !serving.knows(&request.surface) {
            return Err(FeedError::UnknownSurface(request.surface.clone()));
        }
        // From memory first, where keeping the page tells whether that still holds.
        if let Some(reader) = self.supposed_reader(request)
            && let Ok(served) = self.serve_to(&serving, request, reader, Vec::new()).await
        {
            return Ok(served);
        }
        let mut degraded = Vec::new();
        let reader = self.reader(request, &mut degraded).instrument(tracing::info_span!("profile")).await;
        self.serve_to(&serving, request, reader, degraded).await.map_err(|stopped| match stopped {
            Stopped::Failed(error) => error,
            // Only what was supposed can be: this reader was read.
            Stopped::Outdated => FeedError::CursorExpired,
        })
    }

    /// Serves a page to somebody of whom all is known that will be.
    async fn serve_to(
        &self,
        serving: &Serving,
        request: &FeedRequest,
        mut reader: Reader,
        degraded: Vec<Degradation>,
    ) -> Result<Served, Stopped> {
        let unknown = || FeedError::UnknownSurface(request.surface.clone());
        let choice = serving.choose(&request.surface, who(request, &reader)).ok_or_else(unknown)?;
        let is_by_time = reader.mode == Mode::Chronological;
        let policy = if is_by_time { &*chronological::POLICY } else { &choice.policy };
        // Of the surface's policy a feed by time keeps the page.
        let limit = request.limit.or(Some(choice.policy.policy.page_size as usize));
        let by_time = is_by_time.then(|| FeedRequest { limit, ..request.clone() });
        let request = by_time.as_ref().unwrap_or(request);
        tracing::Span::current().record("feed.policy.digest", policy.digest.as_str());
        let read = |text: &String| self.signer.read_cursor(text, &reader.owner, &request.surface, reader.mode);
        let cursor = request.cursor.as_ref().and_then(read);
        let left = request.cursor.as_ref().filter(|_| cursor.is_none());
        let left = match left {
            Some(text) => Some(self.left(text, request, &reader, &degraded).await.ok_or(FeedError::InvalidCursor)?),
            None => None,
        };
        if request.takes_sponsored && choice.policy.policy.sponsored.max_per_page > 0 {
            // Sponsored slots are written down with the page: it must not be made in vain.
            reader.must_be_read()?;
        }
        reader.surface = Some(Arc::clone(&choice.policy));
        reader.turn = self.turn(request, &choice.policy, &reader, cursor.as_ref())?;
        if reader.turn.is_some_and(|turn| turn.withheld.is_some()) {
            // Nothing of this is kept.
            reader.must_be_read()?;
            return Ok(self.withheld(request, policy, &reader, cursor, degraded));
        }
        let mut served = match (&cursor, left) {
            (Some(cursor), _) => self.next_page(request, policy, &reader, cursor, degraded).await?,
            (None, Some(left)) => self.restart(request, policy, &reader, left.record.as_ref(), degraded).await?,
            (None, None) => self.first_page(request, policy, &reader, &[], degraded).await?,
        };
        served.owe_to(choice, request);
        self.journal(&served, request).await;
        Ok(served)
    }

    /// The reader as this process last saw them; `None`: ask the store.
    fn supposed_reader(&self, request: &FeedRequest) -> Option<Reader> {
        let user = request.user.as_ref()?;
        let Supposed { person, basis } = self.store.supposed(user)?;
        let reader = self.reader_of(request, user, person);
        // What is of nobody is kept without asking about a person.
        (reader.owner != Owner::Nobody).then_some(Reader { basis: Some(basis), ..reader })
    }

    /// Who the feed is for and what may be known about them.
    async fn reader(&self, request: &FeedRequest, degraded: &mut Vec<Degradation>) -> Reader {
        let Some(user) = &request.user else {
            let profile = (request.mode == Mode::ClientProfile).then(|| Arc::new(of_interests(&request.interests)));
            return Reader { profile, mode: request.mode, ..Reader::default() };
        };
        let person = match self.store.person(user).await {
            Ok(person) => person.unwrap_or_default(),
            Err(error) => {
                Degradation { stage: "profile", reason: error.reason(), fallback: "cold_profile" }.note(degraded);
                log_store("profile", &error);
                // Consent that cannot be read is not there, unless it may be assumed.
                Person::default()
            }
        };
        self.reader_of(request, user, person)
    }

    fn reader_of(&self, request: &FeedRequest, user: &UserId, person: Person) -> Reader {
        let mut reader = self.known(user, person, request.mode);
        if let Some(profile) = reader.profile.as_mut().filter(|profile| request.is_minor && profile.preferences.lifts_caps) {
            Arc::make_mut(profile).preferences.lifts_caps = false;
        }
        reader
    }

    /// What of a person a request may use that asks for `asked`.
    fn known(&self, user: &UserId, person: Person, asked: Mode) -> Reader {
        let Person { profile, consents } = person;
        let profile = profile.unwrap_or_default();
        let mode = match profile.preferences.mode.narrowed_by(asked) {
            Mode::Profile if !self.consent.allows(&consents, Purpose::ProfileUse, self.clock.now()) => Mode::NoProfile,
            // Interests come from those whom nobody names.
            Mode::ClientProfile => Mode::NoProfile,
            mode => mode,
        };
        let owner = if mode.personalises() { Owner::User(user.clone()) } else { Owner::Nobody };
        let profile = self.usable(profile, &consents);
        let profile = match mode {
            Mode::Profile => Some(profile),
            Mode::ExplicitOnly => Some(Arc::new(profile.explicit())),
            Mode::NoProfile | Mode::Chronological | Mode::ClientProfile => profile.binding().map(Arc::new),
        };
        Reader { owner, mode, profile, consents, ..Reader::default() }
    }

    /// Measures and wraps a page.
    fn served(&self, parts: ServedParts, reader: &Reader, degraded: Vec<Degradation>) -> Served {
        let ServedParts { feed, policy, page, draws, page_number, prefix_indices, snapshot, rows, restarted, outcome, timings } = parts;
        let shown: Vec<Row> = rows.iter().copied().flatten().collect();
        let explored = page.placed.iter().filter(|p| p.slot == crate::domain::feed::Slot::Exploration).count();
        let relevance = |index: u32| feed.pool.get(index as usize).map_or(0.0, |entry| entry.relevance);
        let mut is_served = vec![false; feed.pool.len()];
        for index in &prefix_indices {
            if let Some(served) = is_served.get_mut(*index as usize) {
                *served = true;
            }
        }
        let unserved = feed.pool.iter().zip(is_served).filter(|(_, is_served)| !is_served).map(|(entry, _)| entry.relevance);
        let kept = rank::metrics::relevance_kept(page.placed.iter().map(|p| relevance(p.pool_index)), unserved);
        let metrics = rank::metrics::measure(&shown, explored, kept, &snapshot, &policy.policy.diversify.similarity);
        let ends = reader.turn.is_some_and(|turn| turn.ends);
        let cursor = Cursor { feed: feed.id.clone(), page: page_number + 1, session: reader.turn.map(|turn| turn.session) };
        let next = (page.has_next && !ends).then(|| self.signer.cursor(&cursor, &feed.owner, &feed.surface, reader.mode));
        let personalised = reader.is_personal() && reader.profile.as_ref().is_some_and(|p| !p.is_cold());
        let first_position = prefix_indices.len();
        Served {
            feed,
            policy,
            page_number,
            first_position,
            page,
            draws,
            end_of_feed: next.is_none(),
            next,
            turn: reader.turn,
            snapshot,
            rows,
            metrics,
            personalised,
            mode: reader.mode,
            consents: Arc::clone(&reader.consents),
            restarted,
            outcome,
            exposure: None,
            watched: None,
            degraded,
            timings,
        }
    }

    fn new_feed_id(&self, now: Time) -> FeedId {
        let millis = u64::try_from(now.0).unwrap_or(0);
        let timestamp = uuid::Timestamp::from_unix_time(millis / 1_000, (millis % 1_000) as u32 * 1_000_000, 0, 0);
        FeedId::from_bits(uuid::Uuid::new_v7(timestamp).as_u128())
    }
}

impl Served {
    /// Notes the experiment or canary behind the page, if it was made by what was chosen: a later page may be of a feed that
    /// another policy began.
    fn owe_to(&mut self, choice: Choice, request: &FeedRequest) {
        if self.policy.digest == choice.policy.digest {
            self.exposure = choice.exposure;
            // What the request asked for is not the policy's doing.
            let is_plain = self.page_number == 0 && request.diversity.is_none() && request.seed.is_none();
            self.watched = choice.watched.filter(|_| is_plain);
        }
    }
}

/// What splits may know of who asks: nothing unless the whole profile may be used, so that in any other mode two people
/// with equal settings get equal feeds.
fn who<'a>(request: &'a FeedRequest, reader: &Reader) -> Who<'a> {
    if reader.mode != Mode::Profile {
        return Who::default();
    }
    Who { user: request.user.as_ref().map(UserId::as_str), session: request.session.as_ref().map(SessionId::as_str) }
}

/// Why no page came of a reader.
enum Stopped {
    Failed(FeedError),
    /// They were supposed and are others by now, or it cannot be told: read them.
    Outdated,
}

impl From<FeedError> for Stopped {
    fn from(error: FeedError) -> Self {
        Self::Failed(error)
    }
}

/// The person a feed is for, as the request may know them.
struct Reader {
    owner: Owner,
    /// What was asked, narrowed by what they chose and consented to.
    mode: Mode,
    /// As much of it as the mode may use; `None`: nobody is known, or they set nothing.
    profile: Option<Arc<Profile>>,
    /// Their consent log.
    consents: Arc<[ConsentRecord]>,
    /// What becomes of the page by the session's rules.
    turn: Option<Turn>,
    /// The surface's policy, also where the feed is made by another; `None`: nothing stands beside it.
    surface: Option<Arc<ActivePolicy>>,
    /// They were not read but supposed: what is made for them only counts once it is kept on this basis.
    basis: Option<Basis>,
}

/// Somebody of whom nothing is known.
impl Default for Reader {
    fn default() -> Self {
        let (mode, consents) = (Mode::default(), Arc::default());
        Self { owner: Owner::Nobody, mode, profile: None, consents, turn: None, surface: None, basis: None }
    }
}

impl Reader {
    /// Tells whether another request knows the same of the same person; `None`: it cannot be told.
    fn mark(&self, request: &FeedRequest) -> Option<ReaderMark> {
        Some(ReaderMark { basis: self.basis.clone()?, mode: self.mode, is_minor: request.is_minor })
    }

    /// Errors: they were not.
    fn must_be_read(&self) -> Result<(), Stopped> {
        if self.basis.is_some() { Err(Stopped::Outdated) } else { Ok(()) }
    }

    /// Whether more than what binds every feed may shape this one.
    fn is_personal(&self) -> bool {
        self.mode.personalises() || self.mode == Mode::ClientProfile
    }
}

/// A profile of nothing but interests that came with the request.
fn of_interests(interests: &BTreeMap<FacetValue, f32>) -> Profile {
    let preferences = Preferences { topics: interests.clone(), ..Preferences::default() };
    Profile { preferences, ..Profile::default() }
}

/// What [`FeedService::served`] puts together.
struct ServedParts {
    feed: Arc<StoredFeed>,
    policy: Arc<ActivePolicy>,
    page: Page,
    draws: Vec<Draw>,
    page_number: u32,
    /// Pool indices of the pages before.
    prefix_indices: Vec<u32>,
    snapshot: Arc<Snapshot>,
    /// Where the page's items are in `snapshot`.
    rows: Vec<Option<Row>>,
    restarted: bool,
    outcome: Option<Outcome>,
    timings: Timings,
}

/// Logged once, where it is handled.
fn log_store(stage: &'static str, error: &StoreError) {
    tracing::warn!(stage, reason = error.reason(), %error, "the store failed; the feed goes on without");
}
