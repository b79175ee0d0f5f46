//! The sponsored slots of a page: chosen and written to the ad log when the page is made, then frozen with it.

use std::sync::Arc;

use super::{FeedRequest, FeedService, Reader, Served};
use crate::{
    catalogue::Snapshot,
    domain::{
        FacetValue, FeedId, Item, ItemId,
        feed::{Owner, Page, SponsoredSlot, StoredFeed},
        policy::ActivePolicy,
    },
    journal::AdShown,
    rank::{
        Context,
        filter::Rules,
        sponsored::{Place, choose},
    },
    store::StoreError,
};

/// A sponsored slot that was served, explained.
#[derive(Clone, Debug)]
pub struct SponsoredDecision {
    pub surface: String,
    pub slot: SponsoredSlot,
    /// As it is in the catalogue now; `None`: gone.
    pub item: Option<Item>,
}

impl FeedService {
    /// What stands beside a page that was just made; nothing where it cannot be written to the ad log.
    ///
    /// A minor's pack of policy sets `sponsored.max_per_page` to 0.
    pub(super) fn sponsored(
        &self,
        request: &FeedRequest,
        reader: &Reader,
        feed: &StoredFeed,
        page: &Page,
        before: &[Page],
        snapshot: &Snapshot,
    ) -> Vec<SponsoredSlot> {
        let has_slots = |surface: &&Arc<ActivePolicy>| request.takes_sponsored && surface.policy.sponsored.max_per_page > 0;
        let Some(surface) = reader.surface.as_ref().filter(has_slots) else { return Vec::new() };
        // What the person set binds here too; what was learned of them is not even looked at.
        let binding = reader.profile.as_ref().and_then(|profile| profile.binding());
        let now = self.clock.now();
        let context = Context { snapshot, profile: binding.as_ref(), policy: &surface.policy, now };
        let excluded: Vec<u64> = request.exclude.iter().map(ItemId::hash64).collect();
        let is_shaped = reader.is_personal() && reader.profile.is_some();
        let topics = if is_shaped { Vec::new() } else { topics_of(page, snapshot) };
        let place = Place {
            surface: &request.surface,
            language: request.language,
            topics: &topics,
            first_position: before.iter().map(|page| page.placed.len()).sum(),
            items: page.placed.len(),
            seed: feed.seed,
        };
        let shown: Vec<ItemId> = before.iter().flat_map(|page| &page.sponsored).map(|slot| slot.item.clone()).collect();
        let rules = Rules::new(&excluded, &context);
        let slots = choose(&surface.policy.sponsored, &self.sensitive, &place, &shown, &rules, snapshot);
        let lines: Vec<AdShown> = slots.iter().filter_map(|slot| shown_as(slot, request, snapshot, now.0)).collect();
        // What nobody could be told of is not shown.
        if lines.len() == slots.len() && self.ads.record(lines) { slots } else { Vec::new() }
    }

    /// The sponsored slot that showed `item` in a feed of one of `owners`.
    pub async fn sponsored_decision(
        &self,
        owners: &[Owner],
        feed: &FeedId,
        item: &ItemId,
    ) -> Result<Option<SponsoredDecision>, StoreError> {
        let Some(record) = self.kept_feed(owners, feed).await? else { return Ok(None) };
        let slot = record.pages.iter().flat_map(|page| &page.sponsored).find(|slot| slot.item == *item);
        Ok(slot.map(|slot| SponsoredDecision {
            surface: record.feed.surface.clone(),
            slot: slot.clone(),
            item: self.catalogue.snapshot().find_sponsored(item).map(|entry| Item::clone(&entry.item)),
        }))
    }
}

impl Served {
    /// The page's sponsored slots with their items, as far as those are still sponsored.
    pub fn sponsored(&self) -> impl Iterator<Item = (&SponsoredSlot, &Item)> {
        self.page.sponsored.iter().filter_map(|slot| Some((slot, &**self.snapshot.find_sponsored(&slot.item)?.item)))
    }
}

fn topics_of(page: &Page, snapshot: &Snapshot) -> Vec<FacetValue> {
    let mut topics: Vec<FacetValue> = Vec::new();
    for placed in &page.placed {
        let Some(entry) = snapshot.find(&placed.item).and_then(|row| snapshot.entry(row)) else { continue };
        for (topic, _) in &entry.item.topics {
            if !topics.contains(topic) {
                topics.push(topic.clone());
            }
        }
    }
    topics
}

fn shown_as(slot: &SponsoredSlot, request: &FeedRequest, snapshot: &Snapshot, at: i64) -> Option<AdShown> {
    let item: &Item = &snapshot.find_sponsored(&slot.item)?.item;
    let sponsored = item.sponsored.as_ref()?;
    Some(AdShown {
        at,
        item: item.id.to_string(),
        payer: sponsored.payer.clone(),
        on_behalf_of: sponsored.on_behalf_of.clone(),
        surface: request.surface.clone(),
        language: request.language.filter(|_| slot.by_language).map(str::to_owned),
        topics: slot.topics.iter().map(ToString::to_string).collect(),
    })
}
