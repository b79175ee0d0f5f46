//! The store goes away in every way it can: feeds go on with less and say so, what is not safe is not acknowledged, and
//! all heals without a restart.

use std::{collections::HashSet, time::Duration};

use serde_json::Value;

use crate::support::{
    garbage::Garbage,
    process::{Process, Recipe, eventually, ids, items, next},
    redis::RedisServer,
};

/// Longest a feed may take while the store is away. For busy machines: the store has its own limit for each command.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Enough for many pages.
const ITEMS: usize = 120;
const AWAY: [&str; 2] = ["store_timeout", "store_unreachable"];

/// A server whose person Ann has acknowledged events and a feed of two pages.
struct Scene {
    server: Process,
    acknowledged: Vec<String>,
    served: Vec<String>,
    cursor: String,
}

impl Scene {
    async fn of(server: Process) -> Self {
        server.put_items(&items(ITEMS)).await;
        let acknowledged: Vec<String> = (0..20).map(|n| format!("before{n}")).collect();
        let (status, body) = server.events("ann", "i0", &acknowledged).await;
        assert_eq!((status, &body["accepted"]), (202, &Value::from(20)), "{body}");
        let first = server.feed("user=ann&limit=5").await;
        assert_eq!(first.get("degraded"), None, "{first}");
        let second = server.feed(&format!("user=ann&limit=5&cursor={}", next(&first))).await;
        let served = ids(&first).into_iter().chain(ids(&second)).collect();
        Self { server, acknowledged, served, cursor: next(&second) }
    }

    /// The next page; asks for it twice, because a repeated cursor answers the same.
    async fn page_on(&mut self) -> Value {
        let query = format!("user=ann&limit=5&cursor={}", self.cursor);
        let page = within(self.server.feed(&query)).await;
        assert_eq!(ids(&within(self.server.feed(&query)).await), ids(&page));
        assert_ne!(page["page"].get("restarted"), Some(&Value::Bool(true)), "{page}");
        self.served.extend(ids(&page));
        let unique: HashSet<&String> = self.served.iter().collect();
        assert_eq!(unique.len(), self.served.len(), "an item was repeated: {:?}", self.served);
        self.cursor = next(&page);
        page
    }

    /// Feeds come and say what is missing; paging goes on; events are refused for now.
    async fn goes_on_without(&mut self, stages: &[&str], reasons: &[&str]) {
        let counted = async |server: &Process| {
            let mut total = 0.0;
            for reason in reasons {
                total += server.metric(&format!("feed_degraded_total{{surface=\"home\",reason=\"{reason}\"")).await;
            }
            total
        };
        let before = counted(&self.server).await;
        let mut said = 0;
        for _ in 0..3 {
            let page = within(self.server.feed("user=ann&limit=5")).await;
            assert_eq!(ids(&page).len(), 5, "{page}");
            said += assert_degraded(&page, stages, reasons);
            said += assert_degraded(&self.page_on().await, stages, reasons);
        }
        // Each later page was asked for twice.
        assert!(counted(&self.server).await >= before + f64::from(said), "what was missing is counted");
        self.refuses_events().await;
        let (status, state) = self.server.readiness().await;
        assert_eq!((status, state.as_str()), (200, "degraded"), "feeds are served, so it stays in the load balancer");
    }

    async fn refuses_events(&self) {
        let body = serde_json::json!({"user": "ann", "events": [{"id": "during", "type": "like", "item": "i1"}]});
        let answer = within(self.server.post("/v1/events", &body)).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "https://polyphony.dev/problems/store-unavailable", "{problem}");
    }

    /// Without a restart all is as before: feeds are whole, paging goes on, nothing that was acknowledged is lost.
    async fn heals(mut self) {
        eventually("a whole feed", async || self.server.feed("user=ann&limit=5").await.get("degraded").is_none().then_some(())).await;
        self.server.until_ready().await;
        let page = self.page_on().await;
        assert_eq!(page.get("degraded"), None, "{page}");
        let (status, body) = self.server.events("ann", "i0", &self.acknowledged).await;
        assert_eq!((status, &body["duplicates"]), (202, &Value::from(self.acknowledged.len())), "{body}");
        // It may have been done although the answer was late; sent again it is done once.
        let (status, body) = self.server.events("ann", "i1", &["during".into()]).await;
        assert_eq!(status, 202, "{body}");
        assert_eq!(body["accepted"].as_u64().unwrap() + body["duplicates"].as_u64().unwrap(), 1, "{body}");
        self.server.put_items(&items(ITEMS + 1)[ITEMS..]).await;
        assert!(self.server.terminate().await.success());
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(ANSWER_LIMIT, work).await.expect("an answer while the store is away")
}

