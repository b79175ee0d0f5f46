//! A policy set with everything it names, as one text: what is kept of a set, and sent from one place to another.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Findings, Library, PolicySet, Text, load};

/// Policy files that stand by themselves: nothing is read besides them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The set, as a file that extends nothing.
    pub policy: String,
    /// Policies that the file's experiments name, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub files: BTreeMap<String, Arc<str>>,
}

impl Bundle {
    /// The set as it would be found by [`Bundle::open`]. `name`: what findings call the file.
    pub fn open(&self, name: &str) -> Result<PolicySet, Findings> {
        load(&Text::new(name, self.policy.as_str()), &Library::presets().with_own(self.files.clone()))
    }
}

impl From<&PolicySet> for Bundle {
    fn from(set: &PolicySet) -> Self {
        let arms = set.experiments.iter().flat_map(|experiment| &experiment.arms);
        let files = arms.filter_map(|arm| Some((arm.name.clone(), arm.other.as_ref()?.to_toml().into())));
        Self { policy: set.to_toml(), files: files.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_from;

    #[test]
    fn what_is_opened_is_what_was_put_in() {
        let text = "schema = 1\nid = \"mine\"\nversion = 3\n[diversify]\ndiversity = 0.37\n[[experiment]]\nid = \"e\"\n\
            arms = [{ policy = \"mine\", weight = 9 }, { policy = \"discovery\", weight = 1 }, { policy = \"relevance-first\", weight = 0.5 }]\n";
        let set = load(&Text::new("mine", text), &Library::presets()).unwrap();
        for set in [set, load_from("balanced").unwrap(), load_from("discovery").unwrap(), load_from("relevance-first").unwrap()] {
            let json = serde_json::to_string(&Bundle::from(&set)).unwrap();
            let opened = serde_json::from_str::<Bundle>(&json).unwrap().open("again").unwrap();
            assert_eq!(opened.digest, set.digest);
            assert_eq!(opened, PolicySet { owner: opened.owner.clone(), description: opened.description.clone(), ..set });
        }
    }
}
