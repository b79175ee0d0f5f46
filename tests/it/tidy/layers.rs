//! Who may use whom. Dependencies point down, never sideways, so there are no cycles.

use super::{
    rules::PURE,
    scan::{File, line_of, paths},
};

/// Every top-level module: it may use those of the rows above its own. A new module needs a place here: that is where
/// what it may use is decided.
const LEVELS: &[&[&str]] = &[
    &["domain", "suggest"],
    &["clock", "settings", "wire", "catalogue", "stats"],
    &["telemetry", "auth", "limits", "policy", "rank", "learn"],
    &["source", "store", "journal"],
    &["feed", "ingest", "follow", "experiment", "consent", "rights", "audit", "evaluate", "simulate"],
    &["rollout"],
    &["app", "import"],
    &["http", "demo"],
    &["cli"],
    &["main"],
];

/// What the pure core does not use although it stands lower.
const OUTSIDE_THE_CORE: &[&str] = &["clock", "settings", "telemetry", "wire"];

/// JSON forms stay at the edge: these alone use `wire`.
const WIRE_USERS: &[&str] = &["http", "import", "demo", "cli"];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

fn may_use(home: &str, used: &str) -> bool {
    let below = level(used) < level(home);
    let pure = PURE.contains(&home) && OUTSIDE_THE_CORE.contains(&used);
    let leak = used == "wire" && !WIRE_USERS.contains(&home);
    below && !pure && !leak
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
    if level(home).is_none() {
        return vec![format!("{}: `{home}` has no level in tests/it/tidy/layers.rs; decide what it may use", file.path)];
    }
    let module = file.module();
    let used = paths(&file.live).into_iter().filter_map(|(offset, path)| Some((offset, target(&module, &path)?)));
    let wrong = used.filter(|(_, top)| *top != home && level(top).is_some() && !may_use(home, top));
    wrong.map(|(offset, top)| format!("{}:{}: `{home}` must not use `{top}`", file.path, line_of(&file.live, offset))).collect()
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
        ("src/app.rs", "use crate::http::problem;"),
        ("src/app.rs", "use crate::cli::Serve;"),
        ("src/app.rs", "use crate::wire::Item;"),
        ("src/rank/mod.rs", "use crate::settings::Settings;"),
        ("src/source/mod.rs", "use crate::store::Store;"),
        ("src/cli/mod.rs", "use crate::main;"),
    ] {
        assert_eq!(faults(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/rank/mmr.rs", "use super::{candidate::Scored, similarity};\nuse crate::{catalogue::Row, domain::Item};"),
        ("src/rank/mod.rs", "#[cfg(test)] mod tests { use crate::store::Store; }"),
        ("src/rank/mod.rs", "/// As [`crate::http`] shows it.\nfn f() { log(\"crate::http\") }"),
        ("src/feed.rs", "use crate::{rank, source::gather, store::Store};"),
        ("src/http/feed.rs", "use crate::{app::App, wire::Item}; use super::problem; use super::super::feed;"),
        ("src/telemetry/logs.rs", "use crate::{clock::Clock, settings::Telemetry};"),
        ("src/store/redis/keys.rs", "use super::super::codec;"),
        ("src/cli/serve.rs", "use crate::{app, wire};"),
        ("src/main.rs", "fn main() { polyphony::cli::run() }"),
        ("src/lib.rs", "pub use crate::app::App;"),
    ] {
        assert_eq!(faults(path, text), [""; 0], "{path}: {text}");
    }
    assert!(faults("src/gadget.rs", "")[0].contains("no level"));
}
