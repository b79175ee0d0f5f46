//! An evaluation as tables, or as one JSON object.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::{Evaluation, Format, Named, Replayed, data::DataArgs};
use crate::{
    cli::table::table,
    evaluate::{
        Measure, Measured, Replay,
        intervals::Estimate,
        off_policy::{Read, Report, SlotReport},
    },
};

pub(super) fn evaluation(evaluation: &Evaluation, data: &DataArgs, format: Format) -> String {
    match format {
        Format::Human => human(evaluation, data),
        Format::Json => format!("{:#}\n", as_json(evaluation, data)),
    }
}

fn human(evaluation: &Evaluation, data: &DataArgs) -> String {
    let mut out = String::new();
    if let Some(replayed) = &evaluation.replayed {
        out += &heading(&replayed.replay, data);
        out += &side_by_side(replayed);
    }
    if let Some((reports, read)) = &evaluation.off_policy {
        if evaluation.replayed.is_some() {
            out.push('\n');
        }
        out += &off_policy(reports, read);
        if evaluation.replayed.is_none() {
            out += "\nA journal names items and does not describe them: for a replay say where they are, with --items FILE or --items store.\n";
        }
    }
    out
}

/// What was replayed, in two lines.
pub(in crate::cli) fn heading(replay: &Replay, data: &DataArgs) -> String {
    let summary = &replay.summary;
    let count = |number: usize| HumanCount(number as u64);
    let protocol = data.protocol();
    let mut out = format!(
        "{} items, {} events of {} people. Asked: {} people, by {} split at {:.0} %, with {} {} to find; seed {}.\n",
        count(summary.items),
        count(summary.events),
        count(summary.people),
        count(summary.asked),
        protocol.split.name(),
        100.0 * protocol.learned,
        count(summary.to_find),
        protocol.reward.name(),
        protocol.seed,
    );
    let left_out = [
        (summary.too_few_rewards, "people with too few of them"),
        (summary.not_sampled, "people the sample did not draw"),
        (summary.unknown_items, "events on items that are not known"),
        (summary.refused, "events a full profile refused"),
    ];
    let left_out: Vec<String> =
        left_out.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{} {what}", count(*number))).collect();
    if !left_out.is_empty() {
        let _ = writeln!(out, "Left out: {}.", left_out.join(", "));
    }
    out
}

fn side_by_side(replayed: &Replayed) -> String {
    let Replayed { positions, measured, .. } = replayed;
    let mut columns = vec![format!("first {positions} positions")];
    for (n, (Named { name, policy, .. }, _)) in measured.iter().enumerate() {
        columns.push(if n == 0 { name.clone() } else { format!("{name} ({} v{})", policy.id, policy.version) });
        if n > 0 {
            columns.push(format!("more than {}", measured[0].0.name));
        }
    }
    let mut rows: Vec<Vec<String>> = Measure::ALL.iter().map(|measure| row_of(*measure, measured)).collect();
    let whole = |title: &str, of: &dyn Fn(&Measured) -> f64| {
        let cells = measured.iter().enumerate().flat_map(|(n, (_, measured))| {
            let value = format!("{:.3}", of(measured));
            if n == 0 { vec![value] } else { vec![value, String::new()] }
        });
        std::iter::once(title.to_owned()).chain(cells).collect::<Vec<String>>()
    };
    rows.push(whole("catalogue coverage", &|measured| measured.all.coverage));
    rows.push(whole("Gini of impressions", &|measured| measured.all.gini));
    rows.push(whole("between people, bits", &|measured| measured.all.between_people_bits));
    let intervals = "95 % intervals by bootstrap over people; * the interval of the difference does not contain 0.\n";
    format!("\n{}\n{intervals}", table(&columns, &rows))
}

fn row_of(measure: Measure, measured: &[(Named, Measured)]) -> Vec<String> {
    let digits = measure.decimals();
    let mut row = vec![measure.title().to_owned()];
    for (_, measured) in measured {
        let Estimate { value, lower, upper } = measured.value(measure);
        row.push(format!("{value:.digits$} ({lower:.digits$} to {upper:.digits$})"));
        if let Some(Estimate { value, lower, upper }) = measured.difference(measure) {
            let mark = if lower > 0.0 || upper < 0.0 { "*" } else { " " };
            row.push(format!("{value:+.digits$} ({lower:+.digits$} to {upper:+.digits$}){mark}"));
        }
    }
    row
}

