//! The rules that look at one file at a time. Each returns its faults as `path:line: what is wrong`.

use super::scan::{File, functions, idents, line_of, paths};

pub const MAX_FILE_LINES: usize = 500;
pub const MAX_FUNCTION_LINES: usize = 70;

/// Modules that take their time and seed as arguments, so that any slate can be made again.
pub const PURE: &[&str] = &["domain", "catalogue", "stats", "rank", "learn"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "service", "base"];

fn fault(file: &File, offset: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(&file.text, offset))
}

fn in_src(file: &File) -> bool {
    file.path.starts_with("src/")
}

/// The file says what it is for before anything else.
pub fn module_doc_on_line_one(file: &File) -> Vec<String> {
    let says = file.text.strip_prefix("//! ").is_some_and(|rest| !rest.lines().next().unwrap_or_default().trim().is_empty());
    if says { Vec::new() } else { vec![fault(file, 0, "line 1 must be `//! What this module is for.`")] }
}

pub fn file_length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= MAX_FILE_LINES {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines; split it, at most {MAX_FILE_LINES}", file.path)]
}

/// Test functions may be long: a table of cases is best read whole.
pub fn function_length(file: &File) -> Vec<String> {
    let long = functions(&file.live).into_iter().filter(|f| in_src(file) && f.lines > MAX_FUNCTION_LINES);
    long.map(|f| format!("{}:{}: `{}` has {} lines; at most {MAX_FUNCTION_LINES}", file.path, f.line, f.name, f.lines)).collect()
}

/// Outside tests nothing panics on purpose; `main` may, before it serves.
pub fn no_panics(file: &File) -> Vec<String> {
    if !in_src(file) || file.path == "src/main.rs" {
        return Vec::new();
    }
    let bad = idents(&file.live).filter(|(at, word)| {
        let called = file.live[at + word.len()..].trim_start();
        match *word {
            "unwrap" | "expect" => called.starts_with('(') && file.live[..*at].trim_end().ends_with(['.', ':']),
            "panic" | "todo" | "unimplemented" | "dbg" => called.starts_with('!') && !called.starts_with("!="),
            _ => false,
        }
    });
    bad.map(|(at, word)| fault(file, at, &format!("`{word}`: return an error instead"))).collect()
}

/// A test that is not run does not test.
pub fn no_ignored_tests(file: &File) -> Vec<String> {
    let ignored = idents(&file.code).filter(|(at, word)| {
        let before = file.code[..*at].trim_end();
        *word == "ignore" && before.ends_with('[') && before[..before.len() - 1].trim_end().ends_with('#')
    });
    ignored.map(|(at, _)| fault(file, at, "`#[ignore]`: make it run or delete it")).collect()
}

/// One file may, because its loop is all of vector search; clippy asks it for a reason at each block.
pub fn no_unsafe(file: &File) -> Vec<String> {
    let found = idents(&file.code).filter(|(_, word)| *word == "unsafe" && file.path != "src/catalogue/dot/x86.rs");
    found.map(|(at, _)| fault(file, at, "`unsafe` outside src/catalogue/dot/x86.rs")).collect()
}

pub fn no_empty_names(file: &File) -> Vec<String> {
    let by_path = file.path.trim_end_matches(".rs").split('/').filter(|part| EMPTY_NAMES.contains(part));
    let mut faults: Vec<String> = by_path.map(|part| format!("{}: `{part}` says nothing; name what it holds", file.path)).collect();
    let words: Vec<(usize, &str)> = idents(&file.code).collect();
    let inline = words.windows(2).filter(|pair| pair[0].1 == "mod" && EMPTY_NAMES.contains(&pair[1].1));
    faults.extend(inline.map(|pair| fault(file, pair[0].0, &format!("`mod {}` says nothing; name what it holds", pair[1].1))));
    faults
}

/// The pure core: no I/O, no clock, no global randomness, nothing asynchronous.
pub fn pure_core(file: &File) -> Vec<String> {
    if !in_src(file) || !PURE.contains(&file.top()) {
        return Vec::new();
    }
    let words = idents(&file.live).filter(|(_, word)| {
        let named = ["async", "await", "redis", "redb", "thread_rng", "SystemTime", "Instant", "async_trait"].contains(word);
        named || ["actix", "tokio", "tracing"].iter().any(|family| word.split('_').any(|part| part == *family))
    });
    let mut faults: Vec<String> = words.map(|(at, word)| fault(file, at, &format!("`{word}` in the pure core"))).collect();
    let outside = paths(&file.live).into_iter().filter(|(_, path)| {
        matches!(path[..], ["config", _, ..] | ["rand", "rng" | "random", ..])
            || matches!(path[..], ["std", "env" | "fs" | "io" | "net" | "process" | "thread", ..])
    });
    faults.extend(outside.map(|(at, path)| fault(file, at, &format!("`{}` in the pure core", path.join("::")))));
    faults
}

