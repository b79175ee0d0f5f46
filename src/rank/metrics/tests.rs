//! Worked values: each computed by hand or taken from somebody else's publication, with the arithmetic beside it.

use super::*;

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-9, "{actual} is not {expected}");
}

/// A symmetric matrix of similarities.
fn matrix(rows: &'static [&'static [f32]]) -> impl Fn(usize, usize) -> f32 {
    move |a, b| rows[a][b]
}

const FOUR_ITEMS: &[&[f32]] = &[&[1.0, 0.9, 0.1, 0.2], &[0.9, 1.0, 0.1, 0.1], &[0.1, 0.1, 1.0, 0.2], &[0.2, 0.1, 0.2, 1.0]];

#[test]
fn ild_is_the_mean_distance_of_pairs() {
    // Distances .1 .9 .8 .9 .9 .8 sum to 4.4, over 6 pairs. Similarities are f32: seven digits.
    assert!((ild(4, matrix(FOUR_ITEMS)) - 4.4 / 6.0).abs() < 1e-7);
    assert_eq!(ild(2, |_, _| 0.25), 0.75);
}

#[test]
fn ild_of_odd_input() {
    assert_eq!(ild(0, |_, _| 0.5), 0.0);
    assert_eq!(ild(1, |_, _| 0.5), 0.0);
    // A negative cosine is no more than different.
    assert_eq!(ild(2, |_, _| -1.0), 1.0);
    // Pairs (0, 1) and (1, 2) have no similarity: the mean is over (0, 2) alone.
    assert_eq!(ild(3, |a, b| if a == 1 || b == 1 { f32::NAN } else { 0.5 }), 0.5);
    assert_eq!(ild(3, |_, _| f32::INFINITY), 0.0);
}

#[test]
fn eild_weighs_by_rank_and_relevance() {
    // r = 1, .5, 1; distances d12 = .125, d13 = .875, d23 = .75; disc = 1, log2(3)⁻¹ = .6309297536, .5.
    // k=1: (1·.5·.125 + .6309297536·1·.875) / (.5 + .6309297536) = .6145635344/1.1309297536 = .5434144185; × 1 × 1
    // k=2: (1·1·.125 + 1·1·.75) / 2 = .4375;                         × .6309297536 × .5 = .1380158836
    // k=3: (1·1·.875 + 1·.5·.75) / 1.5 = .8333333333;                × .5 × 1          = .4166666667
    // Sum 1.0980969687, over 1 + .6309297536 + .5 = 2.1309297536.
    let similarity = matrix(&[&[1.0, 0.875, 0.125], &[0.875, 1.0, 0.25], &[0.125, 0.25, 1.0]]);
    near(eild(&[1.0, 0.5, 1.0], log_discount, &similarity), 1.098_096_968_737_117_6 / 2.130_929_753_571_457_4);
    // The same list read to the end by everybody who likes everything: ILD = (.125 + .875 + .75) / 3.
    near(eild(&[1.0; 3], |_| 1.0, &similarity), 1.75 / 3.0);
}

#[test]
fn eild_of_odd_input() {
    let apart = |_, _| 0.0;
    assert_eq!(eild(&[], log_discount, apart), 0.0);
    assert_eq!(eild(&[1.0], log_discount, apart), 0.0);
    assert_eq!(eild(&[0.0, 0.0], log_discount, apart), 0.0);
    assert_eq!(eild(&[f32::NAN, 1.0], log_discount, apart), 0.0);
    assert_eq!(eild(&[7.0, 1.0], log_discount, apart), 1.0);
    assert_eq!(eild(&[1.0, 1.0], |_| f64::NAN, apart), 0.0);
    assert_eq!(eild(&[1.0, 1.0], |_| -1.0, apart), 0.0);
    assert_eq!(eild(&[1.0, 1.0], log_discount, |_, _| f32::NAN), 0.0);
}

