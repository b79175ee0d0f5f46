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
        feed::{Owner, Page, Placed, PoolEntry, StoredFeed},
        policy::ActivePolicy,
    },
    rank::{
        self, Context, Pool, Sources,
        explain::{Counterfactual, Standing},
        place::{PoolCandidate, Replayed},
        relevance::{Part, parts, score_of},
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

    async fn kept_feed(&self, owners: &[Owner], id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
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

/// Every recorded position placed again from the pool as it was kept.
pub fn replay(feed: &StoredFeed, recorded: &[Placed], context: &Context) -> Vec<Replayed> {
    let candidates: Vec<PoolCandidate> = feed.pool.iter().map(|entry| candidate(entry, context.snapshot)).collect();
    let pool = Pool { candidates: &candidates, diversity: feed.diversity, seed: feed.seed, exemplars: &feed.exemplars };
    rank::place::replay(&pool, recorded, context)
}

fn candidate(entry: &PoolEntry, snapshot: &Snapshot) -> PoolCandidate {
    let row: Option<Row> = snapshot.find_hash(entry.item_hash);
    PoolCandidate { row, relevance: entry.relevance, sources: Sources(entry.sources), interest: entry.interest }
}

/// The fields in which a position comes out differently, by their names in the API.
pub fn differences(recorded: &Placed, now: Option<&Placed>) -> Vec<&'static str> {
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