/// The page names at least one missing thing, each with stage, reason and fallback; how many.
fn assert_degraded(page: &Value, stages: &[&str], reasons: &[&str]) -> u32 {
    let degraded = page["degraded"].as_array().unwrap_or_else(|| panic!("nothing is said to be missing: {page}"));
    assert!(!degraded.is_empty());
    for one in degraded {
        let word = |key: &str| one[key].as_str().unwrap_or_else(|| panic!("no {key}: {one}"));
        assert!(stages.contains(&word("stage")) && reasons.contains(&word("reason")), "{one}");
        assert_eq!(word("fallback"), if word("stage") == "profile" { "cold_profile" } else { "local_feed" });
    }
    degraded.len() as u32
}

async fn on(redis: &RedisServer) -> Scene {
    Scene::of(Recipe::serve().redis(&redis.url()).ready().await).await
}

#[tokio::test]
async fn a_redis_that_is_refused_at_start_is_waited_for() {
    let mut redis = RedisServer::reserved(&["--save", ""]);
    let server = Recipe::serve().redis(&redis.url()).start();
    let (status, state) = eventually("probes answer", async || Some(server.readiness().await)).await;
    assert_eq!((status, state.as_str()), (503, "starting"), "without a catalogue there is nothing to serve");
    assert_eq!(server.get("/livez").await.status(), 200);
    let feed = server.get("/v1/feed").await;
    assert_eq!(feed.status(), 503);
    assert!(feed.headers().contains_key("retry-after"));
    assert_eq!(feed.json::<Value>().await.unwrap()["type"], "https://polyphony.dev/problems/empty-catalogue");
    redis.start();
    server.until_ready().await;
    Scene::of(server).await.heals().await;
}

#[tokio::test]
async fn a_redis_that_is_killed_mid_traffic_costs_nobody_a_feed() {
    let mut redis = RedisServer::persistent();
    let mut scene = on(&redis).await;
    let mut killed = false;
    for n in 0..60 {
        within(scene.server.feed("user=ann&limit=3")).await;
        let id = format!("traffic{n}");
        let (status, body) = within(scene.server.events("ann", "i0", std::slice::from_ref(&id))).await;
        match status {
            202 => scene.acknowledged.push(id),
            503 => assert!(killed, "refused while Redis was there: {body}"),
            other => panic!("{other}: {body}"),
        }
        if n == 30 {
            redis.stop();
            killed = true;
        }
    }
    scene.goes_on_without(&["profile", "feed"], &AWAY).await;
    redis.start();
    scene.heals().await;
}

#[tokio::test]
async fn a_redis_that_is_slow_beyond_its_limit_is_left_out() {
    let redis = RedisServer::start_new();
    let mut scene = on(&redis).await;
    redis.pause();
    scene.goes_on_without(&["profile", "feed"], &AWAY).await;
    redis.resume();
    scene.heals().await;
}

#[tokio::test]
async fn a_full_redis_still_knows_people() {
    let redis = RedisServer::with(&["--save", "", "--maxmemory-policy", "noeviction"]);
    let mut scene = on(&redis).await;
    let set = |limit: &str| ::redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit).exec(&mut redis.connection()).unwrap();
    set("1mb");
    scene.goes_on_without(&["feed"], &["store_full"]).await;
    // What it has already is safe, and is said to be.
    let (status, body) = scene.server.events("ann", "i0", &scene.acknowledged).await;
    assert_eq!((status, &body["duplicates"]), (202, &Value::from(20)), "{body}");
    set("0");
    scene.heals().await;
}

