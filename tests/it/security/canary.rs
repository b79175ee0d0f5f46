//! Words that nobody else uses, planted in every place of a request to every route: none is found in logs or metrics, and in
//! answers only what the caller said itself in path, query or body.

use std::io::{Read, Write};

use polyphony::http::openapi;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use crate::support::process::{LIMIT, Process, Recipe, items};

/// In every planted word.
const MARK: &str = "5d1f8e0b";
/// What an answer may repeat: the caller's own words, to say which of them is wrong.
const IN_PATH: &str = "canary-path-5d1f8e0b";
const IN_QUERY: &str = "canary-query-5d1f8e0b";
const IN_BODY: &str = "canary-body-5d1f8e0b";
/// What no answer repeats.
const IN_KEY: &str = "canary-key-5d1f8e0b";
const IN_HEADER: &str = "canary-header-5d1f8e0b";
const HEADERS: [&str; 9] =
    ["user-agent", "cookie", "referer", "x-forwarded-for", "x-request-id", "traceparent", "accept-language", "sec-gpc", "if-none-match"];
const KEY: &str = "server-key-0123456789";
const ADMIN_KEY: &str = "admin-key-0123456789";

struct Planted<'a> {
    server: &'a Process,
    sent: usize,
}

impl Planted<'_> {
    async fn send(&mut self, what: &str, request: RequestBuilder) {
        let request = HEADERS.iter().fold(request, |request, name| request.header(*name, IN_HEADER));
        let answer = request.send().await.unwrap();
        self.sent += 1;
        let (status, headers, text) = (answer.status(), format!("{:?}", answer.headers()), answer.text().await.unwrap());
        assert!(!headers.contains(MARK), "{what}: {headers}");
        assert!(!text.contains(IN_KEY) && !text.contains(IN_HEADER), "{what}: {text}");
        assert!(!status.is_server_error() || !text.contains(MARK), "{what}: {text}");
        assert_ne!(status, 500, "{what}: {text}");
    }

    /// As a backend, as an operator, and with credentials that are none.
    async fn send_as_all(&mut self, what: &str, request: impl Fn() -> RequestBuilder) {
        for key in [KEY, ADMIN_KEY] {
            self.send(what, request().bearer_auth(key)).await;
        }
        self.send(what, request().bearer_auth(IN_KEY)).await;
        self.send(what, request().header("x-api-key", IN_KEY)).await;
        self.send(what, request().header("authorization", IN_KEY)).await;
    }
}

fn referred<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"].as_str().map_or(schema, |reference| api.pointer(reference.trim_start_matches('#')).unwrap())
}

/// A value of the schema: its example where it has one, else the canary wherever a text may be.
fn sample(api: &Value, schema: &Value, depth: usize) -> Value {
    let schema = referred(api, schema);
    let schema = schema.get("oneOf").map_or(schema, |forms| referred(api, &forms[0]));
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") if depth > 0 => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, schema)| (name.clone(), sample(api, schema, depth - 1))).collect())
        }
        Some("array") if depth > 0 => json!([sample(api, &schema["items"], depth - 1)]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!(IN_BODY),
    }
}

/// `value` with the canary in the place of one text after another, and as one more key of one object after another.
fn spoilt(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(IN_BODY)],
        Value::Array(values) => {
            let with =
                |n: usize, one: Value| values.iter().enumerate().map(|(m, old)| if m == n { one.clone() } else { old.clone() }).collect();
            values.iter().enumerate().flat_map(|(n, old)| spoilt(old).into_iter().map(move |one| with(n, one))).collect()
        }
        Value::Object(map) => {
            let with = |key: &str, one: Value| {
                let mut map: Map<String, Value> = map.clone();
                map.insert(key.to_owned(), one);
                Value::Object(map)
            };
            let below = map.iter().flat_map(|(key, old)| spoilt(old).into_iter().map(move |one| with(key, one)));
            below.chain([with(IN_BODY, json!(1))]).collect()
        }
        _ => Vec::new(),
    }
}

