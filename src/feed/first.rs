//! The first page: gather, score, place, keep.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Instrument;

use super::{
    Degradation, FeedError, FeedRequest, FeedService, Reader, Served, ServedParts, Stopped, Timings, chronological, local::Ahead, log_store,
};
use crate::{
    catalogue::{FacetCode, NumberMap, Row, Snapshot},
    clock::Stopwatch,
    domain::{
        FacetValue, FeedId, ItemId, Span, Time,
        feed::{Dials, Draw, Page, Placed, PoolEntry, StoredFeed},
        policy::{ActivePolicy, TargetMetric},
        profile::{Mode, Preferences},
    },
    rank::{self, Context, Pool, Scored, SourceKind, Sources, place::PoolCandidate, target::Outcome},
    source::{self, Query},
    store::StoreError,
};

/// A stored feed outlives its cursors by this much, so that a late cursor can restart without repeating.
const KEEP_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3_600);
/// Feeds that use nothing inferred share their draws for this long: two readers with equal settings see the same feed, and
/// it still changes.
const SHARED_SEED_SPAN: Span = Span::minutes(10);

/// However much is asked, a feed is made of as many candidates as a policy may ask for at the least, and of two pages.
const BROWNOUT_CANDIDATES_MIN: usize = 50;
const BROWNOUT_PAGES_MIN: usize = 2;

/// A first page that is asked for.
pub(super) struct First<'a> {
    pub request: &'a FeedRequest,
    pub policy: &'a Arc<ActivePolicy>,
    pub reader: &'a Reader,
    /// Hashes of items that must not come, besides the request's own.
    pub excluded: &'a [u64],
    /// For all sources together.
    pub deadline: Duration,
    /// The page after it is made along with it.
    pub looks_ahead: bool,
}

/// A feed with its first page, made and not kept anywhere.
pub(super) struct Made {
    feed: Arc<StoredFeed>,
    page: Page,
    draws: Vec<Draw>,
    ahead: Option<Ahead>,
    outcome: Option<Outcome>,
    /// Where the pool's items are in `snapshot`.
    rows: Arc<[Row]>,
    snapshot: Arc<Snapshot>,
    timings: Timings,
}

impl FeedService {
    /// Makes a feed and serves its first page. `excluded` holds item hashes.
    pub(super) async fn first_page(
        &self,
        request: &FeedRequest,
        policy: &Arc<ActivePolicy>,
        reader: &Reader,
        excluded: &[u64],
        mut degraded: Vec<Degradation>,
    ) -> Result<Served, Stopped> {
        let deadline = policy.policy.retrieve.deadline.as_std();
        let first = First { request, policy, reader, excluded, deadline, looks_ahead: true };
        let mut made = self.make(&first, &mut degraded).await?;
        let watch = Stopwatch::start();
        let rows = Arc::clone(&made.rows);
        let ahead = made.ahead.take();
        made.page.sponsored = self.sponsored(request, reader, &made.feed, &made.page, &[], &made.snapshot);
        let page = New { feed: &made.feed, rows, page: &made.page, ahead, keep: policy.policy.feed.ttl.as_std() + KEEP_AFTER_EXPIRY };
        self.keep(page, reader, &mut degraded).instrument(tracing::info_span!("store")).await?;
        made.timings.store = watch.elapsed();
        Ok(self.served(made.into_parts(&first), reader, degraded))
    }

