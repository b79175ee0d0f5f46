//! What the diversity dial does to a page, step by step, method by method, on the demo catalogue and on real data.
//!
//! ```text
//! cargo bench --bench dial                             all tables of benches/README.md
//! cargo bench --bench dial -- viewpoints --feeds 200   one of demo, movielens, viewpoints, with fewer feeds
//! cargo bench --bench dial -- full                     every column of every method, not only of the default
//! cargo bench --bench dial -- brownout                 only what fewer candidates do to a page
//! ```
//!
//! The data sets come from `POLYPHONY_DATA` (or `../shared/data`); one that is not there is skipped, and that is said.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

mod feeds;

use feeds::{
    BALANCED, Means, PAGE, Pools, Sweep, World, demo, movielens,
    setting::{self, SETTINGS},
    viewpoints,
};
use polyphony::{
    domain::{Policy, policy::Aggregate},
    evaluate::sweep::{Point, front},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let says = |word: &str| arguments.iter().any(|argument| argument == word);
    let feeds = arguments.iter().position(|argument| argument == "--feeds").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let feeds = feeds.unwrap_or(1_000);
    for name in NAMES.into_iter().filter(|name| says(name) || !NAMES.into_iter().any(says)) {
        let world = match name {
            "demo" => Some(demo::world(feeds)),
            "movielens" => movielens::world(feeds),
            _ => viewpoints::world(feeds),
        };
        if let Some(world) = world {
            println!("\n### {name}: {} items, {feeds} feeds", world.snapshot.len());
            if says("brownout") {
                brownout(&world);
                continue;
            }
            let pools = world.pools(&setting::bare());
            methods(&world, &pools, says("full"));
            shipped(&world);
            brownout(&world);
            knees(&world);
            if name == "viewpoints" {
                balance(&world, &pools);
            }
        }
    }
}

const NAMES: [&str; 3] = ["demo", "movielens", "viewpoints"];

/// Every method alone, without exploration and constraints: the default in full, the others step by step.
fn methods(world: &World, pools: &Pools, full: bool) {
    let sweeps = SETTINGS.map(|setting| (setting, Sweep::new(world, pools, &setting.policy())));
    let shipped = Policy::default().diversify.diversity;
    for (n, (setting, sweep)) in sweeps.iter().enumerate().filter(|(n, _)| full || *n == 0) {
        let at_default = (n == 0).then(|| world.measure(pools, &setting.policy(), shipped));
        in_full(&format!("{} alone", setting.name), sweep, at_default.map(|means| (shipped, means)));
    }
    by_step("ILD", &sweeps, |means| format!("{:.3}", means.ild));
    by_step("nDCG@20", &sweeps, |means| format!("{:.3}", means.ndcg));
    by_step("Relevance kept", &sweeps, |means| format!("{:.3}", means.relevance_kept));
    let (_, default) = &sweeps[0];
    let [least, most] = [0.0, default.range()].map(|above| default.steps().next().map_or(0.0, |(_, means)| means.ild) + above);
    at_equal_ild(&sweeps, [1.0 / 3.0, 2.0 / 3.0].map(|share| least + share * (most - least)));
}

/// One sweep with every column; with what the dial gives `at` a place between the steps.
fn in_full(name: &str, sweep: &Sweep, at: Option<(f32, Means)>) {
    println!(
        "\n**{name}**\n\n| diversity | ILD | ILD, embeddings | topic entropy, bits | topics | nDCG@20 | relevance kept |\n|{}",
        "---|".repeat(7)
    );
    let between = at.iter().map(|(diversity, means)| (*diversity, means));
    let mut rows: Vec<(f32, &Means)> = sweep.steps().chain(between).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (diversity, means) in rows {
        let Means { ild, embedding_ild, topic_entropy, topics, ndcg, relevance_kept, .. } = means;
        let label = if at.is_some_and(|(at, _)| at == diversity) { format!("**{diversity}**") } else { format!("{diversity:.1}") };
        println!("| {label} | {ild:.3} | {embedding_ild:.3} | {topic_entropy:.2} | {topics:.1} | {ndcg:.3} | {relevance_kept:.3} |");
    }
    println!(
        "\nILD rises over {:.0} % of the dial; flattest stretch of 0.2: {:.1} % of the range.",
        100.0 * sweep.rising(),
        100.0 * sweep.flattest()
    );
}

type Sweeps = [(setting::Setting, Sweep); SETTINGS.len()];

/// One column of all methods, a row each.
fn by_step(what: &str, sweeps: &Sweeps, cell: impl Fn(&Means) -> String) {
    let steps: Vec<String> = sweeps[0].1.steps().map(|(diversity, _)| format!("{diversity:.1}")).collect();
    println!("\n| {what} | {} |\n|{}", steps.join(" | "), "---|".repeat(steps.len() + 1));
    for (setting, sweep) in sweeps {
        let cells: Vec<String> = sweep.steps().map(|(_, means)| cell(means)).collect();
        println!("| {} | {} |", setting.name, cells.join(" | "));
    }
}

/// How alive each method's dial is, and what it gives where it has the same intra-list diversity.
fn at_equal_ild(sweeps: &Sweeps, ilds: [f64; 2]) {
    let columns = ilds.map(|ild| format!("dial at ILD {ild:.3} | of the first 5 | nDCG@20 | relevance kept"));
    println!("\n| method | ILD rises over, % | flattest 0.2, % | {} |\n|{}", columns.join(" | "), "---|".repeat(11));
    for (setting, sweep) in sweeps {
        let (rises, flattest) = (100.0 * sweep.rising(), 100.0 * sweep.flattest());
        let cells = ilds.map(|ild| match sweep.at_ild(ild) {
            Some((dial, Means { first_screen_ild, ndcg, relevance_kept, .. })) => {
                format!("{dial:.2} | {first_screen_ild:.3} | {ndcg:.3} | {relevance_kept:.3}")
            }
            None => "never | | | ".to_owned(),
        });
        println!("| {} | {rises:.0} | {flattest:.1} | {} |", setting.name, cells.join(" | "));
    }
}

