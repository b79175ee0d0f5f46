//! The demo is the same every time, complete, within every limit of the wire form, and means what it says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::{
    domain::{Event, EventKind, Item, Scope, Span, Time},
    wire::{ItemForm, item},
};

const SEED: u64 = 7;
const NOW: Time = Time::from_secs(1_791_533_700);
const DIMENSION: usize = 32;

fn main_topic(item: &Item) -> &str {
    item.topics.iter().find(|(_, weight)| *weight == 1.0).map_or("", |(topic, _)| topic)
}

fn counts<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    values.fold(BTreeMap::new(), |mut counts, value| {
        *counts.entry(value).or_insert(0) += 1;
        counts
    })
}

#[test]
fn the_same_seed_makes_the_same_demo() {
    let items = catalogue(SEED, NOW, DIMENSION);
    assert_eq!(items, catalogue(SEED, NOW, DIMENSION));
    assert_eq!(personas(SEED, NOW, &items), personas(SEED, NOW, &items));
    assert_eq!(background(SEED, NOW, &items), background(SEED, NOW, &items));
    assert_ne!(items, catalogue(SEED + 1, NOW, DIMENSION));
}

#[test]
fn the_catalogue_is_as_large_and_varied_as_documented() {
    let items = catalogue(SEED, NOW, DIMENSION);
    assert_eq!(items.len(), CATALOGUE_ITEMS);
    let topics = counts(items.iter().map(main_topic));
    assert_eq!(topics.len(), 12);
    assert!(topics.values().all(|n| *n >= 100), "{topics:?}");
    let creators = counts(items.iter().filter_map(|i| i.creator.as_ref()).map(|c| &*c.id));
    let (most, least) = (creators.values().max(), creators.values().min());
    assert!(creators.len() == CREATORS && most >= Some(&50) && least <= Some(&4), "{most:?} {least:?}");
    let sources: BTreeSet<_> = items.iter().filter_map(|i| i.source.clone()).collect();
    assert!(sources.len() >= SOURCES * 9 / 10 && super::people::sources().len() == SOURCES, "{}", sources.len());
    let languages = counts(items.iter().filter_map(|i| i.language.as_deref()));
    assert!(languages.len() == 4 && languages["en"] > CATALOGUE_ITEMS / 2, "{languages:?}");
    assert_eq!(counts(items.iter().filter_map(|i| i.format.as_deref())).len(), 3);
    let expired = items.iter().filter(|i| i.expires_at.is_some_and(|at| at <= NOW)).count();
    assert_eq!(expired, CATALOGUE_ITEMS / 100);
}

#[test]
fn no_title_id_or_address_comes_twice() {
    for seed in 0..5 {
        let items = catalogue(seed, NOW, 1);
        for values in [
            items.iter().map(|i| i.title.clone()).collect::<BTreeSet<_>>(),
            items.iter().map(|i| i.id.to_string()).collect(),
            items.iter().filter_map(|i| i.url.clone()).collect(),
        ] {
            assert_eq!(values.len(), items.len());
        }
        assert!(items.iter().all(|i| !i.title.contains(['{', '}', '('])), "a template ran dry");
    }
}

#[test]
fn every_item_passes_the_wire_form() {
    for demo in catalogue(SEED, NOW, DIMENSION) {
        let value = serde_json::to_value(ItemForm::from(&demo)).expect("JSON");
        assert_eq!(item::read(&value, DIMENSION), Ok(demo));
    }
}

#[test]
fn ages_reach_from_minutes_to_months_and_lean_to_now() {
    let items = catalogue(SEED, NOW, 1);
    let ages: Vec<i64> = items.iter().filter_map(|i| i.published_at).map(|at| NOW.0 - at.0).collect();
    assert!(ages.iter().all(|age| (0..=Span::days(120).as_millis()).contains(age)));
    let within = |span: Span| ages.iter().filter(|age| **age <= span.as_millis()).count();
    assert!(within(Span::hours(1)) >= 20, "{}", within(Span::hours(1)));
    assert!(within(Span::days(15)) > ages.len() * 2 / 5);
    assert!(within(Span::days(60)) < ages.len());
}

