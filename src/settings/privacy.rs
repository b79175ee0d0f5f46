//! Settings of people's privacy.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::domain::privacy::{GpcScope, Pack};

/// What the law asks that the server acts on, and how what is kept about people is sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub pack: Pack,
    pub gpc_scope: GpcSetting,
    /// 64 hex digits each, the newest first: it wraps people's keys, all of them unwrap. Empty: the store makes one for itself.
    pub master_keys: Vec<Secret>,
    pub keys: Keys,
}

impl Privacy {
    /// What `Sec-GPC: 1` opts out of.
    pub const fn gpc_scope(&self) -> GpcScope {
        match self.gpc_scope {
            GpcSetting::Pack => self.pack.gpc_scope(),
            GpcSetting::SaleShare => GpcScope::SaleShare,
            GpcSetting::AllProfiling => GpcScope::AllProfiling,
        }
    }
}

/// A [`GpcScope`], or as the pack says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpcSetting {
    #[default]
    Pack,
    SaleShare,
    AllProfiling,
}

/// Where people's keys are kept: apart from what they seal, if it is to be destroyed in backups too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub embedded: KeyFile,
    pub redis: KeyRedis,
}

/// Keys of the embedded store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Empty: `keys.redb` beside the store's file.
    pub path: PathBuf,
}

/// Keys of people in Redis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRedis {
    /// May hold a password. Empty: the Redis with everything else.
    pub url: Secret,
}
