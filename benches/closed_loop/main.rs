//! The closed-loop check: what becomes of readers' interests under the shipped policy, its parts, and relevance alone.
//!
//! `cargo bench --bench closed_loop` prints the tables of benches/README.md; `-- READERS ROUNDS` makes them smaller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

mod simulation;

use std::thread;

use simulation::{Arm, FIRST_CLICKS, Interval, LAST, Measure, Outcome, Readers, SLATE, Size, run};

const SEEDS: u64 = 5;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let size = Size { readers: sizes.first().copied().unwrap_or(40), rounds: sizes.get(1).copied().unwrap_or(100) };
    println!(
        "{} readers, {} rounds, slates of {SLATE}, {SEEDS} seeds; {FIRST_CLICKS} clicks on one interest first.",
        size.readers, size.rounds
    );
    for readers in [Readers::Sharp, Readers::Soft, Readers::Diffuse] {
        println!("\n### {readers:?} readers\n");
        print(&outcomes(readers, size));
    }
}

/// Of every arm, by seed.
fn outcomes(readers: Readers, size: Size) -> Vec<(Arm, Vec<Outcome>)> {
    let of_seed = |seed: u64| {
        let mut shipped = Vec::new();
        let mut of_arm = |arm: Arm| {
            let wanted: &[f64] = if arm == Arm::Placebo { &shipped } else { &[] };
            let (outcome, ild) = run(arm, readers, size, seed, wanted);
            if arm == Arm::Shipped {
                shipped = ild;
            }
            outcome
        };
        Arm::ALL.map(&mut of_arm)
    };
    let by_seed: Vec<[Outcome; Arm::ALL.len()]> = thread::scope(|scope| {
        let runs: Vec<_> = (1..=SEEDS).map(|seed| scope.spawn(move || of_seed(seed))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    Arm::ALL.into_iter().enumerate().map(|(n, arm)| (arm, by_seed.iter().map(|arms| arms[n].clone()).collect())).collect()
}

fn print(outcomes: &[(Arm, Vec<Outcome>)]) {
    let baseline = &outcomes[0].1;
    println!(
        "| arm | ever shown, % | × relevance only | of the never shown, % | last {LAST} rounds, % | surviving, % | clicks | click loss, % | entropy, bits | ILD | between readers, bits | entropy slope | interests slope | rounds to 80 % |"
    );
    println!("|{}", "---|".repeat(14));
    for (arm, outcomes) in outcomes {
        let of = |measure, scale: f64, digits| text(&outcomes.iter().map(|o| scale * o.get(measure)).collect::<Vec<_>>(), digits);
        let against = |of: &dyn Fn(&Outcome, &Outcome) -> f64, digits| {
            text(&outcomes.iter().zip(baseline).map(|(o, b)| of(o, b)).collect::<Vec<_>>(), digits)
        };
        let ratio = against(&|o, b| o.get(Measure::Ever) / b.get(Measure::Ever), 2);
        // What relevance alone never shows, and this arm does.
        let found = against(&|o, b| 100.0 * (o.get(Measure::Ever) - b.get(Measure::Ever)) / (1.0 - b.get(Measure::Ever)), 0);
        let loss = against(&|o, b| 100.0 * (1.0 - o.get(Measure::Clicks) / b.get(Measure::Clicks)), 1);
        let cells = [
            name(*arm).to_owned(),
            of(Measure::Ever, 100.0, 1),
            ratio,
            found,
            of(Measure::Still, 100.0, 1),
            of(Measure::Surviving, 100.0, 1),
            of(Measure::Clicks, 1.0, 2),
            loss,
            of(Measure::Entropy, 1.0, 2),
            of(Measure::Ild, 1.0, 3),
            of(Measure::Between, 1.0, 2),
            of(Measure::EntropySlope, 1.0, 2),
            of(Measure::InterestSlope, 1.0, 1),
            of(Measure::RoundsTo80, 1.0, 0),
        ];
        println!("| {} |", cells.join(" | "));
    }
}

fn text(values: &[f64], digits: usize) -> String {
    let Interval { mean, half } = Interval::of(values);
    format!("{mean:.digits$} ± {half:.digits$}")
}

const fn name(arm: Arm) -> &'static str {
    match arm {
        Arm::Relevance => "relevance only",
        Arm::Forgetful => "relevance only, no memory of what was shown",
        Arm::Constraints => "constraints only",
        Arm::Mmr => "MMR only",
        Arm::Quota => "quota only",
        Arm::Shipped => "**shipped default**",
        Arm::Calibrated => "shipped, calibrated instead of MMR",
        Arm::LessDiversity => "shipped, diversity 0.2",
        Arm::Minmax => "shipped, min-max relevance",
        Arm::Placebo => "placebo: noise of the same ILD",
        Arm::Random => "random",
    }
}