#[test]
fn entropy_counts_in_bits() {
    assert_eq!(entropy_bits([4, 4, 4, 4]), 2.0);
    // ½·1 + ¼·2 + ¼·2.
    assert_eq!(entropy_bits([2, 0, 1, 1]), 1.5);
    // ¼·2 + ¾·log2(4/3) = .5 + ¾·.4150374993.
    near(entropy_bits([1, 3]), 0.811_278_124_459_132_8);
    assert_eq!(entropy_bits([7]), 0.0);
    assert_eq!(entropy_bits([]), 0.0);
    assert_eq!(entropy_bits([usize::MAX, usize::MAX]), 1.0);
    // 1.5 bits of the 2 that four values could give.
    assert_eq!(normalised_entropy([2, 1, 1], 4), 0.75);
    // More values shown than there are said to be: two of two.
    assert_eq!(normalised_entropy([3, 3], 1), 1.0);
    assert_eq!(normalised_entropy([3], 1), 0.0);
    assert_eq!(normalised_entropy([], 0), 0.0);
}

/// The list of pyndeval's own test: A, D, E, B of the judged A:{a} B:{b} D:{b} C:{c}; E is not judged.
const LIST: [&[char]; 4] = [&['a'], &['b'], &[], &['b']];
const JUDGED: [&[char]; 4] = [&['a'], &['b'], &['b'], &['c']];

#[test]
fn s_recall_is_the_share_of_values_shown() {
    // pyndeval's strec@5: a and b of a, b, c.
    near(s_recall(&LIST, &['a', 'b', 'c']), 2.0 / 3.0);
    // Neither a value nobody asked for nor a repeat counts.
    assert_eq!(s_recall(&[vec!["x", "a"], vec!["a"]], &["a", "b", "b"]), 0.5);
    assert_eq!(s_recall(&LIST, &[]), 0.0);
    assert_eq!(s_recall::<char>(&[[]; 0], &['a']), 0.0);
}

#[test]
fn alpha_ndcg_matches_ndeval() {
    // DCG = 1 + 1/log2 3 + 0 + ½/log2 5 = 1.846268033; ideal a, b, c, b = 1 + 1/log2 3 + 1/2 + ½/log2 5 = 2.346268033.
    near(alpha_ndcg(&LIST, &JUDGED, 0.5, 10), 1.846_268_032_608_154 / 2.346_268_032_608_154);
    // The figure pyndeval publishes, to its four digits.
    assert!((alpha_ndcg(&LIST, &JUDGED, 0.5, 5) - 0.7868).abs() < 1e-4);
}

#[test]
fn alpha_ndcg_of_odd_input() {
    let none: [&[char]; 0] = [];
    assert_eq!(alpha_ndcg(&none, &JUDGED, 0.5, 10), 0.0);
    assert_eq!(alpha_ndcg(&LIST, &none, 0.5, 10), 0.0);
    assert_eq!(alpha_ndcg(&LIST, &JUDGED, 0.5, 0), 0.0);
    // A value named twice in one item is one value.
    assert_eq!(alpha_ndcg(&[['a', 'a']], &[['a', 'a']], 0.5, 1), 1.0);
    // At α = 1 the second b is worth nothing: (1 + 1/log2 3) / (1 + 1/log2 3 + 1/2).
    near(alpha_ndcg(&LIST, &JUDGED, 1.0, 9), 1.630_929_753_571_457_4 / 2.130_929_753_571_457_4);
    assert_eq!(alpha_ndcg(&LIST, &JUDGED, 5.0, 9), alpha_ndcg(&LIST, &JUDGED, 1.0, 9));
    assert_eq!(alpha_ndcg(&LIST, &JUDGED, f64::NAN, 9), alpha_ndcg(&LIST, &JUDGED, 0.0, 9));
    // Items the pool does not have cannot make more than the ideal.
    assert_eq!(alpha_ndcg(&[['a', 'b']], &[['a', 'a']], 0.5, 3), 1.0);
}

