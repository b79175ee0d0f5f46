//! A served page as a journal record.

use super::{FeedRequest, Served};
use crate::{
    domain::{Time, feed::StoredFeed},
    journal::{Journal, JournalRecord, ServedItem, ServedRecord},
};

pub(super) fn record(served: &Served, request: &FeedRequest, journal: &Journal, now: Time) -> JournalRecord {
    let feed = &served.feed;
    let items = served.page.placed.iter().enumerate().filter_map(|(offset, placed)| {
        let entry = feed.pool.get(placed.pool_index as usize)?;
        Some(ServedItem {
            id: placed.item.to_string(),
            position: (served.first_position + offset) as u32,
            slot: placed.slot.name().to_owned(),
            propensity: placed.propensity,
            relevance: entry.relevance,
            rank_before: placed.pool_index,
        })
    });
    JournalRecord::Served(ServedRecord {
        at: now.0,
        request_id: request.request_id.clone(),
        feed_id: feed.id.to_string(),
        surface: feed.surface.clone(),
        user: feed.owner.user().map(|user| journal.pseudonym(user)),
        policy: served.policy.policy.id.clone(),
        policy_version: served.policy.policy.version,
        policy_digest: served.policy.digest.clone(),
        diversity: feed.diversity,
        seed: feed.seed,
        page: served.page_number,
        pool_size: feed.pool.len() as u32,
        pool_digest: pool_digest(feed),
        items: items.collect(),
        degraded: served.degraded.iter().map(|d| format!("{}:{}", d.stage, d.reason)).collect(),
    })
}

/// First 16 hex digits of BLAKE3 over item hashes and relevances in pool order, little-endian.
fn pool_digest(feed: &StoredFeed) -> String {
    let mut bytes = Vec::with_capacity(feed.pool.len() * (size_of::<u64>() + size_of::<f32>()));
    feed.pool.iter().for_each(|entry| {
        bytes.extend_from_slice(&entry.item_hash.to_le_bytes());
        bytes.extend_from_slice(&entry.relevance.to_le_bytes());
    });
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}
