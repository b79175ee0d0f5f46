//! What differs between two policies, in what is served: not lines of files but knobs of surfaces.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use toml::Value;
use utoipa::ToSchema;

use super::{
    Experiment, PolicySet,
    report::{Paint, PolicyRef},
    stack::plain,
};
use crate::domain::policy::{Constraint, knob::KNOBS};

/// Two policies compared.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyDiff)]
pub struct Diff {
    pub from: PolicyRef,
    pub to: PolicyRef,
    /// Those of every surface first, then those of fewer and fewer; guardrails last.
    pub changes: Vec<Change>,
    /// Surfaces that only `to` has.
    pub surfaces_added: Vec<String>,
    /// Surfaces that only `from` has.
    pub surfaces_removed: Vec<String>,
    /// Experiments and holdouts that begin, end or change, a sentence each.
    #[serde(default)]
    pub experiments: Vec<String>,
}

/// One knob that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyChange)]
pub struct Change {
    /// Where, of the surfaces that both have; absent when it is so on all of them, or for the file as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surfaces: Vec<String>,
    #[schema(examples("diversify.diversity"))]
    pub key: String,
    /// A number, text or list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Value)]
    pub from: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Value)]
    pub to: Option<Value>,
}

impl Diff {
    /// The policies serve the same, under the same guardrails.
    pub fn is_empty(&self) -> bool {
        [&self.surfaces_added, &self.surfaces_removed, &self.experiments].iter().all(|list| list.is_empty()) && self.changes.is_empty()
    }
}

/// Compares what `from` and `to` serve.
pub fn diff(from: &PolicySet, to: &PolicySet) -> Diff {
    let names = |set: &PolicySet| set.surfaces.names().map(str::to_owned).collect::<BTreeSet<String>>();
    let (before, after) = (names(from), names(to));
    let both: Vec<&String> = before.intersection(&after).collect();
    let mut all: Vec<Change> = Vec::new();
    for name in &both {
        let (Some(a), Some(b)) = (from.surface(name), to.surface(name)) else { continue };
        for change in changes(&values(&plain(&a.policy)), &values(&plain(&b.policy))) {
            let same = |other: &&mut Change| (&other.key, &other.from, &other.to) == (&change.key, &change.from, &change.to);
            match all.iter_mut().find(same) {
                Some(known) => known.surfaces.push((*name).clone()),
                None => all.push(Change { surfaces: vec![(*name).clone()], ..change }),
            }
        }
    }
    // What holds on most surfaces first; within that by surface and knob.
    let knob = |change: &Change| KNOBS.iter().position(|knob| knob.key == change.key);
    all.sort_by(|a, b| b.surfaces.len().cmp(&a.surfaces.len()).then_with(|| (&a.surfaces, knob(a)).cmp(&(&b.surfaces, knob(b)))));
    for change in all.iter_mut().filter(|change| change.surfaces.len() == both.len()) {
        change.surfaces.clear();
    }
    let guarded = |set: &PolicySet| values(&plain(&set.guardrails)).into_iter().map(|(key, v)| (format!("guardrails.{key}"), v)).collect();
    all.extend(changes(&guarded(from), &guarded(to)));
    Diff {
        from: PolicyRef::from(from),
        to: PolicyRef::from(to),
        changes: all,
        surfaces_added: after.difference(&before).cloned().collect(),
        surfaces_removed: before.difference(&after).cloned().collect(),
        experiments: experiments(from, to),
    }
}

