//! `polyphony policy sweep`: what turning a knob gives and costs, as a table, as JSON, and as a picture.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    evaluate::{
        Format,
        data::{self, DataArgs},
        policies::{Named, PolicyArgs},
        shown,
    },
    table::table,
};
use crate::{
    domain::{Policy, feed::MAX_PAGE_ITEMS, policy::Guardrails},
    evaluate::{
        Comparison, Measure, Measured, Pipeline, Replay,
        sweep::{Bounds, Judgement, Picture, Turn, as_written, picture::Mark, settings, values},
    },
    settings::Settings,
};

/// What the table shows, relevance against the truth last; JSON has every measure.
const COLUMNS: [(Measure, &str); 6] = [
    (Measure::Ild, "ILD"),
    (Measure::TopicEntropy, "entropy, bits"),
    (Measure::Topics, "topics"),
    (Measure::Novelty, "novelty, bits"),
    (Measure::RelevanceKept, "relevance kept"),
    (Measure::Ndcg, "nDCG"),
];

/// Most feeds of one sweep: settings × people. About an hour on two cores.
const MAX_FEEDS: usize = 4_000_000;

/// Turn knobs of a policy and see what each setting gives and costs
///
/// Replays a log (see `polyphony evaluate`) once for every combination of the knobs' values, and for the policy as it is. Says
/// which settings no other beats in both diversity and relevance (the Pareto front, within guardrails and floor), and where a
/// little more diversity begins to cost more than its share of relevance (the knee).
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy sweep --knob diversify.diversity=0:1:0.1 --data movielens:ml-100k --users sample:200
  polyphony policy sweep --knob diversify.method=mmr,dpp --knob diversify.diversity=0.2,0.35,0.5 --data mind:MINDsmall_train
  polyphony policy sweep --knob explore.share=0:0.3:0.05 --data movielens:ml-100k --relevance ndcg --svg explore.svg")]