/// Who alone may name a thing: what it is called in messages, whether a path names it, and whose files may.
type Owner = (&'static str, fn(&[&str]) -> bool, &'static [&'static str]);

const OWNERS: &[Owner] = &[
    ("actix", |path| path[0].split('_').any(|part| part == "actix"), &["src/http/"]),
    ("redis", |path| path.len() > 1 && path[0] == "redis", &["src/store/redis/"]),
    ("redb", |path| path[0] == "redb", &["src/store/embedded"]),
    ("qdrant_client", |path| path[0] == "qdrant_client", &["src/source/qdrant/"]),
    ("config", |path| path.len() > 1 && path[0] == "config", &["src/settings/"]),
    ("std::env", |path| path.starts_with(&["std", "env"]), &["src/settings/"]),
    ("the machine's clock", reads_the_clock, &["src/clock.rs"]),
];

fn reads_the_clock(path: &[&str]) -> bool {
    let calls = [["Timestamp", "now"], ["Zoned", "now"], ["Utc", "now"], ["Local", "now"]];
    path.contains(&"SystemTime") || path.contains(&"now_v7") || path.windows(2).any(|pair| calls.iter().any(|call| pair == call))
}

/// Each outside thing has one place that names it.
pub fn one_owner(file: &File) -> Vec<String> {
    if !in_src(file) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (at, path) in paths(&file.live) {
        // `mod redis;` makes `redis::…` in this file the module, not the crate.
        let is_child = ["mod", "pub mod"].iter().any(|m| file.code.contains(&format!("{m} {};", path[0])));
        let broken = OWNERS.iter().filter(|(_, names, places)| names(&path) && !places.iter().any(|p| file.path.starts_with(p)));
        for (what, _, places) in broken.filter(|_| !is_child) {
            faults.push(fault(file, at, &format!("`{}`: only {} may name {what}", path.join("::"), places[0])));
        }
    }
    faults
}

/// A trait with one implementation is a detour; one with none yet is being built.
pub fn no_trait_with_one_implementation(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| in_src(file)) {
        let words: Vec<(usize, &str)> = idents(&file.live).collect();
        for pair in words.windows(2).filter(|pair| pair[0].1 == "trait") {
            let name = pair[1].1;
            if files.iter().map(|f| implementations(&f.code, name)).sum::<usize>() == 1 {
                faults.push(fault(file, pair[0].0, &format!("trait `{name}` has one implementation; use the type itself")));
            }
        }
    }
    faults
}

/// How often `name` is implemented: `name`, perhaps generics, then `for` a type (a `for<'a>` is a bound).
fn implementations(code: &str, name: &str) -> usize {
    let words: Vec<(usize, &str)> = idents(code).collect();
    let here = words.iter().filter(|(at, word)| {
        let rest = code[at + word.len()..].trim_start();
        let rest = if rest.starts_with('<') { rest.split_once('>').map_or("", |(_, rest)| rest).trim_start() } else { rest };
        let after = rest.strip_prefix("for").is_some_and(|r| r.starts_with(char::is_whitespace));
        *word == name && after
    });
    here.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&File) -> Vec<String>;

    /// `cases`: path, text, number of faults.
    fn check(rule: Rule, cases: &[(&str, &str, usize)]) {
        for (path, text, expected) in cases {
            let faults = rule(&File::new(path, text));
            assert_eq!(faults.len(), *expected, "{path}: {text}\n{faults:#?}");
        }
    }

    #[test]
    fn a_missing_module_doc_is_found() {
        let cases = [("src/a.rs", "//! A.\n", 0), ("src/a.rs", "\n//! A.\n", 1), ("src/a.rs", "", 1), ("src/a.rs", "//! \n", 1)];
        check(module_doc_on_line_one, &cases);
    }

    #[test]
    fn a_long_file_is_found() {
        check(file_length, &[("src/a.rs", &"x\n".repeat(500), 0), ("tests/it/a.rs", &"x\n".repeat(501), 1)]);
    }

    #[test]
    fn a_long_function_is_found() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "// x }\n".repeat(lines - 2));
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}", function(71));
        let cases =
            [("src/a.rs", &*function(70), 0), ("src/a.rs", &*function(71), 1), ("src/a.rs", &*test, 0), ("tests/a.rs", &*function(71), 0)];
        check(function_length, &cases);
    }

    #[test]
    fn a_panic_is_found() {
        check(
            no_panics,
            &[
                ("src/a.rs", "fn f() { a.unwrap(); b\n    .expect(\"x\"); panic!(\"y\"); todo!() }", 4),
                ("src/a.rs", "fn f() { a.map(Option::unwrap).unwrap_or_default(); dbg!(a); unimplemented!() }", 2),
                ("src/a.rs", "fn f() { Option::expect(a, \"x\") }", 1),
                ("src/a.rs", "/// Never `panic!`s.\nfn f() { a.unwrap_or(1); b(\"panic!\"); if panic != a {} }", 0),
                ("src/a.rs", "#[cfg(test)] mod tests { fn f() { a.unwrap() } }", 0),
                ("src/main.rs", "fn main() { a.unwrap() }", 0),
                ("tests/it/a.rs", "fn f() { a.unwrap() }", 0),
            ],
        );
    }

    #[test]
    fn an_ignored_test_is_found() {
        check(
            no_ignored_tests,
            &[
                ("tests/it/a.rs", "#[ignore]\nfn f() {}", 1),
                ("src/a.rs", "#[cfg(test)] mod tests { #[test] #[ignore = \"slow\"] fn f() {} }", 1),
                ("src/a.rs", "// #[ignore]\nfn ignore(ignore: [ignore; 2]) {}", 0),
            ],
        );
    }

    #[test]
    fn an_unsafe_block_is_found() {
        let text = "fn f() { unsafe { g() } }";
        check(
            no_unsafe,
            &[("src/a.rs", text, 1), ("tests/it/a.rs", text, 1), ("src/catalogue/dot/x86.rs", text, 0), ("src/a.rs", "// unsafe", 0)],
        );
    }

    #[test]
    fn an_empty_name_is_found() {
        let cases = [
            ("src/utils.rs", "", 1),
            ("src/http/helpers/mod.rs", "", 1),
            ("tests/it/common/mod.rs", "", 1),
            ("src/a.rs", "mod service;", 1),
            ("src/a.rs", "mod services; fn base() {}", 0),
        ];
        check(no_empty_names, &cases);
    }

    #[test]
    fn an_impure_core_is_found() {
        for word in ["async fn f() {}", "use tokio::sync;", "use actix_web::web;", "use tracing::info;", "fn f() { tracing::warn!() }"] {
            check(pure_core, &[("src/rank/mod.rs", word, 1), ("src/feed.rs", word, 0)]);
        }
        check(
            pure_core,
            &[
                ("src/domain/a.rs", "use std::time::{Duration, Instant, SystemTime};", 2),
                ("src/learn/mod.rs", "use redis::Client; use redb::Database; use config::Config;", 3),
                ("src/catalogue/mod.rs", "fn f() { rand::rng(); thread_rng(); rand::random::<u8>() }", 3),
                ("src/catalogue/mod.rs", "use std::{collections::HashMap, fs::File};", 1),
                ("src/rank/mod.rs", "fn f(config: &Policy) { config.seed(); StdRng::seed_from_u64(seed) }", 0),
                ("src/rank/mod.rs", "#[cfg(test)] mod tests { use std::time::Instant; }", 0),
                ("src/domain/a.rs", "//! Never async.\nfn f() { \"tokio\" }", 0),
            ],
        );
    }

    #[test]
    fn a_foreign_name_is_found() {
        check(
            one_owner,
            &[
                ("src/feed.rs", "use actix_web::web;", 1),
                ("src/cli/serve.rs", "#[actix_web::main] fn f() {}", 1),
                ("src/telemetry/mod.rs", "use tracing_actix_web::TracingLogger;", 1),
                ("src/app.rs", "use actix_web::App;", 1),
                ("src/http/mod.rs", "use actix_web::App;", 0),
                ("src/app.rs", "use redis::Client;", 1),
                ("src/app.rs", "use crate::store::{embedded, redis::RedisStore};", 0),
                ("src/store/mod.rs", "pub mod redis;\npub use redis::RedisStore;", 0),
                ("src/store/redis/mod.rs", "use redis::Client;", 0),
                ("src/store/codec.rs", "use redb::Value;", 1),
                ("src/store/embedded/feeds.rs", "use redb::Value;", 0),
                ("src/source/interest.rs", "use qdrant_client::Qdrant;", 1),
                ("src/source/qdrant/link.rs", "use qdrant_client::Qdrant;", 0),
                ("src/app.rs", "fn f(config: C) { config::Config::builder() }", 1),
                ("src/settings/mod.rs", "use config::Config; use std::env;", 0),
                ("src/cli/mod.rs", "use std::{env, fs};", 1),
                ("src/cli/mod.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\");", 0),
                ("src/http/mod.rs", "fn f() { SystemTime::now() }", 1),
                ("src/http/mod.rs", "fn f() { jiff::Timestamp::now(); uuid::Uuid::now_v7(); Instant::now() }", 2),
                ("src/clock.rs", "use std::time::SystemTime;", 0),
            ],
        );
    }

    #[test]
    fn a_lone_implementation_is_found() {
        let faults = |text| no_trait_with_one_implementation(&[File::new("src/a.rs", text)]).len();
        assert_eq!(faults("trait T {} impl T for A {}"), 1);
        assert_eq!(faults("trait T<X> {} impl<X> T<X> for A {}"), 1);
        assert_eq!(faults("trait T {} impl T for A {} #[cfg(test)] impl T for B {}"), 0);
        assert_eq!(faults("trait T {}"), 0);
        assert_eq!(faults("trait T: for<'a> F<'a> {} impl T for A {} impl T for B {}"), 0);
    }
}
