//! What request schemas and parameters promise, as the readers hold it: closed lists, lengths, and that unknown fields are refused.
//! Lengths are in characters here and in bytes there: a text that is not ASCII may have fewer.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::{
    KnownFormat, OpenApi, RefOr, Schema, SchemaFormat,
    path::{Operation, PathItem},
    schema::{AdditionalProperties, Array, ArrayItems, Object, ObjectBuilder, SchemaType, Type},
};

use super::{
    feed_lists::MAX_EXCLUDED,
    items::MAX_ITEMS_PER_CALL,
    me::{consent::DECISIONS, preferences::MAX_CATEGORY_BYTES, reset::RESETS},
    policies::{MAX_PREVIEWED_POLICIES, sweep::MAX_KNOBS},
    rollout::forms::STAGES,
    schema_patterns::{CATEGORY, IDS, KEYWORD, PRINTABLE, WEB_ADDRESS, span, time},
    slate::{Explain, Hydrate},
};
use crate::{
    domain::{
        Span,
        consent::Purpose,
        event::{EventKind, MAX_EVENTS_PER_CALL, Scope},
        facet::MAX_TOPICS_PER_ITEM,
        ids::MAX_ID_BYTES,
        keyword::{MAX_KEYWORD_CHARS, MIN_KEYWORD_CHARS},
        policy::{PAUSE_MAX, PAUSE_MIN},
        preset::Preset,
        privacy::AgeGroup,
        profile::{MAX_CLIENT_INTERESTS, MAX_PREFERRED_TOPICS, MAX_SNOOZE, Mode},
    },
    rollout::entry::Step,
    wire::{read::MAX_URL_BYTES, rerank::MAX_CANDIDATES},
};

const REFERENCE: &str = "#/components/schemas/";

/// Writes the limits into every schema that a request can hold, and into every parameter.
pub fn tighten(document: &mut OpenApi) {
    let names = of_requests(document);
    if let Some(components) = &mut document.components {
        for (name, schema) in components.schemas.iter_mut().filter(|(name, _)| names.contains(*name)) {
            tighten_schema(name, schema);
        }
    }
    for parameter in document.paths.paths.values_mut().flat_map(operations_mut).flat_map(|o| o.parameters.iter_mut().flatten()) {
        let RefOr::T(parameter) = parameter else { continue };
        if let Some(RefOr::T(schema)) = &mut parameter.schema {
            limit(&parameter.name, schema);
            if parameter.name == "Age-Group" {
                // A header is left out; there is no null.
                *schema = Schema::Object(closed(&AgeGroup::NAMES));
            }
            if let (Schema::Object(object), "exclude") = (schema, parameter.name.as_str()) {
                object.pattern = Some(IDS.to_owned());
            }
        }
    }
}

/// Every operation of a path.
pub fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Schemas that request bodies are made of.
fn of_requests(document: &mut OpenApi) -> BTreeSet<String> {
    let mut open: Vec<String> = Vec::new();
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        let Some(RefOr::T(body)) = &operation.request_body else { continue };
        let schemas =
            body.content.values().filter_map(|content| if let RefOr::T(content) = content { content.schema.as_ref() } else { None });
        schemas.for_each(|schema| references(schema, &mut open));
    }
    let mut names = BTreeSet::new();
    while let Some(name) = open.pop() {
        if names.insert(name.clone())
            && let Some(schema) = document.components.as_ref().and_then(|components| components.schemas.get(&name))
        {
            references(schema, &mut open);
        }
    }
    names
}

fn references(schema: &RefOr<Schema>, found: &mut Vec<String>) {
    match schema {
        RefOr::Ref(reference) => found.extend(reference.ref_location.strip_prefix(REFERENCE).map(str::to_owned)),
        RefOr::T(Schema::Object(object)) => object.properties.values().for_each(|property| references(property, found)),
        RefOr::T(Schema::Array(Array { items: ArrayItems::RefOrSchema(items), .. })) => references(items, found),
        RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter().for_each(|item| references(item, found)),
        RefOr::T(_) => {}
    }
}

fn tighten_schema(name: &str, schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) if !object.properties.is_empty() => {
            object.additional_properties.get_or_insert_with(|| Box::new(AdditionalProperties::FreeForm(false)));
            for (property, schema) in &mut object.properties {
                if let RefOr::T(schema) = schema {
                    limit(if name == "Event" && property == "type" { "event_type" } else { property }, schema);
                }
            }
        }
        RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter_mut().for_each(|item| match item {
            RefOr::T(list @ Schema::Array(_)) if name == "ItemBatchOrList" => limit("items", list),
            RefOr::T(topics) if name == "TopicsInput" => limit_topics(topics),
            RefOr::T(id @ Schema::Object(_)) if ["CreatorInput", "TopicEntry"].contains(&name) && !has_properties(id) => limit("id", id),
            item => tighten_schema(name, item),
        }),
        _ => {}
    }
}

fn has_properties(schema: &Schema) -> bool {
    matches!(schema, Schema::Object(object) if !object.properties.is_empty())
}

/// Topics of an item: a list, or weights by name.
fn limit_topics(schema: &mut Schema) {
    match schema {
        Schema::Array(array) => array.max_items = Some(MAX_TOPICS_PER_ITEM),
        Schema::Object(object) => {
            let weight = ObjectBuilder::new().schema_type(Type::Number).exclusive_minimum(Some(0)).maximum(Some(1));
            weights(object, MAX_TOPICS_PER_ITEM, weight);
        }
        _ => {}
    }
}

