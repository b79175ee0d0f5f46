//! What the diversity dial does to a page, step by step, method by method, on the demo catalogue and on real data.
//!
//! ```text
//! cargo bench --bench dial                             all tables of benches/README.md
//! cargo bench --bench dial -- viewpoints --feeds 200   one of demo, movielens, viewpoints, with fewer feeds
//! ```
//!
//! The data sets come from `POLYPHONY_DATA` (or `../shared/data`); one that is not there is skipped, and that is said.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

mod feeds;

use feeds::{
    BALANCED, Means, Sweep, World, demo, movielens,
    setting::{self, SETTINGS},
    viewpoints,
};
use polyphony::{
    domain::{Facet, FacetValue, Policy, policy::Aggregate},
    rank::metrics,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let feeds = arguments.iter().position(|argument| argument == "--feeds").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let feeds = feeds.unwrap_or(1_000);
    let wanted = |name: &str| arguments.iter().any(|argument| argument == name) || !arguments.iter().any(|a| NAMES.contains(&a.as_str()));
    for name in NAMES.into_iter().filter(|name| wanted(name)) {
        let world = match name {
            "demo" => Some(demo::world(feeds)),
            "movielens" => movielens::world(feeds),
            _ => viewpoints::world(feeds),
        };
        if let Some(world) = world {
            println!("\n### {name}: {} items, {feeds} feeds", world.snapshot.len());
            methods(&world);
            shipped(&world);
            if name == "viewpoints" {
                balance(&world);
            }
        }
    }
}

const NAMES: [&str; 3] = ["demo", "movielens", "viewpoints"];

const HEADER: &str =
    "| diversity | ILD | ILD, embeddings | topic entropy, bits | topics | nDCG@20 | relevance kept |\n|---|---|---|---|---|---|---|";

fn row(label: &str, means: &Means) {
    let Means { ild, embedding_ild, topic_entropy, topics, ndcg, relevance_kept, .. } = means;
    println!("| {label} | {ild:.3} | {embedding_ild:.3} | {topic_entropy:.2} | {topics:.1} | {ndcg:.3} | {relevance_kept:.3} |");
}

/// Every method alone, without exploration and constraints.
fn methods(world: &World) {
    let pools = world.pools(&setting::bare());
    for setting in SETTINGS {
        println!("\n{}\n\n{HEADER}", setting.name);
        let sweep = Sweep::new(world, &pools, &setting.policy());
        for (diversity, means) in sweep.steps() {
            row(&format!("{diversity:.1}"), means);
        }
        alive(&sweep);
    }
}

fn alive(sweep: &Sweep) {
    println!(
        "\nILD rises over {:.0} % of the dial; flattest stretch of 0.2: {:.1} % of the range of {:.3}.",
        100.0 * sweep.rising(),
        100.0 * sweep.flattest(),
        sweep.range()
    );
}

/// What a server without settings does.
fn shipped(world: &World) {
    let policy = Policy::default();
    let pools = world.pools(&policy);
    println!("\nthe shipped policy\n\n{HEADER}");
    let sweep = Sweep::new(world, &pools, &policy);
    for (diversity, means) in sweep.steps() {
        row(&format!("{diversity:.1}"), means);
    }
    let shipped = policy.diversify.diversity;
    row(&format!("**{shipped}**"), &world.measure(&pools, &policy, shipped));
    alive(&sweep);
}

/// What it takes to balance the viewpoints of every page.
fn balance(world: &World) {
    let most = metrics::entropy_bits(world.even_viewpoints());
    println!("\n#### Viewpoints: at most {most:.3} bits on a page of {}\n", feeds::PAGE);
    println!(
        "| policy | diversity | viewpoint entropy | of the most, % | pages ≥ {:.0} %, % | ILD, embeddings | nDCG@20 | relevance kept |",
        100.0 * BALANCED
    );
    println!("|{}", "---|".repeat(8));
    let values = viewpoint_values(world);
    let rows: [(&str, Policy, &[f32]); 5] = [
        ("relevance", setting::bare(), &[0.0]),
        ("mmr mean, embeddings only", setting::embedding_only(Aggregate::Mean), &[0.2, 0.35, 0.5, 0.7, 0.8, 0.9, 1.0]),
        ("mmr max, embeddings only", setting::embedding_only(Aggregate::Max), &[0.2, 0.35, 0.5, 0.7, 0.8, 0.9, 1.0]),
        ("calibrated to equal viewpoints", setting::balanced(&values), &[0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0]),
        ("min_share of each viewpoint", setting::at_least_even(&values), &[0.0, 0.35]),
    ];
    let pools = world.pools(&setting::bare());
    for (name, policy, dials) in rows {
        for diversity in dials {
            let Means { viewpoint_entropy, balanced, embedding_ild, ndcg, relevance_kept, .. } = world.measure(&pools, &policy, *diversity);
            println!(
                "| {name} | {diversity} | {viewpoint_entropy:.3} | {:.1} | {:.1} | {embedding_ild:.3} | {ndcg:.3} | {relevance_kept:.3} |",
                100.0 * viewpoint_entropy / most,
                100.0 * balanced
            );
        }
    }
}

fn viewpoint_values(world: &World) -> Vec<FacetValue> {
    let mut values: Vec<FacetValue> =
        world.snapshot.iter().flat_map(|(_, entry)| entry.item.facets().filter(|f| f.0 == Facet::Viewpoint).map(|f| f.1.clone())).collect();
    values.sort();
    values.dedup();
    values
}
