//! An open-loop client for the measurements of a whole request: requests come at their times whatever the server does, and a
//! latency counts from when the request was due, so a server that stalls is seen to (no coordinated omission). With rate 0 it is a
//! closed loop over some connections instead, for the greatest throughput.
//!
//! `load PORT RATE SECONDS READERS NEXT_SHARE`: first pages of readers in turns, and of so many in a hundred answers the next page. Prints one
//! line of JSON. `benches/ceiling/saturation.py` starts it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
    time::{Instant, sleep_until},
};

/// Connections of the closed loop.
const CLOSED_CONNECTIONS: usize = 32;
/// Longest that is waited for answers once the time is over.
const GRACE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Tally {
    served_us: Vec<u32>,
    refused_us: Vec<u32>,
    /// Of the next pages that were asked for.
    refused_next: u64,
    failed: u64,
    /// On a new connection, because the one that was kept was closed.
    asked_again: u64,
}

struct Load {
    port: u16,
    readers: usize,
    next_share: f64,
    sent: Cell<usize>,
    idle: RefCell<Vec<TcpStream>>,
    tally: RefCell<Tally>,
}

impl Load {
    /// The path of the next first page.
    fn path(&self) -> String {
        let number = self.sent.replace(self.sent.get() + 1);
        format!("/v1/feed?user=reader-{}&limit=20", number % self.readers)
    }

    /// Asks for a page that was due at `due`; its cursor.
    async fn ask(&self, path: &str, due: Instant) -> Option<String> {
        let kept = self.idle.borrow_mut().pop();
        let was_kept = kept.is_some();
        let mut answered = self.try_once(path, kept).await;
        if answered.is_none() && was_kept {
            // A server may close a connection that is idle just when it is used again: a GET is then asked again (RFC 9110, 9.2.2).
            self.tally.borrow_mut().asked_again += 1;
            answered = self.try_once(path, None).await;
        }
        let took_us = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
        let mut tally = self.tally.borrow_mut();
        match answered {
            Some((200, body)) => {
                tally.served_us.push(took_us);
                cursor(&body)
            }
            Some((503, _)) => {
                tally.refused_us.push(took_us);
                tally.refused_next += u64::from(path.contains("&cursor="));
                None
            }
            _ => {
                tally.failed += 1;
                None
            }
        }
    }

    /// Status and body; `None` where there is no answer.
    async fn try_once(&self, path: &str, kept: Option<TcpStream>) -> Option<(u16, Vec<u8>)> {
        let mut connection = match kept {
            Some(connection) => connection,
            None => TcpStream::connect(("127.0.0.1", self.port)).await.ok()?,
        };
        connection.set_nodelay(true).ok()?;
        connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.ok()?;
        let answer = read_answer(&mut connection).await?;
        self.idle.borrow_mut().push(connection);
        Some(answer)
    }

    /// A first page and, for some, the page after it.
    async fn visit(&self, due: Instant) {
        let path = self.path();
        let number = self.sent.get();
        let next = self.ask(&path, due).await;
        let goes_on = ((number as f64 * self.next_share).fract() + self.next_share) >= 1.0;
        if let Some(cursor) = next.filter(|_| goes_on) {
            self.ask(&format!("{path}&cursor={cursor}"), Instant::now()).await;
        }
    }
}

fn cursor(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"page\":{\"next\":\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// Status and body.
async fn read_answer(connection: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(32 * 1_024);
    let head = loop {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length: usize = text.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    while bytes.len() < head + length {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((status, bytes.split_off(head)))
}

fn percentile(sorted: &[u32], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).map_or(0.0, |us| f64::from(*us) / 1e3)
}

async fn run(load: Rc<Load>, rate: f64, seconds: f64) {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let mut tasks = Vec::new();
    if rate <= 0.0 {
        for _ in 0..CLOSED_CONNECTIONS {
            let load = Rc::clone(&load);
            tasks.push(tokio::task::spawn_local(async move {
                while Instant::now() < end {
                    load.visit(Instant::now()).await;
                }
            }));
        }
    } else {
        for number in 0.. {
            let due = begin + Duration::from_secs_f64(f64::from(number) / rate);
            if due >= end {
                break;
            }
            sleep_until(due).await;
            let load = Rc::clone(&load);
            tasks.push(tokio::task::spawn_local(async move { load.visit(due).await }));
        }
    }
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    let _ = tokio::time::timeout(GRACE, all).await;
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [port, rate, seconds, readers, next_share] = &arguments[..] else {
        println!("usage: load PORT RATE SECONDS READERS NEXT_SHARE; see benches/ceiling/saturation.py");
        return;
    };
    let (rate, seconds): (f64, f64) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    let load = Rc::new(Load {
        port: port.parse().expect("a port"),
        readers: readers.parse().expect("a number"),
        next_share: next_share.parse().expect("a share"),
        sent: Cell::default(),
        idle: RefCell::default(),
        tally: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, run(Rc::clone(&load), rate, seconds));
    let mut tally = load.tally.take();
    tally.served_us.sort_unstable();
    tally.refused_us.sort_unstable();
    let [served, refused] = [&tally.served_us, &tally.refused_us];
    let report = serde_json::json!({
        "sent": load.sent.get(), "served": served.len(), "refused": refused.len(), "refused_next": tally.refused_next, "failed": tally.failed, "asked_again": tally.asked_again,
        "served_per_second": served.len() as f64 / seconds,
        "served_ms": {"p50": percentile(served, 0.5), "p90": percentile(served, 0.9), "p99": percentile(served, 0.99), "p999": percentile(served, 0.999), "max": percentile(served, 1.0)},
        "refused_ms": {"p50": percentile(refused, 0.5), "p99": percentile(refused, 0.99), "max": percentile(refused, 1.0)},
    });
    println!("{report}");
}