#[test]
fn the_ideal_of_alpha_ndcg_is_greedy() {
    // All have three values, so the smallest set, abc, is first with gain 3; at α = 1 cef then adds 2 and abd adds 1.
    let pool: [&[char]; 3] = [&['a', 'b', 'd'], &['c', 'e', 'f'], &['a', 'b', 'c']];
    // The slate abd, cef, abc gains 3, 3, 0: 4.893 against the greedy 3, 2, 1 = 4.762; it is 1 and no more.
    assert_eq!(alpha_ndcg(&pool, &pool, 1.0, 3), 1.0);
    // abc, abd, cef gains 3, 1, 2 against the greedy 3, 2, 1.
    let slate = [pool[2], pool[0], pool[1]];
    near(alpha_ndcg(&slate, &pool, 1.0, 3), (3.0 + 0.630_929_753_571_457_4 + 1.0) / (3.0 + 1.261_859_507_142_914_9 + 0.5));
}

#[test]
fn ndcg_matches_the_usual_example() {
    // Wikipedia's: gains 3 2 3 0 1 2, and 3 2 judged but not shown. DCG = 3 + 2·.63093 + 3/2 + 0 + 1·.38685 + 2·.35621 = 6.861;
    // ideal 3 3 3 2 2 2 = 8.740; .785. Against its own best order only, 3 3 2 2 1 0 = 7.141, it would be .961.
    let slate = [3.0, 2.0, 3.0, 0.0, 1.0, 2.0];
    let pool = [3.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 2.0];
    near(dcg(slate), 6.861_126_688_593_502);
    near(ndcg(&slate, &pool, 6), 6.861_126_688_593_502 / 8.740_262_365_546_284);
    near(ndcg(&slate, &slate, 6), 6.861_126_688_593_502 / 7.140_995_184_095_7);
    // At 1 the first is the best.
    assert_eq!(ndcg(&slate, &pool, 1), 1.0);
}

#[test]
fn gains_of_odd_input() {
    assert_eq!((log_discount(0), log_discount(1), log_discount(3), log_discount(7)), (1.0, 1.0, 0.5, 1.0 / 3.0));
    assert_eq!(dcg([]), 0.0);
    assert_eq!(dcg([f32::NAN, -1.0, 4.0, f32::INFINITY]), 2.0);
    assert_eq!(ndcg(&[], &[1.0], 5), 0.0);
    assert_eq!(ndcg(&[0.0], &[0.0, -3.0, f32::NAN], 5), 0.0);
    assert_eq!(ndcg(&[1.0], &[1.0], 0), 0.0);
    assert_eq!(ndcg(&[1.0], &[], 5), 0.0);
    assert_eq!(ndcg(&[2.0], &[1.0], 5), 1.0);
    assert_eq!(ndcg(&[1.0, f32::NAN], &[f32::NAN, 1.0], usize::MAX), 1.0);
}

#[test]
fn relevance_kept_is_against_the_best_slate() {
    // 1 of the 2 that the two best have.
    assert_eq!(relevance_kept([0.5f32, 0.5].into_iter(), [1.0f32, 1.0, 0.5].into_iter()), 0.5);
    assert_eq!(relevance_kept([].into_iter(), [1.0f32].into_iter()), 1.0);
    assert_eq!(relevance_kept([0.0f32].into_iter(), [0.0f32].into_iter()), 1.0);
    assert_eq!(relevance_kept([f32::NAN, 1.0].into_iter(), [1.0f32, 1.0].into_iter()), 0.5);
}

#[test]
fn shares_follow_what_is_read() {
    // Ranks weigh 1, .63093, .5; the second item is half a and half b: a = 1.31546, b = .81546, of 2.13093.
    let list = [vec![("a", 1.0)], vec![("b", 3.0), ("a", 3.0)], vec![("b", 2.0)]];
    let read = facet_shares(&list, log_discount);
    assert_eq!(read.iter().map(|(value, _)| *value).collect::<Vec<_>>(), ["a", "b"]);
    near(read[0].1, 0.617_319_681_505_689);
    near(read[1].1, 0.382_680_318_494_310_83);
    assert_eq!(facet_shares(&list, |_| 1.0), [("a", 0.5), ("b", 0.5)]);
    // An item without values, or with none that count, is not there.
    let odd = [vec![], vec![("a", f64::NAN), ("b", -1.0), ("c", 0.0)], vec![("d", 2.0), ("d", 1.0)]];
    assert_eq!(facet_shares(&odd, |_| 1.0), [("d", 1.0)]);
    assert_eq!(facet_shares(&list, |_| f64::INFINITY), []);
}

