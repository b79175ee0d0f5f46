//! What policies would serve, side by side: the real pipeline without its effects. Nothing is kept, journaled or counted.

use std::{sync::Arc, time::Duration};

use super::{FeedError, FeedRequest, FeedService, Served, first, first::First};
use crate::{
    catalogue::Row,
    domain::{
        ItemId,
        feed::Slot,
        policy::{ActivePolicy, SimilarityWeights},
    },
    rank::{self, metrics::SlateMetrics},
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
            let first = First { request: &request, policy, reader: &reader, excluded: &[], deadline: PREVIEW_DEADLINE, looks_ahead: false };
            let mut degraded = degraded.clone();
            let made = self.make(&first, &mut degraded).await?;
            let served = self.served(made.into_parts(&first), &reader, degraded);
            let baseline = previewed.first().map_or(&served, |first| &first.served);
            let metrics = measured(&served, &baseline.policy.policy.diversify.similarity);
            let (moves, out) = compared(baseline, &served);
            // A cursor would lead to a feed that is nowhere.
            previewed.push(Previewed { served: Served { next: None, ..served }, metrics, moves, out });
        }
        Ok(previewed)
    }
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
