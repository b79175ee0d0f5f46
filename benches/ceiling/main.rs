//! A bare server for comparison: one Redis GET of a 4 KB profile, one constant body of a feed's size. Nothing can serve a
//! feed from Redis with actix for less. `benches/ceiling/run.py` starts it.
//!
//! `ceiling PORT REDIS_URL BODY_BYTES WORKERS`: `GET /v1/feed?user=ID` reads the key `ceiling:ID`; `GET /v1/floor?user=ID` does what
//! `floor.rs` says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

mod floor;

use actix_web::{App, HttpResponse, HttpServer, web};
use redis::{AsyncCommands, aio::MultiplexedConnection};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(serde::Deserialize)]
struct Query {
    user: String,
}

struct Shared {
    redis: MultiplexedConnection,
    body: web::Bytes,
}

async fn feed(query: web::Query<Query>, shared: web::Data<Shared>) -> HttpResponse {
    let mut redis = shared.redis.clone();
    let profile: Vec<u8> = redis.get(format!("ceiling:{}", query.user)).await.unwrap();
    // What is read is looked at, or the read could be left out.
    let mut status = if profile.is_empty() { HttpResponse::NotFound() } else { HttpResponse::Ok() };
    status.content_type("application/json").body(shared.body.clone())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [port, url, body_bytes, workers] = &arguments[..] else {
        println!("usage: ceiling PORT REDIS_URL BODY_BYTES WORKERS; see benches/ceiling/run.py");
        return Ok(());
    };
    let client = redis::Client::open(url.as_str()).expect("a URL");
    let redis = client.get_multiplexed_async_connection().await.expect("a Redis server");
    let body_bytes = body_bytes.parse().expect("a size");
    let floor = web::Data::new(floor::Floor::new(redis.clone(), body_bytes).await);
    let shared = web::Data::new(Shared { redis, body: web::Bytes::from(vec![b'x'; body_bytes]) });
    let app = move || {
        let app = App::new().app_data(shared.clone()).app_data(floor.clone());
        app.route("/v1/feed", web::get().to(feed)).route("/v1/floor", web::get().to(floor::page))
    };
    HttpServer::new(app).workers(workers.parse().expect("a number")).bind(("127.0.0.1", port.parse().expect("a port")))?.run().await
}
