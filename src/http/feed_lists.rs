//! The lists that come with a request for a feed: items that must not come, and interests that the reader's device keeps.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    domain::{
        FacetValue, ItemId,
        profile::{MAX_CLIENT_INTERESTS, MAX_CLIENT_LEVEL},
    },
    wire::{
        Faults,
        event::{id_of, whole},
        read,
    },
};

/// Most ids in `exclude`.
pub const MAX_EXCLUDED: usize = 1_000;

/// As they stand in a query.
pub(super) fn excluded(text: &str) -> Result<Vec<ItemId>, String> {
    let ids: Result<Vec<ItemId>, _> = text.split(',').map(|id| ItemId::new(id.trim())).collect();
    let ids = ids.map_err(|error| format!("expected item ids separated by commas; one {error}"))?;
    if ids.len() > MAX_EXCLUDED { Err(format!("has {} ids; expected at most {MAX_EXCLUDED}", ids.len())) } else { Ok(ids) }
}

/// Topic to how much, in (0, 1].
pub(super) fn read_interests(value: &Value, faults: &mut Faults) -> BTreeMap<FacetValue, f32> {
    let mut interests = BTreeMap::new();
    let Value::Array(values) = value else {
        faults.add("/interests", format!("is {}; expected an array of interests", read::kind(value)));
        return interests;
    };
    if values.len() > MAX_CLIENT_INTERESTS {
        faults.add("/interests", format!("has {} interests; expected at most {MAX_CLIENT_INTERESTS}", values.len()));
        return interests;
    }
    for (n, value) in values.iter().enumerate() {
        let at = format!("/interests/{n}");
        let Some(map) = read::object(value, &at, faults) else { continue };
        read::unknown_keys(map, &["level", "topic"], "an interest", &at, faults);
        let topic = read::required(map, "topic", "a topic", &at, faults);
        let topic = topic.and_then(|topic| read::facet_value(topic, &format!("{at}/topic"), faults));
        let level = read::required(map, "level", "a level", &at, faults);
        let level = level.and_then(|level| whole(level, u64::from(MAX_CLIENT_LEVEL), &format!("{at}/level"), faults));
        let Some((topic, level)) = topic.zip(level).filter(|(_, level)| *level > 0) else { continue };
        interests.insert(topic, level as f32 / f32::from(MAX_CLIENT_LEVEL));
    }
    interests
}

/// As they stand in a body.
pub(super) fn exclude_list(value: &Value, faults: &mut Faults) -> Vec<ItemId> {
    let Value::Array(values) = value else {
        faults.add("/exclude", format!("is {}; expected an array of item ids", read::kind(value)));
        return Vec::new();
    };
    if values.len() > MAX_EXCLUDED {
        faults.add("/exclude", format!("has {} ids; expected at most {MAX_EXCLUDED}", values.len()));
        return Vec::new();
    }
    values.iter().enumerate().filter_map(|(n, v)| id_of(v, &format!("/exclude/{n}"), faults, |text| ItemId::new(text))).collect()
}
