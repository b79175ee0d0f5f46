//! Asks a running server's admin routes.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

/// For the whole answer: a check makes many pages.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer read, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Which server, and by what right.
#[derive(Clone, Debug, Args)]
pub(super) struct Server {
    /// A running server, e.g. http://127.0.0.1:7720 [or POLYPHONY_SERVER]
    #[arg(long, value_name = "URL", env = "POLYPHONY_SERVER", hide_env = true)]
    pub server: Option<String>,
    /// Its admin key; better given as POLYPHONY_ADMIN_KEY, because others can see a command line
    #[arg(long, value_name = "KEY", env = "POLYPHONY_ADMIN_KEY", hide_env = true)]
    admin_key: Option<String>,
}

/// A connection to a server.
pub(super) struct Admin {
    base: String,
    key: Option<String>,
    agent: ureq::Agent,
}

impl Server {
    /// `None`: no server was named.
    pub fn open(&self) -> Result<Option<Admin>, String> {
        let Some(url) = &self.server else { return Ok(None) };
        if !url.starts_with("http://") {
            return Err(format!("--server {url}: expected http://HOST:PORT; TLS is not spoken here, so ask the server itself"));
        }
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false).build();
        Ok(Some(Admin { base: url.trim_end_matches('/').to_owned(), key: self.admin_key.clone(), agent: config.into() }))
    }
}

impl Admin {
    /// The JSON at `path`. Errors: a sentence, the server's own where it has one.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let url = format!("{}{path}", self.base);
        let text = self.text(path)?;
        serde_json::from_str(&text).map_err(|error| format!("{url}: the answer is not JSON: {error}"))
    }

    /// The text at `path`; errors as [`Admin::get`].
    pub fn text(&self, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.get(&url);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
        let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        let text = text.map_err(|error| format!("{url}: the answer broke off: {error}"))?;
        if response.status().is_success() {
            return Ok(text);
        }
        Err(told(&url, response.status().as_u16(), &serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Posts `body`; the answer. Errors: a sentence, the server's own where it has one.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.post(&url);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send_json(body).map_err(|error| format!("{url}: {error}"))?;
        let answer: Result<Value, _> = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_json();
        let answer = answer.map_err(|error| format!("{url}: the answer is not JSON: {error}"))?;
        if response.status().is_success() {
            return Ok(answer);
        }
        Err(told(&url, response.status().as_u16(), &answer))
    }
}

/// A problem as lines to read.
fn told(url: &str, status: u16, problem: &Value) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = format!("{url} answered {status}: {}", text(problem, "detail"));
    let errors = problem.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for error in errors.iter().filter(|_| errors.len() > 1) {
        out += &format!("\n  {} {}", text(error, "pointer"), text(error, "detail"));
    }
    out
}
