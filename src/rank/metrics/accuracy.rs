//! How good the order of one slate is: discounted gain (DCG, nDCG, α-nDCG), what was found (recall, hit, reciprocal rank) and
//! the relevance kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{sorted_sum, unit};

/// The usual chance that somebody gets to a rank: `1 / log2(1 + rank)`.
///
/// `rank` counts from 1 (0 counts as 1). In (0, 1], without unit; 1 at rank 1, .631 at 2, .5 at 3. Source: Järvelin &
/// Kekäläinen, ACM TOIS 2002, in the form that discounts from the second rank on (Burges et al., ICML 2005).
pub fn log_discount(rank: usize) -> f64 {
    1.0 / (1.0 + rank.max(1) as f64).log2()
}

/// Discounted cumulative gain: `DCG = Σ_r g_r / log2(1 + r)`.
///
/// `gains`: of each item, best rank first. Linear, as given; for the exponential form pass `2^g − 1`. A negative or
/// non-finite gain counts as 0. From 0, in units of gain; 0 for no items. Source: as [`log_discount`].
pub fn dcg(gains: impl IntoIterator<Item = f32>) -> f64 {
    discounted(gains.into_iter().map(|gain| f64::from(usable(gain))))
}

/// A gain that is negative or not finite counts as none.
fn usable(gain: f32) -> f32 {
    if gain.is_finite() { gain.max(0.0) } else { 0.0 }
}

/// Normalised [`dcg`]: `nDCG@k = DCG@k(slate) / DCG@k(pool, best first)`.
///
/// `slate`: gains, best rank first. `pool`: the gains of everything judged, the slate's items too, in any order: the ideal
/// is the best that could have been shown, not the best order of what was. `k`: ranks looked at; beyond the lists' ends
/// there is nothing to gain. In [0, 1], without unit; 0 when no gain in the pool is positive (as trec_eval and scikit-learn
/// say), at most 1 also when the pool lacks items of the slate. O(n·log n). Source: as [`log_discount`].
pub fn ndcg(slate: &[f32], pool: &[f32], k: usize) -> f64 {
    let mut ideal = pool.to_vec();
    ideal.sort_unstable_by(|a, b| usable(*b).total_cmp(&usable(*a)));
    share_of_ideal(dcg(slate.iter().copied().take(k)), dcg(ideal.into_iter().take(k)))
}

fn share_of_ideal(value: f64, ideal: f64) -> f64 {
    if ideal > 0.0 { unit(value / ideal) } else { 0.0 }
}

/// nDCG that pays less each time a facet value comes again.
///
/// ```text
/// g_r = Σ_{v ∈ F(r)} (1 − α)^{c_v},   c_v = items above rank r that have v
/// α-nDCG@k = Σ_{r≤k} g_r / log2(1 + r)  ÷  the same for the ideal order
/// ```
///
/// `slate`: the facet values F of each item, best rank first; empty for an irrelevant item, repeats in one item count once.
/// `pool`: the same for everything judged, the slate's items too, in any order. `alpha`: how much of the gain a repeat
/// loses; 0 pays all repeats alike, 1 pays only the first (outside [0, 1]: the nearest end; not a number: 0); .5 is usual.
/// The ideal is greedy over the pool, as finding the best is NP-hard; ties go to the smallest set of values in `Ord`, so that
/// the pool's order changes nothing. Implementations break ties differently and differ in the fourth digit. A slate that
/// beats the greedy order has 1. In [0, 1], without unit; 0 when the pool has no values. O(k·n·t) for t values per item.
/// Source: Clarke, Kolla, Cormack, Vechtomova, Ashkan, Büttcher & MacKinnon, SIGIR 2008; discount and ideal as TREC's ndeval.
pub fn alpha_ndcg<F: Ord>(slate: &[impl AsRef<[F]>], pool: &[impl AsRef<[F]>], alpha: f64, k: usize) -> f64 {
    let keep = 1.0 - unit(alpha);
    let mut seen = BTreeMap::new();
    let shown = slate.iter().take(k).map(|item| take_gain(&item.as_ref().iter().collect(), keep, &mut seen));
    let value = discounted(shown);

    let mut open: Vec<BTreeSet<&F>> = pool.iter().map(|item| item.as_ref().iter().collect()).collect();
    open.sort();
    let mut seen = BTreeMap::new();
    let ideal = discounted((0..k.min(open.len())).map(|_| {
        // The last of equals when scanned from the back is the smallest.
        let gains = open.iter().enumerate().rev().map(|(index, item)| (index, gain(item, keep, &seen)));
        let best = gains.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index);
        take_gain(&open.remove(best), keep, &mut seen)
    }));
    share_of_ideal(value, ideal)
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.enumerate().fold(0.0, |sum, (index, gain)| sum + gain * log_discount(index + 1))
}

