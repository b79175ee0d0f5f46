//! Worked values, computed apart from this code with the formulas of the papers; and simulations of the promises: the share
//! of experiments in which somebody who looks after **every** unit is ever misled.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Simulated experiments per promise.
const RUNS: u64 = 1_200;

fn near(found: Interval, lower: f64, upper: f64) {
    assert!((found.lower - lower).abs() < 1e-9 && (found.upper - upper).abs() < 1e-9, "{found:?}");
}

/// 1 for `hits` of every 10.
fn cycle(hits: usize, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |n| if n * 7 % 10 < hits { 1.0 } else { 0.0 })
}

#[test]
fn intervals_have_the_values_of_their_formulas() {
    let bounded = |alpha: f64, values: &mut dyn Iterator<Item = f64>| {
        let mut sequence = MeanSequence::new(alpha);
        values.for_each(|value| sequence.add(value));
        sequence.interval()
    };
    near(bounded(0.05, &mut (0..200).map(|n| f64::from(n * 7_919 % 1_000) / 1_000.0 * 0.4 + 0.3)), 0.455_894_386_966, 0.540_505_613_033);
    near(bounded(0.01, &mut cycle(3, 500)), 0.212_943_161_500, 0.390_834_691_999);
    let (few, many): (Moments, Moments) = (cycle(3, 500).collect(), cycle(4, 300).collect());
    near(mean(&few, 0.05).unwrap(), 0.220_979_872_812, 0.379_020_127_187);
    near(difference(&many, &few, 0.05).unwrap(), -0.021_889_286_461, 0.221_889_286_461);
}

#[test]
fn mismatch_has_the_value_of_its_formula() {
    let p = |weights: &[f64], counts: &[u64]| MismatchTest::new(weights).p_value(counts);
    assert_eq!(p(&[1.0, 1.0], &[5_000, 5_000]), 1.0);
    assert!((p(&[1.0, 1.0], &[5_200, 4_800]) - 0.003_647_864_278).abs() < 1e-9);
    // The product of what is predicted unit by unit, computed so.
    assert!((p(&[90.0, 10.0], &[900, 120]) - 0.774_864_536_176).abs() < 1e-9);
    assert_eq!(p(&[0.3, 0.7], &[0, 0]), 1.0);
}

#[test]
fn little_data_says_little() {
    let sequence = MeanSequence::new(0.05);
    assert_eq!((sequence.interval(), sequence.mean()), (Interval { lower: 0.0, upper: 1.0 }, 0.0));
    let (few, none): (Moments, Moments) = (cycle(3, 249).collect(), Moments::default());
    assert_eq!((mean(&few, 0.05), difference(&few, &few, 0.05), difference(&none, &few, 0.05)), (None, None, None));
    // Not one success yet is not certainty that there will be none.
    let barren: Moments = std::iter::repeat_n(0.0, 300).collect();
    assert!(mean(&barren, 0.05).unwrap().upper > 0.005);
}

#[test]
fn what_is_not_a_number_counts_as_nothing() {
    let (mut sequence, mut moments) = (MeanSequence::new(0.05), Moments::default());
    for value in [0.5, f64::NAN, 0.5] {
        sequence.add(value);
        moments.add(value);
    }
    assert_eq!((sequence.count(), moments.count(), moments.mean()), (2, 2, 0.5));
    sequence.add(f64::INFINITY);
    assert!((sequence.mean() - 2.0 / 3.0).abs() < 1e-12);
}

/// What one unit does.
type Draw = fn(&mut ChaCha8Rng) -> f64;

/// One in twenty.
fn rare(random: &mut ChaCha8Rng) -> f64 {
    f64::from(u8::from(random.random_bool(0.05)))
}

/// Share of 20 items used: most people few, some many.
fn skewed(random: &mut ChaCha8Rng) -> f64 {
    let liking = random.random::<f64>().powi(4);
    (0..20).filter(|_| random.random_bool(liking)).count() as f64 / 20.0
}

