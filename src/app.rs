//! The state every request sees.

mod background;
mod documents;
mod inflight;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, oneshot};

use crate::{
    auth::Auth,
    catalogue::{Catalogue, Row},
    clock::Clock,
    consent::{Consents, ErasureReceipt, FormsRefused, Notices, Unsubscribe},
    domain::{Event, EventKind, Span, Time, UserId, feed::Slot, policy::Constraint},
    feed::{FeedService, Served, cursor::Signer},
    follow::{self, Report},
    ingest::{Ingest, Outcome},
    journal::{AdLog, AdLogOptions, Journal, JournalOptions},
    limits::Limits,
    policy,
    rollout::{
        Rollout, RolloutError,
        file::{PolicyFile, Reload},
    },
    settings::Settings,
    source::{self, Engine},
    store::{Store, StoreError, metered::Metered},
    telemetry::{self, Metrics, metrics::Stage},
};

pub use self::{
    background::Background,
    documents::{Document, Documents},
    inflight::{Inflight, Place},
};

/// The version of this server.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, if the build said so.
pub const COMMIT: &str = match option_env!("POLYPHONY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Pause between tries to reach the store for what all instances share.
const SHARE_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often the activation log, the policy file and a canary's guardrails are looked at.
const ROLL_EVERY: Duration = Duration::from_millis(500);
/// Erasures are looked for again this far back: the clocks of servers differ.
const ERASURE_OVERLAP: Span = Span::minutes(2);
/// Reads of the whole journal at a time.
const JOURNAL_READS_AT_ONCE: usize = 1;
/// How often what is over is swept out of a store that does not do it by itself.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How often counters kept elsewhere are brought into the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Why the server cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Policy(#[from] policy::Refused),
    #[error("`consent.notices`: {0}")]
    Forms(#[from] FormsRefused),
    #[error("the journal cannot be opened at {path}: {source}")]
    Journal { path: String, source: std::io::Error },
}

/// One server's state, shared by all its workers.
pub struct App {
    /// API keys and token secret are not in here: [`App::auth`] took them.
    pub settings: Settings,
    pub auth: Auth,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub inflight: Inflight,
    pub limits: Limits,
    pub feed: FeedService,
    /// Who finds what is near an interest.
    pub engine: Engine,
    /// Which policy serves whom, over time.
    pub rollout: Rollout,
    pub policy_file: PolicyFile,
    /// Whoever reads the whole journal waits for a turn: it takes the disk and a core.
    pub journal_turn: Semaphore,
    pub ingest: Ingest,
    pub consents: Consents,
    /// Links out of the mails.
    pub unsubscribe: Unsubscribe,
    /// What people are asked.
    pub notices: Notices,
    /// What decides feeds, as JSON: made once for each policy or setting that changes.
    pub transparency: Documents,
}

impl App {
    /// Puts the server together; [`App::start`] brings it to life.
    ///
    /// Errors: faults of settings that were made by hand (none for settings that were loaded), or the journal's folder.
    pub fn new(mut settings: Settings, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Result<Self, BuildError> {
        let set = policy::chosen(&settings)?;
        set.put_into(&mut settings);
        let policy_file = PolicyFile::new(&settings.policies.file, &set);
        let metrics = Arc::new(Metrics::new());
        metrics.build(VERSION, COMMIT);
        let store: Arc<dyn Store> = Arc::new(Metered::new(store, Arc::clone(&metrics)));
        let catalogue = Arc::new(Catalogue::new(settings.catalogue.dimension, settings.policy.score.popularity_half_life));
        // Until the store gives the shared secret: cursors of this time are good here only, pseudonyms link to nothing.
        let secret = match settings.auth.cursor_secret.is_empty() {
            true => rand::random(),
            false => *blake3::hash(settings.auth.cursor_secret.expose().as_bytes()).as_bytes(),
        };
        let journal = Arc::new(open_journal(&settings)?);
        journal.renew_key(derive(PSEUDONYM_CONTEXT, &secret));
        let signer = Arc::new(Signer::new(derive(CURSOR_CONTEXT, &secret)));
        let mut feed = FeedService::new(
            Arc::clone(&store),
            Arc::clone(&catalogue),
            Arc::clone(&clock),
            Arc::clone(&journal),
            Arc::clone(&signer),
            set,
        );
        let engine = Engine::of(&settings.catalogue, &metrics);
        feed.sources = source::searching(engine.clone());
        feed.consent = settings.consent.default;
        feed.brownout_share = settings.server.brownout_share;
        let sensitive = Arc::new(settings.privacy.sensitive.topics());
        feed.sensitive = Arc::clone(&sensitive);
        feed.ads = Arc::new(open_ad_log(&settings, clock.now())?);
        let notices = Notices::load(&settings.consent.notices)?;
        let unsubscribe = Unsubscribe::default();
        if !settings.auth.cursor_secret.is_empty() {
            unsubscribe.renew(derive(UNSUBSCRIBE_CONTEXT, &secret));
        }
        let consents = Consents::new(Arc::clone(&store), Arc::clone(&clock));
        let rollout = Rollout::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&metrics), Arc::clone(&feed.serving));
        let ingest = Ingest {
            store: Arc::clone(&store),
            catalogue,
            clock: Arc::clone(&clock),
            journal,
            consent: settings.consent.default,
            sensitive,
        };
        Ok(Self {
            auth: Auth::take(&mut settings.auth),
            inflight: Inflight::new(settings.server.max_inflight_requests),
            limits: Limits::new(&settings.limits, &clock),
            settings,
            clock,
            store,
            metrics,
            health: Arc::default(),
            feed,
            engine,
            rollout,
            policy_file,
            journal_turn: Semaphore::new(JOURNAL_READS_AT_ONCE),
            ingest,
            consents,
            unsubscribe,
            notices,
            transparency: Documents::default(),
        })
    }

    /// Starts the work that goes on beside requests: following catalogue and policies, sharing secret and policies, sweeping,
    /// reporting. It ends when the returned value is dropped.
    ///
    /// Errors: there can be no more threads.
    pub fn start(self: &Arc<Self>) -> io::Result<Background> {
        let mut background = Background::new()?;
        let (policies_are_known, known) = oneshot::channel();
        background.run(Arc::clone(self).roll(policies_are_known));
        background.run(Arc::clone(self).share());
        background.run(Arc::clone(self).sweep());
        background.run(Arc::clone(self).report());
        background.run_yielding(Arc::clone(self).follow(known));
        let health = Arc::clone(&self.health);
        // Searches ask through the connection that this may make: it must not be one that makes way.
        background.run(self.engine.clone().keep_up(Arc::clone(&self.feed.catalogue), move || health.is_catalogue_loaded()));
        Ok(background)
    }

    /// First the policies, then the catalogue: a server that comes back serves nothing by a policy that is over.
    async fn follow(self: Arc<Self>, policies_are_known: oneshot::Receiver<()>) {
        if policies_are_known.await.is_err() {
            return;
        }
        let app = Arc::clone(&self);
        let report = move |report: Report<'_>| app.followed(&report);
        follow::follow(Arc::clone(&self.store), Arc::clone(&self.feed.catalogue), self.engine.is_in_process(), report).await;
    }

    /// Looks again and again whether the policy changed, or a canary should not go on.
    async fn roll(self: Arc<Self>, policies_are_known: oneshot::Sender<()>) {
        // A log that cannot be made out is loud and stays so; the settings' policy is better than none.
        while let Err(RolloutError::Store(_)) = self.rollout.follow().await {
            tokio::time::sleep(SHARE_RETRY_PAUSE).await;
        }
        let _ = policies_are_known.send(());
        let mut erasures_known_at = self.now();
        loop {
            erasures_known_at = self.forget_erased(erasures_known_at).await;
            let _ = self.rollout.follow().await;
            self.counted(self.policy_file.look(&self.rollout).await);
            if let Err(error) = self.rollout.guard().await {
                tracing::warn!(reason = error.reason(), %error, "a canary violates its guardrails and cannot be rolled back yet");
            }
            tokio::time::sleep(ROLL_EVERY).await;
        }
    }

    /// Lets go of what memory still holds of people who were erased anywhere on this store, at the latest [`ROLL_EVERY`] and a call
    /// to the store after it was done. `known_at`: when that last worked; returns when it now did.
    async fn forget_erased(&self, known_at: Time) -> Time {
        let now = self.now();
        match self.store.erased_since(known_at.minus(ERASURE_OVERLAP)).await {
            Ok(erased) => {
                if !erased.is_empty() {
                    self.feed.local.forget_erased(|user| self.store.lookup(user).is_some_and(|who| erased.contains(&who)));
                }
                now
            }
            Err(error) => {
                tracing::debug!(reason = error.reason(), %error, "erasures cannot be followed; trying again");
                known_at
            }
        }
    }

    /// Erases a person: every record in the store, their key, and what this process holds of them.
    ///
    /// Errors: the store's; repeating completes it.
    pub async fn erase(&self, user: &UserId) -> Result<ErasureReceipt, StoreError> {
        let at = self.store.erase_user(user, self.now()).await?;
        self.feed.local.forget_erased(|local| local == user);
        self.consents.erasure_receipt(user, at, self.store.kind()).await
    }

    /// Reads the policy file of the settings again, whether it changed or not.
    pub async fn reload_policy(&self) -> Reload {
        let reload = self.policy_file.reload(&self.rollout).await;
        tracing::info!(result = reload.result(), "the policy file was read again");
        self.counted(reload)
    }

    fn counted(&self, reload: Reload) -> Reload {
        // What was applied counts when it is served.
        if !matches!(reload, Reload::NoFile | Reload::Unchanged | Reload::Applied(_)) {
            self.metrics.policy_reload(reload.result());
        }
        reload
    }

    /// What the follower reports.
    fn followed(&self, report: &Report<'_>) {
        match report {
            Report::Loaded { corrupt } => self.loaded(*corrupt),
            Report::Applied { records, logged_at } => {
                if let Some(logged_at) = logged_at {
                    let lag_ms = u64::try_from(self.now().since(*logged_at)).unwrap_or(0);
                    self.metrics.catalogue_lag(Duration::from_millis(lag_ms));
                }
                tracing::debug!(records, "catalogue changes applied");
            }
            Report::Failed(error) => tracing::warn!(reason = error.reason(), %error, "the catalogue cannot be followed; trying again"),
        }
        self.metrics.catalogue_items(self.feed.catalogue.snapshot().len());
    }

    fn loaded(&self, corrupt: u64) {
        if corrupt > 0 {
            tracing::error!(corrupt, "damaged catalogue records were skipped");
        }
        tracing::info!(items = self.feed.catalogue.snapshot().len(), "catalogue loaded");
        self.health.catalogue_is_loaded();
    }

    /// Agrees with the other instances on the secret, and leaves the policies where they can find them.
    async fn share(self: Arc<Self>) {
        while let Err(error) = self.try_share().await {
            tracing::warn!(reason = error.reason(), %error, "the secret is not shared yet: cursors are good on this instance only");
            tokio::time::sleep(SHARE_RETRY_PAUSE).await;
        }
    }

    async fn try_share(&self) -> Result<(), StoreError> {
        if self.settings.auth.cursor_secret.is_empty() {
            let secret = self.store.shared_secret(rand::random()).await?;
            self.feed.signer.renew(derive(CURSOR_CONTEXT, &secret));
            self.feed.journal.renew_key(derive(PSEUDONYM_CONTEXT, &secret));
            self.unsubscribe.renew(derive(UNSUBSCRIBE_CONTEXT, &secret));
        }
        self.rollout.keep(self.rollout.base()).await
    }

    async fn sweep(self: Arc<Self>) {
        loop {
            match self.store.sweep(self.clock.now()).await {
                // More may be due: the store sweeps a bounded number at a time.
                Ok(removed) if removed > 0 => tracing::debug!(removed, "swept"),
                Ok(_) => tokio::time::sleep(SWEEP_EVERY).await,
                Err(error) => {
                    tracing::warn!(reason = error.reason(), %error, "what is over was not swept");
                    tokio::time::sleep(SWEEP_EVERY).await;
                }
            }
        }
    }

    /// Brings the journal's counters into the metrics.
    async fn report(self: Arc<Self>) {
        let (mut written, mut dropped) = (0, 0);
        loop {
            let counts = self.feed.journal.counts();
            let (now_written, now_dropped) = (counts.written.load(Ordering::Relaxed), counts.dropped.load(Ordering::Relaxed));
            self.metrics.journal_records("written", now_written - written);
            self.metrics.journal_records("dropped", now_dropped - dropped);
            (written, dropped) = (now_written, now_dropped);
            tokio::time::sleep(REPORT_EVERY).await;
        }
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Numbers in every embedding.
    pub fn dimension(&self) -> usize {
        self.settings.catalogue.dimension
    }

    pub fn body_limit_bytes(&self) -> usize {
        self.settings.server.body_limit_bytes
    }

    pub fn bulk_body_limit_bytes(&self) -> usize {
        self.settings.server.bulk_body_limit_bytes
    }

    /// Counts a served page.
    pub fn record_served(&self, served: &Served) {
        let (surface, policy) = (&served.feed.surface, &served.policy.policy.id);
        let outcome = match served.degraded.iter().find(|d| d.stage == "profile") {
            Some(_) => telemetry::metrics::Outcome::Fallback,
            None if served.degraded.is_empty() => telemetry::metrics::Outcome::Ok,
            None => telemetry::metrics::Outcome::Degraded,
        };
        self.metrics.response(surface, policy, outcome);
        self.record_split(served);
        served.degraded.iter().for_each(|d| self.metrics.degraded(surface, d.reason));
        self.metrics.page(surface, policy, served.metrics.ild, served.metrics.relevance_kept, served.metrics.topics);
        let explored = served.page.placed.iter().filter(|p| p.slot == Slot::Exploration).count() as u64;
        self.metrics.items_served(surface, Slot::Exploration.name(), explored);
        self.metrics.items_served(surface, Slot::Ranked.name(), served.page.placed.len() as u64 - explored);
        for relaxed in &served.page.relaxed {
            if let Some(constraint) = served.policy.policy.constraint.get(usize::from(relaxed.constraint)) {
                self.metrics.constraint_relaxed(constraint.kind(), relaxed.why.name());
            }
        }
        self.record_exposure(served);
        if let Some(missed) = served.outcome.as_ref().and_then(|outcome| outcome.missed) {
            self.metrics.target_missed(surface, missed.name());
        }
        if served.page_number == 0 {
            self.metrics.candidates(served.feed.pool.len());
            self.metrics.stage(Stage::Candidates, served.timings.candidates);
            self.metrics.stage(Stage::Score, served.timings.score);
        }
        self.metrics.stage(Stage::Diversify, served.timings.diversify);
        self.metrics.stage(Stage::Store, served.timings.store);
    }

    /// Counts the positions of every group that a constraint of the policy names.
    fn record_exposure(&self, served: &Served) {
        let mut counted = Vec::new();
        for named in served.policy.policy.constraint.iter().filter_map(Constraint::share) {
            if counted.contains(&(named.facet, named.value)) {
                continue;
            }
            counted.push((named.facet, named.value));
            let code = served.snapshot.codes().get(named.facet, named.value);
            let is_of_group = |row: &Row| code.is_some() && served.snapshot.entry(*row).and_then(|entry| entry.facet(named.facet)) == code;
            let count = served.rows.iter().flatten().filter(|row| is_of_group(row)).count() as u64;
            self.metrics.exposed(&served.feed.surface, named.facet.name(), named.value, count);
        }
    }

    /// Counts a first page for the experiment or canary it belongs to.
    fn record_split(&self, served: &Served) {
        let surface = &served.feed.surface;
        if let Some(watched) = served.watched {
            self.rollout.observe(surface, watched, served.page.placed.len(), &served.metrics);
        }
        if let Some(exposure) = served.exposure.as_ref().filter(|_| served.page_number == 0) {
            self.metrics.exposure(exposure.experiment.as_deref().unwrap_or(&exposure.layer), &exposure.arm, surface);
        }
    }

    /// Counts an event that could not be read, under its kind where that is known.
    pub fn record_invalid_event(&self, kind: Option<&str>) {
        let custom = || EventKind::Custom(String::new());
        self.metrics.event(&kind.and_then(EventKind::parse).unwrap_or_else(custom), "rejected");
    }

    /// Counts an event that was sound.
    pub fn record_event(&self, event: &Event, outcome: &Outcome) {
        let result = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Duplicate => "duplicate",
            Outcome::Refused(_) => "rejected",
            Outcome::Ignored(_) => "ignored",
        };
        self.metrics.event(&event.kind, result);
        self.metrics.event_lag(Duration::from_millis(self.now().since(event.at).unsigned_abs()));
    }
}

