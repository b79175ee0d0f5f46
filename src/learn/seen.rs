//! The bounded ring of seen items.

use crate::domain::{
    Profile, Time,
    profile::{MAX_IMPRESSIONS, MAX_SEEN, Seen},
};

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It was visible.
    Shown,
    /// It was used.
    Opened,
    /// It was turned down.
    TurnedDown,
}

/// Remembers what happened to an item `at`, and what that taught ([`Seen::taught`]). One entry per item: the latest time, opened
/// once is opened, the rest adds up.
pub fn remember(profile: &mut Profile, item_hash: u64, at: Time, sight: Sight, taught: u8) {
    let mut entry = Seen { item_hash, at, opened: sight == Sight::Opened, impressions: u8::from(sight == Sight::Shown), given: 0, taught };
    if let Some(old) = profile.seen.iter().position(|s| s.item_hash == item_hash) {
        let old = profile.seen.remove(old);
        entry.at = old.at.max(at);
        entry.opened |= old.opened;
        entry.given = old.given;
        entry.taught = old.taught.saturating_add(taught);
        entry.impressions = old.impressions.saturating_add(entry.impressions).min(MAX_IMPRESSIONS);
    }
    let place = profile.seen.partition_point(|s| (s.at, s.item_hash) < (entry.at, entry.item_hash));
    profile.seen.insert(place, entry);
    let surplus = profile.seen.len().saturating_sub(MAX_SEEN);
    profile.seen.drain(..surplus);
}
