//! The bounded ring of seen items.

use crate::domain::{
    Profile, Time,
    profile::{MAX_SEEN, Seen},
};

/// Remembers that an item was seen (`opened`: and used) `at`. One entry per item: the latest time, opened once is opened.
pub fn remember(profile: &mut Profile, item_hash: u64, at: Time, opened: bool) {
    let mut entry = Seen { item_hash, at, opened };
    if let Some(old) = profile.seen.iter().position(|s| s.item_hash == item_hash) {
        let old = profile.seen.remove(old);
        entry = Seen { item_hash, at: old.at.max(at), opened: old.opened || opened };
    }
    let place = profile.seen.partition_point(|s| (s.at, s.item_hash) < (entry.at, entry.item_hash));
    profile.seen.insert(place, entry);
    let surplus = profile.seen.len().saturating_sub(MAX_SEEN);
    profile.seen.drain(..surplus);
}
