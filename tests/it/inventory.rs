//! The data inventory declares every field that the code keeps about people, and none that it does not.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::support::world::{StoreKind, World};

/// A record of the inventory, and the struct that is kept as it.
const KEPT: [(&str, &str, &str); 8] = [
    ("pace", "domain/reach.rs", "Pace"),
    ("profile", "domain/profile.rs", "Profile"),
    ("preferences", "domain/profile.rs", "Preferences"),
    ("consent", "domain/consent.rs", "ConsentRecord"),
    ("feed", "domain/feed.rs", "StoredFeed"),
    ("page", "domain/feed.rs", "Page"),
    ("served", "journal/record.rs", "ServedRecord"),
    ("event", "journal/record.rs", "EventRecord"),
];

/// Names of the fields of a struct, as they are written.
fn fields(file: &str, name: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let source = std::fs::read_to_string(path).unwrap();
    let head = format!("pub struct {name} {{\n");
    let start = source.find(&head).unwrap_or_else(|| panic!("no {name} in {file}")) + head.len();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let mut renamed = None;
    let mut found = BTreeSet::new();
    for line in body.lines().map(str::trim) {
        if let Some((_, rest)) = line.split_once("rename = \"") {
            renamed = rest.split('"').next();
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            found.insert(renamed.take().unwrap_or(field).to_owned());
        }
    }
    assert!(found.len() > 1, "{name}: {found:?}");
    found
}

#[tokio::test]
async fn every_field_that_is_kept_is_declared() {
    let world = World::start(StoreKind::Embedded).await;
    let inventory = world.get("/v1/data-inventory").await.ok().body;
    let records = inventory["records"].as_array().unwrap();
    let declared = |name: &str| -> BTreeSet<String> {
        let record = records.iter().find(|record| record["name"] == name).unwrap_or_else(|| panic!("no record {name}"));
        record["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    for (record, file, name) in KEPT {
        assert_eq!(declared(record), fields(file, name), "{record}");
    }
    let sources: Vec<&Value> = records.iter().flat_map(|record| record["fields"].as_array().unwrap()).map(|f| &f["source"]).collect();
    assert!(sources.iter().all(|source| ["given", "observed", "inferred", "made"].contains(&source.as_str().unwrap())), "{sources:?}");
    assert_eq!(records[0]["retention"], world.app.settings.store.profile_ttl.to_string());
}
