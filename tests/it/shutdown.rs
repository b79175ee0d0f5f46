//! Stopping, being killed and being overrun, with the real binary: what was acknowledged is there afterwards.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    process::{Process, Recipe, eventually, items},
    redis::RedisServer,
};

/// People who send at the same time.
const SENDERS: usize = 4;

/// What senders were told until the server was gone.
#[derive(Default)]
pub struct Told {
    pub acknowledged: Vec<(String, String)>,
    /// Requests that were begun and not answered as they should be.
    broken: Vec<String>,
}

impl Told {
    /// Whether to go on after a request that was not answered. A connection that is refused, or reset before the server
    /// took it, was never the server's; one that it took and closed without an answer is a broken promise. A sender that
    /// heeds readiness meets neither.
    fn unanswered(&mut self, error: &reqwest::Error, sender: Sender) -> bool {
        let told = format!("{error:?}");
        let was_taken =
            sender == Sender::Heedful || !error.is_connect() && !told.contains("ConnectionReset") && !told.contains("BrokenPipe");
        if was_taken {
            self.broken.push(told);
        }
        was_taken
    }
}

/// Who sends.
#[derive(Clone, Copy, PartialEq)]
pub enum Sender {
    /// Goes on until no connection can be made.
    Stubborn,
    /// Stops when the server says that it is about to, as a load balancer does.
    Heedful,
}

/// Sends events and feeds over connections of its own.
async fn send(address: std::net::SocketAddr, user: String, began: Arc<AtomicBool>, sender: Sender) -> Told {
    // A connection for each request: one that is being closed while idle is nobody's fault.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(crate::support::process::LIMIT).no_proxy().build().unwrap();
    let mut told = Told::default();
    for n in 0.. {
        if sender == Sender::Heedful {
            let ready = client.get(format!("http://{address}/readyz")).send().await.expect("a probe within the delay is answered");
            if ready.status() != 200 {
                return told;
            }
        }
        let id = format!("{user}-{n}");
        let body = json!({"user": user, "events": [{"id": id, "type": "open", "item": "i0"}]});
        let event = client.request(Method::POST, format!("http://{address}/v1/events")).json(&body).send().await;
        let feed = client.request(Method::GET, format!("http://{address}/v1/feed?user={user}&limit=3")).send().await;
        match event {
            Ok(answer) if answer.status() == 202 => told.acknowledged.push((user.clone(), id)),
            Ok(answer) => told.broken.push(format!("{}", answer.status())),
            Err(error) if told.unanswered(&error, sender) => {}
            Err(_) => return told,
        }
        match feed {
            Ok(answer) if answer.status() == 200 => {}
            Ok(answer) => told.broken.push(format!("{}", answer.status())),
            Err(error) if told.unanswered(&error, sender) => {}
            Err(_) => return told,
        }
        began.store(n >= 10, Ordering::SeqCst);
    }
    told
}

/// Traffic until the server is gone, which `end` brings about once it flows.
pub async fn traffic(server: Process, sender: Sender, end: impl AsyncFnOnce(Process)) -> Told {
    let began: Vec<Arc<AtomicBool>> = (0..SENDERS).map(|_| Arc::default()).collect();
    let address = server.address();
    let start = |(n, began): (usize, &Arc<AtomicBool>)| tokio::spawn(send(address, format!("u{n}"), Arc::clone(began), sender));
    let senders: Vec<_> = began.iter().enumerate().map(start).collect();
    eventually("traffic flows", async || began.iter().all(|one| one.load(Ordering::SeqCst)).then_some(())).await;
    end(server).await;
    let mut told = Told::default();
    for sender in senders {
        let one = sender.await.unwrap();
        told.acknowledged.extend(one.acknowledged);
        told.broken.extend(one.broken);
    }
    assert!(told.acknowledged.len() >= 10 * SENDERS, "{}", told.acknowledged.len());
    told
}

/// Every acknowledged event is known.
pub async fn assert_kept(server: &Process, told: &Told) {
    for user in 0..SENDERS {
        let user = format!("u{user}");
        let ids: Vec<String> = told.acknowledged.iter().filter(|(of, _)| *of == user).map(|(_, id)| id.clone()).collect();
        for ids in ids.chunks(500) {
            let (status, body) = server.events(&user, "i0", ids).await;
            assert_eq!((status, &body["duplicates"]), (202, &Value::from(ids.len())), "{body}");
        }
    }
}

async fn stops_without_losing_a_request(recipe: Recipe, sender: Sender) {
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    let told = traffic(server, sender, async |server| {
        let status = server.terminate().await;
        assert_eq!(status.code(), Some(0));
    })
    .await;
    assert_eq!(told.broken, Vec::<String>::new(), "a request that was accepted is answered");
    assert_kept(&recipe.ready().await, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_loses_no_request_and_no_event_embedded() {
    stops_without_losing_a_request(Recipe::serve(), Sender::Stubborn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_loses_no_request_and_no_event_with_redis() {
    let redis = RedisServer::start_new();
    stops_without_losing_a_request(Recipe::serve().redis(&redis.url()), Sender::Stubborn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_with_a_delay_costs_who_heeds_readiness_nothing() {
    stops_without_losing_a_request(Recipe::serve().set("server.drain_delay", "3s"), Sender::Heedful).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_loses_no_acknowledged_event() {
    let recipe = Recipe::serve();
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    let told = traffic(server, Sender::Stubborn, async |server| server.kill()).await;
    let server = recipe.ready().await;
    assert_kept(&server, &told).await;
    assert_eq!(server.metric("feed_catalogue_items").await, 40.0);
    assert!(server.terminate().await.success());
}

/// A request whose body never comes: it is being served until its connection ends.
pub fn unfinished(server: &Process) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[tokio::test]
async fn more_than_the_limit_is_refused_at_once_and_probes_answer() {
    let server = Recipe::serve().set("server.max_inflight_requests", "2").ready().await;
    server.put_items(&items(40)).await;
    let slow = [unfinished(&server), unfinished(&server)];
    eventually("both are being served", async || (server.metric("feed_http_inflight_requests").await >= 3.0).then_some(())).await;
    let asked: Vec<_> = (0..8).map(|_| server.request(Method::GET, "/v1/feed").send()).collect();
    for answer in asked {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "https://polyphony.dev/problems/overloaded", "{problem}");
    }
    for probe in ["/livez", "/readyz", "/version", "/metrics"] {
        assert_eq!(server.get(probe).await.status(), 200, "{probe}");
    }
    assert_eq!(server.metric("feed_shed_total").await, 8.0);
    drop(slow);
    eventually("there is room again", async || server.get("/v1/feed").await.status().is_success().then_some(())).await;
}