/// At most `most` numbers by topic.
fn weights(object: &mut Object, most: usize, weight: ObjectBuilder) {
    let mut topic = Schema::Object(Object::with_type(Type::String));
    limit("topic", &mut topic);
    object.max_properties = Some(most);
    object.property_names = Some(Box::new(topic));
    object.additional_properties = Some(Box::new(AdditionalProperties::RefOr(RefOr::T(weight.build().into()))));
}

/// The limits of whatever is called `name`: one thing has one name everywhere.
fn limit(name: &str, schema: &mut Schema) {
    match schema {
        Schema::Object(object) if name == "decisions" => {
            let purposes = Purpose::ALL.map(Purpose::name);
            object.property_names = Some(Box::new(Schema::Object(closed(&purposes))));
            object.additional_properties = Some(Box::new(AdditionalProperties::RefOr(RefOr::T(Schema::Object(closed(&DECISIONS))))));
        }
        Schema::Object(object) => {
            unsigned(object);
            if let Some(names) = names(name) {
                enumerate(object, names);
            }
            if is_text(name) {
                object.min_length.get_or_insert(1);
            }
            if name == "knobs" {
                (object.min_properties, object.max_properties) = (Some(1), Some(MAX_KNOBS));
            }
            if name == "topics" {
                weights(object, MAX_PREFERRED_TOPICS, ObjectBuilder::new().schema_type(Type::Number).minimum(Some(-1)).maximum(Some(1)));
            }
            if let Some((pattern, lengths)) = pattern(name) {
                object.pattern = Some(pattern);
                if let Some((low, high)) = lengths {
                    object.min_length.get_or_insert(low);
                    object.max_length.get_or_insert(high);
                }
            }
        }
        Schema::Array(array) => {
            let (low, high) = match name {
                "events" => (Some(1), Some(MAX_EVENTS_PER_CALL)),
                "items" => (Some(1), Some(MAX_ITEMS_PER_CALL)),
                "candidates" => (Some(1), Some(MAX_CANDIDATES)),
                "policies" => (Some(1), Some(MAX_PREVIEWED_POLICIES)),
                "exclude" => (None, Some(MAX_EXCLUDED)),
                "interests" => (None, Some(MAX_CLIENT_INTERESTS)),
                "embedding" => (Some(1), None),
                _ => (None, None),
            };
            (array.min_items, array.max_items) = (array.min_items.or(low), array.max_items.or(high));
            let of = match name {
                "exclude" => "item",
                "skip" => "step",
                "languages" | "surfaces" | "topics" => "topic",
                "pauses" => "pause",
                "push_categories" => "category",
                "blocked_keywords" => "keyword",
                _ => return,
            };
            if let ArrayItems::RefOrSchema(items) = &mut array.items
                && let RefOr::T(schema) = &mut **items
            {
                limit(of, schema);
            }
        }
        _ => {}
    }
}

/// The closed list that a field of this name takes one of.
fn names(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "mode" => &Mode::NAMES,
        "hydrate" => &Hydrate::NAMES,
        "explain" => &Explain::NAMES,
        "include" => &["metrics"],
        "preset" => &Preset::NAMES,
        "profile" => &["on", "off"],
        "event_type" => &EventKind::NAMES,
        "scope" => &Scope::NAMES,
        "stage" => &STAGES,
        "step" => &Step::NAMES,
        "what" => &RESETS,
        _ => return None,
    })
}

/// What a text of this name looks like, and its lengths.
fn pattern(name: &str) -> Option<(String, Option<(usize, usize)>)> {
    Some(match name {
        _ if is_id(name) => (PRINTABLE.to_owned(), Some((1, MAX_ID_BYTES))),
        "at" | "expires_at" | "last_seen_at" | "published_at" => (time(), None),
        "url" | "image" => (WEB_ADDRESS.to_owned(), Some((1, MAX_URL_BYTES))),
        "for" => (span(Span::ZERO, MAX_SNOOZE), None),
        "pause" => (span(PAUSE_MIN, PAUSE_MAX), None),
        "category" => (CATEGORY.to_owned(), Some((1, MAX_CATEGORY_BYTES))),
        "keyword" => (KEYWORD.to_owned(), Some((MIN_KEYWORD_CHARS, MAX_KEYWORD_CHARS))),
        _ => return None,
    })
}

/// Fields that hold an id or the name of something, 1 to [`MAX_ID_BYTES`] bytes.
fn is_id(name: &str) -> bool {
    ["id", "user", "item", "session", "source", "viewpoint", "language", "format", "topic"].contains(&name)
}

/// Other texts that say nothing when they are empty.
fn is_text(name: &str) -> bool {
    ["actor", "cursor", "digest", "notice", "reason", "surface"].contains(&name)
}

fn closed(names: &[&str]) -> Object {
    let mut object = Object::with_type(Type::String);
    object.enum_values = Some(names.iter().map(|name| Value::from(*name)).collect());
    object
}

/// `null` stands for a field that is left out where it may be.
fn enumerate(object: &mut Object, names: &[&str]) {
    let is_nullable = matches!(&object.schema_type, SchemaType::Array(types) if types.contains(&Type::Null));
    let null = is_nullable.then_some(Value::Null);
    object.enum_values = Some(names.iter().map(|name| Value::from(*name)).chain(null).collect());
}

/// Numbers without a sign reach further than the formats of numbers with one.
fn unsigned(object: &mut Object) {
    let is_unsigned = object.minimum.as_ref().is_some_and(|low| serde_json::to_value(low).ok().and_then(|low| low.as_f64()) >= Some(0.0));
    let format = match &object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Int32)) if is_unsigned => "uint32",
        Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) if is_unsigned => "uint64",
        _ => return,
    };
    object.format = Some(SchemaFormat::Custom(format.to_owned()));
}
