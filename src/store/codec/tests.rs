//! Every value comes back as it went in; no bytes make a decoder panic; the bytes of version 1 never change.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{
    domain::{
        Creator, Embedding, EmbeddingSpace, FacetValue, FeedId, Item, ItemId, Profile, Scope, Time, UserId,
        feed::{Dials, Owner, Page, Placed, PoolEntry, Relaxed, RelaxedWhy, Slot, StoredFeed},
        profile::{Action, Affinity, Dislike, Exposure, Given, Interest, MAX_IMPRESSIONS, Mode, Mute, MuteTarget, Preferences, Seen},
    },
    store::Popularity,
};

pub(in crate::store) fn plain_item(id: &str) -> Item {
    Item {
        id: ItemId::new(id).unwrap(),
        title: "Title".into(),
        description: None,
        url: None,
        image: None,
        creator: None,
        topics: vec![("science".into(), 0.5)],
        source: None,
        viewpoint: None,
        language: None,
        format: None,
        published_at: None,
        expires_at: None,
        embedding: None,
        attributes: None,
        sponsored: None,
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z{}%: ]{0,12}|\\PC{0,6}"
}

fn facet_value() -> impl Strategy<Value = FacetValue> {
    text().prop_map(FacetValue::from)
}

fn item_id() -> impl Strategy<Value = ItemId> {
    "[a-z}{]{1,8}|\\PC{1,30}".prop_map(|text| ItemId::new(text).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![any::<i64>(), 1_700_000_000_000i64..1_800_000_000_000].prop_map(Time)
}

fn single() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(-0.0), any::<f32>().prop_filter("comparable", |x| !x.is_nan())]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), any::<f64>().prop_filter("comparable", |x| !x.is_nan())]
}

fn halves() -> impl Strategy<Value = Vec<f16>> {
    vec((-1.0f32..1.0).prop_map(f16::from_f32), 0..20)
}

fn space() -> impl Strategy<Value = EmbeddingSpace> {
    select(vec![EmbeddingSpace::Model, EmbeddingSpace::HashedText])
}

fn facet() -> impl Strategy<Value = Facet> {
    select(Facet::ALL.to_vec())
}

prop_compose! {
    fn item()(
        (id, title, description, url, image) in (item_id(), text(), option::of(text()), option::of(text()), option::of(text())),
        creator in option::of((facet_value(), option::of(text()))),
        topics in vec((facet_value(), single()), 0..5),
        (source, viewpoint, language, format) in (option::of(facet_value()), option::of(facet_value()), option::of(facet_value()), option::of(facet_value())),
        (published_at, expires_at) in (option::of(time()), option::of(time())),
        embedding in option::of((space(), halves())),
        attributes in option::of(facet_value()),
    ) -> Item {
        let creator = creator.map(|(id, name)| Creator { id, name });
        let embedding = embedding.map(|(space, values)| Embedding { space, values: values.into() });
        Item { id, title, description, url, image, creator, topics, source, viewpoint, language, format, published_at, expires_at, embedding, attributes, sponsored: None }
    }
}

fn mute_target() -> impl Strategy<Value = MuteTarget> {
    prop_oneof![item_id().prop_map(MuteTarget::Item), (facet(), facet_value()).prop_map(|(f, v)| MuteTarget::Facet(f, v))]
}

prop_compose! {
    fn action()(
        kind in text(), item in item_id(), at in time(), followed in option::of(facet_value()),
        scope in select(vec![Scope::Item, Scope::Topic, Scope::Creator, Scope::Source]),
        added in vec((facet(), facet_value(), single(), single()), 0..3),
        muted in vec(mute_target(), 0..3),
    ) -> Action {
        Action { kind, item, scope, at, added, muted, followed }
    }
}

prop_compose! {
    fn preferences()(
        diversity in option::of(single()),
        topics in vec((facet_value(), single()), 0..4),
        languages in vec(facet_value(), 0..3),
        blocked_keywords in vec(text(), 0..3),
        (source_mix, viewpoint_mix, lifts_caps) in (option::of(single()), option::of(single()), any::<bool>()),
        mode in select(vec![Mode::Profile, Mode::ExplicitOnly, Mode::NoProfile, Mode::Chronological, Mode::ClientProfile]),
    ) -> Preferences {
        let topics = topics.into_iter().collect::<BTreeMap<_, _>>();
        Preferences { diversity, source_mix, viewpoint_mix, topics, languages, blocked_keywords, mode, lifts_caps, ..Preferences::default() }
    }
}

