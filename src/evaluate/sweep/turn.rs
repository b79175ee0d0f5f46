//! Turning knobs of a policy: which, and through which values.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::{Table, Value};

use crate::domain::{
    Policy,
    policy::knob::{KNOBS, knob},
    suggest,
};

/// Most values of one knob.
pub const MAX_VALUES_PER_KNOB: usize = 101;
/// Most settings of one sweep: every knob's values in all combinations.
pub const MAX_SETTINGS: usize = 400;

/// A knob, by its key below the policy, and the values it is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub key: String,
    pub values: Vec<Value>,
}

impl Turn {
    /// Reads `KEY=FROM:TO:STEP` (both ends included) or `KEY=VALUE,VALUE,…`. Errors: a sentence with what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (key, values) =
            text.split_once('=').ok_or("expected KEY=FROM:TO:STEP or KEY=VALUE,VALUE…, e.g. diversify.diversity=0:1:0.1")?;
        let parts: Vec<&str> = values.split(':').map(str::trim).collect();
        let values = match parts[..] {
            [from, to, step] => range(from, to, step)?,
            [list] => list.split(',').map(|value| of_text(value.trim())).collect(),
            _ => return Err(format!("`{values}` is neither FROM:TO:STEP nor a list; e.g. 0:1:0.1 or 0.2,0.35,0.5")),
        };
        if values.len() > MAX_VALUES_PER_KNOB {
            return Err(format!("`{text}` has {} values; at most {MAX_VALUES_PER_KNOB}", values.len()));
        }
        let key = key.trim();
        Ok(Self { key: key.strip_prefix("policy.").unwrap_or(key).to_owned(), values })
    }
}

