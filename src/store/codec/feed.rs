//! The stored form of a [`StoredFeed`] and of its [`Page`]s.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::{
    domain::{
        FeedId, ItemId, Time, UserId,
        feed::{FEATURES, Owner, Page, Placed, PoolEntry, Relaxed, RelaxedWhy, Slot, StoredFeed},
    },
    store::{FeedRecord, StoreError},
};

const FEED: &str = "feed";
const PAGE: &str = "page";
/// Newest version of a feed, and of a page: version 1 of a page does not say why a constraint was relaxed.
const VERSION: u8 = 2;
const PAGE_VERSION: u8 = 2;

pub fn encode(feed: &StoredFeed) -> Result<Vec<u8>, StoreError> {
    super::encode(FEED, VERSION, &FeedV2::from(feed))
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<StoredFeed, StoreError> {
    let (version, payload) = super::payload(FEED, bytes, VERSION)?;
    let feed = match version {
        1 => super::read::<FeedV1>(FEED, payload)?.try_into(),
        _ => super::read::<FeedV2>(FEED, payload)?.try_into(),
    };
    feed.map_err(|detail: String| corrupt(FEED, detail))
}

pub fn encode_page(page: &Page) -> Result<Vec<u8>, StoreError> {
    super::encode(PAGE, PAGE_VERSION, &PageV2::from(page))
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode_page(bytes: &[u8]) -> Result<Page, StoreError> {
    let (version, payload) = super::payload(PAGE, bytes, PAGE_VERSION)?;
    Ok(match version {
        1 => super::read::<PageV1>(PAGE, payload)?.into(),
        _ => super::read::<PageV2>(PAGE, payload)?.into(),
    })
}

/// A feed with its pages, page 0 first. Errors: [`StoreError::Corrupt`], also for a page that names no entry of the pool.
pub fn decode_record<'a>(feed: &[u8], pages: impl IntoIterator<Item = &'a [u8]>) -> Result<FeedRecord, StoreError> {
    let feed = decode(feed)?;
    let pages = pages.into_iter().map(decode_page).collect::<Result<Vec<_>, _>>()?;
    if let Some(stray) = pages.iter().flat_map(|page| &page.placed).find(|placed| placed.pool_index as usize >= feed.pool.len()) {
        return Err(corrupt(PAGE, format!("it names entry {} of a pool of {}", stray.pool_index, feed.pool.len())));
    }
    Ok(FeedRecord { feed: Arc::new(feed), pages })
}

/// One bit per feature: eight of them.
type FeedV1<'a> = Feed<'a, u8>;
/// Up to 16 features. All else is as in version 1.
type FeedV2<'a> = Feed<'a, u16>;

#[derive(Serialize, Deserialize)]
struct Feed<'a, Mask> {
    id: &'a str,
    /// `None` is [`Owner::Nobody`].
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

#[derive(Serialize, Deserialize)]
struct Entry<'a, Mask> {
    item: &'a str,
    relevance: f32,
    /// Bit `i` is set when feature `i` contributed: most contribute nothing.
    contributing: Mask,
    /// One per set bit, lowest bit first.
    contributions: Vec<f32>,
    sources: u8,
    topic: Option<u16>,
    interest: Option<u8>,
}

// One bit per feature in `Entry::contributing`.
const _: () = assert!(FEATURES <= u16::BITS as usize);

#[derive(Serialize, Deserialize)]
struct PageV1 {
    placed: Vec<PlacedV1>,
    relaxed: Vec<(u8, u32)>,
    has_next: bool,
}

#[derive(Serialize, Deserialize)]
struct PageV2 {
    placed: Vec<PlacedV1>,
    relaxed: Vec<(u8, u32, RelaxedWhyV2)>,
    has_next: bool,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum RelaxedWhyV2 {
    Supply,
    Conflict,
    Budget,
}

#[derive(Serialize, Deserialize)]
struct PlacedV1 {
    pool_index: u32,
    slot: SlotV1,
    /// `None` is 1, the common case.
    propensity: Option<f64>,
    max_similarity: f32,
    objective: f32,
    bound_by: Option<u8>,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum SlotV1 {
    Ranked,
    Exploration,
}

impl<'a> From<&'a StoredFeed> for FeedV2<'a> {
    fn from(feed: &'a StoredFeed) -> Self {
        Self {
            id: feed.id.as_str(),
            user: feed.owner.user().map(UserId::as_str),
            surface: &feed.surface,
            policy_digest: &feed.policy_digest,
            diversity: feed.diversity,
            seed: feed.seed,
            created_at_ms: feed.created_at.0,
            expires_at_ms: feed.expires_at.0,
            topics: feed.topics.iter().map(|topic| &**topic).collect(),
            exemplars: feed.exemplars.iter().map(ItemId::as_str).collect(),
            pool: feed.pool.iter().map(Entry::from).collect(),
        }
    }
}

impl<Mask: Into<u32>> TryFrom<Feed<'_, Mask>> for StoredFeed {
    type Error = String;

