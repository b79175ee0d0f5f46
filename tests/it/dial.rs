//! The dial of `benches/dial`, small: alive from end to end, and viewpoints balanced by what names them.

#[path = "../../benches/dial/feeds/mod.rs"]
mod feeds;

pub use feeds::data;

use feeds::{
    BALANCED, Sweep, World, demo, movielens,
    setting::{self, SETTINGS},
    viewpoints,
};
use polyphony::domain::{Policy, policy::Aggregate};

/// With the dial at 0 relevance stands as it is; over at least 80 % of the dial ILD rises; no stretch of 0.2 gains less than
/// `flattest` of all it gains (a straight line: 0.2).
fn alive(world: &World, policy: &Policy, flattest: f64, name: &str) {
    let sweep = Sweep::new(world, &world.pools(policy), policy);
    let kept: Vec<f64> = sweep.steps().map(|(_, means)| means.relevance_kept).collect();
    assert_eq!(kept[0], 1.0, "{name}: relevance alone keeps it");
    assert!(kept.is_sorted_by(|a, b| *a >= b - 1e-3), "{name}: more diversity keeps less relevance: {kept:?}");
    assert!(sweep.rising() >= 0.8, "{name}: ILD rises over {} of the dial", sweep.rising());
    assert!(sweep.flattest() >= flattest, "{name}: a stretch of 0.2 gains {} of the range", sweep.flattest());
    assert!(sweep.range() >= 0.1, "{name}: from end to end ILD gains {}", sweep.range());
}

#[test]
fn every_methods_dial_is_alive_on_the_demo_catalogue() {
    let world = demo::world(60);
    for setting in SETTINGS {
        alive(&world, &setting.policy(), 0.03, setting.name);
    }
}

/// The default, as closely as it is documented: alone and as shipped.
#[test]
fn the_default_dial_is_nearly_straight_on_the_demo_catalogue() {
    let world = demo::world(100);
    alive(&world, &setting::bare(), 0.08, "default");
    let shipped = Policy::default();
    let sweep = Sweep::new(&world, &world.pools(&shipped), &shipped);
    assert!(sweep.rising() >= 0.8 && sweep.flattest() >= 0.08, "{} {}", sweep.rising(), sweep.flattest());
}

#[test]
fn the_default_dial_is_nearly_straight_on_movielens() {
    let Some(world) = movielens::world(100) else { return };
    alive(&world, &setting::bare(), 0.08, "movielens");
}

/// At an equal ILD the default keeps at least as much relevance as any other that penalises likeness.
#[test]
fn at_an_equal_ild_the_default_keeps_the_most_relevance() {
    let world = demo::world(60);
    let pools = world.pools(&setting::bare());
    let sweeps = SETTINGS[..6].iter().map(|setting| (setting.name, Sweep::new(&world, &pools, &setting.policy())));
    let sweeps: Vec<(&str, Sweep)> = sweeps.collect();
    let default = &sweeps[0].1;
    let low = default.steps().next().unwrap().1.ild;
    let ild = low + default.range() / 3.0;
    let kept = |sweep: &Sweep| sweep.at_ild(ild).unwrap().1.relevance_kept;
    for (name, sweep) in &sweeps {
        assert!(kept(default) >= kept(sweep) - 0.005, "{name} keeps {} where the default keeps {}", kept(sweep), kept(default));
    }
}

#[test]
fn viewpoints_are_balanced_by_naming_them_and_not_by_embeddings() {
    let Some(world) = viewpoints::world(100) else { return };
    alive(&world, &setting::bare(), 0.08, "viewpoints");
    let pools = world.pools(&setting::bare());
    let most = world.most_viewpoint_entropy();
    assert!((most - 3f64.log2()).abs() < 0.005, "three viewpoints: {most}");
    let (fewest, _) = world.scarcest_viewpoint(&pools);
    assert!(fewest >= feeds::PAGE, "a pool has {fewest} candidates of a viewpoint");
    let values = world.viewpoints();
    for (name, policy, diversity) in [("calibrated", setting::balanced(&values), 0.9), ("min_share", setting::at_least_even(&values), 0.0)]
    {
        let means = world.measure(&pools, &policy, diversity);
        assert_eq!(means.balanced, 1.0, "{name}: share of pages with {BALANCED} of the most");
        assert!(means.relevance_kept >= 0.99, "{name} keeps {}", means.relevance_kept);
    }
    for aggregate in [Aggregate::Mean, Aggregate::Max] {
        for diversity in [0.35, 0.7, 1.0] {
            let means = world.measure(&pools, &setting::embedding_only(aggregate), diversity);
            let reached = means.viewpoint_entropy / most;
            assert!(means.balanced < 0.8 && reached < 0.965, "{aggregate:?} at {diversity}: {} of the pages, {reached}", means.balanced);
        }
    }
}
