//! Traces reach a real OpenTelemetry collector: one span per stage, in the caller's trace, which logs and metrics name too.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use reqwest::Method;
use serde_json::Value;

use crate::support::process::{Recipe, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const STAGES: [&str; 5] = ["profile", "candidates", "score", "diversify", "store"];

/// Rotel, a collector that comes as a Python package with its binary; it writes every span it receives to its output.
struct Collector {
    child: Child,
    port: u16,
    output: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

fn binary() -> PathBuf {
    let find = "import pathlib, rotel; print(pathlib.Path(rotel.__file__).parent / 'rotel-agent')";
    let found = Command::new("python3").args(["-c", find]).output().expect("python3, which brings the collector");
    assert!(found.status.success(), "these tests need a collector: `python3 -m pip install rotel==0.0.1a15`, or run `./test`, which does");
    PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
}

impl Collector {
    fn start() -> Self {
        let ports: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let [http, grpc] = [0, 1].map(|n: usize| ports[n].local_addr().unwrap());
        drop(ports);
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()])
            .arg("--pid-file")
            .arg(folder.path().join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let (lines, shared) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&output));
        thread::spawn(move || lines.lines().map_while(Result::ok).for_each(|line| *shared.lock().unwrap() += &format!("{line}\n")));
        Self { child, port: http.port(), output, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/traces", self.port)
    }

    /// Spans of [`TRACE`], by name.
    fn spans(&self) -> HashMap<String, Span> {
        let text = self.output.lock().unwrap().clone();
        let spans = text.split("\nSpan #").skip(1).map(Span::read);
        spans.filter(|span| span.trace == TRACE).map(|span| (span.name.clone(), span)).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Default)]
struct Span {
    trace: String,
    parent: String,
    id: String,
    name: String,
    attributes: HashMap<String, String>,
}

impl Span {
    fn read(text: &str) -> Self {
        let mut span = Self::default();
        for line in text.lines().take_while(|line| !line.starts_with("ResourceSpans")) {
            if let Some((key, value)) = line.trim().strip_prefix("-> ").and_then(|rest| rest.split_once(": ")) {
                span.attributes.insert(key.to_owned(), value.to_owned());
                continue;
            }
            let Some((key, value)) = line.split_once(" : ").or_else(|| line.split_once(": ")) else { continue };
            match key.trim() {
                "Trace ID" => span.trace = value.trim().to_owned(),
                "Parent ID" => span.parent = value.trim().to_owned(),
                "ID" => span.id = value.trim().to_owned(),
                "Name" => span.name = value.trim().to_owned(),
                _ => {}
            }
        }
        span
    }
}

#[tokio::test]
async fn a_feed_is_one_trace_from_its_caller_to_every_stage() {
    let collector = Collector::start();
    eventually("the collector listens", async || std::net::TcpStream::connect(("127.0.0.1", collector.port)).ok()).await;
    let server = Recipe::demo().set("telemetry.otlp_endpoint", &collector.url()).set("telemetry.log_format", "json").ready().await;
    let asked = server.request(Method::GET, "/v1/feed?user=ana").header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let answer = asked.send().await.unwrap();
    let response = answer.headers()["traceresponse"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let said = format!("# {{trace_id=\"{TRACE}\"}}");
    assert!(metrics.lines().any(|line| line.contains("route=\"/v1/feed\"") && line.contains(&said)), "no exemplar in\n{metrics}");
    // A server's output is read beside the test.
    eventually("the access line, once", async || {
        let logged = server.output();
        let lines = logged.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let count = lines.filter(|line| line["trace_id"] == TRACE && line["route"] == "/v1/feed").count();
        Some(()).filter(|()| count == 1)
    })
    .await;
    // What is left to send is sent before it ends.
    assert!(server.terminate().await.success());

    let spans = eventually("the spans", async || Some(collector.spans()).filter(|spans| spans.contains_key("request"))).await;
    let span = |name: &str| spans.get(name).unwrap_or_else(|| panic!("no span {name}: {spans:?}"));
    let (request, feed) = (span("request"), span("feed"));
    assert_eq!(request.parent, PARENT);
    assert_eq!(response, format!("00-{TRACE}-{}-01", request.id), "the way out names this server's span");
    assert_eq!(request.attributes["http.route"], "Str(/v1/feed)");
    assert_eq!(request.attributes["http.request.method"], "Str(GET)");
    assert_eq!(feed.parent, request.id);
    assert_eq!(feed.attributes["feed.surface"], "Str(home)");
    assert_eq!(feed.attributes["feed.policy.digest"], format!("Str({})", body["policy"]["digest"].as_str().unwrap()));
    for stage in STAGES {
        assert_eq!(span(stage).parent, feed.id, "{stage}");
    }
    assert_eq!(span("hydrate").parent, request.id);
    assert!(collector.output.lock().unwrap().contains("service.name: Str(polyphony)"));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_feed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Recipe::demo().set("telemetry.otlp_endpoint", &format!("http://{free}/v1/traces")).ready().await;
    for _ in 0..5 {
        assert_eq!(server.feed("user=ana").await.get("degraded"), None);
    }
    assert!(server.terminate().await.success());
}