    /// Makes a feed and its first page, and does nothing else: what is asked for twice is made twice.
    pub(super) async fn make(&self, first: &First<'_>, degraded: &mut Vec<Degradation>) -> Result<Made, FeedError> {
        let First { request, policy, reader, excluded, deadline, looks_ahead } = *first;
        let now = self.clock.now();
        let snapshot = self.catalogue.snapshot();
        if snapshot.is_empty() {
            return Err(FeedError::EmptyCatalogue);
        }
        let id = self.new_feed_id(now);
        let seed = request.seed.unwrap_or_else(|| drawn_seed(&id, reader, policy, &request.surface, now));
        let mut excluded = excluded.to_vec();
        excluded.extend(request.exclude.iter().map(ItemId::hash64));
        let mut query = Query::new(snapshot, reader.profile.clone(), Arc::clone(policy), now, seed, excluded);
        if request.pressed && reader.mode != Mode::Chronological {
            self.brown_out(&mut query, request.limit, degraded);
        }
        let query = Arc::new(query);

        let mut timings = Timings::default();
        let scored = match reader.mode {
            Mode::Chronological => {
                let watch = Stopwatch::start();
                let newest = tracing::info_span!("candidates").in_scope(|| chronological::newest(&query));
                timings.candidates = watch.elapsed();
                newest
            }
            _ => self.scored(&query, deadline, &mut timings, degraded).await,
        };
        let context = query.context();
        let watch = Stopwatch::start();
        let making = Making { id, request, policy, reader, seed, now, looks_ahead };
        let begun = tracing::info_span!("diversify").in_scope(|| making.make(&scored, &context));
        let Begun { feed, mut page, ahead, outcome } = begun;
        let draws = std::mem::take(&mut page.draws);
        timings.diversify = watch.elapsed();
        let rows = scored.iter().map(|s| s.row).collect();
        Ok(Made { feed, page, draws, ahead, outcome, rows, snapshot: Arc::clone(&query.snapshot), timings })
    }

    /// Fewer candidates for a feed that is made while too much is asked, and says so: most of what it costs goes with their number.
    fn brown_out(&self, query: &mut Query, limit: Option<usize>, degraded: &mut Vec<Degradation>) {
        let page = limit.unwrap_or(query.policy.policy.page_size as usize);
        let least = BROWNOUT_CANDIDATES_MIN.max(BROWNOUT_PAGES_MIN * page);
        let fewer = ((query.candidates as f32 * self.brownout_share) as usize).max(least);
        if fewer < query.candidates {
            query.candidates = fewer;
            Degradation { stage: "candidates", reason: "overload", fallback: "fewer_candidates" }.note(degraded);
        }
    }

    /// What the sources bring within `deadline`, best first.
    async fn scored(&self, query: &Arc<Query>, deadline: Duration, timings: &mut Timings, degraded: &mut Vec<Degradation>) -> Vec<Scored> {
        let watch = Stopwatch::start();
        let until = Instant::now() + deadline;
        let gathered = source::gather(&self.sources, query, until).instrument(tracing::info_span!("candidates")).await;
        timings.candidates = watch.elapsed();
        let mut reasons: Vec<&'static str> = gathered.missing.iter().map(|(_, reason)| *reason).collect();
        reasons.dedup();
        degraded.extend(reasons.into_iter().map(|reason| Degradation { stage: "candidates", reason, fallback: "other_sources" }));
        let watch = Stopwatch::start();
        let scored = tracing::info_span!("score").in_scope(|| rank::score(gathered.candidates, &query.excluded, &query.context())).scored;
        timings.score = watch.elapsed();
        scored
    }

    /// Keeps a new feed here and in the store. Errors: its reader was supposed, and it is not there.
    async fn keep(&self, new: New<'_>, reader: &Reader, degraded: &mut Vec<Degradation>) -> Result<(), Stopped> {
        let New { feed, rows, page, ahead, keep } = new;
        let local = self.local.put(Arc::clone(feed), rows, page.clone(), ahead);
        match self.store.put_feed(feed, page, keep, reader.basis.as_ref()).await {
            Ok(()) => local.set_stored(true),
            Err(_) if reader.basis.is_some() => {
                self.local.forget(&feed.id);
                return Err(Stopped::Outdated);
            }
            // While it was being made. The page goes out; nothing of it stays.
            Err(StoreError::Erased) => self.local.forget(&feed.id),
            Err(error) => {
                log_store("feed", &error);
                Degradation { stage: "feed", reason: error.reason(), fallback: "local_feed" }.note(degraded);
            }
        }
        Ok(())
    }
}

/// A feed to be kept.
struct New<'a> {
    feed: &'a Arc<StoredFeed>,
    rows: Arc<[Row]>,
    page: &'a Page,
    ahead: Option<Ahead>,
    keep: Duration,
}

