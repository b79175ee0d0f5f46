//! `qdrant_local.py` as a process of a test's own: it speaks Qdrant's protocol and stands in for the server; see there.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{process::LIMIT, redis::free_port};

/// The interpreter that has the packages, where it is not `python3`.
const PYTHON: &str = "POLYPHONY_QDRANT_PYTHON";
const PACKAGE: &str = "qdrant-client==1.20.0";

pub struct QdrantLocal {
    port: u16,
    key: &'static str,
    folder: TempDir,
    child: Option<Child>,
}

/// `None`, and why, where the packages are not there; CI must have them.
fn python() -> Option<String> {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python).args(["-c", "import qdrant_client, grpc"]).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "no {PACKAGE} for {python}: .ci/run installs it and sets {PYTHON}");
    eprintln!("skipped: {python} has no {PACKAGE}; install it there, or name another in {PYTHON}");
    None
}

impl QdrantLocal {
    /// Starts it; with a key, it refuses calls without. `None`, and why, where its packages are not there.
    pub fn start_new(key: &'static str) -> Option<Self> {
        let mut local = Self::reserved(key)?;
        local.start();
        Some(local)
    }

    /// Picks a port and starts nothing yet.
    pub fn reserved(key: &'static str) -> Option<Self> {
        python()?;
        Some(Self { port: free_port(), key, folder: tempfile::tempdir().unwrap(), child: None })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it on its port, without any collection.
    pub fn start(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/qdrant_local.py");
        let mut command = Command::new(python().unwrap());
        command.arg(script).arg(self.port.to_string()).arg(self.log()).arg(self.key);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let line = format!("listening {}", child.id());
        self.child = Some(child);
        let began = Instant::now();
        while !self.calls().contains(&line) {
            assert!(self.child.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended: was port {} taken?", self.port);
            assert!(began.elapsed() < LIMIT, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it; what it held is gone.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Freezes the process: connections stay, nothing answers.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("calls")
    }

    /// One line per call so far.
    pub fn calls(&self) -> Vec<String> {
        std::fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Whether a call left exactly this line.
    pub fn said(&self, line: &str) -> bool {
        self.calls().iter().any(|said| said == line)
    }

    /// How many calls began with `start`.
    pub fn count(&self, start: &str) -> usize {
        self.calls().iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Drop for QdrantLocal {
    fn drop(&mut self) {
        self.stop();
    }
}
