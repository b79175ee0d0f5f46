//! Topics of special categories (GDPR, article 9): nothing about them is learned, kept or used without the person's consent to
//! the category.

use std::collections::HashMap;

use super::{
    Facet, Item, ItemId, Profile, Time,
    consent::{ConsentDefault, ConsentRecord, Purpose},
};

/// A special category. A closed list; genetic and biometric data are no topics of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    Health,
    /// Political opinions.
    Politics,
    /// Religious or philosophical beliefs.
    Belief,
    /// Trade union membership.
    Union,
    /// Sex life and sexual orientation.
    SexLife,
    /// Racial or ethnic origin.
    Origin,
}

impl Category {
    pub const ALL: [Self; 6] = [Self::Health, Self::Politics, Self::Belief, Self::Union, Self::SexLife, Self::Origin];

    /// As in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Politics => "politics",
            Self::Belief => "belief",
            Self::Union => "union",
            Self::SexLife => "sex_life",
            Self::Origin => "origin",
        }
    }

    /// What must have been consented to.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Health => Purpose::SensitiveHealth,
            Self::Politics => Purpose::SensitivePolitics,
            Self::Belief => Purpose::SensitiveBelief,
            Self::Union => Purpose::SensitiveUnion,
            Self::SexLife => Purpose::SensitiveSexLife,
            Self::Origin => Purpose::SensitiveOrigin,
        }
    }
}

/// Which topics are of which category. Compared without regard to case.
#[derive(Clone, Debug, Default)]
pub struct SensitiveTopics(HashMap<String, Category, foldhash::fast::FixedState>);

impl SensitiveTopics {
    pub fn new<'a>(labels: impl IntoIterator<Item = (Category, &'a str)>) -> Self {
        Self(labels.into_iter().map(|(category, topic)| (topic.to_lowercase(), category)).collect())
    }

    pub fn category(&self, topic: &str) -> Option<Category> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.get(topic);
        // Most topics are lower-case already: no copy for those.
        let is_lower = || !topic.chars().any(char::is_uppercase);
        found.copied().or_else(|| if is_lower() { None } else { self.0.get(&topic.to_lowercase()).copied() })
    }

    /// The first category of the item's topics that was not consented to.
    pub fn withheld(&self, item: &Item, consents: &[ConsentRecord], now: Time) -> Option<Category> {
        let categories = item.topics.iter().filter_map(|(topic, _)| self.category(topic));
        categories.into_iter().find(|category| !is_allowed(*category, consents, now))
    }

    /// The category of `topic`, if it may not be kept of the person.
    pub fn withheld_topic(&self, topic: &str, consents: &[ConsentRecord], now: Time) -> Option<Category> {
        self.category(topic).filter(|category| !is_allowed(*category, consents, now))
    }

    /// The profile without anything of categories that are not consented to (any more); `None`: there is nothing of them in it.
    /// What the person turned down stays: it only keeps things away. `has_topic` tells
    /// whether an item, where it still exists, has such a topic.
    pub fn without_withheld(
        &self,
        profile: &Profile,
        consents: &[ConsentRecord],
        now: Time,
        has_topic: impl Fn(&ItemId, &dyn Fn(&str) -> bool) -> bool,
    ) -> Option<Profile> {
        if self.0.is_empty() {
            return None;
        }
        let is_topic = |topic: &str| self.withheld_topic(topic, consents, now).is_some();
        let of_facet = |facet: Facet, value: &str| facet == Facet::Topic && is_topic(value);
        let of_item = |id: &ItemId| has_topic(id, &is_topic);
        let affinities = profile.affinities.iter().any(|a| of_facet(a.facet, &a.value));
        let exposures = profile.exposures.iter().any(|e| of_facet(e.facet, &e.value));
        let interests = profile.interests.iter().any(|interest| of_item(&interest.exemplar));
        let said = profile.preferences.topics.iter().any(|(topic, level)| *level > 0.0 && is_topic(topic));
        if !(affinities || exposures || interests || said) {
            return None;
        }
        let mut kept = profile.clone();
        kept.affinities.retain(|a| !of_facet(a.facet, &a.value));
        kept.exposures.retain(|e| !of_facet(e.facet, &e.value));
        kept.interests.retain(|interest| !of_item(&interest.exemplar));
        kept.preferences.topics.retain(|topic, level| *level <= 0.0 || !is_topic(topic));
        for action in &mut kept.actions {
            action.added.retain(|(facet, value, liking, _)| *liking <= 0.0 || !of_facet(*facet, value));
        }
        Some(kept)
    }
}

/// Whether two texts name one topic: without regard to case.
pub fn is_same_topic(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// Never assumed: consent to a category is explicit, or there is none (article 9(2)(a)).
fn is_allowed(category: Category, consents: &[ConsentRecord], now: Time) -> bool {
    ConsentDefault::Required.allows(consents, category.purpose(), now)
}
