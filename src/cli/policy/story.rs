//! A rollout and the entries of its log as lines to read.

use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("?")
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// `home-breadth v2 (b3:…)`.
fn policy(value: &Value) -> String {
    let version = value.get("version").and_then(Value::as_u64).unwrap_or(0);
    format!("{} v{version} ({})", text(value, "/id"), text(value, "/digest"))
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1_000.0).round() / 10.0)
}

/// What is served, and the entries.
pub(super) fn rollout(rollout: &Value) -> String {
    let mut out = format!("everybody    {}", policy(&rollout["active"]));
    if rollout["activated"] == false {
        out += ", as the settings say";
    }
    out.push('\n');
    if let Some(canary) = rollout.get("canary") {
        out += &format!("{:<12} {}, since entry {}\n", percent(number(canary, "/share")), policy(&canary["policy"]), canary["since"]);
        list(canary, "evidence").for_each(|evidence| out += &measured(evidence));
    }
    for told in list(rollout, "entries") {
        out.push('\n');
        out += &entry(told);
    }
    out
}

/// One entry.
pub(super) fn entry(entry: &Value) -> String {
    let (from, to) = (policy(&entry["from"]), policy(&entry["to"]));
    let what = match text(entry, "/action") {
        "canary" => format!("{} of people get {to}, all others {from}", percent(number(entry, "/share"))),
        "activate" => format!("everybody gets {to} instead of {from}"),
        _ => format!("back to {to} from {from}"),
    };
    let mut out = format!("#{} {} {what}\n", entry["seq"], text(entry, "/at"));
    out += &format!("   by {} ({}): {}\n", text(entry, "/actor"), text(entry, "/cause"), text(entry, "/reason"));
    let skipped: Vec<&str> = list(entry, "skipped").filter_map(Value::as_str).collect();
    if !skipped.is_empty() {
        out += &format!("   skipped: {}\n", skipped.join(", "));
    }
    list(entry, "diff").filter_map(Value::as_str).for_each(|line| out += &format!("   {line}\n"));
    list(entry, "preview").for_each(|tried| out += &previewed(tried));
    list(entry, "evidence").for_each(|evidence| out += &measured(evidence));
    out
}

fn previewed(tried: &Value) -> String {
    let change = |name: &str| format!("{:.3} → {:.3}", number(tried, &format!("/before/{name}")), number(tried, &format!("/after/{name}")));
    format!(
        "   tried on {}: relevance kept {}, ild {}, topic entropy {}, exploration {}\n",
        text(tried, "/surface"),
        change("relevance_kept"),
        change("ild"),
        change("topic_entropy"),
        change("exploration_share")
    )
}

fn measured(evidence: &Value) -> String {
    let side = |side: &str| {
        let of = |name: &str| number(evidence, &format!("/{side}/{name}"));
        format!("{:.3} [{:.3}, {:.3}] of {} people", of("mean"), of("lower"), of("upper"), of("people"))
    };
    format!(
        "   {} {} on {}: canary {}, others {}; guardrail {:.3}\n",
        if evidence["violated"] == true { "!" } else { " " },
        text(evidence, "/measure"),
        text(evidence, "/surface"),
        side("canary"),
        side("control"),
        number(evidence, "/guardrail")
    )
}
