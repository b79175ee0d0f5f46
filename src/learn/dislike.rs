//! Dislikes: what was said, kept as it was said. Nothing here fades or is trimmed.

use crate::domain::{
    Facet, FacetValue, Profile, Time,
    profile::{Dislike, MAX_DISLIKES},
};

/// Weights below this are what rounding left of a dislike that was taken back.
const NOTHING: f32 = 1e-4;

/// Whether all of `values` can be kept.
pub fn has_room<'a>(profile: &Profile, values: impl Iterator<Item = (Facet, &'a FacetValue)>) -> bool {
    let new = values.filter(|(facet, value)| profile.dislike(*facet, value).is_none()).count();
    profile.dislikes.len() + new <= MAX_DISLIKES
}

/// Adds what was said `at`; does nothing for a new value in a full list (see [`has_room`]).
pub fn say(profile: &mut Profile, facet: Facet, value: &FacetValue, weight: f32, at: Time) {
    match place(profile, facet, value) {
        Ok(place) => {
            let dislike = &mut profile.dislikes[place];
            dislike.weight += weight;
            dislike.at = dislike.at.max(at);
        }
        Err(place) if profile.dislikes.len() < MAX_DISLIKES => {
            profile.dislikes.insert(place, Dislike { facet, value: value.clone(), weight, at });
        }
        Err(_) => {}
    }
}

/// Takes back what [`say`] added.
pub fn take_back(profile: &mut Profile, facet: Facet, value: &FacetValue, weight: f32) {
    if let Ok(place) = place(profile, facet, value) {
        profile.dislikes[place].weight -= weight;
        if profile.dislikes[place].weight < NOTHING {
            profile.dislikes.remove(place);
        }
    }
}

fn place(profile: &Profile, facet: Facet, value: &FacetValue) -> Result<usize, usize> {
    profile.dislikes.binary_search_by(|d| (d.facet, &d.value).cmp(&(facet, value)))
}
