//! From the dial to the weight of relevance, and back: the one place where `diversity` becomes `λ`.

use crate::domain::policy::{Aggregate, Diversify, Method};

/// How much a method's diversity outweighs relevance when both are weighed alike, κ: the greater, the sooner an unscaled dial
/// would give everything it has, and lie flat after that. Measured, as the number that makes the flattest stretch of the
/// dial steepest over three catalogues (`cargo bench --bench dial`), rounded to a whole one.
const fn outweighs(diversify: &Diversify) -> f32 {
    match (diversify.method, diversify.aggregate) {
        // One look-alike on the page is enough to be pushed out.
        (Method::Mmr, Aggregate::Max) => 3.0,
        // The logarithm reaches down to −6.9 where relevance reaches from 0 to 1.
        (Method::Dpp, _) => 4.0,
        // What an item adds grows with the page, up to twice the mean distance.
        (Method::Msd, _) => 2.0,
        (Method::Ssd, _) => 2.0,
        (Method::None | Method::Mmr | Method::Coverage | Method::Calibrated, _) => 1.0,
    }
}

/// `λ = κ(1 − d) / (κ(1 − d) + d)`, the weight of relevance in [0, 1] with the dial at `diversity` d, κ ≥ 1 by method.
///
/// d counts as the nearest end when outside [0, 1] and as 0 when not a number. Strictly falling: d = 0 is λ = 1, relevance
/// alone; d = 1 is λ = 0, diversity alone; where κ = 1 it is exactly `1 − d`.
pub fn lambda(diversify: &Diversify, diversity: f32) -> f32 {
    let d = if diversity.is_finite() { diversity.clamp(0.0, 1.0) } else { 0.0 };
    (1.0 - d) / (1.0 - d * (1.0 - 1.0 / outweighs(diversify)))
}

/// The dial that gives λ: the inverse of [`lambda`], within rounding. For comparisons at the λ of the literature.
pub fn diversity_of(diversify: &Diversify, lambda: f32) -> f32 {
    let odds = outweighs(diversify) * (1.0 - lambda);
    odds / (odds + lambda)
}
