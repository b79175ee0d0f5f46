//! `polyphony policy preview`.

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use serde_json::{Value, json};

use super::{Format, Named, as_json, asked, block_on, paint, printed, refused, usage};
use crate::{
    cli::{
        admin::{Admin, Server},
        ground::Ground,
        show::fitted,
    },
    domain::UserId,
    feed::FeedRequest,
    http::policies::{MAX_PREVIEWED_POLICIES, forms::PreviewBody},
    policy::{
        ACTIVE, PolicySet,
        report::{Paint, wrapped},
    },
};

/// Most people in one preview.
const MAX_USERS: usize = 20;
/// Columns of a title and of its topics, in each half.
const TITLE_COLUMNS: usize = 36;
const TOPICS_COLUMNS: usize = 15;
/// Whose feed the demo shows when nobody is named.
const DEMO_USER: &str = "ana";

/// Show what policies would serve, side by side
///
/// The same reader, catalogue and draws under each policy: what comes in, goes, moves; which constraints bind or give way; what it
/// costs. Nothing is served, kept, journaled or learned. Without a server or store, on the demo catalogue.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy preview discovery
  polyphony policy preview balanced policies/home.toml --user ben --surface video
  polyphony policy preview policies/home.toml --server http://127.0.0.1:7720 --user u123

