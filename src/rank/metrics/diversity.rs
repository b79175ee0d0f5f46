//! How different the items of one slate are: by similarity (ILD, EILD) and by facet (entropy, S-recall).

use std::collections::BTreeSet;

use super::{sorted_sum, unit};

/// Intra-list diversity: the mean distance of all pairs.
///
/// `ILD = 2 / (n·(n − 1)) · Σ_{i<j} (1 − s(i, j))`
///
/// `items` is n; `similarity(i, j)` is asked once for each pair i < j < n and is to be in [0, 1]. Outside values count as the
/// nearest end (a negative cosine as 0); a pair without a finite one is left out of sum and count. In [0, 1], without
/// unit; 0 without a pair. O(n²). Source: Ziegler, McNee, Konstan & Lausen, WWW 2005 (there as intra-list similarity).
pub fn ild(items: usize, similarity: impl Fn(usize, usize) -> f32) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0u64);
    for i in 0..items {
        for j in i + 1..items {
            if let Some(distance) = distance(similarity(i, j)) {
                sum += distance;
                pairs += 1;
            }
        }
    }
    if pairs == 0 { 0.0 } else { sum / pairs as f64 }
}

/// Expected intra-list distance: [`ild`] as somebody finds it who reads from the top and only gains from relevant items.
///
/// ```text
/// EILD = 1 / Σ_k disc(k) · Σ_k disc(k)·r_k · [ Σ_{l≠k} disc(l|k)·r_l·d(k, l) / Σ_{l≠k} disc(l|k)·r_l ]
/// disc(l|k) = disc(max(1, l − k)),   d(k, l) = 1 − s(k, l)
/// ```
///
/// `relevance`: r of each item, best rank first, as a probability (outside [0, 1]: the nearest end; not a number: 0).
/// `discount(rank)`, rank from 1: the chance that somebody gets there, usually [`super::log_discount`]; a negative or
/// non-finite one counts as 0. `similarity(k, l)` as in [`ild`]. With all r = 1 and no discount it is ILD; relevance outside
/// the bracket is not normalised, so a diverse list of irrelevant items has EILD 0. In [0, 1], without unit; 0 for fewer than
/// two items. O(n²). Source: Vargas & Castells, RecSys 2011, with the normalisation of their library RankSys.
pub fn eild(relevance: &[f32], discount: impl Fn(usize) -> f64, similarity: impl Fn(usize, usize) -> f32) -> f64 {
    let discount = |rank: usize| Some(discount(rank)).filter(|d| d.is_finite()).unwrap_or(0.0).max(0.0);
    let relevant = |r: f32| unit(f64::from(r));
    let (mut expected, mut mass) = (0.0, 0.0);
    for (k, seen) in relevance.iter().enumerate() {
        let (mut inner, mut weights) = (0.0, 0.0);
        for (l, other) in relevance.iter().enumerate().filter(|(l, _)| *l != k) {
            if let Some(distance) = distance(similarity(k, l)) {
                let weight = discount(l.saturating_sub(k).max(1)) * relevant(*other);
                inner += weight * distance;
                weights += weight;
            }
        }
        mass += discount(k + 1);
        if weights > 0.0 {
            expected += discount(k + 1) * relevant(*seen) * inner / weights;
        }
    }
    if mass > 0.0 { unit(expected / mass) } else { 0.0 }
}

/// `1 − similarity` in [0, 1]; `None` when there is no finite similarity.
fn distance(similarity: f32) -> Option<f64> {
    similarity.is_finite().then(|| 1.0 - f64::from(similarity).clamp(0.0, 1.0))
}

/// Shannon entropy of a facet: how evenly the items spread over its values.
///
/// `H = −Σ_v p_v · log2 p_v`, `p_v = c_v / Σ c`
///
/// `counts`: items per value, in any order; zeros change nothing. In bits, from 0 (one value, or none) to log2 of the number
/// of values. Plain counts, nothing added to them (LensKit adds 1e-6). Source: Shannon, Bell System Technical Journal 1948.
pub fn entropy_bits(counts: impl IntoIterator<Item = usize>) -> f64 {
    let counts: Vec<f64> = counts.into_iter().filter(|c| *c > 0).map(|c| c as f64).collect();
    let total = sorted_sum(counts.iter().copied());
    sorted_sum(counts.iter().map(|count| count / total).map(|share| -share * share.log2()))
}

/// [`entropy_bits`] as a share of the most there could be: `H / log2 T`.
///
/// `values` is T, the values that could have been shown; never taken as fewer than were. In [0, 1], without unit; 0 when
/// there is one value or none. Source: Pielou's evenness, Journal of Theoretical Biology 1966, over T instead of the values seen.
pub fn normalised_entropy(counts: impl IntoIterator<Item = usize>, values: usize) -> f64 {
    let counts: Vec<usize> = counts.into_iter().filter(|c| *c > 0).collect();
    let most = (values.max(counts.len()) as f64).log2();
    // log2 of 0 is −∞, of 1 is 0: nothing to spread over.
    if most > 0.0 { unit(entropy_bits(counts) / most) } else { 0.0 }
}

/// Subtopic recall: the share of the values worth showing that the slate shows.
///
/// `S-recall = |∪_i F(i) ∩ A| / |A|`
///
/// `slate`: the facet values F(i) of each item; for S-recall@k pass the first k. `all`: the values A. Repeats count once and
/// values outside A not at all. In [0, 1], without unit; 0 when A is empty. Source: Zhai, Cohen & Lafferty, SIGIR 2003.
pub fn s_recall<F: Ord>(slate: &[impl AsRef<[F]>], all: &[F]) -> f64 {
    let all: BTreeSet<&F> = all.iter().collect();
    let shown: BTreeSet<&F> = slate.iter().flat_map(|item| item.as_ref()).filter(|value| all.contains(value)).collect();
    shown.len() as f64 / all.len().max(1) as f64
}