#[tokio::test]
async fn a_redis_that_talks_nonsense_is_not_believed() {
    let redis = RedisServer::start_new();
    let garbage = Garbage::before(redis.port());
    let mut scene = Scene::of(Recipe::serve().redis(&garbage.url()).ready().await).await;
    garbage.garble(true);
    scene.goes_on_without(&["profile", "feed"], &["store_timeout", "store_unreachable", "store_corrupt", "store_refused"]).await;
    garbage.garble(false);
    scene.heals().await;
}

#[tokio::test]
async fn a_damaged_profile_harms_only_its_person_until_it_is_gone() {
    let redis = RedisServer::start_new();
    let scene = on(&redis).await;
    let mut connection = redis.connection();
    let profiles: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*}:profile").query(&mut connection).unwrap();
    let [key] = profiles.as_slice() else { panic!("{profiles:?}") };
    let sound: Vec<u8> = ::redis::cmd("GET").arg(key).query(&mut connection).unwrap();
    for damage in [b"".to_vec(), b"nonsense".to_vec(), sound[..sound.len() / 2].to_vec(), vec![0xff; sound.len()]] {
        ::redis::cmd("SET").arg(key).arg(&damage).exec(&mut connection).unwrap();
        let page = within(scene.server.feed("user=ann&limit=5")).await;
        assert_degraded(&page, &["profile"], &["store_corrupt"]);
        scene.refuses_events().await;
        let other = scene.server.feed("user=ben&limit=5").await;
        assert_eq!(other.get("degraded"), None, "{other}");
    }
    let counted = scene.server.metric("feed_degraded_total{surface=\"home\",reason=\"store_corrupt\"").await;
    assert!(counted >= 4.0, "{counted}");
    ::redis::cmd("SET").arg(key).arg(&sound).exec(&mut connection).unwrap();
    scene.heals().await;
}

/// Where consent is asked for, what is not known of a person who cannot be read is their consent: nothing of theirs is used, and
/// their next page is the first of everybody's.
#[tokio::test]
async fn without_their_consent_at_hand_people_go_on_with_the_feed_of_everybody() {
    let mut redis = RedisServer::persistent();
    let server = Recipe::serve().set("consent.default", "required").redis(&redis.url()).ready().await;
    server.put_items(&items(ITEMS)).await;
    let given = serde_json::json!({"decisions": {"profile_create": "given", "profile_use": "given"}});
    let consented = server.request(reqwest::Method::PUT, "/v1/users/ann/consent").json(&given).send().await.unwrap();
    assert_eq!(consented.status(), 200);
    let first = server.feed("user=ann&limit=5").await;
    let second = format!("user=ann&limit=5&cursor={}", next(&first));
    redis.stop();
    let page = within(server.feed(&second)).await;
    assert_eq!((&page["page"]["restarted"], &page["personalised"]), (&Value::Bool(true), &Value::Bool(false)), "{page}");
    assert_degraded(&page, &["profile", "feed"], &AWAY);
    assert!(ids(&page).iter().all(|id| !ids(&first).contains(id)), "{page}");
    let strict = within(server.get(&format!("/v1/feed?{second}&strict=true"))).await;
    assert_eq!(strict.status(), 410);
    // The feed of everybody that they were given goes on into their own when they can be read again.
    let meanwhile = within(server.feed("user=ann&limit=5")).await;
    redis.start();
    let query = format!("user=ann&limit=5&cursor={}", next(&meanwhile));
    let again = eventually("she is read again", async || {
        let page = server.feed(&query).await;
        (page.get("degraded").is_none()).then_some(page)
    })
    .await;
    assert_eq!((&again["page"]["restarted"], &again["privacy"]["mode"]), (&Value::Bool(true), &Value::from("profile")), "{again}");
    assert!(ids(&again).iter().all(|id| !ids(&meanwhile).contains(id)), "{again}");
    let another = within(server.get(&format!("/v1/feed?user=ben&limit=5&cursor={}", next(&first)))).await;
    assert_eq!(another.status(), 400, "it is hers alone");
}
