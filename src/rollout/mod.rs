//! Which policy serves whom, over time: staged activation, rollback, and a log that tells the story.
//!
//! ```text
//! check ─► preview ─► canary share ─► all          rollback at any time; by itself when a guardrail is violated
//! every step is a line of the activation log (chain) ─► state is a fold over it ─► one snapshot of what serves whom
//! ```
//!
//! The log is in the store, so every server on it comes to the same state, also after a restart. A step is a compare-and-set
//! on the log's length: of two operators at once one is told that things have changed.

pub mod chain;
pub mod entry;
pub mod file;
mod notes;
pub mod preview;
pub mod state;
pub mod watch;

use std::{collections::HashMap, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;

use self::{
    chain::{Broken, Changed, Line, Link},
    entry::{Cause, Entry, Evidence, SetRef, Step, Tried},
    state::{Next, Refusal, State, Wish},
    watch::{Watch, WatchedPage},
};
use crate::{
    clock::Clock,
    policy::{
        Bundle, PolicySet, Serving,
        serving::{Canary, Watched},
    },
    rank::metrics::SlateMetrics,
    store::{Commit, MAX_ACTIVATIONS_PER_READ, Store, StoreError},
    telemetry::Metrics,
};

/// Sets kept at hand: what is served, and what may be rolled back to.
const MAX_KEPT_SETS: usize = 64;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not what was written: nobody can tell what should be served.
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else was faster, or the caller's view is old.
    #[error("the activation log has {found} entries, not {expected}: somebody else changed the policy; look again")]
    Conflict { expected: u64, found: u64 },
    #[error("the policy set {digest} cannot be read from the store: {detail}")]
    Set { digest: String, detail: String },
}

impl RolloutError {
    /// For metrics and logs; a closed list.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Broken(_) => "log_broken",
            Self::Refused(_) => "refused",
            Self::Conflict { .. } => "conflict",
            Self::Set { .. } => "set_unreadable",
        }
    }
}

/// How far a set is to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// A share of people, in (0, 1).
    Canary(f64),
    All,
}

/// Somebody wants a set to serve.
#[derive(Clone, Debug)]
pub struct Order {
    pub set: Arc<PolicySet>,
    pub stage: Stage,
    pub by: By,
    pub preview: Vec<Tried>,
    /// Steps the operator skips.
    pub skip: Vec<Step>,
}

/// Who wants it, why, and on what grounds.
#[derive(Clone, Debug)]
pub struct By {
    pub actor: String,
    pub reason: String,
    pub cause: Cause,
    /// Entries of the log when it was decided; `None`: however many.
    pub expected: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// It is written, and served here from now on; by all others within a moment.
    Written(Box<Entry>),
    /// It was so already.
    Unchanged,
}

/// What is known of the log.
struct Known {
    state: State,
    sets: HashMap<String, Arc<PolicySet>>,
}

/// See the module. One per server.
pub struct Rollout {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    serving: Arc<ArcSwap<Serving>>,
    /// What the settings say, until something is activated.
    base: Arc<PolicySet>,
    known: Mutex<Known>,
    shown: ArcSwap<State>,
    watch: ArcSwapOption<Watch>,
    /// Why the log cannot be followed, if so.
    trouble: ArcSwapOption<&'static str>,
}

