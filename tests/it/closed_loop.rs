//! The closed loop of `benches/closed_loop`, small: under the shipped policy readers come upon their interests.

#[path = "../../benches/closed_loop/simulation/mod.rs"]
mod simulation;

use std::thread;

use simulation::{Arm, Interval, Measure, Outcome, Readers, Size, run};

const SMALL: Size = Size { readers: 16, rounds: 25 };
const SEEDS: u64 = 5;

/// Each seed's outcomes under relevance alone and under the shipped policy.
fn outcomes(readers: Readers) -> Vec<[Outcome; 2]> {
    let of_seed = |seed| [Arm::Relevance, Arm::Shipped].map(|arm| run(arm, readers, SMALL, seed, &[]).0);
    thread::scope(|scope| {
        let runs: Vec<_> = (1..=SEEDS).map(|seed| scope.spawn(move || of_seed(seed))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn interval(outcomes: &[[Outcome; 2]], of: impl Fn(&Outcome, &Outcome) -> f64) -> Interval {
    Interval::of(&outcomes.iter().map(|[relevance, shipped]| of(relevance, shipped)).collect::<Vec<_>>())
}

/// Shows at least `times` as many of the interests as relevance alone, ever and in the last rounds.
fn opens_without_making_readers_alike(readers: Readers, times: f64) {
    let outcomes = outcomes(readers);
    for measure in [Measure::Ever, Measure::Still] {
        let ratio = interval(&outcomes, |relevance, shipped| shipped.get(measure) / relevance.get(measure));
        assert!(ratio.mean - ratio.half >= times, "{readers:?} {measure:?}: {ratio:?} times what relevance alone shows");
    }
    let found = interval(&outcomes, |relevance, shipped| {
        (shipped.get(Measure::Ever) - relevance.get(Measure::Ever)) / (1.0 - relevance.get(Measure::Ever))
    });
    assert!(found.mean - found.half >= 0.5, "{readers:?}: {found:?} of what relevance alone never shows");
    // Feeds of two readers stay much further apart than random ones, which are 0.2 to 0.3 bits apart.
    let between = interval(&outcomes, |_, shipped| shipped.get(Measure::Between));
    assert!(between.mean - between.half >= 0.5, "{readers:?}: {between:?} bits between readers");
    let loss = interval(&outcomes, |relevance, shipped| 1.0 - shipped.get(Measure::Clicks) / relevance.get(Measure::Clicks));
    assert!(loss.mean + loss.half <= 0.45, "{readers:?}: {loss:?} of the clicks");
}

#[test]
fn sharp_readers_are_shown_twice_as_many_of_their_interests() {
    opens_without_making_readers_alike(Readers::Sharp, 2.0);
}

#[test]
fn soft_readers_are_shown_twice_as_many_of_their_interests() {
    opens_without_making_readers_alike(Readers::Soft, 2.0);
}

/// Relevance alone comes upon more than half of them: twice as many there are not.
#[test]
fn diffuse_readers_are_shown_most_of_what_relevance_alone_leaves_out() {
    opens_without_making_readers_alike(Readers::Diffuse, 1.2);
}

#[test]
fn the_same_seed_gives_the_same_numbers_in_every_arm() {
    let tiny = Size { readers: 3, rounds: 3 };
    let of = |arm, seed| run(arm, Readers::Soft, tiny, seed, &[0.5; 3]);
    let arms = Arm::ALL.map(|arm| of(arm, 7));
    assert_eq!(arms, Arm::ALL.map(|arm| of(arm, 7)));
    assert!(Measure::ALL.into_iter().all(|measure| arms.iter().all(|(outcome, _)| outcome.get(measure).is_finite())));
    assert_ne!(arms.first(), arms.last(), "arms differ");
    assert_ne!(of(Arm::Shipped, 8), of(Arm::Shipped, 7), "another seed is another world");
}

#[test]
fn an_interval_is_students() {
    // Of 1 to 5: mean 3, variance 2.5, t = 2.776.
    let interval = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!((interval.mean - 3.0).abs() < 1e-12 && (interval.half - 2.776 * 0.5f64.sqrt()).abs() < 1e-12);
}
