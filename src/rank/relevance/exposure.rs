//! Repetition: how much of what an item is about was shown lately.

use crate::{
    catalogue::{Entry, FacetCode, NumberMap, Snapshot},
    domain::{Profile, Time},
};

/// An exposure of this many impressions counts half.
const HALF_SATURATED: f32 = 8.0;
/// What each facet counts in the mean, over the facets the item has.
const TOPIC_SHARE: f32 = 0.4;
const CREATOR_SHARE: f32 = 0.3;
const SOURCE_SHARE: f32 = 0.2;
const VIEWPOINT_SHARE: f32 = 0.1;

/// Exposure by facet code, saturating: e / (e + [`HALF_SATURATED`]), in [0, 1).
#[derive(Default)]
pub(super) struct Exposures(NumberMap<FacetCode, f32>);

impl Exposures {
    pub fn new(profile: &Profile, snapshot: &Snapshot, now: Time) -> Self {
        let fresh = profile.exposure_decay_to(now) as f32;
        let saturated = |weight: f32| weight / (weight + HALF_SATURATED);
        let coded =
            profile.exposures.iter().filter_map(|e| Some((snapshot.codes().get(e.facet, &e.value)?, saturated(e.weight() * fresh))));
        Self(coded.filter(|(_, weight)| *weight > 0.0).collect())
    }

    /// Mean over the item's facets, in [0, 1).
    pub fn repetition(&self, entry: &Entry) -> f32 {
        if self.0.is_empty() {
            return 0.0;
        }
        let of = |code: &FacetCode| self.0.get(code).copied().unwrap_or(0.0);
        let (mut sum, mut shares) = (0.0, 0.0);
        let single = [(entry.creator, CREATOR_SHARE), (entry.source, SOURCE_SHARE), (entry.viewpoint, VIEWPOINT_SHARE)];
        for (code, share) in single.iter().filter_map(|(code, share)| Some((code.as_ref()?, share))) {
            sum += share * of(code);
            shares += share;
        }
        if entry.topic_mass > 0.0 {
            let topics: f32 = entry.topics.iter().map(|(code, weight)| weight * of(code)).sum();
            sum += TOPIC_SHARE * topics / entry.topic_mass;
            shares += TOPIC_SHARE;
        }
        if shares > 0.0 { sum / shares } else { 0.0 }
    }
}