prop_compose! {
    fn profile()(
        as_of in time(),
        affinities in vec((facet(), facet_value(), single(), single()).prop_map(|(facet, value, liking, shown)| Affinity { facet, value, liking, shown }), 0..5),
        dislikes in vec((facet(), facet_value(), single(), time()).prop_map(|(facet, value, weight, at)| Dislike { facet, value, weight, at }), 0..4),
        exposures in vec((facet(), facet_value(), single(), single()).prop_map(|(facet, value, shown, opened)| Exposure { facet, value, shown, opened }), 0..4),
        interests in vec((halves(), space(), single(), item_id()).prop_map(|(vector, space, weight, exemplar)| Interest { vector, space, weight, exemplar }), 0..3),
        seen in vec((any::<u64>(), time(), any::<bool>(), 0..=MAX_IMPRESSIONS, any::<u8>(), any::<u8>()).prop_map(|(item_hash, at, opened, impressions, given, taught)| Seen { item_hash, at, opened, impressions, given, taught }), 0..6),
        mutes in vec((mute_target(), time(), option::of(time())).prop_map(|(target, since, until)| Mute { target, since, until }), 0..4),
        (follows, locked) in (vec(facet_value(), 0..4), vec(facet_value(), 0..3)),
        preferences in preferences(),
        actions in vec(action(), 0..4),
        (events, since, day, weight) in (any::<u64>(), time(), any::<i64>(), single()),
    ) -> Profile {
        let given = Given { day, weight };
        let locked_topics = locked.into_iter().collect();
        Profile { as_of, affinities, dislikes, exposures, interests, seen, mutes, follows, locked_topics, preferences, actions, events, since, given }
    }
}

prop_compose! {
    fn feed()(
        id in "[a-z}]{1,9}",
        user in option::of("[a-z}]{1,9}"),
        (surface, policy_digest, diversity, seed) in (text(), text(), single(), any::<u64>()),
        (created_at, expires_at, source_mix, viewpoint_mix, lifts_caps) in (time(), time(), option::of(single()), option::of(single()), any::<bool>()),
        (topics, exemplars) in (vec(facet_value(), 0..3), vec(item_id(), 0..3)),
        pool in vec((any::<u64>(), single(), prop::array::uniform12(single()), any::<u8>(), option::of(0..u16::MAX), option::of(0..u8::MAX)), 0..6),
    ) -> StoredFeed {
        let dials = Dials { source_mix, viewpoint_mix, lifts_caps };
        let owner = user.map_or(Owner::Nobody, |user| Owner::User(UserId::new(user).unwrap()));
        let entry = |(item_hash, relevance, contributions, sources, topic, interest)| PoolEntry { item_hash, relevance, contributions, sources, topic, interest };
        let (id, pool) = (FeedId::new(id).unwrap(), pool.into_iter().map(entry).collect());
        StoredFeed { id, owner, surface, policy_digest, diversity, dials, seed, created_at, expires_at, topics, exemplars, pool }
    }
}

prop_compose! {
    fn page()(
        placed in vec((item_id(), any::<u32>(), any::<[bool; 2]>(), double(), single(), single(), option::of(any::<u8>())), 0..6),
        relaxed in vec((any::<u8>(), any::<u32>(), select(RelaxedWhy::ALL.to_vec())), 0..3),
        has_next in any::<bool>(),
    ) -> Page {
        let placed = placed.into_iter().map(|(item, pool_index, [explored, is_like_exemplar], propensity, max_similarity, objective, bound_by)| {
            let slot = if explored { Slot::Exploration } else { Slot::Ranked };
            Placed { item, pool_index, is_like_exemplar, slot, propensity, max_similarity, objective, bound_by }
        });
        let relaxed = relaxed.into_iter().map(|(constraint, position, why)| Relaxed { constraint, position, why });
        Page { placed: placed.collect(), relaxed: relaxed.collect(), has_next, sponsored: Vec::new(), draws: Vec::new() }
    }
}