fn bodies(api: &Value, operation: &Value) -> Vec<String> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_null() {
        return vec![String::new()];
    }
    let whole = sample(api, schema, 6);
    let mut bodies: Vec<String> = spoilt(&whole).iter().map(Value::to_string).collect();
    bodies.extend([format!("{{\"{IN_BODY}\": "), format!("[\"{IN_BODY}\"]"), format!("\"{IN_BODY}\""), IN_BODY.to_owned()]);
    bodies
}

/// Everything there is to say to one operation.
async fn speak(planted: &mut Planted<'_>, api: &Value, path: &str, method: &str, operation: &Value) {
    let server = planted.server;
    let known: Method = method.to_uppercase().parse().unwrap();
    let spoken = path.split('/').map(|part| if part.starts_with('{') { IN_PATH } else { part }).collect::<Vec<_>>().join("/");
    let names = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
    let mut queries: Vec<String> = names.map(|one| format!("{}={IN_QUERY}", one["name"].as_str().unwrap())).collect();
    queries.extend([String::new(), format!("{IN_QUERY}=1"), format!("user=ana&cursor=c1.{IN_QUERY}"), format!("user=%{IN_QUERY}")]);
    let bodies = bodies(api, operation);
    for query in &queries {
        let what = format!("{method} {spoken}?{query}");
        let body = bodies[0].clone();
        let request = || server.request(known.clone(), &format!("{spoken}?{query}")).header("content-type", "application/json");
        planted.send_as_all(&what, || request().body(body.clone())).await;
    }
    for body in &bodies[1..] {
        for kind in ["application/json", "text/plain"] {
            let request = server.request(known.clone(), &spoken).header("content-type", kind).body(body.clone());
            planted.send(&format!("{method} {spoken} {body}"), request.bearer_auth(ADMIN_KEY)).await;
        }
    }
    // The one header that an answer repeats: the body's own type.
    let kind = format!("application/{IN_BODY}");
    planted.send(&format!("{method} {spoken}"), server.request(known, &spoken).header("content-type", kind).bearer_auth(KEY)).await;
}

/// What is no HTTP at all.
fn speak_nonsense(server: &Process) {
    for said in [
        format!("GET /v1/feed?user={IN_QUERY} HTTP/9.9\r\nhost: a\r\n\r\n"),
        format!("GET /v1/feed?user={IN_QUERY} HTTP/1.1\r\nhost: a\r\n{IN_HEADER}\r\n\r\n"),
        format!("{IN_PATH} /{IN_PATH} HTTP/1.1\r\nhost: {IN_HEADER}\r\nconnection: close\r\n\r\n"),
        format!("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: {IN_HEADER}\r\n\r\n{IN_BODY}"),
        format!("POST /v1/events HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n{IN_BODY}\r\n"),
    ] {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        let heard = String::from_utf8_lossy(&heard);
        assert!(!heard.contains(IN_HEADER) && !heard.contains(IN_BODY), "{said}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_request_is_found_where_it_does_not_belong() {
    let recipe = Recipe::serve().set("telemetry.log_level", "trace").set("telemetry.log_format", "json").set("catalogue.dimension", "8");
    // Every answer of the table below writes for the same person.
    let recipe = recipe.set("limits.user_writes_per_minute", "0").set("auth.server_keys", KEY).set("auth.admin_keys", ADMIN_KEY);
    let mut server = recipe.ready().await;
    let put = server.request(Method::POST, "/v1/items").bearer_auth(KEY).json(&json!({"items": items(30)}));
    assert_eq!(put.send().await.unwrap().status(), 200);
    let api: Value = serde_json::from_str(openapi::json()).unwrap();
    let mut planted = Planted { server: &server, sent: 0 };
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            speak(&mut planted, &api, path, method, operation).await;
        }
    }
    planted.send("no route", server.request(Method::GET, &format!("/v1/{IN_PATH}"))).await;
    assert!(planted.sent > 800, "{}", planted.sent);
    speak_nonsense(&server);
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("feed_events_total{") && !metrics.contains(MARK), "{metrics}");
    server.begin_stop();
    server.end().await;
    let log = server.output();
    assert!(log.lines().count() > 800, "the access lines are there");
    for line in log.lines() {
        assert!(!line.contains(MARK) && !line.contains(KEY) && !line.contains(ADMIN_KEY), "{line}");
    }
}