/// What an item adds after `seen`: `keep` once for each time a value of it was seen.
fn gain<F: Ord>(item: &BTreeSet<&F>, keep: f64, seen: &BTreeMap<&F, u32>) -> f64 {
    // In the order of size: two items with the same counts tie exactly, whatever their values are called.
    sorted_sum(item.iter().map(|value| keep.powf(f64::from(seen.get(value).copied().unwrap_or(0)))))
}

/// [`gain`], and counts the item as seen.
fn take_gain<'a, F: Ord>(item: &BTreeSet<&'a F>, keep: f64, seen: &mut BTreeMap<&'a F, u32>) -> f64 {
    let gain = gain(item, keep, seen);
    for value in item {
        *seen.entry(*value).or_insert(0) += 1;
    }
    gain
}

/// Recall: the share of what the person liked that the slate shows.
///
/// `recall@k = |{r ≤ k : relevant(r)}| / min(k, liked)`
///
/// `relevant`: of each item, best rank first. `liked`: how many items there were to find. Divided by at most k, so that 1 can be
/// reached by a short slate (Liang et al., WWW 2018); where `liked` ≤ k it is the plain recall. In [0, 1], without unit; 0 when
/// there was nothing to find or k = 0. Source: van Rijsbergen, Information Retrieval, 1979.
pub fn recall(relevant: &[bool], liked: usize, k: usize) -> f64 {
    let found = relevant.iter().take(k).filter(|relevant| **relevant).count();
    let most = liked.min(k);
    if most == 0 { 0.0 } else { unit(found as f64 / most as f64) }
}

/// Hit: 1 when any of the first `k` is relevant, else 0. Its mean over slates is the hit rate.
///
/// `relevant` as in [`recall`]. Source: Deshpande & Karypis, ACM TOIS 2004.
pub fn hit(relevant: &[bool], k: usize) -> f64 {
    f64::from(u8::from(relevant.iter().take(k).any(|relevant| *relevant)))
}

/// Reciprocal rank: 1 / rank of the first relevant item among the first `k`, 0 when there is none. Its mean over slates is MRR.
///
/// `relevant` as in [`recall`]. In [0, 1], without unit. Source: Voorhees, TREC-8 Question Answering Track, 1999.
pub fn reciprocal_rank(relevant: &[bool], k: usize) -> f64 {
    relevant.iter().take(k).position(|relevant| *relevant).map_or(0.0, |index| 1.0 / (index as f64 + 1.0))
}

/// Relevance kept: what diversity left of the most relevant slate of the same length from the same pool.
///
/// `kept = Σ_{i ∈ slate} r_i / Σ_{i ∈ top |slate| of pool} r_i`
///
/// `slate` in any order; `pool_best_first` with the highest relevance first, the slate's items too. A non-finite relevance
/// counts as 0. In [0, 1], without unit; 1 when there is nothing to keep. No discount: a swap inside the slate costs nothing.
pub fn relevance_kept(slate: impl Iterator<Item = f32>, pool_best_first: impl Iterator<Item = f32>) -> f64 {
    let finite = |relevance: f32| if relevance.is_finite() { f64::from(relevance) } else { 0.0 };
    let (mut kept, mut length) = (0.0, 0);
    for relevance in slate {
        kept += finite(relevance);
        length += 1;
    }
    let best: f64 = pool_best_first.take(length).map(finite).sum();
    if best <= 0.0 { 1.0 } else { (kept / best).clamp(0.0, 1.0) }
}
