//! `polyphony card`: the system card, what decides feeds and what readers can do about it, for people to read.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{SettingsArgs, admin::Server};
use crate::{
    http::transparency,
    policy::{self, Serving},
};

/// Write down what decides feeds and what readers can do about it: from the settings, or from a running server (--server)
#[derive(Debug, Args)]
pub(super) struct Card {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    server: Server,
    /// Markdown for people, or JSON as GET /v1/transparency answers
    #[arg(long, value_enum, default_value_t = Format::Md)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Md,
    Json,
}

impl Card {
    pub(super) fn run(self) -> ExitCode {
        let document = match self.document() {
            Ok(document) => document,
            Err(told) => {
                eprintln!("error: {told}");
                return ExitCode::from(super::EXIT_USAGE);
            }
        };
        match self.format {
            Format::Json => println!("{document:#}"),
            Format::Md => print!("{}", markdown(&document)),
        }
        ExitCode::SUCCESS
    }

    /// The same document wherever it comes from. Errors: a sentence.
    fn document(&self) -> Result<Value, String> {
        if let Some(server) = self.server.open()? {
            return server.get("/v1/transparency");
        }
        let settings = super::settings_of(&self.settings.layers())?;
        let serving = Serving::from(policy::chosen(&settings).map_err(|refused| refused.to_string())?);
        serde_json::to_value(transparency::document(&settings, &serving, None)).map_err(|error| error.to_string())
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn markdown(document: &Value) -> String {
    let mut out = String::from("# System card\n\nWhat decides the order of each feed, and what readers can do about it.\n");
    for surface in list(document, "surfaces") {
        for policy in list(surface, "policies") {
            out += &of_policy(text(surface, "surface"), policy);
        }
    }
    out += &of_profiling(&document["profiling"]);
    out += "\n## What readers can do\n\nCalls under `/v1/me` are for a reader's own token; a server key says `/v1/users/{id}`.\n\n";
    out += "| what it does | call |\n|---|---|\n";
    for option in list(document, "options") {
        out += &format!("| {} | `{}` |\n", cell(text(option, "about")), cell(&call(&option["call"])));
    }
    out
}

fn of_policy(surface: &str, policy: &Value) -> String {
    let mut out = format!(
        "\n## {surface}\n\nPolicy `{}` version {} (`{}`), served to {}. {}\n",
        text(policy, "id"),
        policy["version"],
        text(policy, "digest"),
        text(policy, "served_to"),
        text(policy, "description")
    );
    for (group, title) in
        [("criteria", "What makes an item relevant"), ("sources", "Where items come from"), ("similarity", "What makes items alike")]
    {
        out += &format!("\n### {title}\n\n| part | key | what it is | what turning it does |\n|---:|---|---|---|\n");
        for parameter in list(policy, group) {
            let share = 100.0 * parameter["share"].as_f64().unwrap_or(0.0);
            let effect = if text(parameter, "effect") == "lowers" { "−" } else { "" };
            let profiling = if parameter["profiles"] == true { " From the reader's profile." } else { "" };
            let about = format!("{}{profiling}", text(parameter, "about"));
            out +=
                &format!("| {effect}{share:.0} % | `{}` | {} | {} |\n", text(parameter, "key"), cell(&about), cell(text(parameter, "why")));
        }
    }
    out += "\n### What else shapes a page\n\n| key | value | what it is |\n|---|---|---|\n";
    for parameter in list(policy, "settings") {
        out += &format!(
            "| `{}` | `{}` | {} |\n",
            text(parameter, "key"),
            cell(&parameter["value"].to_string()),
            cell(text(parameter, "about"))
        );
    }
    out += "\n### What is not used\n\n";
    for unused in list(policy, "not_used") {
        out += &format!("- `{}`: {}\n", text(unused, "key"), text(unused, "reason"));
    }
    out
}

fn of_profiling(profiling: &Value) -> String {
    let names = |values: &[Value]| values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let which = |key: &str, flag: &str| -> String {
        let with = list(profiling, key).iter().filter(|one| one[flag] == true).map(|one| one["name"].clone()).collect::<Vec<_>>();
        if with.is_empty() { "none".to_owned() } else { names(&with) }
    };
    let all = |key: &str| names(&list(profiling, key).iter().map(|one| one["name"].clone()).collect::<Vec<_>>());
    format!(
        "\n## What may be known of a reader\n\n- Consent of a person who was never asked: {}. Purposes allowed without asking: {}; of {}.\n\
        - Modes: {}; of them a profile is used in {}.\n- `Sec-GPC: 1` refuses {}.\n- Every field that is kept: `GET {}`.\n",
        text(profiling, "consent_default"),
        which("purposes", "allowed_unasked"),
        all("purposes"),
        all("modes"),
        which("modes", "personalises"),
        names(list(profiling, "gpc_refuses")),
        text(profiling, "data")
    )
}

fn call(call: &Value) -> String {
    let pairs = |key: &str| call[key].as_object().into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
    let query = pairs("query").map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let headers: String = pairs("headers").map(|(name, value)| format!(" {name}: {value}")).collect();
    let body = call.get("body").map(|body| format!(" {body}")).unwrap_or_default();
    format!("{} {}{query}{headers}{body}", text(call, "method"), text(call, "path"))
}

/// A text within one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
