//! What one person may add to what everybody is shown: bounded per item, per day and for newcomers, so that neither a flood of
//! events nor a crowd of new accounts decides what is popular.

use crate::domain::{
    Event, Item, Profile, Span, Time, Use,
    event::MAX_EVENT_AGE,
    popularity::NEWCOMER_FOR,
    profile::{Given, MAX_GIVEN_PER_DAY, MAX_GIVEN_PER_ITEM, MAX_IMPRESSIONS, Seen},
};

const DAY_MS: i64 = Span::days(1).as_millis();

/// What was known of the person and the item before the event.
pub struct Before {
    seen: Option<Seen>,
    is_newcomer: bool,
}

impl Before {
    /// `now` is when the event is taken in.
    pub fn of(profile: &Profile, event: &Event, item: &Item, now: Time) -> Self {
        let hash = item.id.hash64();
        let seen = profile.seen.iter().find(|seen| seen.item_hash == hash).copied();
        let is_newcomer = profile.events == 0 || taken_in(event, now).since(profile.since) < NEWCOMER_FOR.as_millis();
        Self { seen, is_newcomer }
    }
}

/// When an event counts as taken in. Clients cannot say so: only what is imported is older than they may send.
fn taken_in(event: &Event, now: Time) -> Time {
    if is_history(event, now) { event.at } else { now }
}

const fn is_history(event: &Event, now: Time) -> bool {
    now.since(event.at) > MAX_EVENT_AGE.as_millis()
}

/// Takes `used` down to what the person may still give, and notes it in the profile. A person of whom nothing is remembered adds
/// nothing: what is not kept cannot be bounded. Imported history counts as it is.
pub fn bounded(profile: &mut Profile, before: &Before, event: &Event, item: &Item, used: Use, now: Time) -> Use {
    if profile.events == 0 {
        profile.since = taken_in(event, now);
    }
    if is_history(event, now) {
        return used;
    }
    let hash = item.id.hash64();
    let Some(seen) = profile.seen.iter_mut().find(|seen| seen.item_hash == hash) else { return Use::default() };
    let day = now.0.div_euclid(DAY_MS);
    if profile.given.day != day {
        profile.given = Given { day, weight: 0.0 };
    }
    let left_today = (MAX_GIVEN_PER_DAY - profile.given.weight).max(0.0);
    let left_of_item = MAX_GIVEN_PER_ITEM.saturating_sub(seen.given);
    // Whole units: the item's share is kept as a small number.
    let units = (used.weight.max(0.0) as u8).min(left_of_item).min(left_today as u8);
    seen.given += units;
    profile.given.weight += f32::from(units);
    let weight = f64::from(units);
    if before.is_newcomer {
        // Their impressions and opens say nothing about how often others open it.
        return Use { newcomer_weight: weight, ..Use::default() };
    }
    let (was_opened, impressions) = before.seen.map_or((false, 0), |seen| (seen.opened, seen.impressions));
    Use {
        weight,
        newcomer_weight: 0.0,
        impressions: if impressions < MAX_IMPRESSIONS { used.impressions } else { 0.0 },
        opens: if was_opened { 0.0 } else { used.opens },
    }
}
