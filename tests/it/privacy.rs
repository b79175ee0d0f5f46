//! Opting out is opting out: nothing but what the person blocked shapes a feed, nothing is written, and no user id is found where it does not belong.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    redis::RedisServer,
    world::{StoreKind, World, event, eventually, many, on_both_stores},
};

on_both_stores! {
    whoever_opts_out_gets_the_same_feed
    other_values_are_no_signal
    opting_out_writes_nothing
    events_of_those_who_opt_out_are_dropped
    no_user_id_in_clear
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
/// Every way to opt out of a feed: a parameter, and headers, which are remembered.
const SIGNALS: [(&str, &str); 5] = [("profile", "off"), ("Sec-GPC", "1"), ("sec-gpc", "1"), ("SEC-GPC", " 1 "), ("Sec-GPC", "0, 1")];

/// `ana` likes science, `ben` politics.
async fn two_with_a_past(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    world.events("ana", (0..5).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    world.events("ben", (0..5).map(|n| event("like", &format!("itm_{:03}", n * 6 + 1)))).await;
    world.popularity_of(&["itm_024", "itm_025"]).await;
    world
}

fn opted_out<'a>(world: &'a World, user: &str, (name, value): (&str, &str)) -> crate::support::world::Ask<'a> {
    let ask = world.feed(user).limit(40);
    if name == "profile" { ask.param(name, value) } else { ask.header(name, value) }
}

async fn whoever_opts_out_gets_the_same_feed(kind: StoreKind) {
    let world = two_with_a_past(kind).await;
    let nobody = world.feed("").limit(40).get().await.ok();
    let own = world.feed("ana").limit(40).get().await.ok();
    assert_eq!(own.body["personalised"], true);
    assert_ne!(own.ids(), nobody.ids());
    for signal in SIGNALS {
        for user in ["ana", "ben", "stranger"] {
            for page in [opted_out(&world, user, signal).get().await.ok(), opted_out(&world, user, signal).post().await.ok()] {
                assert_eq!(page.body["personalised"], false, "{signal:?}");
                assert_eq!(page.ids(), nobody.ids(), "{signal:?} {user}");
            }
        }
    }
}

async fn other_values_are_no_signal(kind: StoreKind) {
    let world = two_with_a_past(kind).await;
    for value in ["0", "true", "", "11", "1;q=1", "yes"] {
        let page = world.feed("ana").header("Sec-GPC", value).get().await.ok();
        assert_eq!(page.body["personalised"], true, "{value:?}");
    }
    assert_eq!(world.feed("ana").get().await.ok().headers["vary"], "Accept-Language, Age-Group, Authorization, Sec-GPC");
    let support = world.get("/.well-known/gpc.json").await;
    assert_eq!((support.headers["content-type"].to_str().unwrap(), &support.body["gpc"]), ("application/json", &json!(true)));
    assert_eq!(world.feed("ana").param("profile", "on").get().await.ok().body["personalised"], true);
}

/// How often each command that writes a person's data ran.
async fn personal_commands(world: &World) -> BTreeMap<String, u64> {
    let metrics = world.get("/metrics").await.text;
    let mut counts = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("feed_store_command_duration_seconds_count{")) {
        for command in ["begin_learning", "commit_profile"] {
            if line.contains(&format!("command=\"{command}\"")) {
                *counts.entry(command.to_owned()).or_default() += line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
            }
        }
    }
    counts
}

/// Everything Redis holds about people but their consent and the key it is sealed with, byte for byte. On the embedded store nothing: the commands must do.
fn personal_keys(world: &World) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let Some(server) = &world.redis else { return BTreeMap::new() };
    let mut connection = server.connection();
    let keys: Vec<Vec<u8>> = ::redis::cmd("KEYS").arg("*{p:*").query(&mut connection).unwrap();
    let is_consent = |key: &Vec<u8>| key.ends_with(b":consents") || key.ends_with(b":key");
    keys.into_iter()
        .filter(|key| !is_consent(key))
        .map(|key| (key.clone(), ::redis::cmd("DUMP").arg(key).query(&mut connection).unwrap()))
        .collect()
}

async fn opting_out_writes_nothing(kind: StoreKind) {
    let world = two_with_a_past(kind).await;
    world.feed("ana").get().await.ok();
    let (commands, keys) = (personal_commands(&world).await, personal_keys(&world));
    assert!(commands["begin_learning"] > 0 && commands["commit_profile"] > 0, "{commands:?}");
    assert_eq!(keys.is_empty(), kind == StoreKind::Embedded);
    for signal in SIGNALS {
        for user in ["ana", "stranger"] {
            let page = opted_out(&world, user, signal).get().await.ok();
            opted_out(&world, user, signal).cursor(&page.next().unwrap()).get().await.ok();
            let candidates = json!([{"id": "a", "relevance": 1}]);
            let rerank = json!({"user": user, "candidates": candidates, "profile": "off"});
            assert_eq!(world.post("/v1/rerank", &rerank).await.ok().body["personalised"], false);
        }
    }
    assert_eq!(personal_commands(&world).await, commands);
    assert_eq!(personal_keys(&world), keys);
}

