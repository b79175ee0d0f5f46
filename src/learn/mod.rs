//! What a profile learns from events. Pure: profile, event and item in, profile out.
//!
//! Weights add up with decay, so the order in which events arrive does not matter beyond rounding. Mutes and follows
//! are lists the person controls: they never fade, and a full list refuses rather than forgets.

mod affinity;
mod interest;
mod seen;

#[cfg(test)]
mod tests;

use crate::domain::{
    Event, EventKind, Facet, FacetValue, Item, Profile, Scope, Time,
    event::UNDO_WINDOW,
    profile::{Action, MAX_ACTIONS, MAX_FOLLOWS, MAX_MUTES, Mute, MuteTarget, ProfileMode},
};

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
/// A dwell this long counts as a full read; longer counts no more.
const FULL_DWELL_MS: f32 = 30_000.0;
/// A full dwell weighs this share of an open.
const DWELL_SHARE: f32 = 0.5;

/// How much `kind` adds to the item's popularity; 0 for what says nothing in its favour.
pub const fn popularity_weight(kind: &EventKind) -> f64 {
    match kind {
        EventKind::Open => 1.0,
        EventKind::Like | EventKind::Save | EventKind::Share | EventKind::Reply => 2.0,
        _ => 0.0,
    }
}

/// Learns one event about `item` (the item as it is in the catalogue).
///
/// A paused or switched-off profile still obeys controls (`hide`, `follow`, undo) and learns nothing else.
/// Errors leave the profile unchanged: [`LearnError`].
pub fn learn(profile: &mut Profile, event: &Event, item: &Item) -> Result<(), LearnError> {
    if event.undo {
        return undo(profile, event);
    }
    let inferring = profile.preferences.mode == ProfileMode::On;
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
    if inferring {
        action.added = additions(event, item)?;
        for (facet, value, liking, dislike) in &action.added {
            affinity::add(profile, *facet, value, *liking, *dislike, event.at);
        }
        affinity::trim(profile);
        let pull = strength(event);
        if let Some(embedding) = item.embedding.as_ref().filter(|_| pull > 0.0) {
            interest::pull(profile, embedding, &item.id, pull, event.at);
        }
    }
    if inferring && !matches!(event.kind, EventKind::Custom(_)) {
        seen::remember(profile, item.id.hash64(), event.at, opens(&event.kind));
    }
    if event.kind.can_undo() {
        profile.actions.push(action);
        let surplus = profile.actions.len().saturating_sub(MAX_ACTIONS);
        profile.actions.drain(..surplus);
    }
    profile.events += 1;
    Ok(())
}

/// Whether the kind means more than that the item was visible. Turning an item down is not using it: when that is taken
/// back, the item may return as any other that was seen.
const fn opens(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Seen | EventKind::Hide | EventKind::LessLike | EventKind::Report | EventKind::Custom(_))
}

/// The liking an event carries, scaled by dwell time.
fn strength(event: &Event) -> f32 {
    let share = match event.kind {
        EventKind::Dwell => DWELL_SHARE * (event.visible_ms.unwrap_or(0) as f32 / FULL_DWELL_MS).min(1.0),
        _ => 1.0,
    };
    share * liking(&event.kind)
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
    if profile.mutes(&target) {
        return Ok(());
    }
    if profile.mutes.len() >= MAX_MUTES {
        return Err(LearnError::MutesFull);
    }
    profile.mutes.push(Mute { target: target.clone(), since: at });
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

/// What an event adds to affinities: `(facet, value, liking, dislike)`. Viewpoint, language and format are never profiled.
fn additions(event: &Event, item: &Item) -> Result<Vec<(Facet, FacetValue, f32, f32)>, LearnError> {
    let strength = strength(event);
    let part = |facet: Facet| match facet {
        Facet::Topic => 1.0,
        Facet::Creator => 0.7,
        Facet::Source => 0.4,
        Facet::Viewpoint | Facet::Language | Facet::Format => 0.0,
    };
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
        affinity::add(profile, *facet, value, -liking, -dislike, action.at);
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