Exit status: 0, or 1 when a policy has errors, 2 when something cannot be read or asked.")]
pub(super) struct Preview {
    /// Presets, files, or `active`; one alone is compared with `active`
    #[arg(value_name = "POLICY", required = true, num_args = 1..=MAX_PREVIEWED_POLICIES)]
    policies: Vec<String>,
    /// Whose feed; may be given again [default: nobody's, on the demo ana's]
    #[arg(long, value_name = "USER")]
    user: Vec<String>,
    #[arg(long, value_name = "NAME", default_value = "home")]
    surface: String,
    /// Items on the page [default: each policy's own page size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: Option<u16>,
    /// As if the reader had asked for this diversity
    #[arg(long, value_name = "0..1")]
    diversity: Option<f32>,
    /// Repeats the draws of another preview
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    #[command(flatten)]
    ground: Ground,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Preview {
    pub(super) fn run(mut self) -> ExitCode {
        if self.diversity.is_some_and(|diversity| !(0.0..=1.0).contains(&diversity)) {
            return usage("--diversity: expected 0 to 1");
        }
        if self.user.len() > MAX_USERS {
            return usage(&format!("--user is given {} times; at most {MAX_USERS}", self.user.len()));
        }
        if self.policies.len() == 1 {
            self.policies.insert(0, ACTIVE.to_owned());
        }
        let mut named = Vec::with_capacity(self.policies.len());
        for what in &self.policies {
            match Named::read(what) {
                Ok(policy) => named.push(policy),
                Err(findings) => return refused(what, &findings),
            }
        }
        let previewed = match asked(&self.server) {
            Err(code) => return code,
            Ok(Some(admin)) => self.of_server(&admin, &named).map(|previews| ("the server's catalogue".to_owned(), previews)),
            Ok(None) => block_on(self.here(&named)),
        };
        match previewed {
            Err(message) => usage(&message),
            Ok((_, previews)) if self.format == Format::Json => printed(&as_json(&previews)),
            Ok((on, previews)) => printed(&previews.iter().map(|preview| human(preview, &on, paint())).collect::<Vec<_>>().join("\n")),
        }
    }

    fn of_server(&self, admin: &Admin, named: &[Named]) -> Result<Vec<Value>, String> {
        let policies: Vec<Value> = named.iter().map(Named::for_server).collect();
        let one = |user: Option<&str>| {
            let mut body = json!({ "surface": self.surface, "policies": policies });
            for (key, value) in [("user", user.map(Into::into)), ("limit", self.limit.map(Into::into)), ("seed", self.seed.map(Into::into))]
            {
                if let Some(value) = value {
                    body[key] = value;
                }
            }
            if let Some(diversity) = self.diversity {
                body["diversity"] = diversity.into();
            }
            admin.post("/v1/admin/policies/preview", &body)
        };
        if self.user.is_empty() { Ok(vec![one(None)?]) } else { self.user.iter().map(|user| one(Some(user.as_str()))).collect() }
    }

    async fn here(&self, named: &[Named]) -> anyhow::Result<(String, Vec<Value>)> {
        let trial = self.ground.open().await?;
        let app = &trial.app;
        let active = Arc::clone(&app.feed.serving.load().set);
        let sets: Vec<&PolicySet> = named
            .iter()
            .map(|policy| match policy {
                Named::Active => &*active,
                Named::Set(set) => set,
            })
            .collect();
        let mut policies = Vec::with_capacity(sets.len());
        for set in sets {
            let names = || set.surfaces.names().collect::<Vec<_>>().join(", ");
            let policy = set.surface(&self.surface);
            policies.push(Arc::clone(
                policy.ok_or_else(|| anyhow::anyhow!("{} has no surface `{}`; it has {}", set.id, self.surface, names()))?,
            ));
        }
        let demo = self.user.is_empty() && !self.ground.is_stored();
        let users: Vec<Option<&str>> = match self.user[..] {
            [] => vec![demo.then_some(DEMO_USER)],
            ref users => users.iter().map(|user| Some(user.as_str())).collect(),
        };
        let mut previews = Vec::with_capacity(users.len());
        for user in users {
            let request = self.request(user.map(UserId::new).transpose()?);
            let previewed = app.feed.preview(&request, &policies).await?;
            previews.push(serde_json::to_value(PreviewBody::new(&previewed, user.map(str::to_owned)))?);
        }
        Ok((trial.on, previews))
    }

    fn request(&self, user: Option<UserId>) -> FeedRequest {
        FeedRequest {
            surface: self.surface.clone(),
            user,
            limit: self.limit.map(usize::from),
            diversity: self.diversity,
            seed: self.seed,
            ..FeedRequest::default()
        }
    }
}

/// A preview as lines to read: each policy beside the first.
fn human(preview: &Value, on: &str, paint: Paint) -> String {
    let text = |key: &str| preview[key].as_str().unwrap_or_default();
    let who = match (text("user"), preview["personalised"].as_bool()) {
        ("", _) => "nobody in particular".to_owned(),
        (user, Some(true)) => user.to_owned(),
        (user, _) => format!("{user} (nothing is known of them)"),
    };
    let mut out = format!("{} for {who}, on {on}; seed {}\n", text("surface"), preview["seed"]);
    let slates = preview["slates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some((first, others)) = slates.split_first() else { return out };
    if others.is_empty() {
        out += &beside(first, first, paint);
    }
    for other in others {
        out += &beside(first, other, paint);
    }
    out
}

fn beside(a: &Value, b: &Value, paint: Paint) -> String {
    let Paint { strong, quiet, warning, end, .. } = paint;
    let half = TITLE_COLUMNS + TOPICS_COLUMNS + 2;
    let mut out = format!("\n{strong}     {}      {}{end}\n", fitted(&name(a), half), name(b));
    let items = |slate: &Value| slate["items"].as_array().cloned().unwrap_or_default();
    let (left, right) = (items(a), items(b));
    let gone: Vec<u64> = b["out"].as_array().into_iter().flatten().filter_map(|out| out["position"].as_u64()).collect();
    for at in 0..left.len().max(right.len()) {
        let is_gone = gone.contains(&(at as u64));
        let line = |item: Option<&Value>| item.map_or_else(|| " ".repeat(half), cell);
        let left = line(left.get(at));
        let left = if is_gone { format!("{quiet}{left}{end}") } else { left };
        let mark = right.get(at).map(moved).unwrap_or_default();
        let mark_paint = if mark.trim() == "new" { warning } else { "" };
        let mark_end = if mark_paint.is_empty() { "" } else { end };
        out += &format!(
            "{at:>3} {}{left} {mark_paint}{mark:>4}{mark_end} {}\n",
            if is_gone { "−" } else { " " },
            line(right.get(at)).trim_end()
        );
    }
    let changed = |change: &str| right.iter().filter(|item| item["change"].as_str() == Some(change)).count();
    let (new, moves) = (changed("in"), changed("up") + changed("down"));
    out += &format!("\n{new} new, {} gone, {moves} moved", gone.len());
    out += &format!("   {quiet}− goes · new comes · ▲▼ places up or down · ? picked by chance{end}\n\n");
    out += &metrics(a, b, paint);
    out + &felt(a, b)
}

fn name(slate: &Value) -> String {
    let policy = &slate["policy"];
    format!(
        "{} v{} (diversity {:.2})",
        policy["id"].as_str().unwrap_or_default(),
        policy["version"],
        slate["diversity"].as_f64().unwrap_or(0.0)
    )
}

fn cell(item: &Value) -> String {
    let mark = if item["slot"].as_str() == Some("exploration") { "? " } else { "" };
    let title = item["title"].as_str().or_else(|| item["id"].as_str()).unwrap_or_default();
    let topics: Vec<&str> = item["topics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{}  {}", fitted(&format!("{mark}{title}"), TITLE_COLUMNS), fitted(&topics.join(", "), TOPICS_COLUMNS))
}

fn moved(item: &Value) -> String {
    let by = item["by"].as_i64().unwrap_or(0);
    match item["change"].as_str() {
        Some("in") => "new".to_owned(),
        Some("up") => format!("▲{by}"),
        Some("down") => format!("▼{}", -by),
        _ => String::new(),
    }
}

fn metrics(a: &Value, b: &Value, paint: Paint) -> String {
    let Paint { strong, end, .. } = paint;
    let rows = [
        ("relevance kept", "relevance_kept", 100.0, 1, "%"),
        ("intra-list diversity", "ild", 1.0, 2, ""),
        ("topics", "topics", 1.0, 0, ""),
        ("topic entropy (bits)", "topic_entropy", 1.0, 2, ""),
        ("exploration", "exploration_share", 100.0, 0, "%"),
    ];
    let of = |slate: &Value, key: &str| slate["metrics"][key].as_f64().unwrap_or(0.0);
    let id = |slate: &Value| slate["policy"]["id"].as_str().unwrap_or_default().to_owned();
    let mut out = format!("{strong}{:<22}{:>18}{:>18}{:>10}{end}\n", "", short(&id(a)), short(&id(b)), "");
    for (label, key, scale, digits, unit) in rows {
        let (before, after) = (scale * of(a, key), scale * of(b, key));
        let written = |value: f64| format!("{value:.digits$}{unit}");
        let change = after - before;
        let shown = format!("{change:+.digits$}");
        let is_none = shown.trim_start_matches(['+', '-']).chars().all(|c| c == '0' || c == '.');
        let shown = if is_none { String::new() } else { shown.replace('-', "−") };
        out += format!("{label:<22}{:>18}{:>18}{shown:>10}", written(before), written(after)).trim_end();
        out.push('\n');
    }
    out
}

/// Constraints that were felt, and what was missing.
fn felt(a: &Value, b: &Value) -> String {
    let mut lines = Vec::new();
    for slate in if a == b { vec![a] } else { vec![a, b] } {
        let id = slate["policy"]["id"].as_str().unwrap_or_default();
        let list = |value: &Value| value.as_array().into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        for constraint in slate["constraints"].as_array().into_iter().flatten() {
            let rule = constraint["constraint"].as_str().unwrap_or_default();
            let (binds, relaxed) = (list(&constraint["binds_at"]), list(&constraint["relaxed_at"]));
            if !binds.is_empty() {
                lines.push(format!("{id}: `{rule}` keeps a better item out at {binds}"));
            }
            if !relaxed.is_empty() {
                lines.push(format!("{id}: `{rule}` gives way at {relaxed}"));
            }
        }
        lines.extend(
            slate["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|what| format!("{id}: degraded, {what}")),
        );
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{}\n", lines.iter().map(|line| wrapped(line, 0, 2)).collect::<Vec<_>>().join("\n"))
}

fn short(text: &str) -> String {
    fitted(text, 16).trim_end().to_owned()
}
