//! The stored form of a [`StoredFeed`] and of its [`Page`]s.

mod earlier;
mod pool;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::pool::PoolV3;
use super::corrupt;
use crate::{
    domain::{
        FeedId, ItemId, Time, UserId,
        feed::{Dials, Owner, Page, Placed, Relaxed, RelaxedWhy, Slot, SponsoredSlot, StoredFeed},
    },
    store::{FeedRecord, StoreError},
};

const FEED: &str = "feed";
const PAGE: &str = "page";
/// Newest version of a page: it has sponsored slots.
const PAGE_VERSION: u8 = 4;
/// Newest version of a page without sponsored slots: it names its items.
const VERSION: u8 = 3;
/// Newest version of a feed. Version 3 keeps the pool by columns and hashes; version 4 adds the reader's dials.
const FEED_VERSION: u8 = 4;

pub fn encode(feed: &StoredFeed) -> Result<Vec<u8>, StoreError> {
    let Dials { source_mix, viewpoint_mix, lifts_caps } = feed.dials;
    super::encode(FEED, FEED_VERSION, &FeedV4 { base: feed.into(), source_mix, viewpoint_mix, lifts_caps })
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<StoredFeed, StoreError> {
    match super::payload(FEED, bytes, FEED_VERSION)? {
        (FEED_VERSION, payload) => {
            let FeedV4 { base, source_mix, viewpoint_mix, lifts_caps } = super::read(FEED, payload)?;
            let feed = StoredFeed::try_from(base).map_err(|detail| corrupt(FEED, detail))?;
            Ok(StoredFeed { dials: Dials { source_mix, viewpoint_mix, lifts_caps }, ..feed })
        }
        (3, payload) => super::read::<FeedV3>(FEED, payload)?.try_into().map_err(|detail: String| corrupt(FEED, detail)),
        (version, payload) => earlier::feed(version, payload).map(|(feed, _)| feed),
    }
}

pub fn encode_page(page: &Page) -> Result<Vec<u8>, StoreError> {
    match page.sponsored.is_empty() {
        // As servers of the version before read it.
        true => super::encode(PAGE, VERSION, &PageV3::from(page)),
        false => {
            let sponsored = page.sponsored.iter().map(SponsoredV4::from).collect();
            super::encode(PAGE, PAGE_VERSION, &PageV4 { before: page.into(), sponsored })
        }
    }
}

/// A page by itself. Errors: [`StoreError::Corrupt`], also for a page of an earlier version, which can be read only together
/// with its feed.
pub fn decode_page(bytes: &[u8]) -> Result<Page, StoreError> {
    page_of(bytes, &[])
}

/// `ids`: of the pool's items, for pages that do not name theirs.
fn page_of(bytes: &[u8], ids: &[ItemId]) -> Result<Page, StoreError> {
    match super::payload(PAGE, bytes, PAGE_VERSION)? {
        (PAGE_VERSION, payload) => {
            let PageV4 { before, sponsored } = super::read(PAGE, payload)?;
            let page: Page = before.try_into().map_err(|detail: String| corrupt(PAGE, detail))?;
            let sponsored = sponsored.into_iter().map(SponsoredSlot::try_from).collect::<Result<_, _>>();
            Ok(Page { sponsored: sponsored.map_err(|detail: String| corrupt(PAGE, detail))?, ..page })
        }
        (VERSION, payload) => super::read::<PageV3>(PAGE, payload)?.try_into().map_err(|detail: String| corrupt(PAGE, detail)),
        (version, payload) => earlier::page(version, payload, ids),
    }
}

/// A feed with its pages, page 0 first. Errors: [`StoreError::Corrupt`], also for a page that names no entry of the pool.
pub fn decode_record<'a>(feed: &[u8], pages: impl IntoIterator<Item = &'a [u8]>) -> Result<FeedRecord, StoreError> {
    let (feed, ids) = match super::payload(FEED, feed, FEED_VERSION)? {
        (3 | FEED_VERSION, _) => (decode(feed)?, Vec::new()),
        (version, payload) => earlier::feed(version, payload)?,
    };
    let pages = pages.into_iter().map(|page| page_of(page, &ids)).collect::<Result<Vec<_>, _>>()?;
    if let Some(stray) = pages.iter().flat_map(|page| &page.placed).find(|placed| placed.pool_index as usize >= feed.pool.len()) {
        return Err(corrupt(PAGE, format!("it names entry {} of a pool of {}", stray.pool_index, feed.pool.len())));
    }
    Ok(FeedRecord { feed: Arc::new(feed), pages })
}

#[derive(Serialize, Deserialize)]
struct FeedV4<'a> {
    #[serde(borrow)]
    base: FeedV3<'a>,
    source_mix: Option<f32>,
    viewpoint_mix: Option<f32>,
    lifts_caps: bool,
}

#[derive(Serialize, Deserialize)]
struct FeedV3<'a> {
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
    #[serde(borrow)]
    pool: PoolV3<'a>,
}

#[derive(Serialize, Deserialize)]
struct PageV3<'a> {
    #[serde(borrow)]
    placed: Vec<PlacedV3<'a>>,
    relaxed: Vec<(u8, u32, RelaxedWhyV2)>,
    has_next: bool,
}