#[test]
fn viewpoints_stand_on_civic_topics_only() {
    let items = catalogue(SEED, NOW, 1);
    let civic = ["politics", "economy", "environment", "education", "world"];
    for item in &items {
        assert_eq!(item.viewpoint.is_some(), civic.contains(&main_topic(item)), "{item:?}");
    }
    let viewpoints = counts(items.iter().filter_map(|i| i.viewpoint.as_deref()));
    assert_eq!(viewpoints.keys().copied().collect::<Vec<_>>(), ["center", "left", "right"]);
    assert!(viewpoints.values().all(|n| *n > 150), "{viewpoints:?}");
}

fn read_by<'a>(items: &'a [Item], events: &[Event]) -> Vec<&'a Item> {
    let by_id: HashMap<&str, &Item> = items.iter().map(|i| (i.id.as_str(), i)).collect();
    events.iter().filter(|e| e.kind == EventKind::Open).map(|e| by_id[e.item.as_str()]).collect()
}

#[test]
fn personas_are_who_they_say() {
    let items = catalogue(SEED, NOW, 1);
    let people = personas(SEED, NOW, &items);
    assert_eq!(people.iter().map(|p| p.user.as_str()).collect::<Vec<_>>(), ["ana", "ben", "chloe", "dmitri", "emi", "farid"]);
    let [ana, ben, chloe, dmitri, emi, farid] = &people[..] else { panic!("six") };
    let topics = |person: &Persona| {
        let read = read_by(&items, &person.events);
        counts(read.iter().map(|i| main_topic(i))).into_iter().map(|(t, n)| (t.to_owned(), n)).collect::<BTreeMap<_, _>>()
    };
    assert!(topics(ana)["politics"] >= 30, "{:?}", topics(ana));
    let sides = read_by(&items, &ana.events);
    let sides = counts(sides.iter().filter_map(|i| i.viewpoint.as_deref()));
    assert!(sides["left"] >= 26 && sides.get("right").is_none_or(|n| *n <= 2), "{sides:?}");
    assert!(topics(ben)["sport"] > topics(ben)["food"]);
    assert!(ben.events.iter().any(|e| e.kind == EventKind::LessLike && e.scope == Scope::Topic));
    assert_eq!(chloe.events.iter().filter(|e| e.kind == EventKind::Follow).count(), 3);
    assert!(topics(dmitri).len() >= 10, "{:?}", topics(dmitri));
    assert!(emi.events.iter().any(|e| e.kind == EventKind::Hide && e.scope == Scope::Creator));
    assert_eq!(counts(read_by(&items, &emi.events).iter().filter_map(|i| i.language.as_deref())).len(), 4);
    assert_eq!(farid.events.len(), 3);
}

#[test]
fn histories_are_in_order_within_the_month_and_after_publication() {
    let items = catalogue(SEED, NOW, 1);
    let published: HashMap<&str, Time> = items.iter().filter_map(|i| Some((i.id.as_str(), i.published_at?))).collect();
    for person in personas(SEED, NOW, &items) {
        assert!(person.events.is_sorted_by_key(|e| e.at), "{}", person.name);
        let ids: BTreeSet<&str> = person.events.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids.len(), person.events.len());
        for event in &person.events {
            assert!(event.at <= NOW && event.at >= NOW.minus(Span::days(30)), "{event:?}");
            assert!(event.at > published[event.item.as_str()], "{event:?}");
            assert_eq!(event.user, person.user);
        }
    }
}

#[test]
fn the_background_has_hits_and_a_tail() {
    let items = catalogue(SEED, NOW, 1);
    let deltas = background(SEED, NOW, &items);
    let published: HashMap<&str, Time> = items.iter().filter_map(|i| Some((i.id.as_str(), i.published_at?))).collect();
    assert!(deltas.iter().all(|d| d.used.weight > 0.0 && d.at <= NOW && d.at >= published[d.item.as_str()]));
    let used = counts(deltas.iter().map(|d| d.item.as_str()));
    assert!(used.len() > 400, "{}", used.len());
    assert!(used.values().max() >= Some(&30), "{:?}", used.values().max());
}
