//! Which policies are evaluated: those of the settings, presets and files.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::super::{key_value, loaded};
use crate::{
    domain::{
        Policy,
        policy::{Guardrails, TargetMetric},
    },
    policy::{self, ACTIVE, PolicySet},
    settings::{Layers, Override, Settings},
};

/// The policy in force by relevance alone: what the others are held against.
const RELEVANCE: &str = "relevance";

/// Where policies come from.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct PolicyArgs {
    /// Policy to evaluate: `active` (the settings'), a preset, a policy file, or `relevance` (active by relevance alone)
    #[arg(long = "policy", value_name = "POLICY", default_value = ACTIVE)]
    policies: Vec<String>,
    /// Surface whose policy is meant
    #[arg(long, value_name = "NAME", default_value = "home")]
    surface: String,
    /// Settings file (TOML); without one the defaults hold
    #[arg(long, value_name = "FILE", env = "POLYPHONY_CONFIG")]
    config: Option<PathBuf>,
    /// Set any key of the settings; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

/// A policy and what it is called in tables.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Named {
    pub name: String,
    pub policy: Policy,
    pub guardrails: Guardrails,
}

impl PolicyArgs {
    /// The settings; on faults prints them all and says which exit code to end with.
    pub fn settings(&self) -> Result<Settings, ExitCode> {
        let over = |(key, value): &(String, String)| Override { flag: "--set".into(), key: key.clone(), value: value.clone() };
        loaded(&Layers::of_process(self.config.clone(), self.set.iter().map(over).collect()))
    }

    /// The policies asked for, each once. Errors: all that is wrong with any of them.
    pub fn named(&self, settings: &Settings) -> anyhow::Result<Vec<Named>> {
        let mut named: Vec<Named> = Vec::new();
        let mut faults = Vec::new();
        for name in &self.policies {
            match self.policy(name, settings) {
                Ok(_) if named.iter().any(|earlier| earlier.name == *name) => {}
                Ok(policy) => named.push(policy),
                Err(fault) => faults.push(fault),
            }
        }
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(named)
    }

    fn policy(&self, name: &str, settings: &Settings) -> Result<Named, String> {
        let set = match name {
            ACTIVE | RELEVANCE => policy::chosen(settings).map_err(|refused| refused.to_string())?,
            other => policy::load_from(other).map_err(|findings| format!("`{other}` is no policy: {findings}"))?,
        };
        let own = self.of_surface(&set, name)?;
        let policy = if name == RELEVANCE { by_relevance(&own) } else { own };
        Ok(Named { name: name.to_owned(), policy, guardrails: set.guardrails })
    }

    fn of_surface(&self, set: &PolicySet, name: &str) -> Result<Policy, String> {
        let found = set.surface(&self.surface).map(|active| active.policy.clone());
        found.ok_or_else(|| {
            let names: Vec<&str> = set.surfaces.names().collect();
            let hint = crate::domain::suggest::hint(&self.surface, names.iter().copied());
            format!("`{name}` has no surface `{}`; there are {}.{hint}", self.surface, names.join(", "))
        })
    }
}

/// The policy without what varies its pages.
pub(in crate::cli) fn by_relevance(policy: &Policy) -> Policy {
    let mut policy = Policy { constraint: Vec::new(), ..policy.clone() };
    policy.diversify.diversity = 0.0;
    policy.diversify.target.metric = TargetMetric::None;
    policy.explore.share = 0.0;
    policy
}
