//! Properties over random input: ranges, invariances, and every algorithm against its definition written out plainly.

use proptest::{collection::vec, num, prelude::*, sample::Index};

use super::*;

const CLOSE: f64 = 1e-9;

/// Finite, in range, and never −0, which would show in JSON.
fn within(value: f64, low: f64, high: f64) -> bool {
    value >= low && value <= high + CLOSE && value.is_sign_positive()
}

/// Any float at all, and often an ordinary one.
fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![num::f64::ANY, 0.0..4.0f64]
}

fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![num::f32::ANY, 0.0..1.0f32]
}

fn mix(weight: impl Strategy<Value = f64>) -> impl Strategy<Value = Vec<(u8, f64)>> {
    vec((0..6u8, weight), 0..8)
}

/// Up to eight items with up to four of five facet values, repeats and all.
fn facet_lists() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(0..5u8, 0..4), 0..8)
}

/// A list and the same in another order.
fn shuffled<T: Clone + std::fmt::Debug>(list: impl Strategy<Value = Vec<T>>) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    list.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
}

fn dense(mix: &[(u8, f64)]) -> [f64; 6] {
    let mut dense = [0.0; 6];
    mix.iter().for_each(|(value, weight)| dense[usize::from(*value)] += weight);
    let total: f64 = dense.iter().sum();
    dense.map(|weight| weight / total)
}

