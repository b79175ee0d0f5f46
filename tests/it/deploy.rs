//! What operators are given holds together: every metric on the dashboard, in rules and in alerts is there and in use on a live
//! server, every alert has a section in the runbook and a test, and the other way round.

use std::{collections::BTreeSet, path::Path};

use polyphony::telemetry::Metrics;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    process::{Process, Recipe, eventually, items},
    redis::RedisServer,
};

const RULES: [&str; 2] = ["deploy/prometheus/rules.yml", "deploy/prometheus/alerts.yml"];
const DASHBOARD: &str = "deploy/grafana/polyphony.json";
/// Labels that Prometheus adds.
const OF_SCRAPES: [&str; 2] = ["job", "instance"];

/// Nothing of what it asks for can be had in full, so everything that is counted then is counted.
const POLICY: &str = r#"schema = 1
extends = "balanced"
id = "mine"
version = 1

[retrieve]
deadline = "500ms"

[diversify.target]
metric = "entropy"
at_least = 4.3

[[constraint]]
kind = "min_distinct"
facet = "language"
min = 9
per = 10

[[constraint]]
kind = "min_share"
facet = "viewpoint"
value = "left"
min = 2
per = 10

[[experiment]]
id = "breadth"
surfaces = ["home"]
outcome_window = "2h"
arms = [{ policy = "mine", weight = 50 }, { policy = "discovery", weight = 50 }]
"#;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Without comments and without what is said to people.
fn rules_text() -> String {
    let told = ["#", "summary:", "runbook_url:"];
    let texts = RULES.map(read);
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !told.iter().any(|start| line.trim().starts_with(start)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every query of the dashboard: panels, annotations, variables.
fn queries() -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner.as_str() {
                        Some(text) if key == "expr" || key == "query" => found.push(text.to_owned()),
                        _ => walk(inner, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| walk(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(&read(DASHBOARD)).unwrap(), &mut found);
    assert!(found.len() > 30, "{found:?}");
    found
}

/// Words of PromQL with where they end.
fn words(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(is_of_word)?;
        let end = text[start..].find(|c: char| !is_of_word(c)).map_or(text.len(), |length| start + length);
        from = end;
        Some((&text[start..end], end))
    })
}

/// The declared name behind a series' name, if it is one of this server's.
fn declared(series: &str) -> Option<&str> {
    if !series.starts_with("feed_") && !series.starts_with("http_server_") {
        return None;
    }
    let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| series.strip_suffix(suffix));
    Some(base.filter(|base| Metrics::NAMES.contains(base)).unwrap_or(series))
}

/// Metrics by declared name, recorded series, and for each metric the labels it is asked by.
#[derive(Default)]
struct Used {
    metrics: BTreeSet<String>,
    recorded: BTreeSet<String>,
    labels: BTreeSet<(String, String)>,
}

