//! What was shown lately, by facet value: so that the next feed turns to what was shown less.

use crate::domain::{
    Facet, Item, Profile, Time,
    profile::{EXPOSURE_HALF_LIFE, Exposure, MAX_EXPOSURES},
    time::decay,
};

/// Weights below this are noise and are dropped: an impression of two months ago.
const NEGLIGIBLE: f32 = 1e-6;

/// Adds an impression (`opened`: an open) of the item `at` to its topics, creator, source and viewpoint.
///
/// Sums with decay: the order of arrival does not matter. Beyond [`MAX_EXPOSURES`] the weakest goes.
pub fn add(profile: &mut Profile, item: &Item, opened: bool, at: Time) {
    let factor = decay(profile.as_of.since(at), EXPOSURE_HALF_LIFE) as f32;
    for (facet, value, weight) in item.facets().filter(|(facet, ..)| is_remembered(*facet)) {
        let place = match profile.exposures.binary_search_by(|e| (e.facet, &e.value).cmp(&(facet, value))) {
            Ok(place) => place,
            Err(place) => {
                profile.exposures.insert(place, Exposure { facet, value: value.clone(), shown: 0.0, opened: 0.0 });
                place
            }
        };
        let exposure = &mut profile.exposures[place];
        let sum = if opened { &mut exposure.opened } else { &mut exposure.shown };
        *sum += weight * factor;
    }
    trim(profile);
}

const fn is_remembered(facet: Facet) -> bool {
    matches!(facet, Facet::Topic | Facet::Creator | Facet::Source | Facet::Viewpoint)
}

fn trim(profile: &mut Profile) {
    let strength = |e: &Exposure| e.shown.max(e.opened);
    profile.exposures.retain(|e| strength(e) > NEGLIGIBLE);
    while profile.exposures.len() > MAX_EXPOSURES {
        let weakest = profile.exposures.iter().enumerate().min_by(|a, b| strength(a.1).total_cmp(&strength(b.1))).map(|(at, _)| at);
        let Some(weakest) = weakest else { return };
        profile.exposures.remove(weakest);
    }
}
