//! How exposure is spread: over facets against a target (calibration), over items or creators (Gini), over a catalogue.

use std::collections::{BTreeMap, BTreeSet};

use super::{sorted_sum, unit};

/// The usual α of [`calibration_kl_nats`] (Steck, RecSys 2018).
pub const CALIBRATION_SMOOTHING: f64 = 0.01;

/// Facet shares of a list: what its readers see, as a distribution.
///
/// `q(v) = Σ_r w(r)·p(v|r) / Σ_r w(r)`, `p(v|r)` the item's weights as shares
///
/// `list`: of each item its values with weights ≥ 0, best rank first. `weight(rank)`, rank from 1: [`super::log_discount`] for
/// what is read, `|_| 1.0` for what is listed. Weights that are not positive and finite count as 0; items without any are left
/// out; a value named twice has the sum. Sums to 1, sorted by value, without zeros; empty for an empty list.
/// Source: Steck, RecSys 2018.
pub fn facet_shares<F: Ord + Clone>(list: &[impl AsRef<[(F, f64)]>], weight: impl Fn(usize) -> f64) -> Vec<(F, f64)> {
    let ranked = list.iter().enumerate().map(|(index, item)| (weight(index + 1), shares(item.as_ref())));
    let spread: Vec<(&F, f64)> = ranked.flat_map(|(w, item)| item.into_iter().map(move |(value, share)| (value, w * share))).collect();
    shares(&spread).into_iter().map(|(value, share)| ((*value).clone(), share)).collect()
}

/// Sparse weights as shares that sum to 1; empty when none is positive.
fn shares<F: Ord>(weights: &[(F, f64)]) -> BTreeMap<&F, f64> {
    let largest = weights.iter().map(|(_, w)| *w).filter(|w| w.is_finite()).fold(0.0, f64::max);
    let mut shares: BTreeMap<&F, Vec<f64>> = BTreeMap::new();
    for (value, weight) in weights {
        // Divided by the largest first, so that no sum overflows; what is too small for a normal number is no share.
        let part = weight / largest;
        if part.is_normal() && part > 0.0 {
            shares.entry(value).or_default().push(part);
        }
    }
    let shares: BTreeMap<&F, f64> = shares.into_iter().map(|(value, parts)| (value, sorted_sum(parts))).collect();
    let total = sorted_sum(shares.values().copied());
    shares.into_iter().map(|(value, share)| (value, share / total)).filter(|(_, share)| share.is_normal()).collect()
}

/// Miscalibration: how far a list is from the mix a person reads (Kullback–Leibler, smoothed).
///
/// `KL = Σ_v p(v) · ln( p(v) / ((1 − α)·q(v) + α·p(v)) )`
///
/// `target`: p, the person's mix. `list`: q, the list's, as [`facet_shares`] gives it. Both sparse, in any order, made to sum
/// to 1 here; weights that are not positive and finite count as 0. `alpha`: smoothing toward the target, so that a
/// value the list lacks costs a finite amount ([`CALIBRATION_SMOOTHING`]; outside [0, 1]: the nearest end; not a number: 0).
/// Not symmetric. In nats, from 0 (calibrated) to `ln(1/α)` (nothing in common, or an empty list), +∞ only at α = 0; 0 for
/// an empty target. Others differ: POPROX takes log2, Informfully α = .1 or .001. Source: Steck, RecSys 2018.
pub fn calibration_kl_nats<F: Ord>(target: &[(F, f64)], list: &[(F, f64)], alpha: f64) -> f64 {
    let alpha = unit(alpha);
    let (target, list) = (shares(target), shares(list));
    let terms = target.into_iter().map(|(value, p)| {
        let q = list.get(value).copied().unwrap_or(0.0);
        p * (p / ((1.0 - alpha) * q + alpha * p)).ln()
    });
    sorted_sum(terms).max(0.0)
}

