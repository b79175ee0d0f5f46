//! `polyphony show`: a feed's JSON as lines to read.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

/// Longest answer read, in bytes.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;
/// Columns of the title.
const TITLE_COLUMNS: usize = 58;

#[derive(Debug, Args)]
pub(super) struct Show {}

impl Show {
    /// Reads a feed from standard input.
    pub(super) fn run(self) -> ExitCode {
        let mut text = String::new();
        if let Err(error) = io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text) {
            eprintln!("error: standard input cannot be read: {error}");
            return ExitCode::FAILURE;
        }
        let feed: Value = match serde_json::from_str(&text) {
            Ok(feed) => feed,
            Err(error) => {
                eprintln!("error: standard input is not a feed's JSON: {error}; pipe an answer of /v1/feed into this command");
                return ExitCode::FAILURE;
            }
        };
        let ok = feed.get("items").is_some_and(Value::is_array);
        let shown = if ok { lines(&feed) } else { problem(&feed) };
        // A closed pipe (`| head`) is no fault of the feed.
        let _ = io::stdout().write_all(shown.as_bytes());
        if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn problem(value: &Value) -> String {
    let detail = value.get("detail").and_then(Value::as_str).unwrap_or("this is not the JSON of a feed");
    format!("error: {detail}\n")
}

fn lines(feed: &Value) -> String {
    let mut out = String::new();
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    for item in feed.get("items").and_then(Value::as_array).into_iter().flatten() {
        let position = item.get("position").and_then(Value::as_u64).unwrap_or(0);
        let mark = if text(item, "/slot") == "exploration" { '?' } else { ' ' };
        let title = match text(item, "/item/title") {
            title if title.is_empty() => text(item, "/id"),
            title => title,
        };
        let topics: Vec<&str> =
            item.pointer("/item/topics").and_then(Value::as_array).into_iter().flatten().filter_map(|t| t.get("topic")?.as_str()).collect();
        let reason = reason(item);
        out += &format!("{position:>3} {mark} {} {:<24} {reason}\n", fitted(&title, TITLE_COLUMNS), fitted(&topics.join(", "), 24));
        if let Some(explain) = item.get("explain") {
            out += &numbers(explain);
        }
    }
    out += &summary(feed);
    out
}

/// The first reason; and that the item is here for variety, if that is another.
fn reason(item: &Value) -> String {
    let reasons: Vec<&Value> = item.get("reasons").and_then(Value::as_array).into_iter().flatten().collect();
    let first = reasons.first().and_then(|reason| reason.get("text")?.as_str()).unwrap_or("");
    let for_variety = reasons.iter().skip(1).any(|reason| reason.get("code").and_then(Value::as_str) == Some("breadth"));
    format!("{first}{}", if for_variety { "; for variety" } else { "" })
}

fn numbers(explain: &Value) -> String {
    let number = |key: &str| explain.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let parts: Vec<String> = explain
        .get("contributions")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} {:+.2}", value.as_f64().unwrap_or(0.0)))
        .collect();
    format!(
        "      relevance {:.2} ({}); nearest above {:.2}; by relevance alone #{}, moved {:+}; chance {:.3}\n",
        number("relevance"),
        parts.join(", "),
        number("max_similarity"),
        number("rank_before"),
        number("moved"),
        number("propensity")
    )
}

fn summary(feed: &Value) -> String {
    let mut out = String::from("\n");
    if let Some(metrics) = feed.get("metrics") {
        let number = |key: &str| metrics.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        out += &format!(
            "{} topics ({:.2} bits) · intra-list diversity {:.2} · relevance kept {:.0} % · exploration {:.0} %\n",
            number("topics"),
            number("topic_entropy"),
            number("ild"),
            100.0 * number("relevance_kept"),
            100.0 * number("exploration_share")
        );
    }
    for degraded in feed.get("degraded").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| degraded.get(key).and_then(Value::as_str).unwrap_or("");
        out += &format!("degraded: {} ({}), used {}\n", part("stage"), part("reason"), part("fallback"));
    }
    let personalised = feed.get("personalised").and_then(Value::as_bool).unwrap_or(false);
    let policy = feed.pointer("/policy/id").and_then(Value::as_str).unwrap_or("");
    let version = feed.pointer("/policy/version").and_then(Value::as_u64).unwrap_or(0);
    let kind = if personalised { "personalised" } else { "not personalised" };
    out + &format!("{kind} · policy {policy} v{version} · ? = picked by chance\n")
}

/// Cut or padded to `columns` characters.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let count = text.chars().count();
    if count > columns {
        return text.chars().take(columns - 1).chain(['…']).collect();
    }
    format!("{text}{}", " ".repeat(columns - count))
}