pub(super) struct Sweep {
    /// Turn and its values: KEY=FROM:TO:STEP or KEY=VALUE,VALUE…; may be given again for all combinations
    #[arg(long = "knob", value_name = "KEY=VALUES", required = true, value_parser = Turn::parse)]
    knobs: Vec<Turn>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Positions of each feed that are looked at [default: the policy's page size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_PAGE_ITEMS as i64))]
    positions: Option<u16>,
    /// What stands for relevance beside diversity
    #[arg(long, value_name = "MEASURE", default_value = "relevance-kept")]
    relevance: RelevanceArg,
    /// Least relevance kept that you would choose; below the policy's guardrails nothing is chosen anyway [default: the
    /// policy's diversify.target.relevance_kept_min, where the server itself stops when it sets the dial]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    floor: Option<f64>,
    /// Write the picture here
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RelevanceArg {
    /// What is left of the most relevant page, by the ranker's own scores
    RelevanceKept,
    /// Against what people liked later
    Ndcg,
    Recall,
    Hit,
    Mrr,
}

impl RelevanceArg {
    const fn measure(self) -> Measure {
        match self {
            Self::RelevanceKept => Measure::RelevanceKept,
            Self::Ndcg => Measure::Ndcg,
            Self::Recall => Measure::Recall,
            Self::Hit => Measure::Hit,
            Self::Mrr => Measure::Mrr,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// What came of a sweep: the policy as it is first, then every setting.
struct Swept {
    replay: Replay,
    positions: usize,
    named: Vec<Named>,
    measured: Vec<Measured>,
    bounds: Bounds,
    judgement: Judgement,
}

impl Sweep {
    pub(super) fn run(self) -> ExitCode {
        let settings = match self.policies.settings() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let done = self.swept(&settings).and_then(|swept| {
            if let Some(path) = &self.svg {
                std::fs::write(path, self.picture(&swept).svg()).with_context(|| format!("{} cannot be written", path.display()))?;
            }
            Ok(match self.format {
                Format::Human => self.human(&swept),
                Format::Json => format!("{:#}\n", self.as_json(&swept)),
            })
        });
        match done {
            Ok(told) => {
                print!("{told}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    /// The policy and every setting of it. Errors: all that is wrong with any of them.
    fn settings_of(&self, base: &Named) -> anyhow::Result<Vec<Named>> {
        let mut named = vec![base.clone()];
        let mut faults = BTreeSet::new();
        for setting in settings(&self.knobs).map_err(anyhow::Error::msg)? {
            let values: Vec<String> = setting.iter().map(|(_, value)| value).collect();
            match setting.apply(&base.policy) {
                Ok(policy) => named.push(Named { name: values.join(" "), policy, ..base.clone() }),
                Err(found) => faults.extend(found),
            }
        }
        let faults: Vec<String> = faults.into_iter().collect();
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(named)
    }

    fn swept(&self, settings: &Settings) -> anyhow::Result<Swept> {
        let policies = self.policies.named(settings)?;
        let [base] = &policies[..] else { anyhow::bail!("a sweep turns the knobs of one policy; {} were named", policies.len()) };
        let named = self.settings_of(base)?;
        let relevance_floor = self.floor.unwrap_or_else(|| as_written(base.policy.diversify.target.relevance_kept_min));
        let bounds = Bounds { guardrails: base.guardrails, relevance_floor };
        let replay = self.data.replay(settings)?;
        let feeds = named.len() * replay.asked.len();
        anyhow::ensure!(
            feeds <= MAX_FEEDS,
            "{} settings for {} people are {feeds} feeds; at most {MAX_FEEDS}: take fewer values, or --users sample:N",
            named.len(),
            replay.asked.len()
        );
        let pipeline = Pipeline::new()?;
        let positions = self.positions.map_or(base.policy.page_size as usize, usize::from);
        let bar = data::bar(feeds as u64, "{bar:30} {pos}/{len} feeds  {msg}  {eta}");
        let mut comparison = Comparison::new(&replay, &pipeline, base.policy.diversify.similarity.clone(), positions);
        for Named { name, policy, .. } in &named {
            bar.set_message(name.clone());
            comparison.add(policy, || bar.inc(1));
        }
        bar.finish_and_clear();
        let measured = comparison.finish();
        let judgement = Judgement::new(&measured, self.relevance.measure(), &bounds);
        Ok(Swept { replay, positions, named, measured, bounds, judgement })
    }

    fn keys(&self) -> Vec<&str> {
        self.knobs.iter().map(|knob| knob.key.as_str()).collect()
    }

    fn human(&self, swept: &Swept) -> String {
        let Swept { replay, positions, named, measured, bounds, judgement } = swept;
        let mut columns = vec![self.keys().join(" ")];
        columns.extend(COLUMNS.map(|(_, title)| title.to_owned()));
        columns.extend(["more than now", "coverage", ""].map(str::to_owned));
        let row = |n: usize| {
            let mut row = vec![named[n].name.clone()];
            row.extend(COLUMNS.map(|(measure, _)| {
                let (value, digits) = (measured[n].value(measure), measure.decimals());
                format!("{:.digits$} ± {:.digits$}", value.value, value.half())
            }));
            row.push(measured[n].difference(Measure::Ndcg).map_or_else(String::new, |difference| {
                let mark = if difference.contains(0.0) { " " } else { "*" };
                format!("{:+.3} ± {:.3}{mark}", difference.value, difference.half())
            }));
            row.push(format!("{:.3}", measured[n].all.coverage));
            row.push(words(n, judgement).join(", "));
            row
        };
        let rows: Vec<Vec<String>> = (0..named.len()).map(row).collect();
        format!(
            "{}\nFirst {positions} positions; ± half of the 95 % interval over people; * the difference's interval does not contain 0.\n\n{}\n{}",
            shown::heading(replay, &self.data),
            table(&columns, &rows),
            self.verdict(named, judgement, bounds),
        )
    }

    fn verdict(&self, named: &[Named], judgement: &Judgement, bounds: &Bounds) -> String {
        let relevance = self.relevance.measure().title();
        let at = |n: Option<usize>| n.map_or_else(|| "none".to_owned(), |n| named[n].name.clone());
        let Guardrails { relevance_kept_min, ild_min, topic_entropy_min, exploration_share_max } = bounds.guardrails;
        format!(
            "Guardrails: relevance kept at least {relevance_kept_min}, ILD at least {ild_min}, entropy at least {topic_entropy_min} bits, \
             at most {exploration_share_max} by chance. Floor: relevance kept at least {}. {} of {} settings are within.\n\
             Knee of {relevance} against intra-list diversity: {}. Without bounds: {}.\n",
            bounds.relevance_floor,
            judgement.admissible.len(),
            named.len(),
            at(judgement.knee),
            at(judgement.knee_of_all),
        )
    }

    fn as_json(&self, swept: &Swept) -> Value {
        let Swept { replay, positions, named, measured, bounds, judgement } = swept;
        let of = |n: usize| {
            let mut point = shown::measured_as_json(&named[n], &measured[n]);
            let on_front = judgement.front.iter().position(|front| *front == n);
            point["settings"] = json!(values(&named[n].policy, &self.keys()));
            point["admissible"] = json!(judgement.admissible.contains(&n));
            point["front"] = json!(on_front.is_some());
            point["bulge"] = json!(on_front.map(|at| judgement.bulges[at]));
            point
        };
        json!({
            "protocol": self.data.protocol(), "summary": replay.summary, "positions": positions,
            "relevance": self.relevance.measure(), "guardrails": bounds.guardrails, "floor": bounds.relevance_floor,
            "points": (0..named.len()).map(of).collect::<Vec<_>>(), "active": 0, "knee": judgement.knee,
            "knee_without_bounds": judgement.knee_of_all,
        })
    }

    fn picture<'a>(&self, swept: &'a Swept) -> Picture<'a> {
        let Swept { replay, positions, named, measured, bounds, judgement } = swept;
        let relevance = self.relevance.measure();
        let marks = named.iter().zip(measured).map(|(Named { name, policy, .. }, measured)| {
            let values = values(policy, &self.keys());
            let told: Vec<String> = values.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
            // The policy as it is has no name of its own in the picture but its values.
            let name = if name == &named[0].name {
                told.iter().filter_map(|told| told.rsplit(' ').next()).collect::<Vec<_>>().join(" ")
            } else {
                name.clone()
            };
            Mark { name, about: told.join(", "), diversity: measured.value(Measure::Ild), relevance: measured.value(relevance) }
        });
        let protocol = self.data.protocol();
        let Policy { id, version, .. } = &named[0].policy;
        Picture {
            title: match self.keys()[..] {
                [key] => format!("What {key} gives and costs"),
                ref keys => format!("What {} give and cost", keys.join(" and ")),
            },
            source: format!(
                "{}: {} people, first {positions} positions, split by {} at {:.0} %, {}",
                self.data.name(),
                replay.summary.asked,
                protocol.split.name(),
                100.0 * protocol.learned,
                protocol.reward.name()
            ),
            diversity: Measure::Ild.title(),
            relevance: relevance.title(),
            decimals: relevance.decimals(),
            marks: marks.collect(),
            judgement,
            bounds,
            shows_bounds: relevance == Measure::RelevanceKept,
            active: Some((0, format!("in force ({id} v{version})"))),
        }
    }
}

/// A number as short as it reads the same, a text as it is.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // A policy's numbers have single precision.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), |number| (number as f32).to_string())
        }
        other => other.to_string(),
    }
}

/// What is to be said of a setting.
fn words(n: usize, judgement: &Judgement) -> Vec<&'static str> {
    let said = [
        (n == 0, "in force"),
        (!judgement.admissible.contains(&n), "out of bounds"),
        (judgement.front.contains(&n), "front"),
        (judgement.knee == Some(n), "knee"),
        (judgement.knee_of_all == Some(n) && judgement.knee != Some(n), "knee without bounds"),
    ];
    said.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect()
}