/// Jensen–Shannon divergence of two distributions: how different two mixes are, neither being the target.
///
/// `JS = ½·Σ_v p·log2(p/m) + ½·Σ_v q·log2(q/m)`, `m = (p + q)/2`
///
/// `p`, `q`: sparse, as in [`calibration_kl_nats`]. The divergence itself, not its square root, which is a metric and larger
/// (SciPy's `jensenshannon` and Informfully return the root); unsmoothed, as m is never 0. Symmetric to the bit. In bits and
/// in [0, 1]: 0 for equal mixes and for two empty ones, 1 for nothing in common and for an empty one against another.
/// Source: Lin, IEEE Transactions on Information Theory 1991; for news feeds RADio, Vrijenhoek et al., RecSys 2022.
pub fn js_divergence_bits<F: Ord>(p: &[(F, f64)], q: &[(F, f64)]) -> f64 {
    let (p, q) = (shares(p), shares(q));
    if p.is_empty() || q.is_empty() {
        return if p.is_empty() == q.is_empty() { 0.0 } else { 1.0 };
    }
    let part = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let values: BTreeSet<&F> = p.keys().chain(q.keys()).copied().collect();
    let terms = values.into_iter().map(|value| {
        let (p, q) = (p.get(value).copied().unwrap_or(0.0), q.get(value).copied().unwrap_or(0.0));
        let middle = (p + q) / 2.0;
        (part(p, middle) + part(q, middle)) / 2.0
    });
    unit(sorted_sum(terms))
}

/// Exposure of each item, creator or other group over many slates: `E(g) = Σ_slates Σ_{r: group(r) = g} disc(r)`.
///
/// `slates`: the group at each rank, best first. `discount(rank)`, rank from 1, is the attention model: say which one
/// with the result, as verdicts depend on it; a negative or non-finite one counts as 0. Groups never shown are absent. From
/// 0, in impressions at a rank with discount 1; the slates' order changes no bit.
/// Source: Singh & Joachims, KDD 2018 (their mean exposure is E(g)/|g|).
pub fn exposure<G: Ord + Clone>(slates: &[impl AsRef<[G]>], discount: impl Fn(usize) -> f64) -> BTreeMap<G, f64> {
    let mut impressions: BTreeMap<(&G, usize), u64> = BTreeMap::new();
    for (index, group) in slates.iter().flat_map(|slate| slate.as_ref().iter().enumerate()) {
        *impressions.entry((group, index + 1)).or_insert(0) += 1;
    }
    let mut exposure = BTreeMap::new();
    for ((group, rank), count) in impressions {
        let weight = discount(rank);
        let weight = if weight.is_finite() { weight.max(0.0) } else { 0.0 };
        *exposure.entry(group.clone()).or_insert(0.0) += count as f64 * weight;
    }
    exposure
}

/// Gini coefficient: how unequal amounts are, exposure for instance.
///
/// `G = Σ_i (2i − n − 1)·x_i / (n·Σ x)`, x ascending, i from 1
///
/// `amounts`: one for each group, in any order. Groups never shown belong in it as zeros: without them a server that shows
/// one creator of a thousand is perfectly equal. Negative and non-finite amounts count as 0. In [0, 1 − 1/n], without
/// unit: 0 when all have the same, 1 − 1/n when one has all; 0 for no groups or nothing to share. Not the form divided by n − 1.
/// Source: Gini, 1912; for recommenders Fleder & Hosanagar, Management Science 2009; the same as `lenskit.stats.gini`.
pub fn gini(amounts: impl IntoIterator<Item = f64>) -> f64 {
    let mut amounts: Vec<f64> = amounts.into_iter().map(|x| if x.is_finite() { x.max(0.0) } else { 0.0 }).collect();
    amounts.sort_unstable_by(f64::total_cmp);
    let Some(largest) = amounts.last().copied().filter(|x| *x > 0.0) else { return 0.0 };
    let n = amounts.len() as f64;
    let (mut weighted, mut total) = (0.0, 0.0);
    for (index, amount) in amounts.into_iter().enumerate() {
        // Divided by the largest, so that no sum overflows.
        let share = amount / largest;
        weighted += (2.0 * index as f64 + 1.0 - n) * share;
        total += share;
    }
    unit(weighted / (n * total))
}

/// Catalogue coverage: the share of a catalogue that many slates show together.
///
/// `coverage = |∪_slates slate| / |catalogue|`
///
/// `slates`: the items of each; repeats count once. `catalogue`: how many items could have been shown. In [0, 1], without
/// unit; 0 for an empty catalogue or no slates, at most 1 also when items have left the catalogue since.
/// Source: Herlocker, Konstan, Terveen & Riedl, ACM TOIS 2004; Ge, Delgado-Battenfeld & Jannach, RecSys 2010.
pub fn coverage<T: Ord>(slates: impl IntoIterator<Item = impl IntoIterator<Item = T>>, catalogue: usize) -> f64 {
    let shown: BTreeSet<T> = slates.into_iter().flatten().collect();
    if catalogue == 0 { 0.0 } else { unit(shown.len() as f64 / catalogue as f64) }
}
