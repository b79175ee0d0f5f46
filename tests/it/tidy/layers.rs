//! Who may use whom. Dependencies point down; nothing points back, so there are no cycles.
//!
//! ```text
//! domain ← catalogue ← {rank, learn} ← {source, store, journal} ← {feed, ingest, …} ← http ← app ← cli ← main
//! clock, settings, telemetry, wire → domain only
//! ```

use super::scan::{File, line_of, paths};

/// What a layer may use, by name. A layer never uses its own neighbours.
const DOMAIN: &[&str] = &["domain"];
const CORE: &[&str] = &["domain", "catalogue"];
const STORAGE: &[&str] = &["domain", "catalogue", "rank", "learn", "clock", "settings", "telemetry"];
const USE_CASE: &[&str] = &["domain", "catalogue", "rank", "learn", "clock", "settings", "telemetry", "source", "store", "journal"];
const EDGE: &[&str] = &[
    "domain",
    "catalogue",
    "rank",
    "learn",
    "clock",
    "settings",
    "telemetry",
    "source",
    "store",
    "journal",
    "feed",
    "ingest",
    "rights",
    "audit",
    "evaluate",
    "simulate",
    "wire",
];
const APP: &[&str] = &[
    "domain",
    "catalogue",
    "rank",
    "learn",
    "clock",
    "settings",
    "telemetry",
    "source",
    "store",
    "journal",
    "feed",
    "ingest",
    "rights",
    "audit",
    "evaluate",
    "simulate",
    "http",
];
const COMMANDS: &[&str] = &[
    "domain",
    "catalogue",
    "rank",
    "learn",
    "clock",
    "settings",
    "telemetry",
    "source",
    "store",
    "journal",
    "feed",
    "ingest",
    "rights",
    "audit",
    "evaluate",
    "simulate",
    "http",
    "wire",
    "import",
    "demo",
    "app",
];

/// Every top-level module and what it may use. A new module needs a row: that is where its place is decided.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", DOMAIN),
    ("settings", DOMAIN),
    ("telemetry", DOMAIN),
    ("wire", DOMAIN),
    ("catalogue", DOMAIN),
    ("rank", CORE),
    ("learn", CORE),
    ("source", STORAGE),
    ("store", STORAGE),
    ("journal", STORAGE),
    ("feed", USE_CASE),
    ("ingest", USE_CASE),
    ("rights", USE_CASE),
    ("audit", USE_CASE),
    ("evaluate", USE_CASE),
    ("simulate", USE_CASE),
    ("import", EDGE),
    ("demo", EDGE),
    ("http", EDGE),
    ("app", APP),
    ("cli", COMMANDS),
    ("main", &["cli"]),
];

fn may_use(module: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, below)| *below)
}

/// The top-level module a path leads to, as written in a file of module `home`.
fn target<'a>(home: &[&'a str], path: &[&'a str]) -> Option<&'a str> {
    match path {
        ["crate" | "polyphony", top, ..] => Some(top),
        ["super", ..] => {
            let climbs = path.iter().take_while(|part| **part == "super").count();
            // Only a path that climbs to the crate root can reach a neighbour.
            (climbs >= home.len()).then(|| path.get(climbs).copied()).flatten()
        }
        _ => None,
    }
}

/// A module uses only those below it.
pub fn dependencies_point_down(file: &File) -> Vec<String> {
    let home = file.top();
    if !file.path.starts_with("src/") || home == "lib" {
        return Vec::new();
    }
    let Some(below) = may_use(home) else {
        return vec![format!("{}: `{home}` has no row in tests/it/tidy/layers.rs; decide what it may use", file.path)];
    };
    let module = file.module();
    let used = paths(&file.live).into_iter().filter_map(|(offset, path)| Some((offset, target(&module, &path)?)));
    let wrong = used.filter(|(_, top)| *top != home && may_use(top).is_some() && !below.contains(top));
    wrong.map(|(offset, top)| format!("{}:{}: `{home}` must not use `{top}`", file.path, line_of(&file.live, offset))).collect()
}

#[test]
fn the_table_has_no_cycle() {
    // Each row uses only rows above it (`main` stands last), so following it always ends at `domain`.
    for (n, (name, below)) in LAYERS.iter().enumerate() {
        for used in *below {
            assert!(LAYERS[..n].iter().any(|(above, _)| above == used), "`{name}` uses `{used}`, which is not above it");
        }
    }
}

#[test]
fn an_upward_dependency_is_found() {
    let faults = |path, text| dependencies_point_down(&File::new(path, text));
    for (path, text) in [
        ("src/domain/item.rs", "use crate::catalogue::Row;"),
        ("src/domain/item.rs", "use super::super::catalogue::Row;"),
        ("src/rank/mmr.rs", "use crate::{domain::Item, store::Store};"),
        ("src/rank/mod.rs", "fn f() { crate::learn::step() }"),
        ("src/learn/mod.rs", "use super::rank;"),
        ("src/store/codec.rs", "type X = Vec<crate::wire::Item>;"),
        ("src/store/mod.rs", "use crate::journal::Record;"),
        ("src/settings/mod.rs", "use crate::store::Store;"),
        ("src/feed.rs", "use super::http;"),
        ("src/feed.rs", "use crate::wire;"),
        ("src/http/feed.rs", "use crate::app::App;"),
        ("src/app.rs", "use crate::cli::Serve;"),
        ("src/app.rs", "use crate::wire::Item;"),
        ("src/main.rs", "fn main() { polyphony::app::run() }"),
    ] {
        assert_eq!(faults(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/rank/mmr.rs", "use super::{candidate::Scored, similarity};\nuse crate::{catalogue::Row, domain::Item};"),
        ("src/rank/mod.rs", "#[cfg(test)] mod tests { use crate::store::Store; }"),
        ("src/rank/mod.rs", "/// As [`crate::http`] shows it.\nfn f() { log(\"crate::http\") }"),
        ("src/feed.rs", "use crate::{rank, source::gather, store::Store};"),
        ("src/http/feed.rs", "use crate::wire::Item; use super::problem; use super::super::feed;"),
        ("src/store/redis/keys.rs", "use super::super::codec;"),
        ("src/cli/serve.rs", "use crate::{app, wire};"),
        ("src/main.rs", "fn main() { polyphony::cli::run() }"),
        ("src/lib.rs", "pub use crate::app::App;"),
    ] {
        assert_eq!(faults(path, text), [""; 0], "{path}: {text}");
    }
    assert!(faults("src/gadget.rs", "")[0].contains("no row"));
}
