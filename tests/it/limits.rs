//! Who sends more than they may is told so, and when to come back; others are served meanwhile.

use jsonwebtoken::{EncodingKey, Header};
use polyphony::{domain::Span, settings::Secret};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{
    app::NOW,
    world::{Answer, StoreKind, World, event, many, send},
};

const KEY: &str = "server-key-0123456789";
const OTHER_KEY: &str = "server-key-9876543210";
const ADMIN_KEY: &str = "admin-key-0123456789";
const TOKEN_SECRET: &str = "0123456789abcdef0123456789abcdef";

fn set_preferences(world: &World, user: &str) -> RequestBuilder {
    world.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(&json!({"diversity": 0.5}))
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_refused_and_the_bucket_fills_again() {
    let world = World::with(StoreKind::Embedded, |settings| settings.limits.user_writes_per_minute = 3).await;
    for (remaining, reset) in [(2, 20), (1, 40), (0, 60)] {
        let answer = send(set_preferences(&world, "ana")).await.ok();
        assert_eq!(header(&answer, "ratelimit-policy"), "\"user_writes\";q=3;w=60");
        assert_eq!(header(&answer, "ratelimit"), format!("\"user_writes\";r={remaining};t={reset}"));
    }
    let refused = send(set_preferences(&world, "ana")).await;
    assert_eq!(refused.problem(), (429, "rate-limited"));
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert_eq!((header(&refused, "retry-after"), header(&refused, "ratelimit")), ("20", "\"user_writes\";r=0;t=60"));
    assert_eq!(refused.body["detail"], "More than 3 requests a minute (`user_writes`); the next one is served in 20 s.");
    // Others, and what does not write, are served.
    send(set_preferences(&world, "ben")).await.ok();
    world.get("/v1/users/ana/preferences").await.ok();
    assert!(world.get("/metrics").await.text.contains("feed_rate_limited_total{limit=\"user_writes\"} 1\n"));
    world.clock.advance(Span::secs(20));
    send(set_preferences(&world, "ana")).await.ok();
    assert_eq!(send(set_preferences(&world, "ana")).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_counts_for_its_subject_and_asking_in_a_body_is_reading() {
    let world = World::with(StoreKind::Embedded, |settings| {
        settings.auth.jwt_secret = Secret::new(TOKEN_SECRET);
        settings.auth.server_keys = vec![Secret::new(KEY)];
        settings.limits.user_writes_per_minute = 2;
        settings.limits.user_reads_per_minute = 4;
    })
    .await;
    let put = world.request(Method::POST, "/v1/items").bearer_auth(KEY).json(&json!({"items": many(30, &["art", "sea"], 7)}));
    send(put).await.ok();
    let as_user = |user: &str, method, path: &str| {
        let claims = json!({"sub": user, "exp": NOW.0 / 1_000 + 600});
        let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(TOKEN_SECRET.as_bytes())).unwrap();
        world.request(method, path).bearer_auth(token)
    };
    let events = |user| as_user(user, Method::POST, "/v1/events").json(&json!({"events": [event("open", "itm_001")]}));
    let statuses = |requests: Vec<RequestBuilder>| async move {
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(send(request).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(vec![events("ana"), events("ana"), events("ana"), events("ben")]).await, [202, 202, 429, 202]);
    let asked = || as_user("ana", Method::POST, "/v1/feed").json(&json!({}));
    let got = || as_user("ana", Method::GET, "/v1/feed");
    assert_eq!(statuses(vec![asked(), got(), asked(), got(), asked(), got()]).await, [200, 200, 200, 200, 429, 429]);
    // Whoever is refused uses up nothing of the person they named.
    let named = |user: &str| as_user("eve", Method::PUT, &format!("/v1/users/{user}/preferences")).json(&json!({}));
    assert_eq!(statuses(vec![named("ben"), named("ben"), named("ben"), events("ben"), events("ben")]).await, [403, 403, 429, 202, 429]);
    // A key that names the person in the path counts for the same one.
    let by_key = world.request(Method::PUT, "/v1/users/ana/preferences").bearer_auth(KEY).json(&json!({}));
    assert_eq!(send(by_key).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_has_its_own_bucket_and_guessing_has_one() {
    let world = World::with(StoreKind::Embedded, |settings| {
        settings.auth.server_keys = vec![Secret::new(KEY), Secret::new(OTHER_KEY)];
        settings.auth.admin_keys = vec![Secret::new(ADMIN_KEY)];
        settings.limits.key_requests_per_minute = 2;
        settings.limits.anonymous_requests_per_minute = 3;
    })
    .await;
    let status = async |key: Option<&str>| {
        let request = world.request(Method::GET, "/v1/users/ana/preferences");
        send(key.map_or(request.try_clone().unwrap(), |key| request.bearer_auth(key))).await.status.as_u16()
    };
    for key in [KEY, ADMIN_KEY] {
        assert_eq!([status(Some(key)).await, status(Some(key)).await, status(Some(key)).await], [200, 200, 429]);
    }
    let guesses = [status(Some("guess-0")).await, status(None).await, status(Some("guess-1")).await, status(Some("guess-2")).await];
    assert_eq!(guesses, [401, 401, 401, 429]);
    assert_eq!(status(Some(OTHER_KEY)).await, 200, "whoever has a key is served all the same");
    assert_eq!(world.get("/livez").await.status, 200);
    assert_eq!(world.get("/v1/transparency").await.status, 429, "open to all, and counted with all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_shipped_a_backend_is_not_limited() {
    let world = World::with(StoreKind::Embedded, |settings| settings.auth.server_keys = vec![Secret::new(KEY)]).await;
    for _ in 0..700 {
        let request = world.request(Method::POST, "/v1/events").bearer_auth(KEY);
        let answer = send(request.json(&json!({"user": "ana", "events": [event("open", "nowhere")]}))).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("ratelimit")), (202, None));
    }
}

/// Routes that are open to all count for the anonymous limit, and a key's own calls do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_document_counts_for_everybody() {
    let world = World::with(StoreKind::Embedded, |settings| {
        settings.auth.server_keys = vec![Secret::new(KEY)];
        settings.limits.anonymous_requests_per_minute = 2;
    })
    .await;
    let get = |key: Option<&str>| {
        let request = world.request(Method::GET, "/v1/transparency");
        key.map_or(request.try_clone().unwrap(), |key| request.bearer_auth(key))
    };
    for _ in 0..2 {
        send(get(None)).await.ok();
    }
    assert_eq!(send(get(None)).await.problem(), (429, "rate-limited"));
    assert_eq!(send(get(Some("no-key-of-this-server"))).await.problem(), (429, "rate-limited"));
    send(get(Some(KEY))).await.ok();
}
