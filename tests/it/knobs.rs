//! Every key of `config/default.toml` does something: each is changed alone, and what can be observed must change with
//! it. A key without an entry here fails.

mod deployments;
mod in_process;
mod operations;
mod slate;

use std::{collections::BTreeSet, future::Future, pin::Pin};

use polyphony::settings::Settings;
use toml::Value;

use self::{operations::OPERATIONS, slate::SLATE};

type Observed = Pin<Box<dyn Future<Output = String>>>;

/// Dotted keys of every value; tables in lists by their place.
fn leaves(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                leaves(&dotted, value, found);
            }
        }
        Value::Array(list) if list.first().is_some_and(Value::is_table) => {
            for (index, value) in list.iter().enumerate() {
                leaves(&format!("{prefix}.{index}"), value, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

#[test]
fn every_key_has_a_check_and_every_check_a_key() {
    let documented: Value = Value::Table(toml::from_str(Settings::documented()).unwrap());
    let mut keys = BTreeSet::new();
    leaves("", &documented, &mut keys);
    let checked: BTreeSet<String> =
        SLATE.iter().map(|knob| knob.key).chain(OPERATIONS.iter().map(|knob| knob.key)).map(Into::into).collect();
    assert_eq!(checked.len(), SLATE.len() + OPERATIONS.len(), "a key stands twice");
    let missing: Vec<_> = keys.difference(&checked).collect();
    let gone: Vec<_> = checked.difference(&keys).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without a check: {missing:?}; not a key: {gone:?}");
    assert!(keys.len() > 70, "{}", keys.len());
}
