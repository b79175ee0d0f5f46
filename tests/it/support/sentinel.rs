//! A real primary with a replica, and a Sentinel that promotes it.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::redis::{RedisServer, answering_process, free_port};

/// Longest anything may take to come up.
const START_LIMIT: Duration = Duration::from_secs(40);
/// What the Sentinel calls the primary.
pub const PRIMARY: &str = "mymaster";
/// The Sentinel's own password.
pub const PASSWORD: &str = "a-watchers-secret";

pub struct Watched {
    pub primary: RedisServer,
    pub replica: RedisServer,
    sentinel: Child,
    port: u16,
    _folder: TempDir,
}

impl Watched {
    pub fn start_new() -> Self {
        let primary = RedisServer::start_new();
        let of = primary.port().to_string();
        let replica = RedisServer::with(&["--save", "", "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &of]);
        until("the replica follows", || said(&replica, "INFO", "replication").contains("master_link_status:up"));
        let folder = tempfile::tempdir().unwrap();
        let (sentinel, port) = (0..20).find_map(|_| Self::watch(folder.path(), &of)).expect("a Sentinel starts");
        let watched = Self { primary, replica, sentinel, port, _folder: folder };
        until("the Sentinel knows the replica", || watched.sentinel_says("num-slaves") == "1");
        watched
    }

    fn watch(folder: &std::path::Path, primary_port: &str) -> Option<(Child, u16)> {
        let (port, file) = (free_port(), folder.join("sentinel.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\nsentinel monitor {PRIMARY} 127.0.0.1 {primary_port} 1\n\
             sentinel down-after-milliseconds {PRIMARY} 1000\nsentinel failover-timeout {PRIMARY} 5000\n",
            folder.display()
        );
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{port}");
        let began = Instant::now();
        while began.elapsed() < START_LIMIT && child.try_wait().unwrap().is_none() {
            if answering_process(&url) == Some(child.id()) {
                return Some((child, port));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    /// The Sentinel's URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn sentinel_says(&self, field: &str) -> String {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_connection().unwrap();
        let rows: std::collections::HashMap<String, String> =
            redis::cmd("SENTINEL").arg("MASTER").arg(PRIMARY).query(&mut connection).unwrap();
        rows.get(field).cloned().unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.sentinel.kill();
        let _ = self.sentinel.wait();
    }
}

fn said(server: &RedisServer, command: &str, argument: &str) -> String {
    redis::cmd(command).arg(argument).query(&mut server.connection()).unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < START_LIMIT, "not within {START_LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
