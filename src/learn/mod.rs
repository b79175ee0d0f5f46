//! What a profile learns from events. Pure: profile, event and item in, profile out.
//!
//! Weights add up with decay, so the order in which events arrive does not matter beyond rounding. Mutes and follows
//! are lists the person controls: they never fade, and a full list refuses rather than forgets. Dislikes are kept as they
//! were said; the policy says how fast they fade. About topics the person locked or removed nothing is learned at all. Opens are debiased: for the position they were found at and for items
//! that everybody is shown.

mod affinity;
mod contribution;
pub mod controls;
mod dislike;
mod exposure;
mod interest;
mod locked;
mod seen;

#[cfg(test)]
mod tests;

use crate::domain::{
    Event, EventKind, Facet, FacetValue, Item, Profile, Scope, Time, Use,
    event::UNDO_WINDOW,
    popularity::examination,
    profile::{
        Action, MAX_ACTIONS, MAX_DISLIKES, MAX_FOLLOWS, MAX_LOCKED_TOPICS, MAX_MUTES, MAX_PREFERRED_TOPICS, MAX_TAUGHT_PER_ITEM, Mode,
        Mute, MuteTarget, Seen,
    },
};
use seen::Sight;

/// Why an event was not learned. The profile is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    #[error("no {kind} for this item in the last 30 d", kind = .0)]
    NothingToUndo(&'static str),
    #[error("the item has no {0} to act on")]
    NoSuchFacet(&'static str),
    #[error("the list of mutes is full ({MAX_MUTES}); remove one first")]
    MutesFull,
    #[error("the list of follows is full ({MAX_FOLLOWS}); remove one first")]
    FollowsFull,
    #[error("the list of dislikes is full ({MAX_DISLIKES}); take one back first")]
    DislikesFull,
    #[error("the list of interests set by hand is full ({MAX_PREFERRED_TOPICS}); remove one first")]
    InterestsFull,
    #[error("the list of locked and removed interests is full ({MAX_LOCKED_TOPICS}); unlock one first")]
    LockedFull,
    #[error("the person locked or removed the item's topics; set their interest by hand to have more of them")]
    Locked,
}

/// Liking added by each kind of event, per unit of topic weight.
const fn liking(kind: &EventKind) -> f32 {
    match kind {
        EventKind::Open | EventKind::Dwell => 1.0,
        EventKind::Like | EventKind::Save | EventKind::Share => 2.0,
        EventKind::Reply => 1.5,
        EventKind::Follow => 2.0,
        EventKind::MoreLike => 3.0,
        _ => 0.0,
    }
}

/// Dislike added by `less_like` on a topic, creator or source.
const DISLIKE_BY_SCOPE: f32 = 3.0;
/// Dislike added to each topic by `less_like` or `report` on the item itself.
const DISLIKE_BY_ITEM: f32 = 0.5;
/// A dwell this long counts as a full read; longer counts no more, …
const FULL_DWELL_MS: f32 = 30_000.0;
/// … and one longer than this not at all: nobody is looking.
const IDLE_DWELL_MS: f32 = 600_000.0;
/// A full dwell weighs this share of an open.
const DWELL_SHARE: f32 = 0.5;
/// A dwell never weighs more than this: a quarter of a like. What people say counts before how long they look.
const MAX_DWELL: f32 = 0.5;

/// What an event adds to its item's popularity; nothing when it takes something back or says nothing about the item.
pub fn used(event: &Event) -> Use {
    let weight = |weight| Use { weight, ..Use::default() };
    match event.kind {
        _ if event.undo => Use::default(),
        EventKind::Seen => Use { impressions: examination(event.position), ..Use::default() },
        EventKind::Open => Use { opens: 1.0, ..weight(1.0) },
        EventKind::Like | EventKind::Save | EventKind::Share | EventKind::Reply => weight(2.0),
        _ => Use::default(),
    }
}

/// Learns one event about `item` (the item as it is in the catalogue), which is as prominent as
/// [`crate::domain::Popularity::prominence`] says, in [0, 1).
///
/// In another mode than [`Mode::Profile`], a profile still keeps what is said (`hide`, `less_like`, `report`, `follow`, undo) and
/// infers nothing.
/// Errors leave the profile unchanged: [`LearnError`].
pub fn learn(profile: &mut Profile, event: &Event, item: &Item, prominence: f32) -> Result<(), LearnError> {
    take_in(profile, event, item, prominence, event.at).map(|_| ())
}

/// As [`learn`], from a client: `now` is when the event is taken in. Returns what it adds to the item's popularity, which is
/// [`used`] within what one person may give.
pub fn take_in(profile: &mut Profile, event: &Event, item: &Item, prominence: f32, now: Time) -> Result<Use, LearnError> {
    if event.undo {
        return undo(profile, event).map(|()| Use::default());
    }
    let before = contribution::Before::of(profile, event, item, now);
    let strength = teachable(profile, event, item, strength(event, prominence));
    let inferring = profile.preferences.mode == Mode::Profile;
    let is_said = matches!(event.kind, EventKind::LessLike | EventKind::Report);
    let added = if inferring || is_said { additions(event, item, strength)? } else { Vec::new() };
    let added = locked::without(profile, event, item, added).ok_or(LearnError::Locked)?;
    if event.kind == EventKind::LessLike && !dislike::has_room(profile, added.iter().map(|(facet, value, ..)| (*facet, value))) {
        return Err(LearnError::DislikesFull);
    }
    let mut action = Action {
        kind: event.kind.name().to_owned(),
        item: item.id.clone(),
        scope: event.scope,
        at: event.at,
        added: Vec::new(),
        muted: Vec::new(),
        followed: None,
    };
    control(profile, event, item, &mut action)?;
    affinity::bring_to(profile, event.at);
    for (facet, value, _, dislike) in added.iter().filter(|(.., dislike)| *dislike > 0.0) {
        dislike::say(profile, *facet, value, *dislike, event.at);
    }
    if inferring {
        infer(profile, event, item, &added, strength);
    }
    let used = contribution::bounded(profile, &before, event, item, used(event), now);
    action.added = added;
    if event.kind.can_undo() {
        profile.actions.push(action);
        let surplus = profile.actions.len().saturating_sub(MAX_ACTIONS);
        profile.actions.drain(..surplus);
    }
    profile.events += 1;
    Ok(used)
}

/// What is left of `strength` once the item has taught enough: an act that stands adds nothing when it is said again, and using one
/// item over and over no more than [`MAX_TAUGHT_PER_ITEM`].
fn teachable(profile: &Profile, event: &Event, item: &Item, strength: f32) -> f32 {
    match event.kind {
        EventKind::Open | EventKind::Dwell | EventKind::Share | EventKind::Reply => {
            let hash = item.id.hash64();
            let taught = profile.seen.iter().find(|seen| seen.item_hash == hash).map_or(0, |seen| seen.taught);
            strength.min(MAX_TAUGHT_PER_ITEM - f32::from(taught) / Seen::TAUGHT_UNITS).max(0.0)
        }
        EventKind::Like | EventKind::Save | EventKind::Follow => {
            let stands = profile.actions.iter().any(|action| action.kind == event.kind.name() && action.item == item.id);
            if stands { 0.0 } else { strength }
        }
        _ => strength,
    }
}

/// Hides a sponsored item, its creator, topic or source, or takes that back; nothing else is learned.
///
/// Errors leave the profile unchanged: [`LearnError`].
pub fn block(profile: &mut Profile, event: &Event, item: &Item) -> Result<(), LearnError> {
    if event.undo {
        return undo(profile, event);
    }
    let (kind, scope, at) = (event.kind.name().to_owned(), event.scope, event.at);
    let mut action = Action { kind, item: item.id.clone(), scope, at, added: Vec::new(), muted: Vec::new(), followed: None };
    control(profile, event, item, &mut action)?;
    profile.actions.push(action);
    let surplus = profile.actions.len().saturating_sub(MAX_ACTIONS);
    profile.actions.drain(..surplus);
    Ok(())
}

/// What a profile that is on learns besides what is said.
fn infer(profile: &mut Profile, event: &Event, item: &Item, added: &[(Facet, FacetValue, f32, f32)], strength: f32) {
    for (facet, value, liking, _) in added.iter().filter(|(_, _, liking, _)| *liking > 0.0) {
        affinity::add(profile, *facet, value, *liking, 0.0, event.at);
    }
    if event.kind == EventKind::Seen {
        let is_locked = |facet, value| facet == Facet::Topic && profile.locked_topics.contains(value);
        let profiled = item.facets().filter(|(facet, value, _)| part(*facet) > 0.0 && !is_locked(*facet, *value));
        for (facet, value, weight) in profiled.collect::<Vec<_>>() {
            affinity::add(profile, facet, value, 0.0, weight, event.at);
        }
    }
    affinity::trim(profile);
    if matches!(event.kind, EventKind::Seen | EventKind::Open) {
        exposure::add(profile, item, event.kind == EventKind::Open, event.at);
    }
    if let Some(embedding) = item.embedding.as_ref().filter(|_| strength > 0.0 && !locked::leads(profile, item)) {
        interest::pull(profile, embedding, &item.id, strength, event.at);
    }
    if let Some(sight) = sight(&event.kind) {
        let taught = if event.kind.can_undo() { 0.0 } else { strength };
        seen::remember(profile, item.id.hash64(), event.at, sight, (taught * Seen::TAUGHT_UNITS).ceil() as u8);
    }
}

/// What the kind means for the item. Turning an item down is not using it: when that is taken back, the item may return
/// as any other that was seen.
const fn sight(kind: &EventKind) -> Option<Sight> {
    match kind {
        EventKind::Custom(_) => None,
        EventKind::Seen => Some(Sight::Shown),
        EventKind::Hide | EventKind::LessLike | EventKind::Report => Some(Sight::TurnedDown),
        _ => Some(Sight::Opened),
    }
}

/// The liking an event carries, scaled by dwell time. What a person took up by itself ([`EventKind::Open`],
/// [`EventKind::Dwell`]) says more the less the item was pushed: up to 2 times as much when found far down (inverse
/// examination), down to half when everybody is shown it (inverse popularity). Deliberate acts count as they are.
fn strength(event: &Event, prominence: f32) -> f32 {
    let debiased = || (1.0 / examination(event.position)) as f32 / (1.0 + prominence.clamp(0.0, 1.0));
    let share = match event.kind {
        EventKind::Open => debiased(),
        EventKind::Dwell => {
            let visible_ms = event.visible_ms.unwrap_or(0) as f32;
            let read = if visible_ms > IDLE_DWELL_MS { 0.0 } else { (visible_ms / FULL_DWELL_MS).min(1.0) };
            (debiased() * DWELL_SHARE * read).min(MAX_DWELL)
        }
        _ => 1.0,
    };
    share * liking(&event.kind)
}

/// The share of an event's liking that each facet gets. Viewpoint, language and format are never profiled.
const fn part(facet: Facet) -> f32 {
    match facet {
        Facet::Topic => 1.0,
        Facet::Creator => 0.7,
        Facet::Source => 0.4,
        Facet::Viewpoint | Facet::Language | Facet::Format => 0.0,
    }
}

/// Mutes and follows: the lists the person controls.
fn control(profile: &mut Profile, event: &Event, item: &Item, action: &mut Action) -> Result<(), LearnError> {
    match event.kind {
        EventKind::Hide | EventKind::Report => {
            for target in mute_targets(event, item)? {
                mute(profile, target, event.at, action)?;
            }
        }
        EventKind::LessLike if event.scope == Scope::Item => mute(profile, MuteTarget::Item(item.id.clone()), event.at, action)?,
        EventKind::Follow => {
            let creator = item.creator.as_ref().ok_or(LearnError::NoSuchFacet("creator"))?;
            if !profile.follows(&creator.id) {
                if profile.follows.len() >= MAX_FOLLOWS {
                    return Err(LearnError::FollowsFull);
                }
                profile.follows.push(creator.id.clone());
                action.followed = Some(creator.id.clone());
            }
        }
        _ => {}
    }
    Ok(())
}

fn mute_targets(event: &Event, item: &Item) -> Result<Vec<MuteTarget>, LearnError> {
    let targets: Vec<_> = match event.scope {
        Scope::Item => vec![MuteTarget::Item(item.id.clone())],
        scope => scoped(scope, item).map(|(facet, value, _)| MuteTarget::Facet(facet, value.clone())).collect(),
    };
    // A scope the item has no value for cannot be obeyed: saying so beats accepting and doing nothing.
    if targets.is_empty() { Err(LearnError::NoSuchFacet(event.scope.name())) } else { Ok(targets) }
}

fn mute(profile: &mut Profile, target: MuteTarget, at: Time, action: &mut Action) -> Result<(), LearnError> {
    if profile.mutes.iter().any(|mute| mute.target == target && mute.until.is_none()) {
        return Ok(());
    }
    // What was snoozed is muted for good.
    profile.mutes.retain(|mute| mute.target != target);
    if profile.mutes.len() >= MAX_MUTES {
        return Err(LearnError::MutesFull);
    }
    profile.mutes.push(Mute { target: target.clone(), since: at, until: None });
    action.muted.push(target);
    Ok(())
}

/// The facet values a scope speaks of. `topic` means the item's heaviest topics: those of the greatest weight.
fn scoped(scope: Scope, item: &Item) -> impl Iterator<Item = (Facet, &FacetValue, f32)> {
    let heaviest = item.topics.iter().map(|(_, weight)| *weight).fold(0.0, f32::max);
    item.facets().filter(move |(facet, _, weight)| match scope {
        Scope::Item => true,
        Scope::Topic => *facet == Facet::Topic && *weight >= heaviest,
        Scope::Creator => *facet == Facet::Creator,
        Scope::Source => *facet == Facet::Source,
    })
}

/// What an event adds to likings and dislikes: `(facet, value, liking, dislike)`.
fn additions(event: &Event, item: &Item, strength: f32) -> Result<Vec<(Facet, FacetValue, f32, f32)>, LearnError> {
    let added: Vec<_> = match (&event.kind, event.scope) {
        (EventKind::LessLike | EventKind::Report, Scope::Item) => {
            let topics = item.topics.iter().map(|(topic, weight)| (Facet::Topic, topic.clone(), 0.0, DISLIKE_BY_ITEM * weight));
            return Ok(topics.collect());
        }
        (EventKind::LessLike, scope) => {
            scoped(scope, item).map(|(facet, value, weight)| (facet, value.clone(), 0.0, DISLIKE_BY_SCOPE * weight)).collect()
        }
        (EventKind::MoreLike, scope) if scope != Scope::Item => {
            scoped(scope, item).map(|(facet, value, weight)| (facet, value.clone(), strength * weight, 0.0)).collect()
        }
        _ => {
            let all = item.facets().map(|(facet, value, weight)| (facet, value.clone(), strength * weight * part(facet), 0.0));
            return Ok(all.filter(|(_, _, liking, _)| *liking > 0.0).collect());
        }
    };
    if added.is_empty() { Err(LearnError::NoSuchFacet(event.scope.name())) } else { Ok(added) }
}

/// Takes back the latest matching action: just what it added, decayed as the rest has decayed since.
fn undo(profile: &mut Profile, event: &Event) -> Result<(), LearnError> {
    let matches = |a: &Action| {
        a.kind == event.kind.name() && a.item == event.item && a.scope == event.scope && event.at.since(a.at) <= UNDO_WINDOW.as_millis()
    };
    let at = profile.actions.iter().rposition(matches).ok_or(LearnError::NothingToUndo(static_name(&event.kind)))?;
    let action = profile.actions.remove(at);
    affinity::bring_to(profile, event.at);
    for (facet, value, liking, dislike) in &action.added {
        if *liking > 0.0 {
            affinity::add(profile, *facet, value, -liking, 0.0, action.at);
        }
        if *dislike > 0.0 {
            dislike::take_back(profile, *facet, value, *dislike);
        }
    }
    affinity::trim(profile);
    profile.mutes.retain(|mute| !action.muted.contains(&mute.target));
    if let Some(creator) = &action.followed {
        profile.follows.retain(|c| c != creator);
    }
    interest::release(profile, &action.item, liking(&event.kind), action.at);
    profile.events += 1;
    Ok(())
}

fn static_name(kind: &EventKind) -> &'static str {
    EventKind::NAMES.into_iter().find(|name| *name == kind.name()).unwrap_or("event")
}