impl Rollout {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, serving: Arc<ArcSwap<Serving>>) -> Self {
        let base = Arc::clone(&serving.load().set);
        metrics.set_policies(serving.load().by_surface());
        let known = Known { state: State::default(), sets: HashMap::new() };
        Self {
            store,
            clock,
            metrics,
            serving,
            base,
            known: Mutex::new(known),
            shown: ArcSwap::default(),
            watch: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
        }
    }

    /// Where the rollout stands, as far as this server knows.
    pub fn state(&self) -> Arc<State> {
        self.shown.load_full()
    }

    /// What the settings say everybody gets until something is activated.
    pub fn base(&self) -> &Arc<PolicySet> {
        &self.base
    }

    /// A word for what keeps this server from following the log; `None` when nothing does.
    pub fn trouble(&self) -> Option<&'static str> {
        self.trouble.load().as_deref().copied()
    }

    /// What the running canary's pages on this server were like.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.watch.load().as_ref().map(|watch| watch.evidence()).unwrap_or_default()
    }

    /// Counts a first page of somebody watched.
    pub fn observe(&self, surface: &str, watched: Watched, items: usize, metrics: &SlateMetrics) {
        if let Some(watch) = &*self.watch.load() {
            watch.observe(&WatchedPage { surface, watched, items, metrics });
        }
    }

    /// Reads what others wrote to the log and serves accordingly. Errors: the log or a set in it cannot be read; what was
    /// served goes on being served.
    pub async fn follow(&self) -> Result<(), RolloutError> {
        self.catch_up(&mut *self.known.lock().await).await
    }

    /// Rolls a canary back whose guardrails are violated.
    pub async fn guard(&self) -> Result<Option<Done>, RolloutError> {
        let Some(watch) = self.watch.load_full() else { return Ok(None) };
        let evidence = watch.evidence();
        if !evidence.iter().any(|evidence| evidence.violated) {
            return Ok(None);
        }
        let known = &mut *self.known.lock().await;
        self.catch_up(known).await?;
        if known.state.canary.as_ref().is_none_or(|running| running.since != watch.since) {
            return Ok(None);
        }
        let by = By { actor: "guardrails".into(), reason: watch::reason(&evidence), cause: Cause::Guardrail, expected: None };
        let done = self.step(known, &Wish::RollBack, &by, Draft { evidence, ..Draft::default() }).await?;
        self.metrics.policy_rolled_back("guardrail");
        tracing::error!(reason = by.reason, "a canary violated its guardrails and was rolled back");
        Ok(Some(done))
    }

    /// Serves a set, to a share of people or to all.
    pub async fn activate(&self, order: &Order) -> Result<Done, RolloutError> {
        let known = &mut *self.known.lock().await;
        self.catch_up(known).await?;
        let set = SetRef::from(&*order.set);
        let wish = match order.stage {
            Stage::Canary(share) => Wish::Canary { set, share },
            Stage::All => Wish::All { set, cause: order.by.cause, skip_canary: order.skip.contains(&Step::Canary) },
        };
        let mut draft = Draft { set: Some(Arc::clone(&order.set)), preview: order.preview.clone(), ..Draft::default() };
        draft.skipped.extend(order.skip.iter().filter(|step| **step == Step::Preview));
        if order.stage == Stage::All {
            draft.evidence = self.evidence();
        }
        self.step(known, &wish, &order.by, draft).await
    }

    /// Serves what was before: to those with the canary, or to all.
    pub async fn roll_back(&self, by: &By) -> Result<Done, RolloutError> {
        let known = &mut *self.known.lock().await;
        self.catch_up(known).await?;
        let evidence = self.evidence();
        let done = self.step(known, &Wish::RollBack, by, Draft { evidence, ..Draft::default() }).await?;
        self.metrics.policy_rolled_back("operator");
        Ok(done)
    }

    /// A set of the log, by digest: of the state, or an earlier one. `None`: it is not in the store.
    pub async fn set(&self, digest: &str) -> Result<Option<Arc<PolicySet>>, RolloutError> {
        self.load(&mut *self.known.lock().await, digest).await
    }

    async fn catch_up(&self, known: &mut Known) -> Result<(), RolloutError> {
        let outcome = self.try_catch_up(known).await;
        let trouble = outcome.as_ref().err().map(RolloutError::reason);
        if trouble != self.trouble() {
            match &outcome {
                Ok(()) => tracing::info!("the activation log is followed again"),
                Err(error) => {
                    tracing::error!(reason = error.reason(), %error, "the activation log cannot be followed; the policy stays as it is")
                }
            }
            self.trouble.store(trouble.map(Arc::new));
        }
        outcome
    }

    async fn try_catch_up(&self, known: &mut Known) -> Result<(), RolloutError> {
        let mut state = known.state.clone();
        // The last known line is read again: a store that came back with less has another one there, or none.
        let mut lines = self.store.activations((state.entries.len() as u64).saturating_sub(1)).await?;
        if let Some(last) = &state.last_line {
            let found = lines.first();
            if found == Some(last) {
                lines.remove(0);
            } else if found.and_then(|line| Line::parse(line)).is_some_and(|line| Some(line.link) == state.head) {
                return Err(Broken { line: state.entries.len(), what: Changed::Text }.into());
            } else {
                tracing::error!(entries = state.entries.len(), "the activation log lost entries; it is read anew");
                state = State::default();
                lines = self.store.activations(0).await?;
            }
        }
        loop {
            let is_all = lines.len() < MAX_ACTIVATIONS_PER_READ - 1;
            lines.iter().try_for_each(|line| state.read(line))?;
            if is_all {
                break;
            }
            lines = self.store.activations(state.entries.len() as u64).await?;
        }
        if state != known.state {
            self.serve(known, state).await?;
        }
        Ok(())
    }

    /// Serves as `state` says, with every set at hand.
    async fn serve(&self, known: &mut Known, state: State) -> Result<(), RolloutError> {
        let set = match &state.active {
            Some(active) => self.wanted(known, &active.digest).await?,
            None => Arc::clone(&self.base),
        };
        let canary = match &state.canary {
            Some(running) => {
                let set = self.wanted(known, &running.set.digest).await?;
                Some(Canary::new(set, running.share, &running.since.to_string()))
            }
            None => None,
        };
        self.watch_over(&state, canary.as_ref());
        let serving = Serving::new(set, canary);
        self.metrics.set_policies(serving.by_surface());
        self.metrics.canary_share(serving.canary.as_ref().map_or(0.0, |canary| canary.share));
        self.metrics.policy_reload("applied");
        self.metrics.activations(state.entries.len());
        self.serving.store(Arc::new(serving));
        if let Some(last) = state.entries.last() {
            tracing::info!(entry = last.seq, action = last.action.name(), policy = %last.to, reason = last.reason, "the policy was changed");
        }
        self.shown.store(Arc::new(state.clone()));
        known.state = state;
        Ok(())
    }

    fn watch_over(&self, state: &State, canary: Option<&Canary>) {
        let since = state.canary.as_ref().map(|running| running.since);
        if self.watch.load().as_ref().map(|watch| watch.since) != since {
            self.watch.store(since.zip(canary).map(|(since, canary)| Arc::new(Watch::new(since, &canary.set))));
        }
    }

    async fn wanted(&self, known: &mut Known, digest: &str) -> Result<Arc<PolicySet>, RolloutError> {
        let missing = || RolloutError::Set { digest: digest.to_owned(), detail: "it is not there".to_owned() };
        self.load(known, digest).await?.ok_or_else(missing)
    }

    async fn load(&self, known: &mut Known, digest: &str) -> Result<Option<Arc<PolicySet>>, RolloutError> {
        if let Some(set) = known.sets.get(digest) {
            return Ok(Some(Arc::clone(set)));
        }
        if self.base.digest == digest {
            return Ok(Some(Arc::clone(&self.base)));
        }
        let Some(json) = self.store.policy(&stored_under(digest)).await? else { return Ok(None) };
        let unreadable = |detail: String| RolloutError::Set { digest: digest.to_owned(), detail };
        let bundle: Bundle = serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))?;
        let set = bundle.open(digest).map_err(|findings| unreadable(findings.to_string()))?;
        if set.digest != digest {
            return Err(unreadable(format!("it has the digest {}", set.digest)));
        }
        let set = Arc::new(set);
        self.remember(known, &set);
        Ok(Some(set))
    }

    fn remember(&self, known: &mut Known, set: &Arc<PolicySet>) {
        if known.sets.len() >= MAX_KEPT_SETS {
            known.sets.clear();
        }
        known.sets.insert(set.digest.clone(), Arc::clone(set));
    }

    /// Writes the step that follows from `wish`, if one does, and serves by it.
    async fn step(&self, known: &mut Known, wish: &Wish, by: &By, draft: Draft) -> Result<Done, RolloutError> {
        let found = known.state.entries.len() as u64;
        if let Some(expected) = by.expected.filter(|expected| *expected != found) {
            // The answer to an earlier try may have been lost on its way.
            let is_done = known.state.entries.last().is_some_and(|last| expected + 1 == found && notes::is_of(last, wish, by));
            return if is_done { Ok(Done::Unchanged) } else { Err(RolloutError::Conflict { expected, found }) };
        }
        let Next::Step { action, from, to, share, skipped } = known.state.next(wish, &SetRef::from(&*self.base))? else {
            return Ok(Done::Unchanged);
        };
        let (before, after) = (self.side(known, &from, draft.set.as_ref()).await?, self.side(known, &to, draft.set.as_ref()).await?);
        let entry = Entry {
            seq: found + 1,
            at: self.clock.now().0,
            actor: by.actor.clone(),
            cause: by.cause,
            action,
            reason: by.reason.clone(),
            diff: notes::diff(&before, &after),
            from,
            to,
            share,
            preview: draft.preview,
            evidence: draft.evidence,
            skipped: skipped.into_iter().chain(draft.skipped).collect(),
        };
        for set in [&before, &after] {
            self.keep(set).await?;
        }
        let text = serde_json::to_string(&entry).map_err(|error| StoreError::Refused(error.to_string()))?;
        let line = Line::next(known.state.head.unwrap_or(Link::START), &text).to_string();
        if self.store.append_activation(found, &line).await? == Commit::Conflict {
            self.catch_up(known).await?;
            return Err(RolloutError::Conflict { expected: found, found: known.state.entries.len() as u64 });
        }
        self.remember(known, &after);
        let mut state = known.state.clone();
        state.read(&line)?;
        self.serve(known, state).await?;
        Ok(Done::Written(Box::new(entry)))
    }

    async fn side(&self, known: &mut Known, side: &SetRef, new: Option<&Arc<PolicySet>>) -> Result<Arc<PolicySet>, RolloutError> {
        match new.filter(|new| new.digest == side.digest) {
            Some(new) => Ok(Arc::clone(new)),
            None => self.wanted(known, &side.digest).await,
        }
    }

    /// Leaves a set, and each policy in it, where every server finds it.
    pub async fn keep(&self, set: &PolicySet) -> Result<(), StoreError> {
        let bundle = serde_json::to_string(&Bundle::from(set)).map_err(|error| StoreError::Refused(error.to_string()))?;
        self.store.put_policy(&stored_under(&set.digest), &bundle).await?;
        let arms = set.experiments.iter().flat_map(|experiment| &experiment.arms).filter_map(|arm| arm.other.as_deref());
        for active in std::iter::once(set).chain(arms).flat_map(|set| set.surfaces.0.values()) {
            let json = serde_json::to_string(&active.policy).map_err(|error| StoreError::Refused(error.to_string()))?;
            self.store.put_policy(&active.digest, &json).await?;
        }
        Ok(())
    }

    /// The log's lines as they are kept.
    pub async fn lines(&self) -> Result<Vec<String>, StoreError> {
        let mut lines = Vec::new();
        loop {
            let more = self.store.activations(lines.len() as u64).await?;
            let is_all = more.len() < MAX_ACTIVATIONS_PER_READ;
            lines.extend(more);
            if is_all {
                return Ok(lines);
            }
        }
    }
}

/// What goes into an entry besides what its step says.
#[derive(Default)]
struct Draft {
    set: Option<Arc<PolicySet>>,
    preview: Vec<Tried>,
    evidence: Vec<Evidence>,
    skipped: Vec<Step>,
}

/// Sets and policies are kept side by side.
fn stored_under(digest: &str) -> String {
    format!("set/{digest}")
}
