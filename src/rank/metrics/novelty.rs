//! What is new to a person: novelty by popularity, serendipity against a baseline, repeats of what was shown before.

use super::sorted_sum;

/// Novelty: mean self-information of the items.
///
/// `novelty = 1/n · Σ_i −log2 p(i)`
///
/// `popularity`: p(i) for each item, the share of people who have met it, in (0, 1]; above 1 counts as 1. An item whose p is
/// not a positive number is left out of sum and n, as its novelty is unbounded: pass [`smoothed_share`] to keep it. In
/// bits, from 0 (everybody knows all of them); 1 more for each halving of popularity. 0 for no items. No rank discount.
/// Source: Zhou, Kuscsik, Liu, Medo, Wakeling & Zhang, PNAS 2010; as MSI in Castells, Vargas & Wang, DDR at ECIR 2011.
pub fn novelty_bits(popularity: impl IntoIterator<Item = f64>) -> f64 {
    let bits: Vec<f64> = popularity.into_iter().filter(|p| *p > 0.0).map(|p| -p.min(1.0).log2()).collect();
    mean(sorted_sum(bits.iter().copied()), bits.len())
}

/// Share of people who have met an item, for [`novelty_bits`]: `p = (c + 1) / (N + 1)`.
///
/// `met_by` is c, `people` is N. In (0, 1] (c above N counts as N): an item nobody has met has `log2(N + 1)` bits, the most
/// there can be among N people, instead of infinitely many. Source: add-one smoothing (Laplace) of the numerator.
pub fn smoothed_share(met_by: u64, people: u64) -> f64 {
    (met_by.min(people) as f64 + 1.0) / (people as f64 + 1.0)
}

/// Serendipity: the share of the slate that is relevant and that a plain recommender would not have shown.
///
/// `serendipity = |{i ∈ slate : relevant(i) ∧ i ∉ baseline}| / |slate|`
///
/// `relevant`: whether the person liked the item, not whether the ranker scored it. `in_baseline`: whether a primitive
/// recommender (usually the most popular, as many as the slate has) lists it; say which one with the result. In [0, 1],
/// without unit; 0 for an empty slate. Source: Ge, Delgado-Battenfeld & Jannach, RecSys 2010, after Murakami et al., JSAI 2007.
pub fn serendipity<T>(slate: &[T], relevant: impl Fn(&T) -> bool, in_baseline: impl Fn(&T) -> bool) -> f64 {
    share(slate, |item| relevant(item) && !in_baseline(item))
}

/// Repeat exposure: the share of the slate that the person was shown before.
///
/// `repeat = |{i ∈ slate : shown_before(i)}| / |slate|`
///
/// In [0, 1], without unit; 0 for an empty slate. Source: ours; the complement of temporal novelty in Lathia, Hailes, Capra
/// & Amatriain, SIGIR 2010, over everything shown before.
pub fn repeat_exposure<T>(slate: &[T], shown_before: impl Fn(&T) -> bool) -> f64 {
    share(slate, shown_before)
}

/// [`repeat_exposure`] by facet value: how much of the slate's topics, creators or viewpoints the person was shown before.
///
/// `repeat = 1/n · Σ_i |{v ∈ F(i) : shown_before(v)}| / |F(i)|`
///
/// `slate`: the facet values F(i) of each item. Items without a value are left out of sum and n; a value named twice in an
/// item counts twice. In [0, 1], without unit; 0 when no item has a value. Source: ours.
pub fn facet_repeat_exposure<F>(slate: &[impl AsRef<[F]>], shown_before: impl Fn(&F) -> bool) -> f64 {
    let items = slate.iter().map(AsRef::as_ref).filter(|values| !values.is_empty());
    let (sum, n) = items.fold((0.0, 0), |(sum, n), values| (sum + share(values, &shown_before), n + 1));
    // A sum of thirds may round up past the number of items.
    mean(sum, n).min(1.0)
}

fn share<T>(all: &[T], counts: impl Fn(&T) -> bool) -> f64 {
    mean(all.iter().filter(|item| counts(item)).count() as f64, all.len())
}

/// 0 of nothing.
fn mean(sum: f64, n: usize) -> f64 {
    if n == 0 { 0.0 } else { sum / n as f64 }
}
