//! Why an item came where it came: a served position from its record, placed again to see that the record holds.
//!
//! The record is the stored feed: the pool with every candidate's contributions, the seed, the dial, the policy's digest and
//! the pages as they were served. It is kept as long as the feed is. What is compared with it is the catalogue as it is now.

use std::sync::Arc;

use super::FeedService;
use crate::{
    catalogue::{Row, Snapshot},
    domain::{
        FeedId, ItemId, Profile, Time,
        feed::{Owner, Page, Placed, PoolEntry, Slot, StoredFeed},
        policy::{ActivePolicy, ExploreMethod},
    },
    rank::{
        self, Context, Pool, Sources,
        explain::{Counterfactual, Standing},
        place::{PoolCandidate, Replayed},
        relevance::{Part, Rescorer, parts, score_of},
    },
    store::{FeedRecord, StoreError},
};

/// A served position, explained.
#[derive(Clone, Debug)]
pub struct Decision {
    pub feed: Arc<StoredFeed>,
    /// The policy that made it.
    pub policy: Arc<ActivePolicy>,
    /// 0-based, counted through all pages.
    pub position: usize,
    /// The page it is on.
    pub page: Page,
    pub placed: Placed,
    pub entry: PoolEntry,
    /// Before it was normalised: the sum of `parts`.
    pub score: f64,
    pub parts: Vec<Part>,
    /// The first item before it that is less relevant.
    pub displaced_by: Option<ItemId>,
    /// What the position rests on: there when it comes out as recorded, for ranked positions.
    pub standing: Option<Standing>,
    /// Candidates the draw was among: there when it comes out as recorded, for exploration.
    pub drawn_from: Option<usize>,
    /// Fields of the record that come out differently now; empty: placed again, it is the same to the last bit.
    pub differs: Vec<&'static str>,
    /// The catalogue it was placed again from, for this person at this time.
    pub snapshot: Arc<Snapshot>,
    profile: Option<Profile>,
    now: Time,
}

impl Decision {
    /// A candidate of the pool by its index, if it is still in the catalogue.
    pub fn candidate(&self, index: usize) -> Option<&ItemId> {
        let row = self.snapshot.find_hash(self.feed.pool.get(index)?.item_hash)?;
        self.snapshot.entry(row).map(|entry| &entry.item.id)
    }

    /// What would have kept the item from coming as early, each run again before it is said. Milliseconds of work.
    pub fn counterfactuals(&self) -> Vec<Counterfactual> {
        let Self { profile, policy, now, snapshot, .. } = self;
        let context = Context { snapshot, profile: profile.as_ref(), policy: &policy.policy, now: *now };
        rank::explain::counterfactuals(&self.feed, &self.placed, self.position, &self.parts, &context)
    }
}

impl FeedService {
    /// Why `item` came where it came in a feed of one of `owners`. `None`: no such feed is kept, or it did not serve the item.
    pub async fn decision(&self, owners: &[Owner], feed: &FeedId, item: &ItemId) -> Result<Option<Decision>, StoreError> {
        let Some(record) = self.kept_feed(owners, feed).await? else { return Ok(None) };
        let Some(policy) = self.kept_policy(&record.feed.policy_digest).await? else { return Ok(None) };
        let profile = match record.feed.owner.user() {
            // Nothing but a calibrated mix is placed by the profile.
            Some(user) if policy.policy.diversify.method.needs_mix() => self.store.profile(user).await?,
            _ => None,
        };
        Ok(self.explained(record, policy, profile, item))
    }

    pub(super) async fn kept_feed(&self, owners: &[Owner], id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        for owner in owners {
            let local = self.local.get(id).filter(|local| local.owner() == owner);
            let stored = match self.store.feed(owner, id).await {
                Ok(stored) => stored,
                // Made or known here: its pages are frozen here too.
                Err(error) => Some(local.ok_or(error)?.record()),
            };
            if stored.is_some() {
                return Ok(stored);
            }
        }
        Ok(None)
    }

    fn explained(&self, record: FeedRecord, policy: Arc<ActivePolicy>, profile: Option<Profile>, item: &ItemId) -> Option<Decision> {
        let FeedRecord { feed, pages } = record;
        let (page, _) = pages.iter().find_map(|page| Some((page, page.placed.iter().find(|placed| placed.item == *item)?)))?;
        let page = page.clone();
        let mut recorded: Vec<Placed> = pages.into_iter().flat_map(|page| page.placed).collect();
        let position = recorded.iter().position(|placed| placed.item == *item)?;
        recorded.truncate(position + 1);
        let snapshot = self.catalogue.snapshot();
        let now = self.clock.now();
        let context = Context { snapshot: &snapshot, profile: profile.as_ref(), policy: &policy.policy, now };
        let Replayed { placed: again, standing, arms } = replay(&feed, &recorded, &context).pop()?;
        let placed = recorded.pop()?;
        let differs = differences(&placed, again.as_ref());
        let holds = differs.is_empty();
        let entry = feed.pool.get(placed.pool_index as usize)?.clone();
        let displaced_by = recorded.iter().find(|before| before.pool_index > placed.pool_index).map(|before| before.item.clone());
        Some(Decision {
            position,
            page,
            score: score_of(&entry),
            parts: parts(&feed, &entry, &context),
            displaced_by,
            standing: standing.filter(|_| holds),
            drawn_from: (holds && arms > 0).then_some(arms),
            differs,
            placed,
            entry,
            snapshot: Arc::clone(&snapshot),
            feed,
            policy,
            profile,
            now,
        })
    }
}

