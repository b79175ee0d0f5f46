//! Settings of people's privacy.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::domain::{
    privacy::{AgeGroup, GpcScope, Pack},
    sensitive::{Category, SensitiveTopics},
};

/// What the law asks that the server acts on, and how what is kept about people is sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub pack: Pack,
    pub gpc_scope: GpcSetting,
    /// What holds for people of whom no age group is said.
    pub unknown_age: AgeGroup,
    /// 64 hex digits each, the newest first: it wraps people's keys, all of them unwrap. Empty: the store makes one for itself.
    pub master_keys: Vec<Secret>,
    pub keys: Keys,
    pub sensitive: Sensitive,
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

/// Topics of each special category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensitive {
    pub health: Vec<String>,
    pub politics: Vec<String>,
    pub belief: Vec<String>,
    pub union: Vec<String>,
    pub sex_life: Vec<String>,
    pub origin: Vec<String>,
}

impl Sensitive {
    /// Each category with its topics.
    pub const fn named(&self) -> [(Category, &Vec<String>); 6] {
        [
            (Category::Health, &self.health),
            (Category::Politics, &self.politics),
            (Category::Belief, &self.belief),
            (Category::Union, &self.union),
            (Category::SexLife, &self.sex_life),
            (Category::Origin, &self.origin),
        ]
    }

    pub fn topics(&self) -> SensitiveTopics {
        let labels = self.named().into_iter().flat_map(|(category, topics)| topics.iter().map(move |topic| (category, topic.as_str())));
        SensitiveTopics::new(labels)
    }
}

/// Topics that can hardly be read about without saying something about the reader. Sections of a newspaper are not among them.
impl Default for Sensitive {
    fn default() -> Self {
        let list = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect();
        Self {
            health: list(&["mental-health", "addiction", "cancer", "hiv", "pregnancy", "abortion", "disability", "eating-disorders"]),
            politics: list(&["political-parties", "political-activism"]),
            belief: list(&["religion", "faith", "christianity", "islam", "judaism", "hinduism", "buddhism", "atheism"]),
            union: list(&["trade-unions"]),
            sex_life: list(&["sexuality", "lgbt", "sexual-health"]),
            origin: list(&["ethnicity", "migration-background"]),
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
