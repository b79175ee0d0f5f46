//! A served page as a journal record.

use super::{FeedRequest, FeedService, Served};
use crate::{
    domain::{
        Time,
        feed::{Draw, StoredFeed},
    },
    journal::{DrawRecord, ExploreRecord, ExposureRecord, Journal, JournalRecord, MetricsRecord, ServedItem, ServedRecord},
    policy::{UnitKind, serving::Exposure},
};

/// Most candidates of a draw that are journaled; a draw from more (of a caller's own) is journaled without them.
const MAX_DRAW_ARMS: usize = 1_000;

impl FeedService {
    /// Writes down a served page.
    pub(super) async fn journal(&self, served: &Served, request: &FeedRequest) {
        let user = match served.feed.owner.user() {
            // Mostly known from reading the profile. Without a store nobody can be told of the line: it stands for nobody.
            Some(user) => self.store.pseudonym(user).await.ok().map(|pseudonym| pseudonym.to_string()),
            None => None,
        };
        let pool_digest = self.local.get(&served.feed.id).map_or_else(|| pool_digest(&served.feed), |local| local.pool_digest());
        self.journal.record(record(served, request, &self.journal, (user, pool_digest), self.clock.now()));
    }
}

fn record(
    served: &Served,
    request: &FeedRequest,
    journal: &Journal,
    (user, pool_digest): (Option<String>, String),
    now: Time,
) -> JournalRecord {
    let feed = &served.feed;
    let draws: Vec<&Draw> = served.draws.iter().filter(|draw| journal.keeps_draws() && draw.arms.len() <= MAX_DRAW_ARMS).collect();
    let items = served.page.placed.iter().enumerate().filter_map(|(offset, placed)| {
        let entry = feed.pool.get(placed.pool_index as usize)?;
        let position = (served.first_position + offset) as u32;
        Some(ServedItem {
            id: placed.item.to_string(),
            position,
            slot: placed.slot.name().to_owned(),
            propensity: placed.propensity,
            relevance: entry.relevance,
            rank_before: placed.pool_index,
            draw: draws.iter().find(|draw| draw.position == position).map(|draw| DrawRecord::from(*draw)),
        })
    });
    JournalRecord::Served(ServedRecord {
        at: now.0,
        request_id: request.request_id.clone(),
        feed_id: feed.id.to_string(),
        surface: feed.surface.clone(),
        user,
        policy: served.policy.policy.id.clone(),
        policy_version: served.policy.policy.version,
        policy_digest: served.policy.digest.clone(),
        ranking_digest: served.policy.ranking_digest.clone(),
        explore: (!draws.is_empty()).then(|| ExploreRecord::from(&served.policy.policy.explore)),
        diversity: feed.diversity,
        seed: feed.seed,
        page: served.page_number,
        pool_size: feed.pool.len() as u32,
        pool_digest,
        items: items.collect(),
        metrics: Some(MetricsRecord {
            ild: served.metrics.ild as f32,
            topics: served.metrics.topics as u32,
            topic_entropy: served.metrics.topic_entropy as f32,
            exploration_share: served.metrics.exploration_share as f32,
            relevance_kept: served.metrics.relevance_kept as f32,
        }),
        experiment: served.exposure.as_ref().map(|exposure| Box::new(exposed(exposure, request, journal))),
        degraded: served.degraded.iter().map(|d| format!("{}:{}", d.stage, d.reason)).collect(),
    })
}

fn exposed(exposure: &Exposure, request: &FeedRequest, journal: &Journal) -> ExposureRecord {
    let session = request.session.as_ref().filter(|_| exposure.unit == UnitKind::Session);
    ExposureRecord {
        layer: exposure.layer.to_string(),
        id: exposure.experiment.as_deref().map(str::to_owned),
        arm: exposure.arm.to_string(),
        allocation: exposure.allocation.to_string(),
        session: session.map(|session| journal.session_pseudonym(session)),
    }
}

/// First 16 hex digits of BLAKE3 over item hashes and relevances in pool order, little-endian.
pub(super) fn pool_digest(feed: &StoredFeed) -> String {
    let mut bytes = Vec::with_capacity(feed.pool.len() * (size_of::<u64>() + size_of::<f32>()));
    feed.pool.iter().for_each(|entry| {
        bytes.extend_from_slice(&entry.item_hash.to_le_bytes());
        bytes.extend_from_slice(&entry.relevance.to_le_bytes());
    });
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}
