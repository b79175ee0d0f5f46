//! The real binary as a process of a test's own: on a free port, with data of its own, gone when dropped.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest anything may take on a busy machine before a test gives up.
pub const LIMIT: Duration = Duration::from_secs(40);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a server is to be started.
pub struct Recipe {
    command: &'static str,
    arguments: Vec<String>,
    /// Kept between starts, so that a server comes back with its data.
    folder: Arc<TempDir>,
    redis: bool,
    /// Whether the settings say the policy.
    own_policy: bool,
    /// Whether a file that may not grow is an error for the process, and not its end.
    ignores_file_size_signal: bool,
    binary: PathBuf,
}

impl Recipe {
    pub fn serve() -> Self {
        // Consent has tests of its own; people of all others have not said no.
        let arguments = ["--set", "consent.default=assumed"].map(str::to_owned).to_vec();
        Self {
            command: "serve",
            arguments,
            folder: Arc::new(tempfile::tempdir().unwrap()),
            redis: false,
            own_policy: true,
            ignores_file_size_signal: false,
            binary: env!("CARGO_BIN_EXE_polyphony").into(),
        }
    }

    /// With another version of the server.
    pub fn binary(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.binary);
        self
    }

    /// A write past [`Process::limit_file_size`] fails, as on a full disk, and does not end the process.
    pub fn without_file_size_signal(mut self) -> Self {
        self.ignores_file_size_signal = true;
        self
    }

    pub fn demo() -> Self {
        // With the settings as shipped: its personas consent.
        Self { command: "demo", arguments: Vec::new(), ..Self::serve() }
    }

    pub fn redis(mut self, url: &str) -> Self {
        self.arguments.extend(["--redis".to_owned(), url.to_owned()]);
        self.redis = true;
        self
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.arguments.extend(["--set".to_owned(), format!("{key}={value}")]);
        self
    }

    /// With the policy of a file instead of the settings' own.
    pub fn policy_file(mut self, path: &Path) -> Self {
        self.own_policy = false;
        self.set("policies.file", &path.display().to_string())
    }

    /// Where store and journal are.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it and waits until it listens.
    pub fn start(&self) -> Process {
        Process::start(self)
    }

    /// Starts it, which must fail: its exit code and what it said.
    pub fn fails(&self) -> (Option<i32>, String) {
        let output = self.command().output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn command(&self) -> Command {
        let shell = Path::new("sh");
        let mut command = Command::new(if self.ignores_file_size_signal { shell } else { &self.binary });
        if self.ignores_file_size_signal {
            // What is ignored stays so in what is executed.
            command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.binary);
        }
        command.arg(self.command).args(["--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        // Long limits, so that a busy machine alone degrades nothing. Later `--set`s win: a test may ask for others.
        let policy = self.own_policy.then_some("policy.retrieve.deadline=500ms");
        for setting in ["telemetry.log_level=info", "store.redis.timeout=500ms", "server.brownout_share=1"].into_iter().chain(policy) {
            command.args(["--set", setting]);
        }
        command.args(&self.arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts it and waits until it answers feeds.
    pub async fn ready(&self) -> Process {
        let process = self.start();
        process.until_ready().await;
        process
    }
}

/// A running server.
pub struct Process {
    child: Child,
    address: SocketAddr,
    client: Client,
    output: Arc<Mutex<String>>,
    _folder: Arc<TempDir>,
}

impl Process {
    fn start(recipe: &Recipe) -> Self {
        let mut command = recipe.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let client = Client::builder().timeout(LIMIT).no_proxy().build().unwrap();
        let mut process =
            Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), client, output, _folder: Arc::clone(&recipe.folder) };
        process.address = process.listened_on();
        process
    }

    /// The port is the machine's choice: looked up among the sockets the process listens on, whatever it logs.
    fn listened_on(&mut self) -> SocketAddr {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if let Some(port) = listening_port(self.child.id()) {
                return SocketAddr::from(([127, 0, 0, 1], port));
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(LOOK_EVERY);
                panic!("the server ended with {status}: {}", self.output());
            }
            thread::sleep(LOOK_EVERY);
        }
        panic!("the server does not listen: {}", self.output());
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, standard output and standard error.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// A page that must come.
    pub async fn feed(&self, query: &str) -> Value {
        let answer = self.get(&format!("/v1/feed?{query}")).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// One event per id, by `user` on `item`; the answer's status and body.
    pub async fn events(&self, user: &str, item: &str, ids: &[String]) -> (u16, Value) {
        let events: Vec<Value> = ids.iter().map(|id| json!({"id": id, "type": "open", "item": item})).collect();
        let answer = self.post("/v1/events", &json!({"user": user, "events": events})).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn put_items(&self, items: &[Value]) {
        let answer = self.post("/v1/items", &json!({ "items": items })).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], items.len());
    }

    /// The value of a metric's line, which begins with `start`; 0 when there is none.
    pub async fn metric(&self, start: &str) -> f64 {
        let page = self.get("/metrics").await.text().await.unwrap();
        let lines = page.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    pub async fn readiness(&self) -> (u16, String) {
        let answer = self.get("/readyz?verbose").await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["status"].as_str().unwrap().to_owned())
    }

    pub async fn until_ready(&self) {
        eventually("it is ready", async || (self.readiness().await.1 == "ready").then_some(())).await;
    }

    /// Asks it to stop, without waiting.
    pub fn begin_stop(&self) {
        self.signal("-TERM");
    }

    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// No file of it may grow past so many bytes; `None`: as far as they like.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let set = Command::new("prlimit").args(["--pid", &self.child.id().to_string(), &format!("--fsize={limit}:unlimited")]).status();
        assert!(set.unwrap().success(), "prlimit, which comes with util-linux");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Whether it ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub async fn terminate(mut self) -> ExitStatus {
        self.begin_stop();
        self.end().await
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> ExitStatus {
        eventually("it ends", async || self.child.try_wait().unwrap()).await
    }

    /// No goodbye.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server said:\n{}", self.output());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer is there.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `count` items, with topics and creators enough to fill feeds.
pub fn items(count: usize) -> Vec<Value> {
    let topics = ["art", "food", "law", "music", "sea"];
    let item = |n: usize| {
        json!({"id": format!("i{n}"), "title": format!("Item {n}"), "creator": {"id": format!("c{}", n % 37)},
            "topics": [topics[n % topics.len()]], "published_at": "2026-10-01T00:00:00Z"})
    };
    (0..count).map(item).collect()
}

/// The ids on a page.
pub fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// The cursor of the next page.
pub fn next(page: &Value) -> String {
    page["page"]["next"].as_str().unwrap_or_else(|| panic!("no next page: {page}")).to_owned()
}

/// A copy of `text` that reads `from`, line by line, in the background.
fn collect(from: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    });
}

/// The loopback port that process `id` listens on: its sockets (`/proc/<id>/fd`) among the machine's (`/proc/net/tcp`).
fn listening_port(id: u32) -> Option<u16> {
    let table = std::fs::read_to_string(format!("/proc/{id}/net/tcp")).ok()?;
    let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).ok()?;
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let own: Vec<String> = links.map(|link: PathBuf| link_text(&link)).collect();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_listening = fields.get(3) == Some(&"0A");
        let is_own = own.iter().any(|link| *link == format!("socket:[{}]", fields.get(9).unwrap_or(&"")));
        let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        (is_listening && is_own).then_some(port)
    })
}

fn link_text(link: &Path) -> String {
    link.to_string_lossy().into_owned()
}
