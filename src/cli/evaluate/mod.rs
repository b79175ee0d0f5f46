//! `polyphony evaluate`: what policies would have given, from a log of what people did.

pub(super) mod data;
pub(super) mod policies;
pub(super) mod shown;

use std::{path::Path, process::ExitCode};

use clap::{Args, ValueEnum};

use self::{
    data::{Data, DataArgs, read_journal},
    policies::{Named, PolicyArgs, by_relevance},
};
use crate::{
    domain::feed::MAX_PAGE_ITEMS,
    evaluate::{
        Comparison, Measured, Pipeline, Replay,
        off_policy::{Collector, Read, Report},
    },
};

/// Evaluate policies offline, from what people did
///
/// Replays a log in the order of time: each person is asked a feed at a moment of their own past, knowing only what was
/// known then, and the feed is held against what they liked later. Accuracy and diversity stand side by side, with 95 %
/// intervals over people. From a journal, also what other chances for the exploration slots would have brought.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony evaluate --data movielens:ml-100k --embeddings ml-100k.f16.bin --creators directors.jsonl
  polyphony evaluate --data mind:MINDsmall_train --users sample:1000 --set policy.diversify.diversity=0.6
  polyphony evaluate --data journal:data/journal --set policy.explore.method=softmax
  polyphony evaluate --data journal:data/journal --items articles.jsonl --format json

What each number means, and when none is given: docs/evaluation.md")]
pub(super) struct Evaluate {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Positions of each feed that are looked at [default: the first policy's page size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_PAGE_ITEMS as i64))]
    positions: Option<u16>,
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables
    Human,
    /// One JSON object
    Json,
}

/// Everything that came of it.
struct Evaluation {
    replayed: Option<Replayed>,
    off_policy: Option<(Vec<(Named, Report)>, Read)>,
}

/// A replay and what each policy gave, relevance alone first.
struct Replayed {
    replay: Replay,
    positions: usize,
    measured: Vec<(Named, Measured)>,
}

impl Evaluate {
    pub(super) fn run(self) -> ExitCode {
        let settings = match self.policies.settings() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let evaluated = self.policies.named(&settings).and_then(|policies| {
            let off_policy = match &self.data.data {
                Data::Journal(folder) => Some(self.off_policy(folder, &policies)?),
                Data::Movielens(_) | Data::Mind(_) => None,
            };
            let replayed = if self.data.has_items() { Some(self.replayed(&policies, &settings)?) } else { None };
            Ok(Evaluation { replayed, off_policy })
        });
        match evaluated {
            Ok(evaluation) => {
                print!("{}", shown::evaluation(&evaluation, &self.data, self.format));
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn replayed(&self, policies: &[Named], settings: &crate::settings::Settings) -> anyhow::Result<Replayed> {
        let replay = self.data.replay(settings)?;
        let pipeline = Pipeline::new()?;
        let first = &policies[0].policy;
        let positions = self.positions.map_or(first.page_size as usize, usize::from);
        let alone = Named { name: "relevance alone".into(), policy: by_relevance(first), guardrails: policies[0].guardrails };
        let all: Vec<Named> = std::iter::once(alone).chain(policies.iter().cloned()).collect();
        let bar = data::bar((all.len() * replay.asked.len()) as u64, "{bar:30} {pos}/{len} feeds  {msg}  {eta}");
        let mut comparison = Comparison::new(&replay, &pipeline, first.diversify.similarity.clone(), positions);
        for Named { name, policy, .. } in &all {
            bar.set_message(name.clone());
            comparison.add(policy, || bar.inc(1));
        }
        bar.finish_and_clear();
        let measured = comparison.finish();
        Ok(Replayed { replay, positions, measured: all.into_iter().zip(measured).collect() })
    }

    fn off_policy(&self, folder: &Path, policies: &[Named]) -> anyhow::Result<(Vec<(Named, Report)>, Read)> {
        let mut collector = Collector::new(policies.iter().map(|named| &named.policy), self.data.reward());
        read_journal(folder, |record| collector.add(&record))?;
        let (reports, read) = collector.finish();
        Ok((policies.iter().cloned().zip(reports).collect(), read))
    }
}