/// A whole feed recomputed from its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Candidates whose relevance was recomputed.
    pub candidates: usize,
    /// Positions that were placed again.
    pub positions: usize,
    /// Draws that were not drawn again: Thompson sampling draws by what was known of open rates at the time.
    pub not_drawn_again: usize,
    pub differences: Vec<Difference>,
}

/// Something in a record that does not come out as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `pool` (one of its candidates) or `page` (a served position).
    pub of: &'static str,
    /// 0-based: of the candidate in the pool, or of the position in the feed.
    pub index: usize,
    /// By its name in the API; `catalogue`: the item is gone.
    pub field: &'static str,
}

impl FeedService {
    /// Recomputes a feed of one of `owners` from its record and the catalogue as it is now. `None`: it is not kept.
    pub async fn verify(&self, owners: &[Owner], feed: &FeedId) -> Result<Option<Verified>, StoreError> {
        let Some(record) = self.kept_feed(owners, feed).await? else { return Ok(None) };
        let Some(policy) = self.kept_policy(&record.feed.policy_digest).await? else { return Ok(None) };
        let profile = match record.feed.owner.user() {
            Some(user) => self.store.profile(user).await?,
            None => None,
        };
        let snapshot = self.catalogue.snapshot();
        let context = Context { snapshot: &snapshot, profile: profile.as_ref(), policy: &policy.policy, now: self.clock.now() };
        Ok(Some(verified(&record, &context)))
    }
}

/// Relevance of every candidate from its contributions, then every position from relevance.
fn verified(record: &FeedRecord, context: &Context) -> Verified {
    let feed = &record.feed;
    let mut verified = Verified { candidates: feed.pool.len(), ..Verified::default() };
    let of_pool = |field| move |index| Difference { of: "pool", index, field };
    match Rescorer::new(feed, context) {
        None => {
            let is_gone = |index: &usize| context.snapshot.find_hash(feed.pool[*index].item_hash).is_none();
            verified.differences.extend((0..feed.pool.len()).filter(is_gone).map(of_pool("catalogue")));
        }
        Some(rescorer) => verified.differences.extend(rescorer.differing().into_iter().map(of_pool("relevance"))),
    }
    let recorded: Vec<Placed> = record.pages.iter().flat_map(|page| page.placed.iter().cloned()).collect();
    for (index, (placed, again)) in recorded.iter().zip(replay(feed, &recorded, context)).enumerate() {
        if placed.slot == Slot::Exploration && context.policy.explore.method == ExploreMethod::Thompson {
            verified.not_drawn_again += 1;
            continue;
        }
        verified.positions += 1;
        let fields = differences(placed, again.placed.as_ref()).into_iter();
        verified.differences.extend(fields.map(|field| Difference { of: "page", index, field }));
    }
    verified
}

/// Every recorded position placed again from the pool as it was kept.
fn replay(feed: &StoredFeed, recorded: &[Placed], context: &Context) -> Vec<Replayed> {
    let candidates: Vec<PoolCandidate> = feed.pool.iter().map(|entry| candidate(entry, context.snapshot)).collect();
    let pool = Pool { candidates: &candidates, diversity: feed.diversity, seed: feed.seed, exemplars: &feed.exemplars, dials: feed.dials };
    rank::place::replay(&pool, recorded, context)
}

fn candidate(entry: &PoolEntry, snapshot: &Snapshot) -> PoolCandidate {
    let row: Option<Row> = snapshot.find_hash(entry.item_hash);
    PoolCandidate { row, relevance: entry.relevance, sources: Sources(entry.sources), interest: entry.interest }
}

/// The fields in which a position comes out differently, by their names in the API.
fn differences(recorded: &Placed, now: Option<&Placed>) -> Vec<&'static str> {
    let Some(now) = now else { return vec!["id"] };
    let fields = [
        ("id", recorded.item == now.item && recorded.pool_index == now.pool_index),
        ("slot", recorded.slot == now.slot),
        ("objective", recorded.objective.to_bits() == now.objective.to_bits()),
        ("max_similarity", recorded.max_similarity.to_bits() == now.max_similarity.to_bits()),
        ("propensity", recorded.propensity.to_bits() == now.propensity.to_bits()),
        ("constraint", recorded.bound_by == now.bound_by),
    ];
    fields.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
}
