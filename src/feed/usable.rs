//! What of a profile may be used: nothing of special categories that were not consented to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::FeedService;
use crate::{
    catalogue::FacetCodes,
    domain::{Facet, ItemId, Profile, consent::ConsentRecord, sensitive::SensitiveTopics},
};

/// Whether the catalogue has sensitive topics, as of when its topics were last looked through: twice their number, and 1 where
/// there was one. There is none among none.
#[derive(Default)]
pub(super) struct HasSensitive(AtomicUsize);

impl HasSensitive {
    /// Topics only ever come, so they are looked through again when there are more.
    fn now(&self, codes: &FacetCodes, sensitive: &SensitiveTopics) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        let topics = codes.count(Facet::Topic);
        if seen / 2 == topics || seen % 2 == 1 {
            return seen % 2 == 1;
        }
        let found = codes.any(Facet::Topic, |topic| sensitive.category(topic).is_some());
        self.0.store(2 * topics + usize::from(found), Ordering::Relaxed);
        found
    }
}

impl FeedService {
    /// The profile without what is of special categories and not consented to.
    pub fn usable(&self, profile: Arc<Profile>, consents: &[ConsentRecord]) -> Arc<Profile> {
        let snapshot = self.catalogue.snapshot();
        // What an interest came of is looked for only where that can tell anything.
        let is_any = self.has_sensitive.now(snapshot.codes(), &self.sensitive);
        let has_topic = |id: &ItemId, is: &dyn Fn(&str) -> bool| is_any && snapshot.has_topic(id, is);
        let kept = self.sensitive.without_withheld(&profile, consents, self.clock.now(), has_topic);
        kept.map_or(profile, Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sensitive::Category;

    #[test]
    fn a_sensitive_topic_is_seen_when_it_comes() {
        let (codes, has) = (FacetCodes::default(), HasSensitive::default());
        let sensitive = SensitiveTopics::new([(Category::Health, "health")]);
        assert!(!has.now(&codes, &sensitive));
        codes.intern(Facet::Topic, &Arc::from("sports"));
        codes.intern(Facet::Creator, &Arc::from("health"));
        assert!(!has.now(&codes, &sensitive), "a creator's name is no topic");
        codes.intern(Facet::Topic, &Arc::from("Health"));
        assert!(has.now(&codes, &sensitive));
        codes.intern(Facet::Topic, &Arc::from("arts"));
        assert!(has.now(&codes, &sensitive));
    }
}
