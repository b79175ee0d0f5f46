//! Topics the person locked or removed: nothing is inferred about them.
//!
//! What belongs to such a topic alone teaches nothing else in its stead either: not a liking for whoever made it, and no
//! direction in embedding space, or the topic would come back under another name.

use crate::domain::{Event, EventKind, Facet, FacetValue, Item, Profile, Scope};

/// `(facet, value, liking, dislike)`, as an event adds them.
type Added = (Facet, FacetValue, f32, f32);

/// Whether a locked topic is among the item's heaviest: it draws no interest vector toward it.
pub fn leads(profile: &Profile, item: &Item) -> bool {
    heaviest(item).any(|topic| profile.locked_topics.contains(topic))
}

/// Whether all of the item's heaviest topics are locked.
fn fills(profile: &Profile, item: &Item) -> bool {
    leads(profile, item) && heaviest(item).all(|topic| profile.locked_topics.contains(topic))
}

fn heaviest(item: &Item) -> impl Iterator<Item = &FacetValue> {
    let most = item.topics.iter().map(|(_, weight)| *weight).fold(0.0, f32::max);
    item.topics.iter().filter(move |(_, weight)| *weight >= most).map(|(topic, _)| topic)
}

/// Takes out of what an event adds what is not to be inferred. Dislikes stay: they are said. `None`: it was asked for, and nothing
/// of it is left.
pub fn without(profile: &Profile, event: &Event, item: &Item, mut added: Vec<Added>) -> Option<Vec<Added>> {
    if profile.locked_topics.is_empty() {
        return Some(added);
    }
    let asks = event.kind == EventKind::MoreLike;
    // More of a creator or source is said of them, whatever the item speaks of.
    let is_of_maker = asks && matches!(event.scope, Scope::Creator | Scope::Source);
    let teaches = is_of_maker || !fills(profile, item);
    let is_open = |(facet, value, ..): &Added| *facet != Facet::Topic || !profile.locked_topics.contains(value);
    added.retain(|added| added.3 > 0.0 || (teaches && is_open(added)));
    (!asks || !added.is_empty()).then_some(added)
}
