//! What the reader and the surface make of facet values, side by side: one look-up per value of an item tells all of it.

use super::{Context, dislike::Dislikes, prior_fade};
use crate::{
    catalogue::{Entry, FacetCode, FacetReader, NumberMap},
    domain::{Facet, Profile, profile::Affinity},
};

/// An exposure of this many impressions counts half.
const HALF_SATURATED: f32 = 8.0;
/// What each facet counts in the mean repetition, over the facets the item has.
const TOPIC_SHARE: f32 = 0.4;
const CREATOR_SHARE: f32 = 0.3;
const SOURCE_SHARE: f32 = 0.2;
const VIEWPOINT_SHARE: f32 = 0.1;

/// Of one value. Every number in [0, 1].
#[derive(Clone, Copy, Default)]
struct Taste {
    /// Scaled so that the largest of each facet is 1.
    liking: f32,
    /// What the surface likes, faded by what is known of the reader.
    prior: f32,
    /// [`Dislikes`].
    dislike: f32,
    /// Shown lately, saturating: e / (e + [`HALF_SATURATED`]).
    exposure: f32,
    is_followed: bool,
    /// A topic that only counts as the person set it: an interest's direction does not bring it back.
    is_closed: bool,
}

/// By facet code.
#[derive(Default)]
pub(super) struct Tastes {
    of: NumberMap<FacetCode, Taste>,
    pub has_prior: bool,
}

/// What an item's values come to, each number in [0, 1].
#[derive(Default)]
pub(super) struct Felt {
    /// Mean liking over the item's topics, weighted as the item weights them.
    pub topic: f32,
    /// The topic that gave most of it: index into the item's topics.
    pub best_topic: Option<u8>,
    pub creator: f32,
    pub is_followed: bool,
    /// The greatest over the topics (as the item weights them), creator and source.
    pub dislike: f32,
    /// Mean exposure over the item's facets.
    pub repetition: f32,
    /// What the person closed weighs most among the item's topics: nothing inferred speaks for it.
    pub is_closed: bool,
    /// Mean of what the surface likes beyond the reader's own liking, over the topics.
    pub prior: f32,
}

impl Tastes {
    pub fn new(context: &Context) -> Self {
        let mut tastes = Self::default();
        let dislikes = Dislikes::new(context, None);
        let codes = context.snapshot.codes().read();
        let fade = prior_fade(context.profile);
        for prior in &context.policy.score.prior {
            if let Some(code) = codes.get(Facet::Topic, &prior.topic) {
                tastes.of.entry(code).or_default().prior = prior.weight * fade;
                tastes.has_prior = true;
            }
        }
        for (code, dislike) in dislikes.iter() {
            tastes.of.entry(code).or_default().dislike = dislike;
        }
        if let Some(profile) = context.profile {
            tastes.learn(profile, &codes);
            let fresh = profile.exposure_decay_to(context.now) as f32;
            for exposure in &profile.exposures {
                let weight = exposure.weight() * fresh;
                if let Some(code) = codes.get(exposure.facet, &exposure.value).filter(|_| weight > 0.0) {
                    tastes.of.entry(code).or_default().exposure = weight / (weight + HALF_SATURATED);
                }
            }
        }
        tastes
    }

    fn learn(&mut self, profile: &Profile, codes: &FacetReader) {
        for facet in [Facet::Topic, Facet::Creator] {
            let largest = profile.inferred(facet).map(Affinity::net_liking).fold(0.0, f32::max);
            for affinity in profile.inferred(facet).filter(|a| a.net_liking() > 0.0) {
                if let Some(code) = codes.get(facet, &affinity.value) {
                    self.of.entry(code).or_default().liking = affinity.net_liking() / largest;
                }
            }
        }
        // A topic the person set by hand is what they said, whatever was inferred.
        for (topic, level) in &profile.preferences.topics {
            let Some(code) = codes.get(Facet::Topic, topic) else { continue };
            let taste = self.of.entry(code).or_default();
            taste.liking = level.max(0.0);
            taste.is_closed = *level <= 0.0;
            if *level < 0.0 {
                taste.prior = 0.0;
            }
        }
        for code in profile.locked_topics.iter().filter_map(|topic| codes.get(Facet::Topic, topic)) {
            self.of.entry(code).or_default().is_closed = true;
        }
        for code in profile.follows.iter().filter_map(|creator| codes.get(Facet::Creator, creator)) {
            self.of.entry(code).or_default().is_followed = true;
        }
    }

    pub fn of(&self, entry: &Entry) -> Felt {
        if self.of.is_empty() {
            return Felt::default();
        }
        let taste = |code: Option<FacetCode>| code.and_then(|code| self.of.get(&code)).copied().unwrap_or_default();
        let [creator, source, viewpoint] = [entry.creator, entry.source, entry.viewpoint].map(taste);
        let mut felt = Felt {
            creator: creator.liking,
            is_followed: creator.is_followed,
            dislike: creator.dislike.max(source.dislike),
            ..Felt::default()
        };
        let (mut liked, mut wanted, mut shown, mut best) = (0.0, 0.0, 0.0, 0.0);
        let (mut closed, mut open) = (0.0_f32, 0.0_f32);
        for (index, (code, weight)) in entry.topics.iter().enumerate() {
            let topic = taste(Some(*code));
            let part = topic.liking * weight;
            liked += part;
            wanted += (topic.prior - topic.liking).max(0.0) * weight;
            shown += topic.exposure * weight;
            felt.dislike = felt.dislike.max(topic.dislike * weight);
            let heaviest = if topic.is_closed { &mut closed } else { &mut open };
            *heaviest = heaviest.max(*weight);
            if part > best {
                (best, felt.best_topic) = (part, Some(index as u8));
            }
        }
        felt.is_closed = closed > 0.0 && closed >= open;
        let has_topics = entry.topic_mass > 0.0;
        if has_topics {
            (felt.topic, felt.prior, shown) = (liked / entry.topic_mass, wanted / entry.topic_mass, shown / entry.topic_mass);
        }
        let parts = [
            (entry.creator.is_some(), CREATOR_SHARE, creator.exposure),
            (entry.source.is_some(), SOURCE_SHARE, source.exposure),
            (entry.viewpoint.is_some(), VIEWPOINT_SHARE, viewpoint.exposure),
            (has_topics, TOPIC_SHARE, shown),
        ];
        let (sum, shares) = parts
            .iter()
            .filter(|(is_there, ..)| *is_there)
            .fold((0.0, 0.0), |(sum, shares), (_, share, exposure)| (sum + share * exposure, shares + share));
        felt.repetition = if shares > 0.0 { sum / shares } else { 0.0 };
        felt
    }
}
