//! Documents that list what the code has, compared with the code.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use polyphony::{
    http::{
        middleware::{AccessNote, access_line},
        problem::Kind,
    },
    telemetry::{Metrics, json_line::JsonLine},
};
use tracing_subscriber::{fmt::format::JsonFields, layer::SubscriberExt};

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// First cells, without their backticks, of the table under `heading`.
fn first_column<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = &text[start + heading.len() + 2..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_metric_is_documented() {
    let text = document("data.md");
    assert_eq!(first_column(&text, "## Metrics"), Metrics::NAMES);
}

#[test]
fn every_field_of_the_access_line_is_documented() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let layer =
        tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLine).with_writer(move || Sink(Arc::clone(&sink)));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _span = tracing::error_span!("request", request_id = "rq_1", trace_id = "0af7651916cd43dd8448eb211c80319c").entered();
        let note =
            AccessNote { surface: Some("home".into()), policy: Some("balanced".into()), degraded: vec!["store_timeout"], items: Some(20) };
        access_line("/v1/feed", "GET", 200, Duration::from_micros(1_234), &note);
        access_line("/livez", "GET", 200, Duration::from_micros(50), &AccessNote::default());
    });
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = |line: &serde_json::Value| line.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();

    let documented = document("data.md");
    let documented: BTreeSet<String> = first_column(&documented, "## The access line").into_iter().map(str::to_owned).collect();
    assert_eq!(fields(&lines[0]), documented);
    assert_eq!(lines[0]["dur_ms"], 1.234);
    assert!(fields(&lines[1]).is_disjoint(&["surface", "policy", "degraded", "items"].map(str::to_owned).into()), "{}", lines[1]);
}

/// `polyphony config reference > docs/configuration.md` makes it anew.
#[test]
fn every_setting_is_documented() {
    let page = polyphony::settings::Settings::reference().unwrap();
    assert!(page == document("configuration.md"), "docs/configuration.md is not what `polyphony config reference` prints");
    assert!(page.contains("### `store.redis.timeout`\n\nDuration, default `\"50ms\"`. Time for one command"), "{page}");
}

#[test]
fn every_problem_is_documented() {
    let text = document("problems.md");
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let slugs: Vec<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(headings, slugs);
    for kind in Kind::ALL {
        let facts = format!("\n## {}\n\n{} · `{}` · HTTP {}\n", kind.slug(), kind.title(), kind.code(), kind.status());
        assert!(text.contains(&facts), "expected in problems.md: {facts}");
    }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
