//! Interest vectors: a few directions in embedding space, kept by online clustering with decay.
//!
//! An item joins the nearest interest if it is near enough, otherwise it starts one of its own; when all places are
//! taken, the weakest interest gives way only to a stronger pull.

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
    let fresh = || Interest { vector: embedding.values.to_vec(), space: embedding.space, weight, exemplar: item.clone() };
    let comparable = |i: &Interest| i.space == embedding.space && i.vector.len() == embedding.values.len();
    let nearest = profile
        .interests
        .iter()
        .enumerate()
        .filter(|(_, i)| comparable(i))
        .map(|(at, i)| (at, dot(&i.vector, &embedding.values)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    match nearest {
        Some((at, cosine)) if cosine >= embedding.space.near_enough() => join(&mut profile.interests[at], &embedding.values, weight, item),
        _ if profile.interests.len() < MAX_INTERESTS => profile.interests.push(fresh()),
        _ => {
            let weakest = profile.interests.iter().enumerate().min_by(|a, b| a.1.weight.total_cmp(&b.1.weight)).map(|(at, _)| at);
            match (weakest, nearest) {
                (Some(at), _) if profile.interests[at].weight < weight => profile.interests[at] = fresh(),
                (_, Some((at, _))) => join(&mut profile.interests[at], &embedding.values, weight, item),
                _ => {}
            }
        }
    }
}

/// Weighted mean of direction, unit length again.
fn join(interest: &mut Interest, values: &[f16], weight: f32, item: &ItemId) {
    let total = interest.weight + weight;
    let mixed: Vec<f32> =
        interest.vector.iter().zip(values).map(|(a, b)| (a.to_f32() * interest.weight + b.to_f32() * weight) / total).collect();
    let norm = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        interest.vector = mixed.iter().map(|x| f16::from_f32(x / norm)).collect();
    }
    interest.weight = total;
    interest.exemplar = item.clone();
}

/// Takes back the pull of an undone action: from the interest the item was the evidence of.
pub fn release(profile: &mut Profile, item: &ItemId, weight: f32, at: Time) {
    let weight = weight * decay(profile.as_of.since(at), PROFILE_HALF_LIFE) as f32;
    if let Some(interest) = profile.interests.iter_mut().find(|i| i.exemplar == *item) {
        interest.weight -= weight;
    }
    profile.interests.retain(|i| i.weight > NEGLIGIBLE);
}

fn dot(a: &[f16], b: &[f16]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x.to_f32() * y.to_f32()).sum()
}
