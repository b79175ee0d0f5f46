//! Documents of policies that stand in several places say the same.

use std::{collections::BTreeMap, path::Path};

use polyphony::{
    policy::{Code, PRESETS, explain, schema},
    settings::Settings,
};
use serde_json::Value;

/// Set it to write the schema anew; `polyphony policy schema > config/policies/schemas/policy.v1.schema.json` does the same.
const UPDATE_VARIABLE: &str = "UPDATE_POLICY_SCHEMA";
const SCHEMA_FILE: &str = "config/policies/schemas/policy.v1.schema.json";

/// The comment above every `key = value`, by section and key, with the value.
fn comments(text: &str, strip: &str) -> BTreeMap<String, (String, String)> {
    let (mut found, mut section, mut comment) = (BTreeMap::new(), String::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let above = std::mem::take(&mut comment).join(" ");
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']);
            section = if name == strip { String::new() } else { name.trim_start_matches(&format!("{strip}.")).to_owned() };
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !above.is_empty()) {
            let dotted = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            found.insert(dotted, (above, value.to_owned()));
        }
    }
    found
}

#[test]
fn the_settings_and_the_preset_explain_every_knob_alike() {
    let settings = comments(Settings::documented(), "policy");
    let preset = comments(PRESETS[1].1, "");
    let mut same = 0;
    for form in explain::all() {
        let Some(inline) = settings.get(form.key) else { continue };
        assert_eq!(inline, &preset[form.key], "{}", form.key);
        same += 1;
    }
    assert!(same > 50, "{same}");
}

#[test]
fn the_committed_schema_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_FILE);
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&file, schema::json()).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == schema::json(), "{SCHEMA_FILE} is out of date: run this test with {UPDATE_VARIABLE}=1");
}

/// Only what draft 4 has: Taplo stops there.
#[test]
fn the_schema_keeps_to_draft_4() {
    const KEYWORDS: [&str; 18] = [
        "$schema",
        "id",
        "title",
        "description",
        "type",
        "required",
        "properties",
        "additionalProperties",
        "definitions",
        "enum",
        "pattern",
        "patternProperties",
        "minimum",
        "maximum",
        "minLength",
        "items",
        "minItems",
        "maxItems",
    ];
    fn check(schema: &Value, at: &str) {
        for (keyword, value) in schema.as_object().unwrap_or_else(|| panic!("{at} is no schema: {schema}")) {
            match keyword.as_str() {
                "properties" | "patternProperties" | "definitions" => {
                    value.as_object().unwrap().iter().for_each(|(name, inner)| check(inner, &format!("{at}/{name}")));
                }
                "items" => check(value, &format!("{at}/items")),
                "oneOf" => value.as_array().unwrap().iter().for_each(|inner| check(inner, &format!("{at}/oneOf"))),
                "$ref" => assert_eq!(value, "#/definitions/surface"),
                "default" => {}
                other => assert!(KEYWORDS.contains(&other), "{at}: `{other}`"),
            }
        }
    }
    let document: Value = serde_json::from_str(&schema::json()).unwrap();
    assert_eq!(document["$schema"], "http://json-schema.org/draft-04/schema#");
    check(&document, "");
    for form in explain::all() {
        let pointer = format!("/properties/{}", form.key.replace('.', "/properties/"));
        let knob = document.pointer(&pointer).unwrap_or_else(|| panic!("the schema lacks {}", form.key));
        assert!(knob["description"].as_str().unwrap().starts_with(form.about), "{}", form.key);
    }
}

/// The how-to names only codes and keys that there are.
#[test]
fn the_how_to_speaks_of_what_there_is() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md")).unwrap();
    let codes = text.match_indices("P0").map(|(at, _)| &text[at..at + 5]);
    for code in codes {
        assert!(Code::parse(code).is_some(), "{code}");
    }
    for code in Code::ALL {
        let row = format!("\n| `{}` | {} |\n", code.as_str(), code.title());
        assert!(text.contains(&row), "expected in docs/policies.md: {row}");
    }
}
