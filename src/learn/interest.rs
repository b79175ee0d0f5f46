//! Interest vectors: a few directions in embedding space, kept by online agglomerative clustering with decay.
//!
//! An item joins the nearest interest if it is near enough, otherwise it starts one of its own. When there are too many,
//! the two that cost least to join become one (Ward's criterion, as in PinnerSage, KDD 2020): two slight interests
//! rather than a lasting one, so a minor interest outlives any number of passing ones.

use half::f16;

use crate::domain::{
    Embedding, ItemId, Profile, Time,
    profile::{Interest, MAX_INTERESTS, PROFILE_HALF_LIFE},
    time::decay,
};

/// Below this weight an interest is gone.
const NEGLIGIBLE: f32 = 1e-3;

/// Pulls the profile toward an item used `at` with `weight` > 0.
pub fn pull(profile: &mut Profile, embedding: &Embedding, item: &ItemId, weight: f32, at: Time) {
    let weight = weight * decay(profile.as_of.since(at), PROFILE_HALF_LIFE) as f32;
    let fresh = Interest { vector: embedding.values.to_vec(), space: embedding.space, weight, exemplar: item.clone() };
    let nearest = profile
        .interests
        .iter()
        .enumerate()
        .filter_map(|(at, interest)| Some((at, cosine(interest, &fresh)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    match nearest {
        Some((at, cosine)) if cosine >= embedding.space.near_enough() => {
            join(&mut profile.interests[at], &fresh);
            profile.interests[at].exemplar = fresh.exemplar;
        }
        _ => {
            profile.interests.push(fresh);
            make_room(&mut profile.interests);
        }
    }
}

/// Joins the cheapest pair while there are more than [`MAX_INTERESTS`]; the heavier one's evidence stays.
fn make_room(interests: &mut Vec<Interest>) {
    while interests.len() > MAX_INTERESTS {
        match cheapest_pair(interests) {
            Some((a, b)) => {
                let second = interests.remove(b);
                let (mut heavier, lighter) =
                    if second.weight > interests[a].weight { (second, interests[a].clone()) } else { (interests[a].clone(), second) };
                join(&mut heavier, &lighter);
                interests[a] = heavier;
            }
            // None can be compared: of spaces or dimensions no longer in use.
            None => {
                let weakest = interests.iter().enumerate().min_by(|a, b| a.1.weight.total_cmp(&b.1.weight)).map(|(at, _)| at);
                interests.remove(weakest.unwrap_or(0));
            }
        }
    }
}

/// The pair `(a, b)`, `a < b`, with the least Ward cost `w·v/(w+v) · (1 − cosine)`: what joining them adds to the spread.
fn cheapest_pair(interests: &[Interest]) -> Option<(usize, usize)> {
    let mut best: Option<(f32, usize, usize)> = None;
    for (b, second) in interests.iter().enumerate() {
        for (a, first) in interests[..b].iter().enumerate() {
            let Some(cosine) = cosine(first, second) else { continue };
            let total = (first.weight + second.weight).max(f32::MIN_POSITIVE);
            let cost = first.weight * second.weight / total * (1.0 - cosine);
            if best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, a, b));
            }
        }
    }
    best.map(|(_, a, b)| (a, b))
}

/// Weighted mean of direction, unit length again; weights add up.
fn join(interest: &mut Interest, other: &Interest) {
    let total = interest.weight + other.weight;
    let mixed: Vec<f32> = interest
        .vector
        .iter()
        .zip(&other.vector)
        .map(|(a, b)| (a.to_f32() * interest.weight + b.to_f32() * other.weight) / total.max(f32::MIN_POSITIVE))
        .collect();
    let norm = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        interest.vector = mixed.iter().map(|x| f16::from_f32(x / norm)).collect();
    }
    interest.weight = total;
}

/// Takes back the pull of an undone action: from the interest the item was the evidence of.
pub fn release(profile: &mut Profile, item: &ItemId, weight: f32, at: Time) {
    let weight = weight * decay(profile.as_of.since(at), PROFILE_HALF_LIFE) as f32;
    if let Some(interest) = profile.interests.iter_mut().find(|i| i.exemplar == *item) {
        interest.weight -= weight;
    }
    profile.interests.retain(|i| i.weight > NEGLIGIBLE);
}

/// `None` when the two are not of one space and dimension.
fn cosine(a: &Interest, b: &Interest) -> Option<f32> {
    let comparable = a.space == b.space && a.vector.len() == b.vector.len();
    comparable.then(|| a.vector.iter().zip(&b.vector).map(|(x, y)| x.to_f32() * y.to_f32()).sum())
}
