//! Re-ranking the caller's own candidates: the same path without a catalogue, without paging.

use std::sync::Arc;

use super::{FeedError, FeedRequest, FeedService, Served, ServedParts, Timings, first, who};
use crate::{
    catalogue::Snapshot,
    clock::Stopwatch,
    domain::{Item, profile::Mode},
    rank::{self, Candidate, Context, SourceKind, Sources},
};

/// One candidate of the caller.
#[derive(Clone, Debug)]
pub struct RerankCandidate {
    pub item: Item,
    /// In [0, 1].
    pub relevance: f32,
}

/// A checked re-rank request: no duplicate ids.
#[derive(Clone, Debug)]
pub struct RerankRequest {
    /// `cursor`, `strict` are not used.
    pub request: FeedRequest,
    pub candidates: Vec<RerankCandidate>,
}

impl FeedService {
    /// Ranks the caller's candidates under the surface's policy. The slate is journaled, not stored: there is no next page.
    pub async fn rerank(&self, rerank: RerankRequest) -> Result<Served, FeedError> {
        let RerankRequest { request, candidates } = rerank;
        let serving = self.serving.load_full();
        let unknown = || FeedError::UnknownSurface(request.surface.clone());
        if !serving.knows(&request.surface) {
            return Err(unknown());
        }
        let mut degraded = Vec::new();
        let reader = self.reader(&request, &mut degraded).await;
        let choice = serving.choose(&request.surface, who(&request, &reader)).ok_or_else(unknown)?;
        let policy = Arc::clone(&choice.policy);
        let now = self.clock.now();
        let live = self.catalogue.snapshot();
        let relevances: Vec<f32> = candidates.iter().map(|c| c.relevance).collect();
        let ids: Vec<_> = candidates.iter().map(|c| c.item.id.clone()).collect();
        let snapshot = Arc::new(Snapshot::of_items(candidates.into_iter().map(|c| c.item), live.dimension(), live.popularity_half_life()));
        // The caller's candidates are all there is to explore.
        let sources = Sources::of(SourceKind::Caller).with(Sources::of(SourceKind::Outside));
        let pool = ids.iter().zip(relevances).filter_map(|(id, relevance)| Some(Candidate { row: snapshot.find(id)?, sources, relevance }));
        let context = Context { snapshot: &snapshot, profile: reader.profile.as_deref(), policy: &policy.policy, now };
        let excluded: Vec<u64> = request.exclude.iter().map(crate::domain::ItemId::hash64).collect();
        let mut timings = Timings::default();
        let watch = Stopwatch::start();
        let scored = rank::score(pool.collect(), &excluded, &context).scored;
        timings.score = watch.elapsed();
        let id = self.new_feed_id(now);
        let seed = request.seed.unwrap_or_else(|| match reader.mode {
            Mode::Profile => first::seed_of(id.as_str().as_bytes()),
            _ => first::drawn_seed(&id, &reader, &policy, &request.surface, now),
        });
        let watch = Stopwatch::start();
        let making = first::Making { id, request: &request, policy: &policy, reader: &reader, seed, now, looks_ahead: false };
        let first::Begun { feed, mut page, outcome, .. } = making.make(&scored, &context);
        timings.diversify = watch.elapsed();
        page.has_next = false;
        let draws = std::mem::take(&mut page.draws);
        let rows = page.placed.iter().map(|placed| scored.get(placed.pool_index as usize).map(|s| s.row)).collect();
        let parts = ServedParts {
            feed,
            policy,
            page,
            draws,
            page_number: 0,
            prefix_indices: Vec::new(),
            rows,
            snapshot: Arc::clone(&snapshot),
            restarted: false,
            outcome,
            timings,
        };
        let mut served = self.served(parts, &reader, degraded);
        served.owe_to(choice, &request);
        // One page of the caller's own, not a feed that ended.
        served.end_of_feed = false;
        self.journal(&served, &request).await;
        Ok(served)
    }
}