/// What a server without settings does.
fn shipped(world: &World) {
    let policy = Policy::default();
    let pools = world.pools(&policy);
    let sweep = Sweep::new(world, &pools, &policy);
    let shipped = policy.diversify.diversity;
    in_full("the shipped policy, exploration and constraints included", &sweep, Some((shipped, world.measure(&pools, &policy, shipped))));
}

/// What `server.brownout_share` does to a page. Relevance kept is no column: it is of a pool's own best.
fn brownout(world: &World) {
    println!("\n| share of the candidates | ILD | topic entropy, bits | topics | nDCG@20 |\n|{}", "---|".repeat(5));
    let all = Policy::default();
    for share in [1.0, 0.6, 0.4, 0.2, 0.1] {
        let mut policy = all.clone();
        policy.retrieve.candidates = (all.retrieve.candidates as f32 * share) as u32;
        let Means { ild, topic_entropy, topics, ndcg, .. } = world.measure(&world.pools(&policy), &policy, policy.diversify.diversity);
        println!("| {share} | {ild:.3} | {topic_entropy:.2} | {topics:.1} | {ndcg:.3} |");
    }
}

/// Where a little more diversity begins to cost more than its share, under the shipped policy, by what may not be broken.
fn knees(world: &World) {
    let policy = Policy::default();
    let pools = world.pools(&policy);
    let dials: Vec<f32> = (0..=20).map(|step| step as f32 / 20.0).collect();
    let all: Vec<(f32, Means)> = dials.iter().map(|dial| (*dial, world.measure(&pools, &policy, *dial))).collect();
    println!(
        "\n| relevance | guardrail | dial within it | knee | bulge at the knee | at {} |\n|{}",
        policy.diversify.diversity,
        "---|".repeat(6)
    );
    for (name, relevance) in [("relevance kept", (|means| means.relevance_kept) as fn(&Means) -> f64), ("nDCG@20", |means| means.ndcg)] {
        for kept_min in [0.0, 0.8, 0.85, 0.9] {
            let within: Vec<&(f32, Means)> = all.iter().filter(|(_, means)| means.relevance_kept >= kept_min).collect();
            let points: Vec<Point> = within.iter().map(|(_, m)| Point { diversity: m.ild, relevance: relevance(m) }).collect();
            let on_front = front::front(&points);
            let line: Vec<Point> = on_front.iter().map(|n| points[*n]).collect();
            let bulges = front::bulges(&line);
            let at = |wanted: f32| {
                on_front.iter().position(|n| within[*n].0 == wanted).map_or("dominated".into(), |n| format!("{:.3}", bulges[n]))
            };
            let furthest = within.iter().map(|(dial, _)| *dial).fold(0.0, f32::max);
            let (knee, bulge) = match front::knee(&line) {
                Some(n) => (within[on_front[n]].0.to_string(), format!("{:.3}", bulges[n])),
                None => ("none".into(), String::new()),
            };
            let rail = if kept_min > 0.0 { format!("relevance kept ≥ {kept_min}") } else { "none".into() };
            println!("| {name} | {rail} | to {furthest} | {knee} | {bulge} | {} |", at(policy.diversify.diversity));
        }
    }
}

/// What it takes to balance the viewpoints of every page.
fn balance(world: &World, pools: &Pools) {
    let most = world.most_viewpoint_entropy();
    let (fewest, mean) = world.scarcest_viewpoint(pools);
    println!("\n#### Viewpoints: at most {most:.3} bits on a page of {PAGE}\n");
    println!("Candidates of the scarcest viewpoint of a pool: {mean:.0} on average, {fewest} at least.\n");
    println!(
        "| policy | diversity | viewpoint entropy, bits | of the most, % | pages ≥ {:.0} %, % | ILD, embeddings | nDCG@20 | relevance kept |\n|{}",
        100.0 * BALANCED,
        "---|".repeat(8)
    );
    let values = world.viewpoints();
    let rows: [(&str, Policy, &[f32]); 6] = [
        ("relevance", setting::bare(), &[0.0]),
        ("mmr mean, embeddings alone", setting::embedding_only(Aggregate::Mean), &[0.2, 0.35, 0.5, 0.7, 0.9, 1.0]),
        ("mmr max, embeddings alone", setting::embedding_only(Aggregate::Max), &[0.2, 0.35, 0.5, 0.7, 0.9, 1.0]),
        ("mmr mean, the shipped similarity", setting::bare(), &[0.35]),
        ("calibrated to equal viewpoints", setting::balanced(&values), &[0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0]),
        ("min_share of each viewpoint", setting::at_least_even(&values), &[0.0, 0.35]),
    ];
    for (name, policy, dials) in rows {
        for diversity in dials {
            let Means { viewpoint_entropy, balanced, embedding_ild, ndcg, relevance_kept, .. } = world.measure(pools, &policy, *diversity);
            println!(
                "| {name} | {diversity} | {viewpoint_entropy:.3} | {:.1} | {:.1} | {embedding_ild:.3} | {ndcg:.3} | {relevance_kept:.3} |",
                100.0 * viewpoint_entropy / most,
                100.0 * balanced
            );
        }
    }
}
