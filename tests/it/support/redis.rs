//! A real `redis-server` of a test's own: on a free loopback port, without persistence, gone when dropped.

use std::{
    io::ErrorKind,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest a server may take to answer its first `PING`.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Ports tried: below the range the kernel hands out, so that a stopped server's port stays free.
const PORTS: std::ops::Range<u16> = 15_000..31_000;
/// How often another port is tried when somebody else was faster.
const START_ATTEMPTS: u32 = 20;

pub struct RedisServer {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk.
    pub fn start_new() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server that keeps every write, so that it comes back with its data after [`Self::stop`].
    pub fn persistent() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with these arguments besides port, address and folder.
    pub fn with(arguments: &[&str]) -> Self {
        let mut server = Self::reserved(arguments);
        for _ in 0..START_ATTEMPTS {
            if server.try_start() {
                return server;
            }
            server.port = free_port();
        }
        panic!("redis-server did not start on any of {START_ATTEMPTS} free ports");
    }

    /// Picks a port and starts nothing yet.
    pub fn reserved(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { port: free_port(), folder, arguments: arguments.iter().map(ToString::to_string).collect(), child: None }
    }

    /// Where it keeps what it keeps on disk.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, again on the same port.
    pub fn start(&mut self) {
        assert!(self.try_start(), "port {} was taken meanwhile", self.port);
    }

    /// Kills it: no goodbye, no last save.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("redis-server can be killed");
            child.wait().expect("redis-server ends");
        }
    }

    /// Freezes the process: connections stay, nothing answers.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// A connection for looking and meddling behind the store's back.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a Redis URL");
        client.get_connection().expect("a connection to the test's Redis")
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("a running redis-server").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    /// `false` when the port was taken by somebody else.
    fn try_start(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no", "--dir"]).arg(self.folder.path());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("these tests need `redis-server`: install it (`apt-get install redis-server`), or run `./test`, which does")
            }
            Err(error) => panic!("redis-server does not start: {error}"),
        };
        let id = child.id();
        self.child = Some(child);
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            let ended = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            if ended {
                self.child = None;
                return false;
            }
            if answering_process(&self.url()) == Some(id) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server did not answer within {START_LIMIT:?}");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The process behind the port: on a port that was taken, it is not the one that was started.
pub(super) fn answering_process(url: &str) -> Option<u32> {
    let mut connection = redis::Client::open(url).ok()?.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection).ok()?;
    info.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
}

/// A port that nobody listens on, below those the kernel hands out.
pub fn free_port() -> u16 {
    let mut seed = std::collections::hash_map::RandomState::new();
    loop {
        use std::hash::BuildHasher;
        let width = u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + (seed.hash_one(std::process::id()) % width) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        seed = std::collections::hash_map::RandomState::new();
    }
}
