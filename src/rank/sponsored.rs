//! Which sponsored items stand beside a page: by where it is shown, never by whom it is shown to. Apart from the ranker of the
//! feed: nothing here knows a profile, and nothing there knows these items.

use std::{cmp::Reverse, collections::BTreeMap};

use super::filter::Rules;
use crate::{
    catalogue::{Entry, Snapshot},
    domain::{
        FacetValue, Item, ItemId,
        feed::SponsoredSlot,
        item::Sponsored,
        policy,
        sensitive::{SensitiveTopics, is_same_topic},
    },
};

/// Where a page is shown: all that sponsored items are chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub surface: &'a str,
    /// Primary language subtag of the request.
    pub language: Option<&'a str>,
    /// Topics of the page, where it is everybody's; none where a person's profile shaped it.
    pub topics: &'a [FacetValue],
    /// 0-based position in the feed of the page's first item, and how many items it has.
    pub first_position: usize,
    pub items: usize,
    pub seed: u64,
}

/// The slots of a page and what is in them. `shown`: what stands beside the pages before it, once for each time. `rules`: what
/// binds every feed (blocks, languages, times), and nothing that was learned. By a topic of `sensitive` nothing is chosen, nor by one that
/// the policy adds to them.
pub fn choose(
    policy: &policy::Sponsored,
    sensitive: &SensitiveTopics,
    place: &Place,
    shown: &[ItemId],
    rules: &Rules,
    snapshot: &Snapshot,
) -> Vec<SponsoredSlot> {
    let offsets = (policy.first_position as usize..place.items).step_by(policy.every.max(1) as usize);
    let mut times: BTreeMap<&ItemId, u32> = BTreeMap::new();
    for item in shown {
        *times.entry(item).or_default() += 1;
    }
    let fitting: Vec<Fitting> = match policy.max_per_page {
        0 => Vec::new(),
        _ => {
            let allowed = snapshot.sponsored().filter(|entry| rules.check(entry).is_none());
            allowed.filter_map(|entry| fits(policy, sensitive, place, entry)).collect()
        }
    };
    let mut slots = Vec::new();
    for offset in offsets.take(policy.max_per_page as usize) {
        let position = place.first_position + offset;
        let open = fitting.iter().filter(|one| times.get(&one.item.id).copied().unwrap_or(0) < policy.max_per_feed);
        // What speaks of the page's topics first, then what came least, then by chance.
        let best = open.min_by_key(|one| {
            let came = times.get(&one.item.id).copied().unwrap_or(0);
            (Reverse(!one.topics.is_empty()), came, mixed(place.seed, one.hash, position as u64), &one.item.id)
        });
        let Some(best) = best else { break };
        *times.entry(&best.item.id).or_default() += 1;
        slots.push(SponsoredSlot {
            item: best.item.id.clone(),
            before: position as u32,
            by_language: best.by_language,
            topics: best.topics.clone(),
        });
    }
    slots
}

/// A sponsored item that may be shown in a place, and what speaks for it.
struct Fitting<'a> {
    item: &'a Item,
    hash: u64,
    by_language: bool,
    topics: Vec<FacetValue>,
}

fn fits<'a>(policy: &policy::Sponsored, sensitive: &SensitiveTopics, place: &Place, entry: &'a Entry) -> Option<Fitting<'a>> {
    let item: &Item = &entry.item;
    let Sponsored { surfaces, languages, topics, .. } = item.sponsored.as_ref()?;
    let is_here = surfaces.is_empty() || surfaces.iter().any(|surface| surface == place.surface);
    let is_spoken = |language: &FacetValue| place.language.is_some_and(|spoken| primary(language).eq_ignore_ascii_case(spoken));
    if !is_here || !(languages.is_empty() || languages.iter().any(is_spoken)) {
        return None;
    }
    let is_sensitive =
        |topic: &str| sensitive.category(topic).is_some() || policy.sensitive_topics.iter().any(|no| is_same_topic(no, topic));
    let may_match = |topic: &&FacetValue| place.topics.contains(topic) && !is_sensitive(topic);
    let matched: Vec<FacetValue> = topics.iter().filter(may_match).cloned().collect();
    if !topics.is_empty() && matched.is_empty() {
        return None;
    }
    Some(Fitting { item, hash: entry.hash, by_language: !languages.is_empty(), topics: matched })
}

fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

/// A number that looks like chance and is the same for the same three (SplitMix64; Steele, Lea and Flood 2014).
const fn mixed(seed: u64, hash: u64, position: u64) -> u64 {
    let mut z = seed ^ hash.rotate_left(17) ^ position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