fn off_policy(reports: &[(Named, Report)], read: &Read) -> String {
    let count = |number: usize| HumanCount(number as u64);
    let mut out = format!("Journal: {} pages, {} events.", count(read.pages), count(read.events));
    let left_out = [
        (read.repeated_pages, "pages served again"),
        (read.rewards_without_feed, "rewards that name no feed"),
        (read.rewards_without_page, "rewards whose page is not there"),
        (read.slots_left_out, "slots beyond the limit"),
    ];
    for (number, what) in left_out.iter().filter(|(number, _)| *number > 0) {
        let _ = write!(out, " Left out: {} {what}.", count(*number));
    }
    out.push('\n');
    for (Named { name, policy, .. }, report) in reports {
        let _ = write!(out, "\nWhat {name} ({} v{}) would have brought, {} per slot:\n\n", policy.id, policy.version, report.reward.name());
        let columns = ["slot", "slots", "people", "as served", "IPS", "clipped IPS", "SNIPS", "doubly robust", "effective sample"];
        let rows = [&report.exploration, &report.ranked].map(slot_row);
        out += &table(&columns.map(str::to_owned), &rows);
        for slot in [&report.exploration, &report.ranked] {
            if let Err(refusal) = &slot.estimates {
                let _ = writeln!(out, "No estimate for {} slots: {refusal}.", slot.slot);
            }
        }
        for (number, what) in
            [(report.pages_ranked_otherwise, "pages ranked otherwise"), (report.draws_without_arms, "draws without candidates")]
        {
            if number > 0 {
                let _ = writeln!(out, "Left out: {} {what}.", count(number));
            }
        }
    }
    out + "\n95 % intervals by normal approximation, clustered by person.\n"
}

fn slot_row(slot: &SlotReport) -> Vec<String> {
    let shown = |interval: &Estimate| match interval.half().is_finite() {
        true => format!("{:.4} ± {:.4}", interval.value, interval.half()),
        false => format!("{:.4}", interval.value),
    };
    let estimates = match &slot.estimates {
        Ok(estimates) => estimates.named().map(|(_, interval)| shown(&interval)),
        Err(_) => [(); 4].map(|()| "–".to_owned()),
    };
    let mut row = vec![slot.slot.to_owned(), HumanCount(slot.slots as u64).to_string(), HumanCount(slot.people as u64).to_string()];
    row.push(if slot.slots == 0 { "–".to_owned() } else { shown(&slot.logged) });
    row.extend(estimates);
    row.push(format!("{:.0}", slot.effective_sample));
    row
}

fn as_json(evaluation: &Evaluation, data: &DataArgs) -> Value {
    let mut out = json!({ "protocol": data.protocol() });
    if let Some(Replayed { replay, positions, measured }) = &evaluation.replayed {
        let policies: Vec<Value> = measured.iter().map(|(named, measured)| measured_as_json(named, measured)).collect();
        out["replay"] = json!({ "summary": replay.summary, "positions": positions, "policies": policies });
    }
    if let Some((reports, read)) = &evaluation.off_policy {
        let policies: Vec<Value> = reports
            .iter()
            .map(|(Named { name, policy, .. }, report)| {
                let [exploration, ranked] = [&report.exploration, &report.ranked].map(slot_as_json);
                json!({
                    "name": name, "id": policy.id, "version": policy.version, "digest": policy.digest(), "exploration": exploration,
                    "ranked": ranked, "pages_ranked_otherwise": report.pages_ranked_otherwise, "draws_without_arms": report.draws_without_arms,
                })
            })
            .collect();
        out["off_policy"] = json!({ "read": read, "policies": policies });
    }
    out
}

/// What a policy gave, by the names of its measures.
pub(in crate::cli) fn measured_as_json(Named { name, policy, .. }: &Named, measured: &Measured) -> Value {
    let mut measures = serde_json::Map::new();
    for measure in Measure::ALL {
        let mut value = json!(measured.value(measure));
        if let Some(difference) = measured.difference(measure) {
            value["more_than_first"] = json!(difference);
        }
        measures.insert(measure.name().to_owned(), value);
    }
    json!({ "name": name, "id": policy.id, "version": policy.version, "digest": policy.digest(), "measures": measures, "all": measured.all })
}

fn slot_as_json(slot: &SlotReport) -> Value {
    // JSON has no infinity: an interval without ends is `null`.
    let mut out = json!({
        "slots": slot.slots, "people": slot.people, "logged": slot.logged, "effective_sample": slot.effective_sample,
        "greatest_weight": slot.greatest_weight,
    });
    match &slot.estimates {
        Ok(estimates) => out["estimates"] = json!(estimates),
        Err(refusal) => out["refused"] = json!({ "code": refusal.code(), "detail": refusal.to_string() }),
    }
    out
}
