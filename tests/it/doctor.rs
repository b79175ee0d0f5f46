//! `polyphony doctor`: every line of it, on installations that are well and that are not.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use crate::support::{
    process::{Recipe, items},
    redis::RedisServer,
};

const KEYS: [(&str, &str); 3] = [
    ("POLYPHONY__AUTH__SERVER_KEYS", "a-server-key-0123456789"),
    ("POLYPHONY__AUTH__ADMIN_KEYS", "an-admin-key-0123456789"),
    ("POLYPHONY__PRIVACY__MASTER_KEYS", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
];

struct Told {
    code: Option<i32>,
    report: Value,
}

impl Told {
    /// `(status, detail, fix)` of every line of a check.
    fn lines(&self, check: &str) -> Vec<(&str, &str, &str)> {
        let checks = self.report["checks"].as_array().unwrap().iter().filter(|one| one["check"] == check);
        let word = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned().leak() as &str;
        checks.map(|one| (word(&one["status"]), word(&one["detail"]), word(&one["fix"]))).collect()
    }

    #[track_caller]
    fn has(&self, check: &str, status: &str, detail: &str, fix: &str) {
        let lines = self.lines(check);
        let found = lines.iter().any(|(of, says, todo)| *of == status && says.contains(detail) && todo.contains(fix));
        assert!(found, "no {status} of {check} with {detail:?} and {fix:?}: {lines:?}\n{:#}", self.report);
    }
}

/// Runs it in `folder`, which holds its data.
fn doctor(folder: &std::path::Path, keys: bool, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.args(["doctor", "--json"]).args(arguments).env_clear().current_dir(folder);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if keys {
        command.envs(KEYS);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    Told { code: output.status.code(), report }
}

#[test]
fn wrong_settings_are_a_fault_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let told = doctor(folder.path(), true, &["--set", "server.workers=many"]);
    assert_eq!(told.code, Some(1));
    assert_eq!(told.report["status"], "fault");
    told.has("settings", "fault", "server.workers", "config reference");
}

#[test]
fn an_installation_before_its_first_start_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let told = doctor(folder.path(), true, &["--set", "server.max_inflight_requests=1"]);
    assert_eq!(told.code, Some(0), "{:#}", told.report);
    told.has("settings", "ok", "surfaces email_digest, home, push, video", "");
    told.has("keys", "ok", "1 server key(s), 1 admin key(s)", "");
    told.has("master key", "ok", "1 given", "");
    told.has("port", "ok", "is free", "");
    told.has("store folder", "ok", "writable", "");
    told.has("journal", "ok", "MiB free", "");
    told.has("open files", "ok", "may be open", "");
    told.has("store", "ok", "made at the first start", "");
    assert_eq!(told.lines("policy").len(), 1);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "it changes nothing");
}