/// Share of [`RUNS`] in which `misled` says so after any of `units` units.
fn ever(units: u64, salt: u64, mut misled: impl FnMut(&mut ChaCha8Rng, u64) -> bool) -> f64 {
    let wrong = (0..RUNS).filter(|run| {
        let mut random = ChaCha8Rng::seed_from_u64(run ^ salt);
        (0..units).any(|unit| misled(&mut random, unit))
    });
    wrong.count() as f64 / RUNS as f64
}

/// Share of A/A experiments in which looking after every unit ever finds a difference. `treated`: share of the second arm.
fn ever_different(draw: Draw, treated: f64, find: fn(&Moments, &Moments) -> bool) -> f64 {
    let mut arms = [Moments::default(); 2];
    ever(4_000, 7, |random, unit| {
        if unit == 0 {
            arms = [Moments::default(); 2];
        }
        arms[usize::from(random.random_bool(treated))].add(draw(random));
        find(&arms[1], &arms[0])
    })
}

#[test]
fn an_a_a_test_watched_all_the_time_rejects_in_six_per_cent_at_most() {
    let excludes_zero = |treated: &Moments, control: &Moments| difference(treated, control, 0.05).is_some_and(|i| !i.contains(0.0));
    for (draw, treated) in [(rare as Draw, 0.5), (skewed, 0.5), (rare, 0.1), (skewed, 0.1)] {
        let rejected = ever_different(draw, treated, excludes_zero);
        assert!(rejected <= 0.06, "{rejected} of A/A tests, {treated} treated");
    }
}

#[test]
fn the_same_watching_misleads_an_ordinary_interval() {
    let excludes_zero = |treated: &Moments, control: &Moments| {
        let error = (treated.variance() / treated.count() as f64 + control.variance() / control.count() as f64).sqrt();
        treated.count().min(control.count()) >= asymptotic::MIN_UNITS && (treated.mean() - control.mean()).abs() > 1.96 * error
    };
    let rejected = ever_different(skewed, 0.5, excludes_zero);
    assert!(rejected > 0.2, "{rejected}");
}

#[test]
fn a_real_difference_is_found() {
    let found = ever(6_000, 3, {
        let mut arms = [Moments::default(); 2];
        move |random, unit| {
            if unit == 0 {
                arms = [Moments::default(); 2];
            }
            let treated = random.random_bool(0.5);
            arms[usize::from(treated)].add(f64::from(u8::from(random.random_bool(if treated { 0.26 } else { 0.2 }))));
            difference(&arms[1], &arms[0], 0.05).is_some_and(|interval| interval.lower > 0.0)
        }
    });
    assert!(found > 0.9, "{found}");
}

#[test]
fn a_bounded_mean_is_covered_at_all_times() {
    for (draw, truth) in [(rare as Draw, 0.05), (skewed, 0.2)] {
        let mut sequence = MeanSequence::new(0.05);
        let missed = ever(2_000, 5, |random, unit| {
            if unit == 0 {
                sequence = MeanSequence::new(0.05);
            }
            sequence.add(draw(random));
            !sequence.interval().contains(truth)
        });
        assert!(missed <= 0.05, "{missed} missed {truth}");
    }
    let mut sequence = MeanSequence::new(0.05);
    (0..2_000).for_each(|n| sequence.add(0.6 + f64::from(n % 5) * 0.05));
    let interval = sequence.interval();
    assert!(interval.contains(0.7) && interval.upper - interval.lower < 0.05, "{interval:?}");
}

#[test]
fn a_fair_split_is_seldom_called_unfair_and_an_unfair_one_is_found() {
    let ever_rejected = |planned: f64, actual: f64, units| {
        let test = MismatchTest::new(&[1.0 - planned, planned]);
        let mut counts = [0; 2];
        ever(units, 11, |random, unit| {
            if unit == 0 {
                counts = [0; 2];
            }
            counts[usize::from(random.random_bool(actual))] += 1;
            test.p_value(&counts) < 0.05
        })
    };
    for planned in [0.5, 0.1] {
        let rejected = ever_rejected(planned, planned, 2_000);
        assert!(rejected <= 0.05, "{rejected} at {planned}");
    }
    let found = ever_rejected(0.5, 0.46, 6_000);
    assert!(found > 0.9, "{found}");
}