impl Made {
    pub fn into_parts(self, first: &First<'_>) -> ServedParts {
        let Self { feed, page, draws, outcome, rows, snapshot, timings, .. } = self;
        let rows = page.placed.iter().map(|placed| rows.get(placed.pool_index as usize).copied()).collect();
        ServedParts {
            feed,
            policy: Arc::clone(first.policy),
            page,
            draws,
            page_number: 0,
            prefix_indices: Vec::new(),
            snapshot,
            rows,
            restarted: first.request.cursor.is_some(),
            outcome,
            timings,
        }
    }
}

/// A feed about to be made from a scored pool.
pub(super) struct Making<'a> {
    pub id: FeedId,
    pub request: &'a FeedRequest,
    pub policy: &'a ActivePolicy,
    pub reader: &'a Reader,
    pub seed: u64,
    pub now: Time,
    /// The page after the first is made along with it.
    pub looks_ahead: bool,
}

/// A feed that was begun.
pub(super) struct Begun {
    pub feed: Arc<StoredFeed>,
    pub page: Page,
    /// The page after it, where it was asked for and came at little cost.
    pub ahead: Option<Ahead>,
    /// What became of the policy's target where it has one.
    pub outcome: Option<Outcome>,
}

impl Making<'_> {
    pub fn make(self, scored: &[Scored], context: &Context) -> Begun {
        let candidates: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
        let interests = self.reader.profile.as_ref().map(|p| p.interests.as_slice()).unwrap_or_default();
        let exemplars: Vec<ItemId> = interests.iter().map(|interest| interest.exemplar.clone()).collect();
        let limit = self.request.limit.unwrap_or(self.policy.policy.page_size as usize);
        let diversity = self.policy.policy.diversify.diversity;
        let dials = self.reader.profile.as_ref().map(|profile| dials(&profile.preferences)).unwrap_or_default();
        let pool = Pool { candidates: &candidates, diversity, dials, seed: self.seed, exemplars: &exemplars };
        let range = self.policy.policy.user_control.diversity_range;
        let (page, next, diversity, outcome) = match dial(self.request, self.reader, self.policy) {
            None if self.policy.policy.diversify.target.metric != TargetMetric::None => {
                let (page, outcome) = rank::target::aim(&pool, limit, range, context);
                (page, None, outcome.diversity, Some(outcome))
            }
            asked => {
                let pool = Pool { diversity: asked.unwrap_or(pool.diversity), ..pool };
                if self.looks_ahead {
                    let [page, next] = rank::place_pages(&pool, &[], limit, context);
                    (page, Some(next), pool.diversity, None)
                } else {
                    (rank::place(&pool, &[], limit, context), None, pool.diversity, None)
                }
            }
        };
        let version = context.snapshot.items_version();
        let reader = self.reader.mark(self.request).filter(|_| self.request.exclude.is_empty());
        let after = page.placed.iter().map(|placed| placed.pool_index).collect();
        let ahead = next.filter(|_| page.has_next).map(|page| {
            let until = shown_until(&candidates, context.snapshot);
            Ahead { number: 1, limit, after, page, candidates, version, reader, until }
        });
        let (pool, topics) = entries_of(scored, context.snapshot);
        let feed = StoredFeed {
            id: self.id,
            owner: self.reader.owner.clone(),
            surface: self.request.surface.clone(),
            policy_digest: self.policy.digest.clone(),
            diversity,
            dials,
            seed: self.seed,
            created_at: self.now,
            expires_at: self.now.plus(self.policy.policy.feed.ttl),
            topics,
            exemplars,
            pool,
        };
        Begun { feed: Arc::new(feed), page, ahead, outcome }
    }
}

fn dials(preferences: &Preferences) -> Dials {
    let Preferences { source_mix, viewpoint_mix, lifts_caps, .. } = *preferences;
    Dials { source_mix, viewpoint_mix, lifts_caps }
}

/// What the request or else the reader asks for, clamped to what the operator allows; `None` leaves it to the policy.
fn dial(request: &FeedRequest, reader: &Reader, policy: &ActivePolicy) -> Option<f32> {
    let preferred = reader.profile.as_ref().and_then(|p| p.preferences.diversity);
    let [low, high] = policy.policy.user_control.diversity_range;
    request.diversity.or(preferred).map(|asked| asked.clamp(low, high))
}