/// Runs every decoder: whatever the bytes, an answer and no panic.
fn decode_as_anything(bytes: &[u8]) {
    let outcomes = [
        item::decode(bytes).err(),
        profile::decode(bytes).err(),
        feed::decode(bytes).err(),
        feed::decode_page(bytes).err(),
        popularity::decode(bytes).err(),
        feed::decode_record(bytes, [bytes]).err(),
    ];
    for error in outcomes.into_iter().flatten() {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn an_item_comes_back(item in item()) {
        prop_assert_eq!(item::decode(&item::encode(&item).unwrap()).unwrap(), item);
    }

    #[test]
    fn a_profile_comes_back(profile in profile()) {
        prop_assert_eq!(profile::decode(&profile::encode(&profile).unwrap()).unwrap(), profile);
    }

    #[test]
    fn a_feed_comes_back(feed in feed(), page in page()) {
        prop_assert_eq!(feed::decode(&feed::encode(&feed).unwrap()).unwrap(), feed);
        prop_assert_eq!(feed::decode_page(&feed::encode_page(&page).unwrap()).unwrap(), page);
    }

    #[test]
    fn a_popularity_comes_back(sums in prop::array::uniform4(double().prop_filter("finite", |x| x.is_finite())), as_of in time()) {
        let [weight, impressions, opens, newcomer_weight] = sums;
        let popularity = Popularity { weight, newcomer_weight, as_of, impressions, opens };
        prop_assert_eq!(popularity::decode(&popularity::encode(&popularity)).unwrap(), popularity);
    }

    #[test]
    fn arbitrary_bytes_are_survived(mut bytes in vec(any::<u8>(), 0..400)) {
        decode_as_anything(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        decode_as_anything(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = 2;
        }
        decode_as_anything(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = 4;
        }
        decode_as_anything(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = 3;
        }
        decode_as_anything(&bytes);
    }

    #[test]
    fn damage_is_survived(profile in profile(), feed in feed(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut bytes in [profile::encode(&profile).unwrap(), feed::encode(&feed).unwrap()] {
            let at = at.index(bytes.len());
            decode_as_anything(&bytes[..at]);
            bytes[at] = byte;
            decode_as_anything(&bytes);
        }
    }

    #[test]
    fn a_cut_or_lengthened_record_is_corrupt(item in item(), at in any::<prop::sample::Index>()) {
        let mut bytes = item::encode(&item).unwrap();
        prop_assert!(item::decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(item::decode(&bytes).is_err());
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = item::encode(&plain_item("a")).unwrap();
    bytes[0] = 9;
    let message = item::decode(&bytes).unwrap_err().to_string();
    assert_eq!(message, "a stored item cannot be read: unknown version 9; this server reads version 1 to 2");
    let message = profile::decode(&[9]).unwrap_err().to_string();
    assert_eq!(message, "a stored profile cannot be read: unknown version 9; this server reads version 1 to 4");
    assert!(profile::decode(&[]).unwrap_err().to_string().contains("no bytes"));
}

#[test]
fn what_is_too_large_is_neither_written_nor_read() {
    let mut item = plain_item("a");
    item.description = Some("x".repeat(MAX_RECORD_BYTES));
    assert!(matches!(item::encode(&item), Err(StoreError::Refused(_))));
    decode_as_anything(&vec![VERSION; MAX_RECORD_BYTES + 1]);
}

fn empty_feed() -> StoredFeed {
    StoredFeed {
        dials: Dials { viewpoint_mix: Some(0.5), ..Dials::default() },
        id: FeedId::new("f").unwrap(),
        owner: Owner::Nobody,
        surface: "home".into(),
        policy_digest: String::new(),
        diversity: 0.5,
        seed: 1,
        created_at: Time(1),
        expires_at: Time(2),
        topics: vec![],
        exemplars: vec![],
        pool: vec![],
    }
}

fn placed(item: &str, pool_index: u32) -> Placed {
    Placed {
        item: ItemId::new(item).unwrap(),
        pool_index,
        is_like_exemplar: true,
        slot: Slot::Ranked,
        propensity: 1.0,
        max_similarity: 0.0,
        objective: 0.5,
        bound_by: Some(1),
    }
}

#[test]
fn a_page_that_names_no_entry_is_corrupt() {
    let page = Page { placed: vec![placed("a", 0)], ..Page::default() };
    let (feed, page) = (feed::encode(&empty_feed()).unwrap(), feed::encode_page(&page).unwrap());
    assert!(feed::decode_record(&feed, []).is_ok());
    assert!(feed::decode_record(&feed, [page.as_slice()]).is_err());
}

#[test]
fn a_full_profile_stays_small() {
    let affinity = |n: usize| Affinity { facet: Facet::Topic, value: format!("topic-{n}").into(), liking: 0.5, shown: 3.0 };
    let exposure = |n: usize| Exposure { facet: Facet::Topic, value: format!("topic-{n}").into(), shown: 0.5, opened: 0.25 };
    let seen = |n: u64| Seen {
        given: 3,
        taught: 128,
        item_hash: u64::MAX - n,
        at: Time(1_790_000_000_000 + n as i64 * 60_000),
        opened: n.is_multiple_of(5),
        impressions: 2,
    };
    let interest = |n: usize| Interest {
        vector: vec![f16::ONE; 384],
        space: EmbeddingSpace::Model,
        weight: 1.0,
        exemplar: ItemId::new(format!("item-{n}")).unwrap(),
    };
    let profile = Profile {
        affinities: (0..256).map(affinity).collect(),
        exposures: (0..256).map(exposure).collect(),
        interests: (0..8).map(interest).collect(),
        seen: (0..1_024).map(seen).collect(),
        ..Profile::default()
    };
    let bytes = profile::encode(&profile).unwrap().len();
    assert!(bytes < 32 * 1024, "{bytes} bytes");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The encoding of each version, byte for byte. If this fails, the change needs a new version instead.
#[test]
fn every_version_is_fixed() {
    let item = hex(&item::encode(&plain_item("a")).unwrap());
    assert_eq!(item, "010161055469746c65000000000107736369656e63650000003f0000000000000000");
    let profile = Profile {
        as_of: Time(1),
        dislikes: vec![Dislike { facet: Facet::Source, value: "s".into(), weight: 1.0, at: Time(4) }],
        exposures: vec![Exposure { facet: Facet::Viewpoint, value: "v".into(), shown: 1.0, opened: 0.0 }],
        seen: vec![Seen { item_hash: 1, at: Time(2), opened: true, impressions: 3, given: 2, taught: 32 }],
        mutes: vec![Mute { target: MuteTarget::Facet(Facet::Format, "v".into()), since: Time(3), until: Some(Time(5)) }],
        locked_topics: ["a".into()].into(),
        preferences: Preferences { blocked_keywords: vec!["k".into()], source_mix: Some(0.5), ..Preferences::default() },
        since: Time(-1),
        given: Given { day: 1, weight: 1.0 },
        ..Profile::default()
    };
    assert_eq!(
        hex(&profile::encode(&profile).unwrap()),
        "040200010201730000803f08010301760000803f00000101000000000000000407_02_20_01010501760601_0a_00_01_0161_00_01_0000003f_00_00_00_01_016b_00_00_00_00_00_00_00_01_02_0000803f"
            .replace('_', "")
    );
    let popularity =
        hex(&popularity::encode(&Popularity { weight: 1.0, newcomer_weight: 2.0, as_of: Time(-2), impressions: 2.0, opens: 0.5 }));
    assert_eq!(popularity, "03000000000000f03ffeffffffffffffff0000000000000040000000000000e03f0000000000000040");
    let entry = PoolEntry {
        item_hash: 0x0807_0605_0403_0201,
        relevance: 1.0,
        contributions: std::array::from_fn(|feature| if feature == 11 { -1.0 } else { 0.0 }),
        sources: 1,
        topic: None,
        interest: None,
    };
    assert_eq!(
        hex(&feed::encode(&StoredFeed { pool: vec![entry], ..empty_feed() }).unwrap()),
        "04016600_04686f6d65_00_0000003f_0100000000000000_0204_0000_01_8010_14_0102030405060708_0000803f_01_ffff_ff_000080bf_00_01_0000003f_00"
            .replace("_", "")
    );
}

/// Bytes that version 3 wrote are read: it knew nothing of what was given, and who was there is no newcomer.
#[test]
fn version_3_of_a_profile_is_read() {
    let bytes = "030200010201730000803f08010301760000803f0000010100000000000000040701010501760601_0a_00_01_0161_00_00_00_01_016b_00_00_00";
    let profile = profile::decode(&unhex(&bytes.replace('_', ""))).unwrap();
    assert_eq!(profile.seen, [Seen { item_hash: 1, at: Time(2), opened: true, impressions: 3, given: 0, taught: 0 }]);
    assert_eq!((profile.preferences.blocked_keywords, profile.since, profile.given), (vec!["k".into()], Time(0), Given::default()));
    let popularity = popularity::decode(&unhex("02000000000000f03ffeffffffffffffff0000000000000040000000000000e03f")).unwrap();
    assert_eq!(popularity, Popularity { weight: 1.0, as_of: Time(-2), impressions: 2.0, opens: 0.5, ..Popularity::default() });
}

/// Bytes that version 2 wrote are read: its mutes had no end.
#[test]
fn version_2_of_a_profile_is_read() {
    let bytes = unhex("020200010201730000803f08010301760000803f0000010100000000000000040701010501760600000000000000");
    let profile = profile::decode(&bytes).unwrap();
    assert_eq!(profile.seen, [Seen { item_hash: 1, at: Time(2), opened: true, impressions: 3, given: 0, taught: 0 }]);
    assert_eq!(profile.mutes, [Mute { target: MuteTarget::Facet(Facet::Format, "v".into()), since: Time(3), until: None }]);
    assert!(profile.locked_topics.is_empty() && profile.preferences == Preferences::default());
}

/// Bytes that version 1 wrote are read: its dislikes stood with the affinities, as of the profile's time.
#[test]
fn version_1_is_read() {
    let profile = profile::decode(&unhex("01020000010100000000000000040101010501760600000000000000")).unwrap();
    assert_eq!(profile.seen, [Seen { item_hash: 1, at: Time(2), opened: true, impressions: 0, given: 0, taught: 0 }]);
    assert_eq!(profile.mutes, [Mute { target: MuteTarget::Facet(Facet::Format, "v".into()), since: Time(3), until: None }]);
    // Two affinities: topic `a`, liking 1, dislike 2; topic `b`, liking 0, dislike 1.
    let old = profile::decode(&unhex("0102020001610000803f010000004000016200000000010000803f00000000000000000000")).unwrap();
    assert_eq!(old.affinities, [Affinity { facet: Facet::Topic, value: "a".into(), liking: 1.0, shown: 0.0 }]);
    let dislike = |value: &str, weight| Dislike { facet: Facet::Topic, value: value.into(), weight, at: Time(1) };
    assert_eq!(old.dislikes, [dislike("a", 2.0), dislike("b", 1.0)]);
    let popularity = popularity::decode(&unhex("01000000000000f03ffeffffffffffffff")).unwrap();
    assert_eq!(popularity, Popularity { weight: 1.0, as_of: Time(-2), ..Popularity::default() });
    let feed = feed::decode(&unhex("0101660004686f6d65000000003f0100000000000000020400000101610000803f8001000080bf010000")).unwrap();
    assert_eq!(feed.pool[0].contributions, std::array::from_fn(|feature| if feature == 7 { -1.0 } else { 0.0 }));
}

/// Pages of versions 1 and 2 are read with their feed, which has the ids; version 3 is fixed.
#[test]
fn pages_of_every_version_are_read() {
    let page = |why| Page {
        placed: vec![placed("a", 0)],
        relaxed: vec![Relaxed { constraint: 1, position: 300, why }],
        has_next: true,
        sponsored: vec![],
        draws: vec![],
    };
    let feed_v2 = unhex(
        "02016600_04686f6d65_00_0000003f_0100000000000000_0204_0000_01_0161_0000803f_8010_01000080bf_010000".replace('_', "").as_str(),
    );
    let read = |bytes: &[u8]| feed::decode_record(&feed_v2, [bytes]).unwrap().pages.remove(0);
    let first = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 1, 1, 1, 1, 0xac, 2, 1];
    assert_eq!(read(&first), page(RelaxedWhy::Budget));
    assert!(feed::decode_page(&first).is_err());
    for (number, why) in RelaxedWhy::ALL.into_iter().enumerate() {
        let number = number as u8;
        assert_eq!(read(&[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 1, 1, 1, 1, 0xac, 2, number, 1]), page(why));
        let new = [3, 1, 1, b'a', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 1, 1, 1, 1, 0xac, 2, number, 1];
        assert_eq!(feed::encode_page(&page(why)).unwrap(), new);
        assert_eq!(feed::decode_page(&new).unwrap(), page(why));
    }
    assert!(feed::decode_page(&[5, 0, 0, 0]).unwrap_err().to_string().contains("unknown version 5"));
}
