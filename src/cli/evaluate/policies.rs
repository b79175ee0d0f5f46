//! Which policies are evaluated: by name, from the settings.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::super::{key_value, loaded};
use crate::{
    domain::{Policy, suggest},
    settings::{Layers, Override, Settings},
};

/// The policy of the surface, as the settings have it.
const ACTIVE: &str = "active";
/// The same without diversity, exploration and constraints: what the others are held against.
const RELEVANCE: &str = "relevance";

/// Where policies come from.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct PolicyArgs {
    /// Policy to evaluate: `active` (the settings' of the surface) or `relevance` (the same by relevance alone)
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
}

impl PolicyArgs {
    /// The settings; on faults prints them all and says which exit code to end with.
    pub fn settings(&self) -> Result<Settings, ExitCode> {
        let over = |(key, value): &(String, String)| Override { flag: "--set".into(), key: key.clone(), value: value.clone() };
        loaded(&Layers::of_process(self.config.clone(), self.set.iter().map(over).collect()))
    }

    /// The policies asked for, each once. Errors: every name that is none.
    pub fn named(&self, settings: &Settings) -> anyhow::Result<Vec<Named>> {
        let mut named: Vec<Named> = Vec::new();
        let mut faults = Vec::new();
        for name in &self.policies {
            match self.policy(name, settings) {
                Ok(_) if named.iter().any(|earlier| earlier.name == *name) => {}
                Ok(policy) => named.push(Named { name: name.clone(), policy }),
                Err(fault) => faults.push(fault),
            }
        }
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(named)
    }

    /// The policy called `name`. The one place that knows what names there are.
    fn policy(&self, name: &str, settings: &Settings) -> Result<Policy, String> {
        let surfaces = settings.surfaces().map_err(|faults| faults.to_string())?;
        let Some(active) = surfaces.get(&self.surface) else {
            let hint = suggest::hint(&self.surface, surfaces.names());
            let names: Vec<&str> = surfaces.names().collect();
            return Err(format!("there is no surface `{}`; there are {}.{hint}", self.surface, names.join(", ")));
        };
        match name {
            ACTIVE => Ok(active.policy.clone()),
            RELEVANCE => Ok(by_relevance(&active.policy)),
            _ => {
                let hint = suggest::hint(name, [ACTIVE, RELEVANCE]);
                Err(format!("there is no policy `{name}`; expected `{ACTIVE}` or `{RELEVANCE}`.{hint}"))
            }
        }
    }
}

/// The policy without what varies its pages.
pub(in crate::cli) fn by_relevance(policy: &Policy) -> Policy {
    let mut policy = Policy { constraint: Vec::new(), ..policy.clone() };
    policy.diversify.diversity = 0.0;
    policy.diversify.target.metric = crate::domain::policy::TargetMetric::None;
    policy.explore.share = 0.0;
    policy
}