    fn try_from(stored: Feed<'_, Mask>) -> Result<Self, String> {
        let owner = match stored.user {
            Some(user) => Owner::User(UserId::new(user).map_err(|fault| format!("its user id {fault}"))?),
            None => Owner::Nobody,
        };
        Ok(Self {
            id: FeedId::new(stored.id).map_err(|fault| format!("its id {fault}"))?,
            owner,
            surface: stored.surface.into(),
            policy_digest: stored.policy_digest.into(),
            diversity: stored.diversity,
            seed: stored.seed,
            created_at: Time(stored.created_at_ms),
            expires_at: Time(stored.expires_at_ms),
            topics: stored.topics.into_iter().map(Into::into).collect(),
            exemplars: stored
                .exemplars
                .into_iter()
                .map(ItemId::new)
                .collect::<Result<_, _>>()
                .map_err(|fault| format!("an exemplar {fault}"))?,
            pool: stored.pool.into_iter().map(PoolEntry::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> From<&'a PoolEntry> for Entry<'a, u16> {
    fn from(entry: &'a PoolEntry) -> Self {
        let mut contributing = 0u16;
        let mut contributions = Vec::new();
        for (feature, value) in entry.contributions.iter().enumerate() {
            // By bits, so that −0 comes back as it went in.
            if value.to_bits() != 0 {
                contributing |= 1 << feature;
                contributions.push(*value);
            }
        }
        Self {
            item: entry.item.as_str(),
            relevance: entry.relevance,
            contributing,
            contributions,
            sources: entry.sources,
            topic: entry.topic,
            interest: entry.interest,
        }
    }
}

impl<Mask: Into<u32>> TryFrom<Entry<'_, Mask>> for PoolEntry {
    type Error = String;

    fn try_from(stored: Entry<'_, Mask>) -> Result<Self, String> {
        let contributing: u32 = stored.contributing.into();
        if stored.contributions.len() != contributing.count_ones() as usize || contributing >> FEATURES != 0 {
            return Err(format!("{} contributions for the features {contributing:#b}", stored.contributions.len()));
        }
        let mut given = stored.contributions.into_iter();
        let contributions = std::array::from_fn(|feature| match contributing >> feature & 1 {
            1 => given.next().unwrap_or(0.0),
            _ => 0.0,
        });
        let item = ItemId::new(stored.item).map_err(|fault| format!("an item id in its pool {fault}"))?;
        Ok(Self {
            item,
            relevance: stored.relevance,
            contributions,
            sources: stored.sources,
            topic: stored.topic,
            interest: stored.interest,
        })
    }
}

impl From<&Page> for PageV2 {
    fn from(page: &Page) -> Self {
        let why = |relaxed: &Relaxed| match relaxed.why {
            RelaxedWhy::Supply => RelaxedWhyV2::Supply,
            RelaxedWhy::Conflict => RelaxedWhyV2::Conflict,
            RelaxedWhy::Budget => RelaxedWhyV2::Budget,
        };
        Self {
            placed: page.placed.iter().map(PlacedV1::from).collect(),
            relaxed: page.relaxed.iter().map(|relaxed| (relaxed.constraint, relaxed.position, why(relaxed))).collect(),
            has_next: page.has_next,
        }
    }
}

impl From<PageV2> for Page {
    fn from(stored: PageV2) -> Self {
        let why = |why| match why {
            RelaxedWhyV2::Supply => RelaxedWhy::Supply,
            RelaxedWhyV2::Conflict => RelaxedWhy::Conflict,
            RelaxedWhyV2::Budget => RelaxedWhy::Budget,
        };
        let relaxed = stored.relaxed.into_iter().map(|(constraint, position, w)| Relaxed { constraint, position, why: why(w) });
        let placed = stored.placed.into_iter().map(Placed::from).collect();
        Self { placed, relaxed: relaxed.collect(), has_next: stored.has_next, draws: Vec::new() }
    }
}

impl From<PageV1> for Page {
    fn from(stored: PageV1) -> Self {
        // Its server placed without looking ahead: whether the constraint could have been met was not known.
        let relaxed = stored.relaxed.into_iter().map(|(constraint, position)| Relaxed { constraint, position, why: RelaxedWhy::Budget });
        let placed = stored.placed.into_iter().map(Placed::from).collect();
        Self { placed, relaxed: relaxed.collect(), has_next: stored.has_next, draws: Vec::new() }
    }
}

impl From<&Placed> for PlacedV1 {
    fn from(placed: &Placed) -> Self {
        Self {
            pool_index: placed.pool_index,
            slot: match placed.slot {
                Slot::Ranked => SlotV1::Ranked,
                Slot::Exploration => SlotV1::Exploration,
            },
            propensity: (placed.propensity != 1.0).then_some(placed.propensity),
            max_similarity: placed.max_similarity,
            objective: placed.objective,
            bound_by: placed.bound_by,
        }
    }
}

impl From<PlacedV1> for Placed {
    fn from(stored: PlacedV1) -> Self {
        Self {
            pool_index: stored.pool_index,
            slot: match stored.slot {
                SlotV1::Ranked => Slot::Ranked,
                SlotV1::Exploration => Slot::Exploration,
            },
            propensity: stored.propensity.unwrap_or(1.0),
            max_similarity: stored.max_similarity,
            objective: stored.objective,
            bound_by: stored.bound_by,
        }
    }
}