/// A number or a flag as TOML has it; anything else is a text.
fn of_text(text: &str) -> Value {
    let table = toml::from_str::<Table>(&format!("value = {text}")).ok();
    table.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn range(from: &str, to: &str, step: &str) -> Result<Vec<Value>, String> {
    let number = |text: &str| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{text}` in {from}:{to}:{step} is no number"))
    };
    let (low, high, by) = (number(from)?, number(to)?, number(step)?);
    if by <= 0.0 || low > high {
        return Err(format!("{from}:{to}:{step} goes nowhere; expected FROM ≤ TO and STEP above 0"));
    }
    // A hair more, so that 0:1:0.1 ends with 1.
    let steps = ((high - low) / by + 1e-9).floor();
    if steps >= MAX_VALUES_PER_KNOB as f64 {
        return Err(format!("{from}:{to}:{step} has {} values; at most {MAX_VALUES_PER_KNOB}", steps + 1.0));
    }
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits = decimals(from).max(decimals(step));
    let is_whole = digits == 0;
    let value = |step: u32| {
        let value = low + f64::from(step) * by;
        if is_whole { Value::Integer(value as i64) } else { Value::Float(format!("{value:.digits$}").parse().unwrap_or(value)) }
    };
    Ok((0..=steps as u32).map(value).collect())
}

/// One value for each knob, in the order of the knobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting(Vec<(String, Value)>);

impl Setting {
    /// `(key, value)`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(key, value)| (key.as_str(), shown(value)))
    }

    /// `policy` with these values. Errors: every fault of the key, the value and the policy as a whole.
    pub fn apply(&self, policy: &Policy) -> Result<Policy, Vec<String>> {
        let mut tree = Table::try_from(policy).map_err(|error| vec![error.to_string()])?;
        let faults: Vec<String> = self.0.iter().filter_map(|(key, value)| set(&mut tree, key, value.clone()).err()).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let policy: Policy =
            Value::Table(tree).try_into().map_err(|error: toml::de::Error| vec![format!("{self}: {}", error.message())])?;
        let faults: Vec<String> = policy.check().into_iter().map(|fault| format!("{self}: `{}` {}", fault.key, fault.detail)).collect();
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&parts.join(" "))
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Sets a knob of the policy.
fn set(tree: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let of_pages = |key: &str| !key.starts_with("guardrails.");
    if knob(key).is_none_or(|_| !of_pages(key)) {
        let known = KNOBS.iter().map(|knob| knob.key).filter(|key| of_pages(key));
        return Err(format!("there is no knob `{key}`.{}", suggest::hint(key, known)));
    }
    let (mut at, mut rest) = (tree, key);
    while let Some((table, below)) = rest.split_once('.') {
        let inner = at.entry(table).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else { return Err(format!("`{key}` is no knob of this policy")) };
        (at, rest) = (inner, below);
    }
    at.insert(rest.to_owned(), value);
    Ok(())
}

/// What a policy has for each key; `null` where it has none.
pub fn values(policy: &Policy, keys: &[&str]) -> BTreeMap<String, serde_json::Value> {
    let tree = policy.as_written();
    let value = |key: &str| tree.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default();
    keys.iter().map(|key| ((*key).to_owned(), value(key))).collect()
}

/// Every combination of the knobs' values, the last knob turning fastest. Errors: too many, or a knob twice.
pub fn settings(knobs: &[Turn]) -> Result<Vec<Setting>, String> {
    if let Some(twice) = knobs.iter().enumerate().find(|(n, knob)| knobs[..*n].iter().any(|earlier| earlier.key == knob.key)) {
        return Err(format!("the knob `{}` is given twice", twice.1.key));
    }
    let count = knobs.iter().map(|knob| knob.values.len()).try_fold(1usize, usize::checked_mul);
    if count.is_none_or(|count| count > MAX_SETTINGS) {
        return Err(format!("the knobs have more than {MAX_SETTINGS} combinations; take fewer values or larger steps"));
    }
    let mut settings = vec![Setting(Vec::new())];
    for knob in knobs {
        let with =
            |setting: &Setting, value: &Value| Setting(setting.0.iter().cloned().chain([(knob.key.clone(), value.clone())]).collect());
        settings = settings.iter().flat_map(|setting| knob.values.iter().map(move |value| with(setting, value))).collect();
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Method;

    fn values(text: &str) -> Vec<String> {
        Turn::parse(text).unwrap().values.iter().map(shown).collect()
    }

    #[test]
    fn ranges_and_lists_are_read() {
        assert_eq!(values("diversify.diversity=0:1:0.25"), ["0.0", "0.25", "0.5", "0.75", "1.0"]);
        assert_eq!(values("policy.diversify.diversity=0:1:0.1").len(), 11);
        assert_eq!(values("page_size = 5:20:5"), ["5", "10", "15", "20"]);
        assert_eq!(values("diversify.method=mmr, dpp"), ["mmr", "dpp"]);
        assert_eq!(values("diversify.diversity=0.35"), ["0.35"]);
    }

    #[test]
    fn wrong_knobs_are_told() {
        for (text, part) in [
            ("diversity", "expected KEY="),
            ("a=0:1", "neither"),
            ("a=1:0:0.1", "goes nowhere"),
            ("a=0:1:0", "goes nowhere"),
            ("a=0:x:1", "no number"),
            ("a=0:1:0.001", "at most 101"),
        ] {
            let error = Turn::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let knob = |text| Turn::parse(text).unwrap();
        assert!(settings(&[knob("a=0:1:0.01"), knob("b=0:1:0.1")]).unwrap_err().contains("more than 400"));
        assert!(settings(&[knob("a=0"), knob("a=1")]).unwrap_err().contains("twice"));
    }

    #[test]
    fn settings_change_the_policy_and_nothing_else() {
        let base = Policy::default();
        let all = settings(&[Turn::parse("diversify.method=dpp,mmr").unwrap(), Turn::parse("explore.share=0,0.2").unwrap()]).unwrap();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown[0], "diversify.method=dpp explore.share=0");
        assert_eq!(shown[3], "diversify.method=mmr explore.share=0.2");
        let changed = all[1].apply(&base).unwrap();
        assert_eq!((changed.diversify.method, changed.explore.share), (Method::Dpp, 0.2));
        let mut expected = base.clone();
        expected.diversify.method = Method::Dpp;
        expected.explore.share = 0.2;
        assert_eq!(changed, expected);
    }

    #[test]
    fn faults_of_a_setting_are_told_at_once() {
        let faults = |knobs: &[&str]| {
            let knobs: Vec<Turn> = knobs.iter().map(|knob| Turn::parse(knob).unwrap()).collect();
            settings(&knobs).unwrap()[0].apply(&Policy::default()).unwrap_err()
        };
        assert_eq!(faults(&["diversify.diversty=0.2"]), ["there is no knob `diversify.diversty`. Did you mean `diversify.diversity`?"]);
        assert_eq!(faults(&["a.b=1", "page_size.x=1", "guardrails.ild_min=0.5"]).len(), 3);
        let ranges = faults(&["diversify.diversity=3", "explore.share=2"]);
        assert!(ranges.len() == 2 && ranges[0].contains("`diversify.diversity` is 3; expected 0 to 1"), "{ranges:?}");
        assert!(faults(&["diversify.method=best"])[0].contains("unknown variant `best`"));
    }
}