#[test]
fn keys_files_ports_and_limits_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let told = doctor(folder.path(), false, &["--set", "server.max_inflight_requests=100000"]);
    told.has("keys", "warning", "none", "openssl rand -hex 32");
    told.has("master key", "warning", "privacy.master_keys is empty", "openssl rand -hex 32");
    assert!(told.lines("open files")[0].2.contains("LimitNOFILE") || told.lines("open files")[0].0 == "ok");
    let open = doctor(folder.path(), false, &["--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, Some(1));
    open.has("keys", "fault", "", "SERVER_KEYS");
    let insecure = doctor(folder.path(), false, &["--listen", "0.0.0.0:0", "--insecure"]);
    assert_eq!(insecure.code, Some(0), "{:#}", insecure.report);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = doctor(folder.path(), true, &["--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(told.code, Some(1));
    told.has("port", "fault", "cannot listen on 127.0.0.1", "ss -ltnp");

    std::fs::write(folder.path().join("file"), "").unwrap();
    let told = doctor(folder.path(), true, &["--data", "file/below"]);
    assert_eq!(told.code, Some(1));
    told.has("store folder", "fault", "is not a folder", "name another");

    let file = folder.path().join("my.toml");
    std::fs::write(&file, "[auth]\nserver_keys = [\"a-server-key-0123456789\"]\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    doctor(folder.path(), false, &["--config", "my.toml"]).has("settings file", "warning", "mode 644", "chmod 600");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    doctor(folder.path(), false, &["--config", "my.toml"]).has("settings file", "ok", "only its owner", "");
}

#[test]
fn the_policy_is_linted() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/corpus/policies");
    let told = doctor(folder.path(), true, &["--set", &format!("policies.file={corpus}/doubts.toml")]);
    told.has("policy", "warning", "P0", "policy check");
    let broken = doctor(folder.path(), true, &["--set", &format!("policies.file={corpus}/unknown_keys.toml")]);
    assert_eq!(broken.code, Some(1));
}

#[tokio::test]
async fn an_embedded_store_is_looked_into_when_nobody_has_it() {
    let recipe = Recipe::serve();
    let server = recipe.ready().await;
    server.put_items(&items(7)).await;
    let (folder, data) = (tempfile::tempdir().unwrap(), recipe.data());
    let data = data.to_str().unwrap();
    let running = doctor(folder.path(), false, &["--data", data, "--listen", &server.address().to_string()]);
    running.has("port", "ok", "a server answers", "");
    running.has("store", "ok", "belongs to the server that runs", "");
    let elsewhere = doctor(folder.path(), false, &["--data", data]);
    assert_eq!(elsewhere.code, Some(1));
    elsewhere.has("store", "fault", "in use by another process", "");
    assert!(server.terminate().await.success());
    doctor(folder.path(), false, &["--data", data]).has("catalogue", "ok", "7 items, embeddings of 384 numbers", "");
    let other = doctor(folder.path(), false, &["--data", data, "--set", "catalogue.dimension=64"]);
    assert_eq!(other.code, Some(1));
    other.has("catalogue", "fault", "7 of 7 items have embeddings of 384 numbers", "catalogue.dimension = 384");
}

#[tokio::test]
async fn a_redis_is_looked_at_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::with(&["--save", "", "--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "noeviction"]);
    let look = |redis: &RedisServer| doctor(folder.path(), true, &["--redis", &redis.url(), "--set", "store.redis.timeout=5s"]);
    let well = look(&redis);
    assert_eq!(well.code, Some(0), "{:#}", well.report);
    well.has("store", "ok", "master, round trip", "");
    well.has("store", "ok", "of 100 MiB, maxmemory-policy noeviction", "");
    well.has("store", "ok", "append-only file", "");
    well.has("store", "ok", "clock: 0.", "");
    well.has("catalogue", "warning", "no items", "POST /v1/items");

    let set = |key: &str, value: &str| ::redis::cmd("CONFIG").arg("SET").arg(key).arg(value).exec(&mut redis.connection()).unwrap();
    set("maxmemory-policy", "allkeys-lru");
    set("appendonly", "no");
    let ill = look(&redis);
    assert_eq!(ill.code, Some(1));
    ill.has("store", "fault", "maxmemory-policy allkeys-lru", "noeviction");
    ill.has("store", "fault", "persistence: none", "appendonly yes");
    set("save", "3600 1");
    set("maxmemory-policy", "noeviction");
    set("maxmemory", "0");
    let better = look(&redis);
    better.has("store", "warning", "snapshots only", "appendonly yes");
    better.has("store", "warning", "without a limit", "set maxmemory");
    ::redis::cmd("REPLICAOF").arg("127.0.0.1").arg("1").exec(&mut redis.connection()).unwrap();
    look(&redis).has("store", "fault", "slave", "primary");
    redis.stop();
    let gone = look(&redis);
    assert_eq!(gone.code, Some(1));
    gone.has("store", "fault", "cannot be reached", "start Redis");
}

#[test]
fn people_read_lines_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_polyphony"))
        .args(["doctor", "--listen", "127.0.0.1:0"])
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("ok       settings     sound; surfaces "), "{text}");
    assert!(
        text.contains("\nwarning  keys         none") && text.contains("\n                      → POLYPHONY__AUTH__SERVER_KEYS="),
        "{text}"
    );
    assert!(text.trim_end().ends_with(" ok") && text.contains("\n0 fault(s), "), "{text}");
}
