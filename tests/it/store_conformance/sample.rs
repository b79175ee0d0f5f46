//! Sample records, as full as they come.

use half::f16;
use polyphony::domain::{
    Creator, Embedding, EmbeddingSpace, EventId, Facet, FeedId, Item, ItemId, Profile, Scope, Span, Time, UserId,
    feed::{Dials, Owner, Page, Placed, PoolEntry, Relaxed, RelaxedWhy, Slot, StoredFeed},
    profile::{Action, Affinity, Dislike, Exposure, Given, Interest, Mode, Mute, MuteTarget, Preferences, Seen},
};

/// When the tests take place.
pub const NOW: Time = Time(1_790_000_000_000);

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub fn event(id: &str) -> EventId {
    EventId::new(id).unwrap()
}

pub fn feed_id(id: &str) -> FeedId {
    FeedId::new(id).unwrap()
}

pub fn item_id(id: &str) -> ItemId {
    ItemId::new(id).unwrap()
}

pub fn item(id: &str) -> Item {
    Item {
        id: item_id(id),
        title: format!("Title of {id}"),
        description: Some("Description".into()),
        url: Some("https://example.org/a".into()),
        image: None,
        creator: Some(Creator { id: "crt_1".into(), name: Some("Ann".into()) }),
        topics: vec![("science".into(), 1.0), ("space".into(), 0.25)],
        source: Some("src_1".into()),
        viewpoint: Some("left".into()),
        language: Some("cs".into()),
        format: Some("article".into()),
        published_at: Some(NOW),
        expires_at: None,
        embedding: Some(Embedding { space: EmbeddingSpace::HashedText, values: (0..8).map(|n| f16::from_f32(n as f32 / 8.0)).collect() }),
        attributes: Some(r#"{"a":[1,2,{"b":null}]}"#.into()),
        sponsored: None,
    }
}

pub fn profile(events: u64) -> Profile {
    let added = vec![(Facet::Topic, "science".into(), 0.5, 0.0)];
    Profile {
        as_of: NOW,
        affinities: vec![Affinity { facet: Facet::Topic, value: "science".into(), liking: 1.5, shown: 0.25 }],
        dislikes: vec![Dislike { facet: Facet::Source, value: "src_2".into(), weight: 3.0, at: NOW }],
        exposures: vec![Exposure { facet: Facet::Viewpoint, value: "left".into(), shown: 2.0, opened: 0.5 }],
        interests: vec![Interest {
            vector: vec![f16::ONE, f16::NEG_ONE],
            space: EmbeddingSpace::Model,
            weight: 2.0,
            exemplar: item_id("a"),
        }],
        seen: (0..3)
            .map(|n| Seen {
                item_hash: u64::MAX - n,
                at: Time(NOW.0 + n as i64),
                opened: n == 1,
                impressions: n as u8,
                given: 1,
                taught: n as u8,
            })
            .collect(),
        mutes: vec![Mute { target: MuteTarget::Facet(Facet::Creator, "crt_9".into()), since: NOW, until: Some(Time(NOW.0 + 7)) }],
        follows: vec!["crt_1".into()],
        locked_topics: ["war".into()].into(),
        preferences: Preferences {
            diversity: Some(0.75),
            source_mix: Some(0.25),
            viewpoint_mix: None,
            lifts_caps: true,
            topics: [("sport".into(), -1.0)].into(),
            languages: vec!["cs".into()],
            blocked_keywords: vec!["war games".into()],
            mode: Mode::ExplicitOnly,
            pauses: vec![Span::minutes(20), Span::hours(1)],
            push_categories: vec!["breaking".into()],
            time_zone: Some("Europe/Berlin".into()),
        },
        actions: vec![Action {
            kind: "less_like".into(),
            item: item_id("b"),
            scope: Scope::Topic,
            at: NOW,
            added,
            muted: vec![MuteTarget::Item(item_id("b"))],
            followed: None,
        }],
        events,
        since: Time(NOW.0 - 5),
        given: Given { day: 3, weight: 2.0 },
    }
}

pub fn feed(id: &str, owner: Owner) -> StoredFeed {
    let entry = |n: u32| PoolEntry {
        item_hash: item_id(&format!("item-{n}")).hash64(),
        relevance: 1.0 - n as f32 / 100.0,
        contributions: [0.0, 0.5, 0.0, 0.0, n as f32, 0.0, 0.0, -0.5, 0.0, 0.125, 0.0, -0.25],
        sources: 3,
        topic: Some(0),
        interest: None,
    };
    StoredFeed {
        dials: Dials { source_mix: Some(0.25), viewpoint_mix: None, lifts_caps: true },
        id: feed_id(id),
        owner,
        surface: "home".into(),
        policy_digest: "b3:0123456789abcdef".into(),
        diversity: 0.5,
        seed: u64::MAX,
        created_at: NOW,
        expires_at: Time(NOW.0 + 60_000),
        topics: vec!["science".into()],
        exemplars: vec![item_id("a")],
        pool: (0..100).map(entry).collect(),
    }
}

/// A page of one item, at `pool_index`.
pub fn page(pool_index: u32) -> Page {
    let placed = Placed {
        item: item_id(&format!("item-{pool_index}")),
        pool_index,
        is_like_exemplar: true,
        slot: Slot::Exploration,
        propensity: 0.125,
        max_similarity: 0.5,
        objective: 0.25,
        bound_by: Some(1),
    };
    Page {
        placed: vec![placed],
        relaxed: vec![Relaxed { constraint: 1, position: 0, why: RelaxedWhy::Supply }],
        has_next: true,
        sponsored: vec![],
        draws: vec![],
    }
}