#[test]
fn calibration_matches_worked_values() {
    // ½·ln(.5/.995) + ½·ln(.5/.005) = ½·(−.688134639) + ½·4.605170186.
    near(calibration_kl_nats(&[('a', 1.0), ('b', 1.0)], &[('a', 5.0)], CALIBRATION_SMOOTHING), 1.958_517_773_625_845_2);
    // .7·ln(.7/.502) + .3·ln(.3/.498): duplicates add up, order and scale do not matter.
    let target = [('b', 3.0), ('a', 2.0), ('a', 5.0)];
    near(calibration_kl_nats(&target, &[('a', 0.1), ('b', 0.1)], 0.01), 0.080_690_870_035_637_16);
    // Nothing in common, and an empty list: ln(1/α).
    near(calibration_kl_nats(&[('a', 1.0)], &[('b', 1.0)], 0.01), 100f64.ln());
    near(calibration_kl_nats(&[('a', 1.0)], &[], 0.01), 100f64.ln());
    assert_eq!(calibration_kl_nats(&[], &[('a', 1.0)], 0.01), 0.0);
    assert_eq!(calibration_kl_nats(&[('a', 1.0)], &[('b', 1.0)], 0.0), f64::INFINITY);
    assert_eq!(calibration_kl_nats(&[('a', 1.0)], &[('b', 1.0)], f64::NAN), f64::INFINITY);
}

/// Normalised discounted KL of a ranking of A and B against halves (Geyik, Ambler & Kenthapadi, KDD 2019): published
/// values check the divergence at every prefix.
fn ndkl(ranking: &str) -> f64 {
    let (mut sum, mut mass) = (0.0, 0.0);
    for k in 1..=ranking.len() {
        let count = |group| ranking.chars().take(k).filter(|c| *c == group).count() as f64;
        let prefix = [('A', count('A')), ('B', count('B'))];
        sum += log_discount(k) * calibration_kl_nats(&prefix, &[('A', 0.5), ('B', 0.5)], 0.0);
        mass += log_discount(k);
    }
    sum / mass
}

#[test]
fn kl_gives_published_ndkl() {
    near(ndkl("AAABABBABB"), 0.361_690_284);
    near(ndkl("AAAAABBBBB"), 0.478_386_738);
    near(ndkl("ABABABABAB"), 0.161_663_619);
}

#[test]
fn js_matches_worked_values() {
    // m = ¼ ½ ¼: ½·(½·log2 2 + ½·log2 1), twice.
    near(js_divergence_bits(&[('a', 1.0), ('b', 1.0)], &[('b', 2.0), ('c', 2.0)]), 0.5);
    // m = ¾ ¼: ½·log2(4/3) + ½·(½·log2(2/3) + ½·log2 2) = .2075187496 + ½·(−.2924812504 + .5).
    near(js_divergence_bits(&[('a', 1.0)], &[('a', 1.0), ('b', 1.0)]), 0.311_278_124_459_132_8);
    assert_eq!(js_divergence_bits(&[('a', 1.0)], &[('b', 1.0)]), 1.0);
    assert_eq!(js_divergence_bits(&[('a', 1.0)], &[]), 1.0);
    assert_eq!(js_divergence_bits::<char>(&[], &[]), 0.0);
}

#[test]
fn exposure_matches_published_values() {
    // Mean exposure of five A and five B under log discount, and 1 − JS of their shares against halves (TREC Fair Ranking).
    let ranking: Vec<char> = "AAABABBABB".chars().collect();
    let exposure = exposure(&[ranking], log_discount);
    near(exposure[&'A'] / 5.0, 0.566_649_488);
    near(exposure[&'B'] / 5.0, 0.342_062_380);
    let shares: Vec<(char, f64)> = exposure.into_iter().collect();
    near(1.0 - js_divergence_bits(&shares, &[('A', 0.5), ('B', 0.5)]), 0.988_782_819);
}

#[test]
fn exposure_of_odd_input() {
    assert!(exposure::<u8>(&[vec![]], log_discount).is_empty());
    assert_eq!(exposure(&[vec![1, 1], vec![2]], |rank| if rank == 1 { f64::NAN } else { 2.0 }), [(1, 2.0), (2, 0.0)].into());
}

