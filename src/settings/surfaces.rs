//! Surfaces: the default policy with each surface's own overrides.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Fault, Faults, Place, Settings,
    check::{SURFACE_NAME_MAX_BYTES, about},
    layers,
};
use crate::domain::{
    Policy,
    policy::{ActivePolicy, Surfaces},
};

/// Set once for the whole server: items have one popularity, whatever the surface.
const SERVER_WIDE_KEY: &str = "score.popularity_half_life";

/// The surfaces that exist without any settings file.
pub fn shipped() -> BTreeMap<String, toml::Table> {
    let video = toml::toml! {
        page_size = 8
        diversify.diversity = 0.45
    };
    let email_digest = toml::toml! {
        page_size = 10
        explore.share = 0.0
        repeat.seen_cooldown = "14d"
    };
    let push = toml::toml! {
        page_size = 3
        explore.share = 0.0
        repeat.seen_cooldown = "14d"
    };
    [("home", toml::Table::new()), ("video", video), ("email_digest", email_digest), ("push", push)]
        .into_iter()
        .map(|(name, overrides)| (name.to_owned(), overrides))
        .collect()
}

/// Whether `name` can be a surface: 1 to 64 of `a-z 0-9 _`.
pub fn is_surface_name(name: &str) -> bool {
    let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    fits && (1..=SURFACE_NAME_MAX_BYTES).contains(&name.len())
}

impl Settings {
    /// The checked policy of every surface. Errors: all faults of all surfaces; none for settings that were loaded.
    pub fn surfaces(&self) -> Result<Surfaces, Faults> {
        let mut faults = Faults::default();
        let mut surfaces = BTreeMap::new();
        for (name, overrides) in &self.surface {
            match self.policy_with(overrides) {
                Ok(policy) => {
                    for fault in policy.check() {
                        let key = format!("surface.{name}.{}", fault.key);
                        let message = about(&key, &fault.detail);
                        faults.0.push(Fault { place: Place::BuiltIn, key, message });
                    }
                    if policy.score.popularity_half_life != self.policy.score.popularity_half_life {
                        let key = format!("surface.{name}.{SERVER_WIDE_KEY}");
                        let message = format!("`{key}` is one value for the whole server; set `policy.{SERVER_WIDE_KEY}` instead");
                        faults.0.push(Fault { place: Place::BuiltIn, key, message });
                    }
                    surfaces.insert(name.clone(), Arc::new(ActivePolicy::new(policy)));
                }
                Err(detail) => {
                    let key = format!("surface.{name}");
                    let message = format!("`{key}`: {detail}");
                    faults.0.push(Fault { place: Place::BuiltIn, key, message });
                }
            }
        }
        faults.into_result()?;
        Ok(Surfaces(surfaces))
    }

    fn policy_with(&self, overrides: &toml::Table) -> Result<Policy, String> {
        let base = toml::Table::try_from(&self.policy).map_err(|error| error.to_string())?;
        layers::merge([base, overrides.clone()])
    }
}