/// Dotted keys of everything but sections; lists whole.
fn values(tree: &toml::Table) -> BTreeMap<String, Value> {
    fn collect(prefix: &str, tree: &toml::Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in tree {
            let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => collect(&dotted, inner, into),
                value => {
                    into.insert(dotted, value.clone());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    collect("", tree, &mut found);
    found
}

fn changes(from: &BTreeMap<String, Value>, to: &BTreeMap<String, Value>) -> Vec<Change> {
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    // Name and version stand in the head of the comparison.
    let served = keys.into_iter().filter(|key| !["id", "version"].contains(&key.as_str()));
    let differing = served.filter(|key| from.get(*key) != to.get(*key));
    let mut changes: Vec<Change> = differing
        .map(|key| Change { surfaces: Vec::new(), key: key.clone(), from: from.get(key).cloned(), to: to.get(key).cloned() })
        .collect();
    changes.sort_by_key(|change| KNOBS.iter().position(|knob| knob.key == change.key));
    changes
}

/// The comparison as lines to read.
pub fn human(diff: &Diff, paint: Paint) -> String {
    let Paint { strong, end, .. } = paint;
    let named = |policy: &PolicyRef| format!("{} v{} ({})", policy.id, policy.version, policy.digest);
    let mut out = format!("{} → {}\n", named(&diff.from), named(&diff.to));
    if diff.is_empty() {
        return out + "\nNo difference in what is served.\n";
    }
    let width = diff.changes.iter().map(|change| change.key.len()).max().unwrap_or(0);
    let mut group = None;
    for change in &diff.changes {
        let name = match change.surfaces.join(", ") {
            surfaces if !surfaces.is_empty() => surfaces,
            _ if change.key.starts_with("guardrails.") => "guardrails".to_owned(),
            _ => "every surface".to_owned(),
        };
        if group.as_ref() != Some(&name) {
            out += &format!("\n{strong}{name}{end}\n");
            group = Some(name);
        }
        out += &lines(change, width);
    }
    for (names, what) in [(&diff.surfaces_added, "added"), (&diff.surfaces_removed, "removed")] {
        if !names.is_empty() {
            out += &format!("\nsurfaces {what}: {}\n", names.join(", "));
        }
    }
    for told in &diff.experiments {
        out += &format!("\n{told}\n");
    }
    out
}

fn experiments(from: &PolicySet, to: &PolicySet) -> Vec<String> {
    let find = |set: &PolicySet, id: &str| set.experiments.iter().find(|e| e.id == id).map(|e| (told(e), e.allocation(set)));
    let gone = from.experiments.iter().filter(|e| find(to, &e.id).is_none()).map(|e| format!("experiment {} ended", e.id));
    let others = to.experiments.iter().filter_map(|e| match (find(from, &e.id), find(to, &e.id)) {
        (before, after) if before == after => None,
        (None, Some((after, _))) => Some(format!("experiment {} begun: {after}", e.id)),
        (Some((before, _)), Some((after, _))) if before == after => Some(format!("experiment {} changed", e.id)),
        (Some((before, _)), Some((after, _))) => Some(format!("experiment {}: {before} → {after}", e.id)),
        (_, None) => None,
    });
    let holdouts = (from.holdouts != to.holdouts).then(|| format!("holdouts: {:?} → {:?}", from.holdouts, to.holdouts));
    gone.chain(others).chain(holdouts).collect()
}

fn told(experiment: &Experiment) -> String {
    let arms: Vec<String> = experiment.arms.iter().map(|arm| format!("{} {}", arm.name, arm.weight)).collect();
    let [low, high] = experiment.slice;
    format!("{} on {} [{low}, {high}]", arms.join(" / "), experiment.surfaces.join(", "))
}

fn lines(change: &Change, width: usize) -> String {
    if change.key == "constraint" {
        let (before, after) = (rules(change.from.as_ref()), rules(change.to.as_ref()));
        let gone = before.iter().filter(|rule| !after.contains(rule)).map(|rule| format!("- {rule}"));
        let new = after.iter().filter(|rule| !before.contains(rule)).map(|rule| format!("+ {rule}"));
        let mut marked: Vec<String> = gone.chain(new).collect();
        if marked.is_empty() {
            marked.push(format!("in another order: {}", after.join(", ")));
        }
        let lines = marked.iter().enumerate().map(|(n, rule)| {
            let key = if n == 0 { change.key.as_str() } else { "" };
            format!("  {key:<width$}  {rule}\n")
        });
        return lines.collect();
    }
    let side = |value: Option<&Value>| value.map_or_else(|| "–".to_owned(), ToString::to_string);
    format!("  {:<width$}  {} → {}\n", change.key, side(change.from.as_ref()), side(change.to.as_ref()))
}

/// Constraints by the names that answers and metrics give them.
fn rules(list: Option<&Value>) -> Vec<String> {
    let rules = list.and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| rule.clone().try_into::<Constraint>().ok()).map(|rule| rule.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Library, Text, load, load_from};

    fn own(rest: &str) -> PolicySet {
        let text = Text::new("mine", format!("schema = 1\nid = \"balanced\"\nversion = 1\n{rest}"));
        load(&text, &Library::presets()).unwrap()
    }

    #[test]
    fn only_what_is_served_differently_is_told() {
        let balanced = load_from("balanced").unwrap();
        // Written otherwise, and the same.
        let same = own("[diversify]\ndiversity = 0.350\n[surface.home.retrieve]\ndeadline = \"40ms\"\n");
        assert!(diff(&balanced, &same).is_empty());
        let other = own(
            "page_size = 25\n[explore]\nshare = 0.12\n[surface.video.feed]\nlength = 90\n[surface.shorts]\n[guardrails]\nild_min = 0.5\n",
        );
        let told = human(&diff(&balanced, &other), Paint::default());
        let told: Vec<&str> = told.lines().skip(1).collect();
        assert_eq!(
            told.join("\n"),
            "
home, video
  explore.share       0.1 → 0.12

home
  page_size           20 → 25

video
  feed.length         500 → 90

guardrails
  guardrails.ild_min  0.4 → 0.5

surfaces added: shorts"
        );
        assert_eq!(human(&diff(&other, &other), Paint::default()).lines().last(), Some("No difference in what is served."));
    }

    #[test]
    fn constraints_are_told_one_by_one() {
        let told = human(&diff(&load_from("balanced").unwrap(), &load_from("discovery").unwrap()), Paint::default());
        assert!(told.contains("  - min_distinct topic 4/20\n") && told.contains("  + min_distinct topic 6/20\n"), "{told}");
        assert!(!told.contains("max_share"), "{told}");
        let turned = own(
            "constraint = [{ kind = \"min_gap\", facet = \"creator\", gap = 1 }, { kind = \"max_share\", facet = \"creator\", max = 2, per = 10 }, { kind = \"min_distinct\", facet = \"topic\", min = 4, per = 20 }]\n",
        );
        assert!(
            human(&diff(&load_from("balanced").unwrap(), &turned), Paint::default())
                .contains("in another order: min_gap creator 1, max_share creator 2/10")
        );
    }
}
