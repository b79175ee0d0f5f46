//! Activation in stages, rollback, the log that tells the story, hot reload, experiments.

mod experiment;
mod fleet;
mod load;
mod stages;

use serde_json::{Value, json};

use crate::support::world::{Answer, World, send};

const ACTIVATIONS: &str = "/v1/admin/policies/activations";

/// A policy file on `balanced`, for slow machines.
fn file(version: u32, rest: &str) -> String {
    format!(
        "schema = 1\nextends = \"balanced\"\nid = \"mine\"\nversion = {version}\nconstraint = []\n[retrieve]\ndeadline = \"500ms\"\n{rest}"
    )
}

/// All the variety there is, at the price of relevance, of which the file itself says that most is to be kept.
fn bad_file(version: u32) -> String {
    file(version, "[diversify]\ndiversity = 1.0\n[guardrails]\nrelevance_kept_min = 0.9\n")
}

fn order(text: &str, more: &Value) -> Value {
    let mut body = json!({ "policy": { "toml": text }, "reason": "because" });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

impl World {
    async fn activate(&self, text: &str, more: Value) -> Answer {
        self.post(ACTIVATIONS, &order(text, &more)).await
    }

    async fn roll_back(&self, more: Value) -> Answer {
        let mut body = json!({ "reason": "because" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/v1/admin/policies/rollback", &body).await
    }

    async fn rollout(&self) -> Value {
        self.get(ACTIVATIONS).await.body
    }

    /// Version of the policy that made a first page for `user`.
    async fn version_for(&self, user: &str) -> u64 {
        self.feed(user).get().await.ok().body["policy"]["version"].as_u64().unwrap()
    }

    async fn log_lines(&self) -> Vec<String> {
        let text = send(self.request(reqwest::Method::GET, &format!("{ACTIVATIONS}/log"))).await.text;
        text.lines().map(str::to_owned).collect()
    }
}