proptest! {
    #[test]
    fn every_answer_is_in_range_whatever_the_input(
        gains in vec(any_f32(), 0..12), other in vec(any_f32(), 0..12), amounts in vec(any_f64(), 0..12),
        p in mix(any_f64()), q in mix(any_f64()), smoothing in any_f64(), discount in any_f64(), k in 0..14usize,
    ) {
        let similarity = |a: usize, b: usize| other.get((a * 5 + b * 7) % 13).copied().unwrap_or(f32::NAN);
        prop_assert!(within(ild(gains.len(), similarity), 0.0, 1.0));
        prop_assert!(within(eild(&gains, log_discount, similarity), 0.0, 1.0));
        prop_assert!(within(eild(&gains, |rank| discount * rank as f64, similarity), 0.0, 1.0));
        prop_assert!(within(dcg(gains.iter().copied()), 0.0, f64::MAX));
        prop_assert!(within(ndcg(&gains, &other, k), 0.0, 1.0));
        prop_assert!(within(relevance_kept(gains.iter().copied(), other.iter().copied()), 0.0, 1.0));
        prop_assert!(within(gini(amounts.iter().copied()), 0.0, 1.0));
        prop_assert!(within(novelty_bits(amounts.iter().copied()), 0.0, 1075.0));
        prop_assert!(within(js_divergence_bits(&p, &q), 0.0, 1.0));
        prop_assert!(within(calibration_kl_nats(&p, &q, 0.01), 0.0, 100f64.ln()));
        prop_assert!(within(calibration_kl_nats(&p, &q, smoothing), 0.0, f64::INFINITY));
        let shares = facet_shares(&[p, q], |rank| discount * rank as f64);
        let total: f64 = shares.iter().map(|(_, share)| share).sum();
        prop_assert!(shares.is_empty() || (total - 1.0).abs() < CLOSE);
        prop_assert!(shares.iter().all(|(_, share)| *share > 0.0) && shares.is_sorted_by_key(|(value, _)| *value));
    }

    #[test]
    fn shares_of_a_slate_are_in_range(slate in facet_lists(), pool in facet_lists(), alpha in any_f64(), k in 0..10usize) {
        let counts = slate.iter().map(Vec::len);
        prop_assert!(within(entropy_bits(counts.clone()), 0.0, 3.0));
        prop_assert!(within(normalised_entropy(counts, k), 0.0, 1.0));
        prop_assert!(within(s_recall(&slate, &[1, 2, 3]), 0.0, 1.0));
        prop_assert!(within(alpha_ndcg(&slate, &pool, alpha, k), 0.0, 1.0));
        prop_assert!(within(coverage(&slate, k), 0.0, 1.0));
        prop_assert!(within(serendipity(&slate, |i| i.len() > 1, |i| i.len() > 2), 0.0, 1.0));
        prop_assert!(within(repeat_exposure(&slate, |i| i.len() > 1), 0.0, 1.0));
        prop_assert!(within(facet_repeat_exposure(&slate, |v| *v > 2), 0.0, 1.0));
    }

    #[test]
    fn ild_of_identical_items_is_nothing(n in 0..20usize, apart in 0.0..=1.0f32) {
        prop_assert_eq!(ild(n, |_, _| 1.0), 0.0);
        // All pairs equally far: that distance.
        let expected = if n < 2 { 0.0 } else { f64::from(1.0 - apart) };
        prop_assert!((ild(n, |_, _| apart) - expected).abs() < 1e-6);
    }

    #[test]
    fn ild_does_not_depend_on_the_order((points, again) in shuffled(vec(0.0..1.0f32, 0..12))) {
        let of = |points: &[f32]| ild(points.len(), |a, b| 1.0 - (points[a] - points[b]).abs());
        prop_assert!((of(&points) - of(&again)).abs() < CLOSE);
    }

    #[test]
    fn eild_is_its_definition(relevance in vec(0.0..=1.0f32, 0..9), points in vec(0.0..1.0f32, 9)) {
        let similarity = |a: usize, b: usize| 1.0 - (points[a] - points[b]).abs();
        let r = |i: usize| f64::from(relevance[i]);
        let n = relevance.len();
        // Over ordered pairs with the constant C_k in front, as the paper has it.
        let disc = |k: usize, l: usize| if l > k { log_discount(l - k) } else { 1.0 };
        let c = 1.0 / (0..n).map(|k| log_discount(k + 1)).sum::<f64>();
        let mut expected = 0.0;
        for (k, l) in (0..n).flat_map(|k| (0..n).map(move |l| (k, l))).filter(|(k, l)| k != l) {
            let mass: f64 = (0..n).filter(|j| *j != k).map(|j| disc(k, j) * r(j)).sum();
            if mass > 0.0 {
                let distance = 1.0 - f64::from(similarity(k, l));
                expected += c / mass * log_discount(k + 1) * disc(k, l) * r(k) * r(l) * distance;
            }
        }
        prop_assert!((eild(&relevance, log_discount, similarity) - expected).abs() < CLOSE);
        let flat = eild(&vec![1.0; n], |_| 1.0, similarity);
        prop_assert!((flat - ild(n, similarity)).abs() < CLOSE);
    }

    #[test]
    fn entropy_is_highest_when_even((counts, again) in shuffled(vec(0..50usize, 0..10)), each in 1..50usize) {
        let bits = entropy_bits(counts.iter().copied());
        prop_assert_eq!(bits.to_bits(), entropy_bits(again).to_bits());
        let even = vec![each; counts.len()];
        prop_assert!(bits <= entropy_bits(even.iter().copied()) + CLOSE);
        let values = counts.len();
        prop_assert!((normalised_entropy(even, values) - f64::from(u8::from(values > 1))).abs() < CLOSE);
        // log2 N − Σ c·log2 c / N, another way to the same number.
        let total: usize = counts.iter().sum();
        if total > 0 {
            let inner: f64 = counts.iter().filter(|c| **c > 0).map(|c| *c as f64 * (*c as f64).log2()).sum();
            prop_assert!((bits - ((total as f64).log2() - inner / total as f64)).abs() < CLOSE);
        }
    }

    #[test]
    fn s_recall_and_coverage_grow_with_the_list(slates in facet_lists()) {
        let recall: Vec<f64> = (0..=slates.len()).map(|k| s_recall(&slates[..k], &[0, 1, 2, 3, 4])).collect();
        let covered: Vec<f64> = (0..=slates.len()).map(|k| coverage(&slates[..k], 5)).collect();
        prop_assert!(recall.is_sorted());
        // With all values wanted, both count the same distinct values.
        prop_assert_eq!(recall, covered);
    }

    #[test]
    fn ndcg_is_one_only_for_an_ideal_order((pool, slate) in shuffled(vec(0..4u8, 1..8)), k in 1..10usize) {
        let gains = |list: &[u8]| list.iter().map(|g| f32::from(*g)).collect::<Vec<_>>();
        let mut best = pool.clone();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let k = k.min(pool.len());
        let value = ndcg(&gains(&slate), &gains(&pool), k);
        if best[0] == 0 {
            prop_assert_eq!(value, 0.0);
        } else {
            prop_assert_eq!(value == 1.0, slate[..k] == best[..k], "{}", value);
        }
    }

    #[test]
    fn ndcg_rises_when_a_better_item_moves_up(slate in vec(0.0..1.0f32, 2..10), at in any::<Index>(), k in 1..12usize) {
        let upper = at.index(slate.len() - 1);
        let mut better = slate.clone();
        better[upper..=upper + 1].sort_unstable_by(|a, b| b.total_cmp(a));
        prop_assert!(ndcg(&better, &slate, k) >= ndcg(&slate, &slate, k));
    }

    #[test]
    fn alpha_ndcg_without_penalty_is_ndcg_of_the_number_of_values((pool, slate) in shuffled(facet_lists()), k in 0..10usize) {
        let distinct = |list: &[Vec<u8>]| -> Vec<f32> {
            list.iter().map(|item| item.iter().collect::<std::collections::BTreeSet<_>>().len() as f32).collect()
        };
        let expected = ndcg(&distinct(&slate), &distinct(&pool), k);
        prop_assert!((alpha_ndcg(&slate, &pool, 0.0, k) - expected).abs() < CLOSE);
    }

    #[test]
    fn alpha_ndcg_is_its_definition(pool in facet_lists(), order in vec(any::<Index>(), 0..6), alpha in 0.0..=1.0f64, k in 0..9usize) {
        let items: Vec<Vec<u8>> = pool.iter().map(|item| (0..5).filter(|v| item.contains(v)).collect()).collect();
        let gain = |above: &[Vec<u8>], item: &[u8]| -> f64 {
            item.iter().map(|v| (1.0 - alpha).powi(above.iter().filter(|a| a.contains(v)).count() as i32)).sum()
        };
        let dcg = |list: &[Vec<u8>]| -> f64 {
            (0..k.min(list.len())).map(|r| gain(&list[..r], &list[r]) / ((r + 2) as f64).log2()).sum()
        };
        let (mut ideal, mut open) = (Vec::new(), items.clone());
        open.sort();
        while !open.is_empty() {
            let most = open.iter().map(|item| gain(&ideal, item)).fold(0.0, f64::max);
            // Sums in another order may differ in the last bit; a tie is a tie all the same.
            let first = open.iter().position(|item| gain(&ideal, item) >= most - 1e-12).unwrap();
            ideal.push(open.remove(first));
        }
        let slate: Vec<Vec<u8>> =
            if items.is_empty() { Vec::new() } else { order.iter().map(|index| items[index.index(items.len())].clone()).collect() };
        let best = dcg(&ideal);
        let expected = if best > 0.0 { (dcg(&slate) / best).min(1.0) } else { 0.0 };
        prop_assert!((alpha_ndcg(&slate, &pool, alpha, k) - expected).abs() < CLOSE);
        if best > 0.0 {
            prop_assert_eq!(alpha_ndcg(&ideal, &pool, alpha, k), 1.0);
        }
    }

    #[test]
    fn the_pools_order_changes_no_ideal((pool, again) in shuffled(facet_lists()), slate in facet_lists(), k in 0..9usize) {
        let value = alpha_ndcg(&slate, &pool, 0.3, k);
        prop_assert_eq!(value.to_bits(), alpha_ndcg(&slate, &again, 0.3, k).to_bits());
    }

    #[test]
    fn divergences_do_not_depend_on_order_or_scale((p, again) in shuffled(mix(0.0..9.0f64)), q in mix(0.0..9.0f64), scale in 0.1..50.0f64) {
        let larger: Vec<(u8, f64)> = p.iter().map(|(value, weight)| (*value, weight * scale)).collect();
        let (kl, js) = (calibration_kl_nats(&p, &q, 0.01), js_divergence_bits(&p, &q));
        prop_assert_eq!(kl.to_bits(), calibration_kl_nats(&again, &q, 0.01).to_bits());
        prop_assert_eq!(js.to_bits(), js_divergence_bits(&again, &q).to_bits());
        prop_assert_eq!(js.to_bits(), js_divergence_bits(&q, &p).to_bits());
        prop_assert!((kl - calibration_kl_nats(&larger, &q, 0.01)).abs() < CLOSE);
        prop_assert!((js - js_divergence_bits(&larger, &q)).abs() < CLOSE);
        prop_assert!(calibration_kl_nats(&p, &p, 0.01) < CLOSE && js_divergence_bits(&p, &p) < CLOSE);
    }

    #[test]
    fn divergences_are_their_definitions(p in vec(0.01..9.0f64, 6), q in vec(0.01..9.0f64, 6), alpha in 0.001..1.0f64) {
        let sparse = |weights: &[f64]| (0u8..).zip(weights.iter().copied()).collect::<Vec<_>>();
        let (p, q) = (sparse(&p), sparse(&q));
        let pairs: Vec<(f64, f64)> = dense(&p).into_iter().zip(dense(&q)).collect();
        // Cross-entropy less entropy.
        let kl: f64 = pairs.iter().map(|(p, q)| p * p.ln() - p * ((1.0 - alpha) * q + alpha * p).ln()).sum();
        prop_assert!((calibration_kl_nats(&p, &q, alpha) - kl).abs() < CLOSE);
        // Entropy of the middle less the mean entropy.
        let entropy = |part: &dyn Fn(&(f64, f64)) -> f64| -> f64 { pairs.iter().map(part).map(|x| -x * x.log2()).sum() };
        let js = entropy(&|(p, q)| (p + q) / 2.0) - (entropy(&|(p, _)| *p) + entropy(&|(_, q)| *q)) / 2.0;
        prop_assert!((js_divergence_bits(&p, &q) - js).abs() < CLOSE);
    }

    #[test]
    fn smoothing_never_raises_miscalibration(p in mix(0.0..9.0f64), q in mix(0.0..9.0f64), less in 0.001..0.5f64, more in 0.5..=1.0f64) {
        prop_assert!(calibration_kl_nats(&p, &q, more) <= calibration_kl_nats(&p, &q, less) + CLOSE);
        prop_assert!(calibration_kl_nats(&p, &q, 1.0) < CLOSE);
    }

    #[test]
    fn gini_is_half_the_relative_mean_difference((amounts, again) in shuffled(vec(0.0..100.0f64, 1..12)), scale in 0.1..9.0f64) {
        let value = gini(amounts.iter().copied());
        let (n, total) = (amounts.len() as f64, amounts.iter().sum::<f64>());
        let differences: f64 = amounts.iter().flat_map(|a| amounts.iter().map(move |b| (a - b).abs())).sum();
        prop_assert!(total <= 0.0 || (value - differences / (2.0 * n * total)).abs() < CLOSE);
        prop_assert!(value <= 1.0 - 1.0 / n + CLOSE);
        prop_assert_eq!(value.to_bits(), gini(again).to_bits());
        prop_assert!((value - gini(amounts.iter().map(|x| x * scale))).abs() < CLOSE);
    }

    #[test]
    fn giving_to_the_poorer_lowers_gini(amounts in vec(0.0..100.0f64, 2..12), part in 0.0..=0.5f64) {
        let mut sorted = amounts.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let gift = (sorted[last] - sorted[0]) * part;
        sorted[last] -= gift;
        sorted[0] += gift;
        prop_assert!(gini(sorted) <= gini(amounts) + CLOSE);
    }

    #[test]
    fn exposure_adds_up_in_any_order((slates, again) in shuffled(facet_lists())) {
        let shown = exposure(&slates, log_discount);
        prop_assert_eq!(&shown, &exposure(&again, log_discount));
        let expected: f64 = slates.iter().flat_map(|slate| (1..=slate.len()).map(log_discount)).sum();
        prop_assert!((shown.values().sum::<f64>() - expected).abs() < CLOSE);
        let counts = exposure(&slates, |_| 1.0);
        prop_assert_eq!(counts.values().sum::<f64>(), slates.iter().map(Vec::len).sum::<usize>() as f64);
    }

    #[test]
    fn rarer_is_more_novel((popularity, again) in shuffled(vec(0.001..=1.0f64, 1..10))) {
        let bits = novelty_bits(popularity.iter().copied());
        prop_assert_eq!(bits.to_bits(), novelty_bits(again).to_bits());
        // Half as popular: one bit more, for each and so for the mean.
        prop_assert!((novelty_bits(popularity.iter().map(|p| p / 2.0)) - bits - 1.0).abs() < CLOSE);
    }

    #[test]
    fn repeats_by_single_values_are_repeats_by_item(slate in vec(0..9u8, 0..12), known in 0..9u8) {
        let values: Vec<[u8; 1]> = slate.iter().map(|item| [*item]).collect();
        let by_item = repeat_exposure(&slate, |item| *item < known);
        prop_assert_eq!(by_item, facet_repeat_exposure(&values, |value| *value < known));
        // New items and old ones are the whole slate.
        let new = serendipity(&slate, |_| true, |item| *item < known);
        prop_assert!(slate.is_empty() || (by_item + new - 1.0).abs() < CLOSE);
    }
}
