//! What a person does to their profile by hand: setting and removing interests, snoozing, starting again.

use super::LearnError;
use crate::domain::{
    Facet, FacetValue, Profile, Time,
    profile::{Action, Affinity, Interest, MAX_LOCKED_TOPICS, MAX_MUTES, MAX_PREFERRED_TOPICS, Mute, MuteTarget, Preferences},
};

/// Says how much the person takes to a topic: `weight` in [−1, 1], which counts from now on and whatever is inferred. A removed
/// interest is one again. `locked`: nothing is inferred about the topic any more, and what was is forgotten.
///
/// `is_about` tells which interest vectors speak of the topic.
///
/// Errors leave the profile unchanged: [`LearnError::InterestsFull`], [`LearnError::LockedFull`].
pub fn set_interest(
    profile: &mut Profile,
    topic: &FacetValue,
    weight: f32,
    locked: bool,
    is_about: impl Fn(&Interest) -> bool,
) -> Result<(), LearnError> {
    let topics = &profile.preferences.topics;
    if !topics.contains_key(topic) && topics.len() >= MAX_PREFERRED_TOPICS {
        return Err(LearnError::InterestsFull);
    }
    if locked {
        lock(profile, topic, is_about)?;
    } else {
        profile.locked_topics.remove(topic);
    }
    profile.preferences.topics.insert(topic.clone(), weight);
    Ok(())
}

/// Removes an interest, said or inferred, and remembers that: nothing is inferred about the topic until [`set_interest`].
///
/// Errors leave the profile unchanged: [`LearnError::LockedFull`].
pub fn remove_interest(
    profile: &mut Profile,
    topic: &FacetValue,
    is_about: impl Fn(&Interest) -> bool,
    is_only_about: impl Fn(&Affinity) -> bool,
) -> Result<(), LearnError> {
    lock(profile, topic, is_about)?;
    // Who makes nothing else was liked for the topic; a follow was said, and stays.
    profile.affinities.retain(|affinity| affinity.facet == Facet::Topic || !is_only_about(affinity));
    profile.preferences.topics.remove(topic);
    Ok(())
}

fn lock(profile: &mut Profile, topic: &FacetValue, is_about: impl Fn(&Interest) -> bool) -> Result<(), LearnError> {
    if !profile.locked_topics.contains(topic) && profile.locked_topics.len() >= MAX_LOCKED_TOPICS {
        return Err(LearnError::LockedFull);
    }
    profile.locked_topics.insert(topic.clone());
    profile.affinities.retain(|affinity| affinity.facet != Facet::Topic || affinity.value != *topic);
    profile.interests.retain(|interest| !is_about(interest));
    Ok(())
}

/// Mutes a facet's value until a time. One that is muted for good stays so; a snooze that stands is set anew.
///
/// Errors leave the profile unchanged: [`LearnError::MutesFull`].
pub fn snooze(profile: &mut Profile, facet: Facet, value: &FacetValue, until: Time, now: Time) -> Result<(), LearnError> {
    let target = MuteTarget::Facet(facet, value.clone());
    let stands = |mute: &Mute| mute.binds(now) && (mute.target != target || mute.until.is_none());
    if profile.mutes.iter().any(|mute| mute.target == target && mute.until.is_none()) {
        return Ok(());
    }
    if profile.mutes.iter().filter(|mute| stands(mute)).count() >= MAX_MUTES {
        return Err(LearnError::MutesFull);
    }
    profile.mutes.retain(stands);
    profile.mutes.push(Mute { target, since: now, until: Some(until) });
    Ok(())
}

/// Ends a snooze before its time; a mute for good is not touched. Whether there was one.
pub fn end_snooze(profile: &mut Profile, facet: Facet, value: &FacetValue) -> bool {
    let target = MuteTarget::Facet(facet, value.clone());
    let before = profile.mutes.len();
    profile.mutes.retain(|mute| mute.target != target || mute.until.is_none());
    profile.mutes.len() < before
}

/// Forgets all that was observed and inferred; what the person said stays, and can be undone as before.
pub fn forget_inferred(profile: &mut Profile) {
    let said = |mut action: Action| {
        action.added.retain(|(.., dislike)| *dislike > 0.0);
        action.added.iter_mut().for_each(|(_, _, liking, _)| *liking = 0.0);
        let is_said = !action.added.is_empty() || !action.muted.is_empty() || action.followed.is_some();
        is_said.then_some(action)
    };
    let actions = std::mem::take(&mut profile.actions).into_iter().filter_map(said).collect();
    *profile = Profile { actions, ..profile.explicit() };
}

/// Forgets what was said too, but for the mode: whoever opted out stays so.
pub fn forget_all(profile: &mut Profile) {
    let preferences = Preferences { mode: profile.preferences.mode, ..Preferences::default() };
    *profile = Profile { preferences, ..Profile::default() };
}
