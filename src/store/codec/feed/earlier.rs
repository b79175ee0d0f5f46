//! Feeds and pages as earlier versions wrote them: by entries with the item's id. Read only.

use serde::Deserialize;

use super::{FEED, PAGE, RelaxedWhyV2, SlotV1, item_ids, owner, relaxed};
use crate::{
    domain::{
        FeedId, ItemId, Time,
        feed::{Dials, FEATURES, Page, Placed, PoolEntry, Relaxed, RelaxedWhy, StoredFeed},
    },
    store::{
        StoreError,
        codec::{corrupt, read},
    },
};

#[derive(Deserialize)]
struct Feed<'a, Mask> {
    id: &'a str,
    user: Option<&'a str>,
    surface: &'a str,
    policy_digest: &'a str,
    diversity: f32,
    #[serde(with = "postcard::fixint::le")]
    seed: u64,
    created_at_ms: i64,
    expires_at_ms: i64,
    topics: Vec<&'a str>,
    exemplars: Vec<&'a str>,
    pool: Vec<Entry<'a, Mask>>,
}

#[derive(Deserialize)]
struct Entry<'a, Mask> {
    item: &'a str,
    relevance: f32,
    /// Bit `i` is set when feature `i` contributed: 8 bits in version 1, 16 in version 2.
    contributing: Mask,
    /// One per set bit, lowest bit first.
    contributions: Vec<f32>,
    sources: u8,
    topic: Option<u16>,
    interest: Option<u8>,
}

/// Version 1 does not say why a constraint was relaxed.
#[derive(Deserialize)]
struct PageV1 {
    placed: Vec<PlacedV1>,
    relaxed: Vec<(u8, u32)>,
    has_next: bool,
}

#[derive(Deserialize)]
struct PageV2 {
    placed: Vec<PlacedV1>,
    relaxed: Vec<(u8, u32, RelaxedWhyV2)>,
    has_next: bool,
}

#[derive(Deserialize)]
struct PlacedV1 {
    pool_index: u32,
    slot: SlotV1,
    /// `None` is 1.
    propensity: Option<f64>,
    max_similarity: f32,
    objective: f32,
    bound_by: Option<u8>,
}

/// The feed, and the ids of its pool's items for its pages. Errors: [`StoreError::Corrupt`].
pub fn feed(version: u8, payload: &[u8]) -> Result<(StoredFeed, Vec<ItemId>), StoreError> {
    let feed = match version {
        1 => whole(read::<Feed<u8>>(FEED, payload)?),
        _ => whole(read::<Feed<u16>>(FEED, payload)?),
    };
    feed.map_err(|detail| corrupt(FEED, detail))
}

fn whole<Mask: Copy + Into<u32>>(stored: Feed<'_, Mask>) -> Result<(StoredFeed, Vec<ItemId>), String> {
    let ids = item_ids(&stored.pool.iter().map(|entry| entry.item).collect::<Vec<_>>())?;
    let feed = StoredFeed {
        id: FeedId::new(stored.id).map_err(|fault| format!("its id {fault}"))?,
        owner: owner(stored.user)?,
        surface: stored.surface.into(),
        policy_digest: stored.policy_digest.into(),
        diversity: stored.diversity,
        dials: Dials::default(),
        seed: stored.seed,
        created_at: Time(stored.created_at_ms),
        expires_at: Time(stored.expires_at_ms),
        topics: stored.topics.into_iter().map(Into::into).collect(),
        exemplars: item_ids(&stored.exemplars)?,
        pool: stored.pool.iter().zip(&ids).map(|(entry, id)| pool_entry(entry, id)).collect::<Result<_, _>>()?,
    };
    Ok((feed, ids))
}

fn pool_entry<Mask: Copy + Into<u32>>(stored: &Entry<'_, Mask>, id: &ItemId) -> Result<PoolEntry, String> {
    let contributing: u32 = stored.contributing.into();
    if stored.contributions.len() != contributing.count_ones() as usize || contributing >> FEATURES != 0 {
        return Err(format!("{} contributions for the features {contributing:#b}", stored.contributions.len()));
    }
    let mut given = stored.contributions.iter().copied();
    let contributions = std::array::from_fn(|feature| match contributing >> feature & 1 {
        1 => given.next().unwrap_or(0.0),
        _ => 0.0,
    });
    let (relevance, sources, topic, interest) = (stored.relevance, stored.sources, stored.topic, stored.interest);
    Ok(PoolEntry { item_hash: id.hash64(), relevance, contributions, sources, topic, interest })
}

/// A page, with `ids` of its feed's pool. Errors: [`StoreError::Corrupt`], also for an item that is not in it.
pub fn page(version: u8, payload: &[u8], ids: &[ItemId]) -> Result<Page, StoreError> {
    let (placed, relaxed, has_next) = match version {
        1 => {
            let PageV1 { placed, relaxed, has_next } = read(PAGE, payload)?;
            // Its server placed without looking ahead: whether the constraint could have been met was not known.
            let relaxed = relaxed.into_iter().map(|(constraint, position)| Relaxed { constraint, position, why: RelaxedWhy::Budget });
            (placed, relaxed.collect(), has_next)
        }
        _ => {
            let PageV2 { placed, relaxed: given, has_next } = read(PAGE, payload)?;
            (placed, given.into_iter().map(relaxed).collect(), has_next)
        }
    };
    let placed =
        placed.into_iter().map(|placed| placed_of(placed, ids)).collect::<Result<_, _>>().map_err(|detail| corrupt(PAGE, detail))?;
    Ok(Page { placed, relaxed, has_next, sponsored: Vec::new(), draws: Vec::new() })
}

fn placed_of(stored: PlacedV1, ids: &[ItemId]) -> Result<Placed, String> {
    let item = ids.get(stored.pool_index as usize).cloned();
    Ok(Placed {
        item: item.ok_or_else(|| format!("it names entry {} of a pool of {} and no item", stored.pool_index, ids.len()))?,
        pool_index: stored.pool_index,
        // Pools of those versions name an interest only where its evidence is like the item.
        is_like_exemplar: true,
        slot: stored.slot.into(),
        propensity: stored.propensity.unwrap_or(1.0),
        max_similarity: stored.max_similarity,
        objective: stored.objective,
        bound_by: stored.bound_by,
    })
}