#[test]
fn gini_matches_worked_values() {
    // (−3·1 − 1·2 + 1·3 + 3·14) / (4·20) = 40/80.
    near(gini([14.0, 1.0, 3.0, 2.0]), 0.5);
    assert_eq!(gini([10.0; 4]), 0.0);
    // One of four has all: 1 − 1/4.
    assert_eq!(gini([0.0, 0.0, 5.0, 0.0]), 0.75);
    assert_eq!(gini([]), 0.0);
    assert_eq!(gini([0.0, 0.0]), 0.0);
    assert_eq!(gini([f64::NAN, -2.0, f64::INFINITY, 1.0]), 0.75);
    assert_eq!(gini([f64::MAX, f64::MAX]), 0.0);
}

#[test]
fn coverage_is_the_share_ever_shown() {
    // 1, 2 and 3 of five.
    assert_eq!(coverage([vec![1, 2], vec![2, 3, 3]], 5), 0.6);
    assert_eq!(coverage([vec![1, 2]], 0), 0.0);
    assert_eq!(coverage([vec![1, 2]], 1), 1.0);
    assert_eq!(coverage::<u8>([[]; 0], 5), 0.0);
}

#[test]
fn novelty_is_mean_self_information() {
    // 1, 2 and 3 bits.
    assert_eq!(novelty_bits([0.5, 0.25, 0.125]), 2.0);
    assert_eq!(novelty_bits([1.0, 3.0]), 0.0);
    // What has no popularity is not part of the mean.
    assert_eq!(novelty_bits([0.0, f64::NAN, -1.0, 0.25]), 2.0);
    assert_eq!(novelty_bits([0.0]), 0.0);
    assert_eq!(novelty_bits([]), 0.0);
    // Nobody of 255 has met it: 8 bits, the most there can be.
    assert_eq!(novelty_bits([smoothed_share(0, 255)]), 8.0);
    assert_eq!((smoothed_share(3, 7), smoothed_share(9, 7), smoothed_share(0, 0)), (0.5, 1.0, 1.0));
    assert!(smoothed_share(u64::MAX, u64::MAX) <= 1.0);
}

#[test]
fn serendipity_is_relevant_and_not_obvious() {
    // Liked a, c, d; the most popular are a and b: c and d of five.
    let slate = ['a', 'b', 'c', 'd', 'e'];
    assert_eq!(serendipity(&slate, |i| "acd".contains(*i), |i| "ab".contains(*i)), 0.4);
    assert_eq!(serendipity::<char>(&[], |_| true, |_| false), 0.0);
}

#[test]
fn repeats_count_by_item_and_by_facet() {
    assert_eq!(repeat_exposure(&[1, 2, 3, 4], |i| *i == 2), 0.25);
    assert_eq!(repeat_exposure::<u8>(&[], |_| true), 0.0);
    // Both of the first, one of two of the second, the third has none and is left out: (1 + ½) / 2.
    let slate = [vec!["politics", "sport"], vec!["sport", "opera"], vec![]];
    assert_eq!(facet_repeat_exposure(&slate, |value| *value != "opera"), 0.75);
    assert_eq!(facet_repeat_exposure::<u8>(&[vec![]], |_| true), 0.0);
}

#[test]
fn what_was_found_and_where() {
    let slate = [false, true, false, true, true];
    // Two of the first four, of three there were; of nine there were, four could have been shown.
    assert_eq!(recall(&slate, 3, 4), 2.0 / 3.0);
    assert_eq!(recall(&slate, 9, 4), 0.5);
    assert_eq!(reciprocal_rank(&slate, 4), 0.5);
    assert_eq!((hit(&slate, 1), hit(&slate, 2)), (0.0, 1.0));
    assert_eq!([recall(&slate, 0, 4), recall(&slate, 3, 0), recall(&[], 3, 4), reciprocal_rank(&slate, 1), hit(&[], 3)], [0.0; 5]);
    // More found than there were to find: somebody counted wrong, and it is still a share.
    assert_eq!(recall(&slate, 1, 5), 1.0);
}
