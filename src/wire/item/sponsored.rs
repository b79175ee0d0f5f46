//! Reads who pays for an item and where it wants to be shown.

use serde_json::Value;

use crate::{
    domain::{
        FacetValue,
        item::{MAX_TARGETING_VALUES, Sponsored},
    },
    wire::{Faults, read},
};

/// Longest name of a payer in bytes of UTF-8.
pub const MAX_PAYER_BYTES: usize = 256;
const FIELDS: [&str; 3] = ["on_behalf_of", "payer", "targeting"];
const TARGETING_FIELDS: [&str; 3] = ["languages", "surfaces", "topics"];

/// The value of `sponsored`; what is faulty is left out, and noted.
pub(super) fn read(value: &Value, faults: &mut Faults) -> Option<Sponsored> {
    let at = "/sponsored";
    let map = read::object(value, at, faults)?;
    read::unknown_keys(map, &FIELDS, "`sponsored`", at, faults);
    let payer = read::required(map, "payer", "who pays, 1 to 256 bytes", at, faults);
    let payer = payer.and_then(|v| read::text(v, 1, MAX_PAYER_BYTES, "/sponsored/payer", faults));
    let on_behalf_of =
        read::optional(map, "on_behalf_of").and_then(|v| read::text(v, 1, MAX_PAYER_BYTES, "/sponsored/on_behalf_of", faults));
    let mut sponsored = Sponsored {
        payer: payer?.to_owned(),
        on_behalf_of: on_behalf_of.map(str::to_owned),
        surfaces: Vec::new(),
        languages: Vec::new(),
        topics: Vec::new(),
    };
    if let Some(targeting) = read::optional(map, "targeting").and_then(|v| read::object(v, "/sponsored/targeting", faults)) {
        read::unknown_keys(targeting, &TARGETING_FIELDS, "targeting; nothing about people can be targeted", "/sponsored/targeting", faults);
        let mut values = |key: &str| {
            let value = read::optional(targeting, key);
            value.map(|value| values(value, &read::below("/sponsored/targeting", key), faults)).unwrap_or_default()
        };
        sponsored.surfaces = values("surfaces").iter().map(ToString::to_string).collect();
        sponsored.languages = values("languages");
        sponsored.topics = values("topics");
    }
    Some(sponsored)
}

fn values(value: &Value, at: &str, faults: &mut Faults) -> Vec<FacetValue> {
    match value {
        Value::Array(list) if list.len() <= MAX_TARGETING_VALUES => {
            list.iter().enumerate().filter_map(|(n, value)| read::facet_value(value, &format!("{at}/{n}"), faults)).collect()
        }
        Value::Array(list) => {
            faults.add(at, format!("has {} values; expected at most {MAX_TARGETING_VALUES}", list.len()));
            Vec::new()
        }
        other => {
            faults.add(at, format!("is {}; expected an array of texts", read::kind(other)));
            Vec::new()
        }
    }
}