pub(super) fn seed_of(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Of the feed's own where the whole profile is used, else of surface and time.
pub(super) fn drawn_seed(id: &FeedId, reader: &Reader, policy: &ActivePolicy, surface: &str, now: Time) -> u64 {
    if reader.mode == Mode::Profile && reader.profile.is_some() {
        return seed_of(id.as_str().as_bytes());
    }
    let span = now.0.div_euclid(SHARED_SEED_SPAN.as_millis());
    seed_of(format!("{}|{surface}|{span}", policy.digest).as_bytes())
}

/// A scored pool as it is stored, and the topics it speaks of.
fn entries_of(scored: &[Scored], snapshot: &Snapshot) -> (Vec<PoolEntry>, Vec<FacetValue>) {
    let mut topics: Vec<FacetValue> = Vec::new();
    let mut topic_index: NumberMap<FacetCode, u16> = NumberMap::default();
    let mut pool = Vec::with_capacity(scored.len());
    for candidate in scored {
        let Some(entry) = snapshot.entry(candidate.row) else { continue };
        let topic = candidate.topic.and_then(|at| {
            let (code, _) = entry.topics.get(usize::from(at))?;
            Some(*topic_index.entry(*code).or_insert_with(|| {
                topics.extend(entry.item.topics.get(usize::from(at)).map(|(value, _)| value.clone()));
                (topics.len() - 1) as u16
            }))
        });
        pool.push(PoolEntry {
            item_hash: entry.hash,
            relevance: candidate.relevance,
            contributions: candidate.contributions,
            sources: candidate.sources.0,
            topic,
            interest: candidate.interest,
        });
    }
    (pool, topics)
}

/// When the first of `candidates` is over, that is not yet: all else that takes one out is of the reader or the catalogue.
pub(super) fn shown_until(candidates: &[PoolCandidate], snapshot: &Snapshot) -> Time {
    let entries = candidates.iter().filter_map(|candidate| snapshot.entry(candidate.row?));
    entries.filter_map(|entry| entry.expires_at).min().unwrap_or(Time(i64::MAX))
}

/// The pool of a stored feed against the catalogue and the person as they are now; `None` rows are gone or no longer
/// allowed. Relevance is the frozen one, less what was said against it since: `less_like` acts on the very next page.
///
/// `rows`: where each item was when the feed was made; looked for where it is not there, or past their end. `served`: what
/// stands on earlier pages, which counts for what may follow whatever was done with it since.
pub(super) fn candidates_of(feed: &StoredFeed, rows: &[Row], served: &[Placed], excluded: &[u64], context: &Context) -> Vec<PoolCandidate> {
    let mut is_served = vec![false; feed.pool.len()];
    for placed in served {
        if let Some(is_served) = is_served.get_mut(placed.pool_index as usize) {
            *is_served = true;
        }
    }
    let rules = rank::filter::Rules::new(excluded, context);
    let demotion = rank::relevance::Demotion::new(context, feed.created_at);
    let still_at = |row: &Row, pooled: &PoolEntry| context.snapshot.entry(*row).is_some_and(|entry| entry.hash == pooled.item_hash);
    let candidate = |(at, pooled): (usize, &PoolEntry)| {
        let sources = Sources(pooled.sources);
        let row = rows.get(at).copied().filter(|row| still_at(row, pooled)).or_else(|| context.snapshot.find_hash(pooled.item_hash));
        let found = row.and_then(|row| Some((row, context.snapshot.entry(row)?)));
        let Some((row, entry)) = found.filter(|(_, entry)| is_served[at] || rules.check(entry).is_none()) else {
            return PoolCandidate { row: None, relevance: pooled.relevance, sources, interest: None };
        };
        let demoted = demotion.of(pooled, entry);
        let sources = if demoted.may_explore { sources } else { sources.without(SourceKind::Outside) };
        PoolCandidate { row: Some(row), relevance: demoted.relevance, sources, interest: pooled.interest }
    };
    feed.pool.iter().enumerate().map(candidate).collect()
}
