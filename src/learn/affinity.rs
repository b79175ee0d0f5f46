//! Decayed likings by facet value, and how often the value was shown.

use crate::domain::{
    Facet, FacetValue, Profile, Time,
    profile::{Affinity, EXPOSURE_HALF_LIFE, MAX_AFFINITIES, PROFILE_HALF_LIFE},
    time::decay,
};

/// Weights below this share of the strongest are noise and are dropped.
const NEGLIGIBLE: f32 = 1e-3;
/// What an impression counts against a liking when the list is full: a value that was only shown goes first.
const SHOWN_STRENGTH: f32 = 0.05;

/// Decays everything to `at` if that is later than the profile's time. Dislikes and mutes are not touched.
pub fn bring_to(profile: &mut Profile, at: Time) {
    if at <= profile.as_of {
        return;
    }
    let age = at.since(profile.as_of);
    let factor = decay(age, PROFILE_HALF_LIFE) as f32;
    for affinity in &mut profile.affinities {
        affinity.liking *= factor;
        affinity.shown *= factor;
    }
    for interest in &mut profile.interests {
        interest.weight *= factor;
    }
    let factor = decay(age, EXPOSURE_HALF_LIFE) as f32;
    for exposure in &mut profile.exposures {
        exposure.shown *= factor;
        exposure.opened *= factor;
    }
    profile.as_of = at;
}

/// Adds what arose `at`; a negative liking takes back. Neither weight falls below 0.
pub fn add(profile: &mut Profile, facet: Facet, value: &FacetValue, liking: f32, shown: f32, at: Time) {
    let factor = decay(profile.as_of.since(at), PROFILE_HALF_LIFE) as f32;
    let place = profile.affinities.binary_search_by(|a| (a.facet, &a.value).cmp(&(facet, value)));
    let at = match place {
        Ok(at) => at,
        Err(at) => {
            profile.affinities.insert(at, Affinity { facet, value: value.clone(), liking: 0.0, shown: 0.0 });
            at
        }
    };
    let affinity = &mut profile.affinities[at];
    affinity.liking = (affinity.liking + liking * factor).max(0.0);
    affinity.shown = (affinity.shown + shown * factor).max(0.0);
}

/// Drops noise, then the weakest beyond [`MAX_AFFINITIES`].
pub fn trim(profile: &mut Profile) {
    let strength = |a: &Affinity| a.liking.max(SHOWN_STRENGTH * a.shown);
    let strongest = profile.affinities.iter().map(strength).fold(0.0, f32::max);
    profile.affinities.retain(|a| strength(a) > NEGLIGIBLE * strongest);
    let surplus = profile.affinities.len().saturating_sub(MAX_AFFINITIES);
    for _ in 0..surplus {
        let weakest = profile.affinities.iter().enumerate().min_by(|a, b| strength(a.1).total_cmp(&strength(b.1))).map(|(at, _)| at);
        if let Some(at) = weakest {
            profile.affinities.remove(at);
        }
    }
}