const CURSOR_CONTEXT: &str = "polyphony 2026-11 cursors and tracks";
const UNSUBSCRIBE_CONTEXT: &str = "polyphony 2026-11 unsubscribe links";
const PSEUDONYM_CONTEXT: &str = "polyphony 2026-11 journal pseudonyms";

/// One key per purpose from the shared secret.
fn derive(context: &str, secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key(context, secret)
}

fn open_journal(settings: &Settings) -> Result<Journal, BuildError> {
    let journal = &settings.journal;
    if !journal.enabled {
        return Ok(Journal::off());
    }
    let options = JournalOptions {
        directory: journal.path.clone(),
        queue_records: journal.queue_records,
        rotate_bytes: journal.rotate_bytes,
        retention: journal.retention,
        draws: journal.draws,
    };
    Journal::open(options).map_err(|source| BuildError::Journal { path: journal.path.display().to_string(), source })
}

/// Beside the journal's files.
fn open_ad_log(settings: &Settings, now: Time) -> Result<AdLog, BuildError> {
    let journal = &settings.journal;
    if !journal.enabled {
        return Ok(AdLog::off());
    }
    // Not in the journal's folder: who reads all of that would find no records here.
    let name = journal.path.file_name().unwrap_or_default().to_string_lossy();
    let directory = journal.path.with_file_name(format!("{name}-ads"));
    let options = AdLogOptions { directory: directory.clone(), queue_pages: journal.queue_records, retention: journal.ad_retention };
    AdLog::open(options, now).map_err(|source| BuildError::Journal { path: directory.display().to_string(), source })
}

/// What readiness depends on.
#[derive(Debug, Default)]
pub struct Health {
    catalogue_loaded: AtomicBool,
    draining: AtomicBool,
}

impl Health {
    /// Feeds can be served from now on.
    pub fn catalogue_is_loaded(&self) {
        self.catalogue_loaded.store(true, Ordering::Release);
    }

    pub fn is_catalogue_loaded(&self) -> bool {
        self.catalogue_loaded.load(Ordering::Acquire)
    }

    /// The server is about to stop: load balancers should send nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
