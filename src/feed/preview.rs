//! What policies or preferences would serve, side by side: the real pipeline without its effects. Nothing is kept, journaled or counted.

use std::{sync::Arc, time::Duration};

use super::{Degradation, FeedError, FeedRequest, FeedService, Reader, Served, chronological, first, first::First, who};
use crate::{
    catalogue::Row,
    domain::{
        ItemId, UserId,
        feed::Slot,
        policy::{ActivePolicy, SimilarityWeights},
        profile::{Mode, Preferences},
    },
    rank::{self, metrics::SlateMetrics},
    store::Person,
};

/// For all sources together: a preview compares policies, not how busy the machine is.
const PREVIEW_DEADLINE: Duration = Duration::from_secs(5);

/// One policy's first page for one reader.
#[derive(Clone, Debug)]
pub struct Previewed {
    /// As it would have been served.
    pub served: Served,
    /// Measured with the first policy's similarity, so that slates compare.
    pub metrics: SlateMetrics,
    /// Each position against the first policy's slate, in order.
    pub moves: Vec<Move>,
    /// Items of the first policy's slate that are not in this one, with their positions there.
    pub out: Vec<(ItemId, u32)>,
}

/// Where an item stood in the first policy's slate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nowhere.
    In,
    Same,
    /// So many positions nearer to the top.
    Up(u32),
    Down(u32),
}

impl Move {
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Same => "same",
            Self::Up(_) => "up",
            Self::Down(_) => "down",
        }
    }
}

impl FeedService {
    /// The first page of `request` under each of `policies`, from the same catalogue and the same draws. `request.cursor` is
    /// not used; without a seed one is made of surface and reader, so that asking twice gives the same.
    pub async fn preview(&self, request: &FeedRequest, policies: &[Arc<ActivePolicy>]) -> Result<Vec<Previewed>, FeedError> {
        let seed = request.seed.unwrap_or_else(|| seed_of(request));
        let request = FeedRequest { seed: Some(seed), cursor: None, ..request.clone() };
        let mut degraded = Vec::new();
        let reader = self.reader(&request, &mut degraded).await;
        let mut previewed: Vec<Previewed> = Vec::with_capacity(policies.len());
        for policy in policies {
            let served = self.would_serve(&request, policy, &reader, degraded.clone()).await?;
            let baseline = previewed.first().map(|first| &first.served);
            previewed.push(beside(baseline, served));
        }
        Ok(previewed)
    }

    /// The first page of `request` for `person` as they are, and as it would be if they set `wanted`; `request` is for `user`.
    /// Where the whole profile is used both come from the same draws; elsewhere from those of everybody at this time.
    pub async fn preview_preferences(
        &self,
        request: &FeedRequest,
        user: &UserId,
        person: Person,
        wanted: Preferences,
    ) -> Result<[Previewed; 2], FeedError> {
        let mut changed = person.clone();
        Arc::make_mut(changed.profile.get_or_insert_default()).preferences = wanted;
        let present = beside(None, self.page_for(request, user, person).await?);
        let preview = beside(Some(&present.served), self.page_for(request, user, changed).await?);
        Ok([present, preview])
    }

    async fn page_for(&self, request: &FeedRequest, user: &UserId, person: Person) -> Result<Served, FeedError> {
        let unknown = || FeedError::UnknownSurface(request.surface.clone());
        let reader = self.reader_of(request, user, person);
        let choice = self.serving.load_full().choose(&request.surface, who(request, &reader)).ok_or_else(unknown)?;
        let policy = if reader.mode == Mode::Chronological { &*chronological::POLICY } else { &choice.policy };
        // Of the surface's policy a feed by time keeps the page.
        let limit = request.limit.or(Some(choice.policy.policy.page_size as usize));
        let seed = (reader.mode == Mode::Profile).then(|| seed_of(request));
        let request = FeedRequest { seed, limit, cursor: None, ..request.clone() };
        self.would_serve(&request, policy, &reader, Vec::new()).await
    }

    async fn would_serve(
        &self,
        request: &FeedRequest,
        policy: &Arc<ActivePolicy>,
        reader: &Reader,
        mut degraded: Vec<Degradation>,
    ) -> Result<Served, FeedError> {
        let first = First { request, policy, reader, excluded: &[], deadline: PREVIEW_DEADLINE, looks_ahead: false };
        let made = self.make(&first, &mut degraded).await?;
        // A cursor would lead to a feed that is nowhere.
        Ok(Served { next: None, ..self.served(made.into_parts(&first), reader, degraded) })
    }
}

/// A page beside the first of them, or beside itself.
fn beside(baseline: Option<&Served>, served: Served) -> Previewed {
    let baseline = baseline.unwrap_or(&served);
    let metrics = measured(&served, &baseline.policy.policy.diversify.similarity);
    let (moves, out) = compared(baseline, &served);
    Previewed { served, metrics, moves, out }
}

fn seed_of(request: &FeedRequest) -> u64 {
    let user = request.user.as_ref().map_or("", |user| user.as_str());
    first::seed_of(format!("preview|{}|{user}", request.surface).as_bytes())
}

/// The page's metrics with "alike" as `weights` have it.
pub(super) fn measured(served: &Served, weights: &SimilarityWeights) -> SlateMetrics {
    let rows: Vec<Row> = items(served).filter_map(|id| served.snapshot.find(id)).collect();
    let explored = served.page.placed.iter().filter(|placed| placed.slot == Slot::Exploration).count();
    rank::metrics::measure(&rows, explored, served.metrics.relevance_kept, &served.snapshot, weights)
}

/// The page's items, in order.
pub fn items(served: &Served) -> impl Iterator<Item = &ItemId> {
    served.page.placed.iter().map(|placed| &placed.item)
}

fn compared(before: &Served, after: &Served) -> (Vec<Move>, Vec<(ItemId, u32)>) {
    let old: Vec<&ItemId> = items(before).collect();
    let new: Vec<&ItemId> = items(after).collect();
    let moves = new.iter().enumerate().map(|(at, id)| match old.iter().position(|other| other == id) {
        None => Move::In,
        Some(was) if was > at => Move::Up((was - at) as u32),
        Some(was) if was < at => Move::Down((at - was) as u32),
        Some(_) => Move::Same,
    });
    let out = old.iter().enumerate().filter(|(_, id)| !new.contains(id)).map(|(at, id)| ((*id).clone(), at as u32));
    (moves.collect(), out.collect())
}