impl Used {
    fn take(&mut self, text: &str) {
        for (word, end) in words(text) {
            if word.starts_with("feed:") {
                self.recorded.insert(word.to_owned());
            } else if let Some(name) = declared(word) {
                self.metrics.insert(name.to_owned());
                let matchers = text[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
                let keys =
                    matchers.split("\",").filter_map(|one| one.split(['=', '!']).next()).map(|key| key.trim().trim_start_matches(','));
                let own = keys.filter(|key| !key.is_empty() && !OF_SCRAPES.contains(key));
                self.labels.extend(own.map(|key| (name.to_owned(), key.to_owned())));
            }
        }
    }
}

/// Brings every metric into use.
async fn drive(server: &Process, redis: &mut RedisServer, policy: &Path) {
    server.put_items(&items(60)).await;
    for n in 0..20 {
        server.feed(&format!("user=u{n}&limit=10")).await;
    }
    assert_eq!(server.events("u0", "i1", &["e1".into()]).await.0, 202);
    let preferences = async || {
        let asked = server.request(Method::PUT, "/v1/users/u1/preferences").json(&json!({ "preset": "balanced" }));
        asked.send().await.unwrap().status().as_u16()
    };
    assert_eq!([preferences().await, preferences().await, preferences().await], [200, 200, 429]);
    std::fs::write(policy, "nonsense").unwrap();
    let invalid = async || (server.metric("feed_policy_reloads_total{result=\"invalid\"").await > 0.0).then_some(());
    eventually("the broken policy is noticed", invalid).await;
    let order = json!({ "policy": { "toml": POLICY.replace("version = 1", "version = 2") }, "reason": "a test", "stage": "all",
        "skip": ["preview", "canary"] });
    let done = server.post("/v1/admin/policies/activations", &order).await;
    assert_eq!(done.status(), 201, "{}", done.text().await.unwrap());
    let back = server.post("/v1/admin/policies/rollback", &json!({ "reason": "a test" })).await;
    assert!(back.status().is_success(), "{}", back.text().await.unwrap());
    redis.stop();
    let without = async || server.feed("user=u0&limit=10").await.get("degraded").map(drop);
    eventually("feeds say that the store is away", without).await;
}

#[tokio::test]
async fn every_metric_that_is_shown_or_alerted_on_is_in_use_on_a_live_server() {
    let mut used = Used::default();
    used.take(&rules_text());
    queries().iter().for_each(|query| used.take(query));
    assert!(used.metrics.len() > 20 && used.recorded.len() > 8, "{:?} {:?}", used.metrics, used.recorded);
    let records: BTreeSet<String> =
        read(RULES[0]).lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect();
    assert!(used.recorded.is_subset(&records), "no rule records {:?}", used.recorded.difference(&records).collect::<Vec<_>>());

    let mut redis = RedisServer::start_new();
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let server = Recipe::serve().redis(&redis.url()).policy_file(&policy).set("limits.user_writes_per_minute", "2").ready().await;
    drive(&server, &mut redis, &policy).await;

    let page = server.get("/metrics").await.text().await.unwrap();
    let samples: Vec<(&str, &str)> =
        page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(['{', ' '])).collect();
    let in_use: BTreeSet<&str> = samples.iter().filter_map(|(series, _)| declared(series)).collect();
    let idle: Vec<&String> = used.metrics.iter().filter(|name| !in_use.contains(name.as_str())).collect();
    assert!(idle.is_empty(), "named in deploy/ and not on a live server, or never in use: {idle:?}");
    for (name, label) in &used.labels {
        let has = |rest: &str| rest.starts_with(&format!("{label}=")) || rest.contains(&format!(",{label}="));
        let is_there = samples.iter().any(|(series, rest)| declared(series) == Some(name) && has(rest));
        assert!(is_there, "{name} has no label {label}");
    }
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_a_test() {
    let alerts = read(RULES[1]);
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 15, "{names:?}");
    let runbook = read("docs/runbook.md");
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, names, "sections of docs/runbook.md and alerts of {}", RULES[1]);
    let tests = read("deploy/prometheus/tests.yml");
    for name in &names {
        assert!(alerts.contains(&format!("docs/runbook.md#{}\n", name.to_lowercase())), "{name} names no runbook");
        assert!(tests.contains(&format!("- name: {name} fires\n")), "tests.yml has no test of {name}");
        assert!(
            tests.contains(&format!("eval_time: 5h, alertname: {name} }}")),
            "tests.yml does not hold {name} quiet on a healthy server"
        );
    }
    for section in runbook.split("\n## ").skip(1) {
        assert!(section.contains("**Look at**\n\n- ") && section.contains("**Do**\n\n- "), "{section}");
    }
}

#[test]
fn the_dashboard_has_its_rows_and_every_panel_says_what_it_shows() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&str> = panels.iter().filter(|panel| panel["type"] == "row").filter_map(|row| row["title"].as_str()).collect();
    assert_eq!(rows, ["Requests, errors, duration", "Pipeline", "Diversity and exploration", "Fairness and policy"]);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let says = panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| text.ends_with(['.', '?']));
        assert!(says, "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${DS_PROMETHEUS}", "{panel}");
        }
    }
}