/// What version 3 had, and after it the sponsored slots.
#[derive(Serialize, Deserialize)]
struct PageV4<'a> {
    #[serde(borrow)]
    before: PageV3<'a>,
    sponsored: Vec<SponsoredV4<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SponsoredV4<'a> {
    item: &'a str,
    before: u32,
    by_language: bool,
    #[serde(borrow)]
    topics: Vec<&'a str>,
}

impl<'a> From<&'a SponsoredSlot> for SponsoredV4<'a> {
    fn from(slot: &'a SponsoredSlot) -> Self {
        let topics = slot.topics.iter().map(|topic| &**topic).collect();
        Self { item: slot.item.as_str(), before: slot.before, by_language: slot.by_language, topics }
    }
}

impl TryFrom<SponsoredV4<'_>> for SponsoredSlot {
    type Error = String;

    fn try_from(stored: SponsoredV4<'_>) -> Result<Self, String> {
        Ok(Self {
            item: ItemId::new(stored.item).map_err(|fault| format!("an item id {fault}"))?,
            before: stored.before,
            by_language: stored.by_language,
            topics: stored.topics.into_iter().map(Into::into).collect(),
        })
    }
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum RelaxedWhyV2 {
    Supply,
    Conflict,
    Budget,
}

#[derive(Serialize, Deserialize)]
struct PlacedV3<'a> {
    item: &'a str,
    pool_index: u32,
    is_like_exemplar: bool,
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

impl<'a> From<&'a StoredFeed> for FeedV3<'a> {
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
            pool: PoolV3::from(&feed.pool[..]),
        }
    }
}

impl TryFrom<FeedV3<'_>> for StoredFeed {
    type Error = String;

    fn try_from(stored: FeedV3<'_>) -> Result<Self, String> {
        Ok(Self {
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
            pool: stored.pool.try_into()?,
        })
    }
}

fn owner(user: Option<&str>) -> Result<Owner, String> {
    Ok(match user {
        Some(user) => Owner::User(UserId::new(user).map_err(|fault| format!("its user id {fault}"))?),
        None => Owner::Nobody,
    })
}

fn item_ids(stored: &[&str]) -> Result<Vec<ItemId>, String> {
    stored.iter().map(ItemId::new).collect::<Result<_, _>>().map_err(|fault| format!("an item id {fault}"))
}

impl<'a> From<&'a Page> for PageV3<'a> {
    fn from(page: &'a Page) -> Self {
        let why = |relaxed: &Relaxed| match relaxed.why {
            RelaxedWhy::Supply => RelaxedWhyV2::Supply,
            RelaxedWhy::Conflict => RelaxedWhyV2::Conflict,
            RelaxedWhy::Budget => RelaxedWhyV2::Budget,
        };
        Self {
            placed: page.placed.iter().map(PlacedV3::from).collect(),
            relaxed: page.relaxed.iter().map(|relaxed| (relaxed.constraint, relaxed.position, why(relaxed))).collect(),
            has_next: page.has_next,
        }
    }
}

impl TryFrom<PageV3<'_>> for Page {
    type Error = String;

    fn try_from(stored: PageV3<'_>) -> Result<Self, String> {
        Ok(Self {
            placed: stored.placed.into_iter().map(Placed::try_from).collect::<Result<_, _>>()?,
            relaxed: stored.relaxed.into_iter().map(relaxed).collect(),
            has_next: stored.has_next,
            sponsored: Vec::new(),
            draws: Vec::new(),
        })
    }
}

fn relaxed((constraint, position, why): (u8, u32, RelaxedWhyV2)) -> Relaxed {
    let why = match why {
        RelaxedWhyV2::Supply => RelaxedWhy::Supply,
        RelaxedWhyV2::Conflict => RelaxedWhy::Conflict,
        RelaxedWhyV2::Budget => RelaxedWhy::Budget,
    };
    Relaxed { constraint, position, why }
}

impl<'a> From<&'a Placed> for PlacedV3<'a> {
    fn from(placed: &'a Placed) -> Self {
        Self {
            item: placed.item.as_str(),
            pool_index: placed.pool_index,
            is_like_exemplar: placed.is_like_exemplar,
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

impl From<SlotV1> for Slot {
    fn from(stored: SlotV1) -> Self {
        match stored {
            SlotV1::Ranked => Self::Ranked,
            SlotV1::Exploration => Self::Exploration,
        }
    }
}

impl TryFrom<PlacedV3<'_>> for Placed {
    type Error = String;

    fn try_from(stored: PlacedV3<'_>) -> Result<Self, String> {
        Ok(Self {
            item: ItemId::new(stored.item).map_err(|fault| format!("an item id {fault}"))?,
            pool_index: stored.pool_index,
            is_like_exemplar: stored.is_like_exemplar,
            slot: stored.slot.into(),
            propensity: stored.propensity.unwrap_or(1.0),
            max_similarity: stored.max_similarity,
            objective: stored.objective,
            bound_by: stored.bound_by,
        })
    }
}