async fn events_of_those_who_opt_out_are_dropped(kind: StoreKind) {
    let world = two_with_a_past(kind).await;
    let (commands, keys) = (personal_commands(&world).await, personal_keys(&world));
    for value in ["1", "0, 1"] {
        let body = json!({"user": "ana", "events": [event("open", "itm_001"), event("hide", "itm_002"), 7]});
        let request = world.request(reqwest::Method::POST, "/v1/events").header("sec-gpc", value).json(&body);
        let answer = crate::support::world::send(request).await;
        assert_eq!(answer.status, 202);
        let expected = json!({"accepted": 0, "duplicates": 0, "rejected": [], "ignored": 3, "stored": false, "reason": "no_consent"});
        assert_eq!(answer.body, expected);
    }
    assert_eq!((personal_commands(&world).await, personal_keys(&world)), (commands, keys));
    assert_eq!(world.counted("ana").await, 5);
}

/// Nobody else is called that.
const CANARY: &str = "canary-5d1f8e0b";

/// The real binary with every log line there is.
struct Server {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Server {
    async fn start(folder: &Path, redis: Option<&RedisServer>) -> Self {
        let log = folder.join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
        command.args(["serve", "--set", "consent.default=assumed", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
        command.args(["--set", "telemetry.log_level=trace", "--set", "telemetry.log_format=json"]);
        if let Some(redis) = redis {
            command.args(["--redis", &redis.url()]);
        }
        let file = File::create(&log).unwrap();
        let child = command.env_clear().stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let mut address = None;
        eventually("the server says where it listens", async || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            address = lines.filter(|line| line["msg"] == "listening").find_map(|line| line["listen"].as_str().map(str::to_owned));
            address.is_some()
        })
        .await;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let server = Self { child, base: format!("http://{}", address.unwrap()), client };
        eventually("the server is ready", async || server.get("/readyz").await.0 == 200).await;
        server
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: &Value) -> u16 {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap().status().as_u16()
    }

    /// Lets it finish, so that everything is written.
    async fn stop(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        eventually("the server ends", async || self.child.try_wait().unwrap().is_some()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Every route that takes a user id, with sound and with wrong requests.
async fn speak_of_the_canary(server: &Server) {
    assert_eq!(server.post("/v1/items", &json!(many(60, &TOPICS, 17))).await, 200);
    let events = json!([event("open", "itm_001"), event("hide", "itm_002"), event("opne", "itm_003"), event("open", "nowhere")]);
    assert_eq!(server.post("/v1/events", &json!({"user": CANARY, "events": events})).await, 202);
    let (status, page) = server.get(&format!("/v1/feed?user={CANARY}&limit=5")).await;
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).unwrap();
    let next = page["page"]["next"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/feed?user={CANARY}&cursor={next}")).await.0, 200);
    assert_eq!(server.get(&format!("/v1/feed?user={CANARY}&cursor=c1.AAAA")).await.0, 400);
    assert_eq!(server.get(&format!("/v1/feed?user={CANARY}&limit=0&{CANARY}=1")).await.0, 400);
    assert_eq!(server.get(&format!("/v1/{CANARY}")).await.0, 404);
    assert_eq!(server.post("/v1/feed", &json!({"user": CANARY, "surface": "video"})).await, 200);
    assert_eq!(server.post("/v1/rerank", &json!({"user": CANARY, "candidates": [{"id": "a", "relevance": 1}]})).await, 200);
}

async fn no_user_id_in_clear(kind: StoreKind) {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = (kind == StoreKind::Redis).then(RedisServer::start_new);
    let server = Server::start(folder.path(), redis.as_ref()).await;
    speak_of_the_canary(&server).await;
    let (_, metrics) = server.get("/metrics").await;
    if let Some(redis) = &mut redis {
        // Errors are logged too.
        redis.stop();
        assert_eq!(server.get(&format!("/v1/feed?user={CANARY}")).await.0, 200);
        assert_eq!(server.post("/v1/events", &json!({"user": CANARY, "events": [event("open", "itm_001")]})).await, 503);
    }
    server.stop().await;
    assert!(!metrics.contains(CANARY));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.lines().count() > 5);
    for line in log.lines() {
        assert!(!line.contains(CANARY), "{line}");
    }
    check_journal(&folder.path().join("data/journal"));
}

fn check_journal(directory: &Path) {
    let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let journal: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(journal.contains("\"kind\":\"served\"") && journal.contains("\"kind\":\"event\""), "{journal}");
    assert!(!journal.contains(CANARY));
    // The pseudonym links the records of one person.
    let users: std::collections::HashSet<String> =
        journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["user"].as_str().map(str::to_owned)).collect();
    assert_eq!(users.len(), 1, "{users:?}");
}
