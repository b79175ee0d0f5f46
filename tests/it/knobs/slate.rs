//! Keys that shape feeds: one key is changed in the policy, and the same person asks the same feed under both.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use polyphony::{
    catalogue::Catalogue,
    clock::ManualClock,
    demo,
    domain::{
        Event, EventId, EventKind, Item, ItemId, Policy, Scope, Span, UserId,
        consent::ConsentDefault,
        item::Sponsored,
        policy::{ActivePolicy, Surfaces},
        session::Session,
    },
    feed::{FeedRequest, FeedService, RerankCandidate, RerankRequest, Served, cursor::Signer},
    follow,
    ingest::{Ingest, Outcome},
    journal::{AdLog, AdLogOptions, Journal},
    rank::SourceKind,
    settings::Settings,
    source::{CandidateSource, Found, Query, SourceError},
    store::{
        StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
};
use toml::{Table, Value};

use crate::support::app::NOW;

const SEED: u64 = 7;
const DIMENSION: usize = 64;
/// How late the late source is: later than the shortest deadline, earlier than the longest.
const LATE: Duration = Duration::from_millis(60);

pub struct Knob {
    pub key: &'static str,
    /// As TOML.
    value: &'static str,
    /// What else is set on both sides, so that the key has something to say: `key = value` lines of the policy.
    with: &'static str,
    ask: Ask,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
enum Ask {
    Feed,
    /// A request that wants much diversity.
    Diverse,
    /// A source answers late.
    Late,
    /// The caller's own candidates.
    Rerank,
    /// Everything from the store on is made with the policy's half-life.
    HalfLife,
    Surface(&'static str),
    /// More of a surface than it shows at once.
    Long(&'static str),
    /// Ten minutes into a session, two after its first page.
    Session,
    /// Nobody asks, beside sponsored items.
    Nobody,
}

const fn knob(key: &'static str, value: &'static str) -> Knob {
    Knob { key, value, with: "", ask: Ask::Feed }
}

const fn with(key: &'static str, value: &'static str, with: &'static str) -> Knob {
    Knob { key, value, with, ask: Ask::Feed }
}

const fn in_session(key: &'static str, value: &'static str, with: &'static str) -> Knob {
    Knob { key, value, with, ask: Ask::Session }
}

const fn ask(key: &'static str, value: &'static str, ask: Ask) -> Knob {
    Knob { key, value, with: "", ask }
}

/// Relevance alone, and one creator's items first: rules have something to do.
const NARROW: &str = "diversify.diversity = 0.0\nscore.weights.follow = 5.0\nretrieve.sources.followed = 1.0\nexplore.share = 0.0";
/// Room for more sponsored items than there are.
const SPONSORED: &str = "sponsored.max_per_page = 4\nsponsored.every = 2";
/// Only the rule at hand.
const GAP_ALONE: &str = "diversify.diversity = 0.0\nscore.weights.follow = 5.0\nretrieve.sources.followed = 1.0\nexplore.share = 0.0
constraint.0.max = 99\nconstraint.0.per = 100";

/// Every key of every kind of constraint that `config/default.toml` shows in words alone: a rule, and the same changed.
const RULES: &[(&str, &str)] = &[
    ("{kind = 'max_share', facet = 'creator', max = 1, per = 20}", "{kind = 'max_share', facet = 'creator', max = 1, per = 20, top = 5}"),
    (
        "{kind = 'max_share', facet = 'topic', max = 2, per = 20}",
        "{kind = 'max_share', facet = 'topic', value = 'science', max = 2, per = 20}",
    ),
    ("{kind = 'min_gap', facet = 'topic', gap = 3}", "{kind = 'min_gap', facet = 'topic', gap = 3, top = 4}"),
    (
        "{kind = 'min_distinct', facet = 'topic', min = 12, per = 20}",
        "{kind = 'min_distinct', facet = 'topic', min = 12, per = 20, top = 20}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_gap', facet = 'language', gap = 1, top = 2}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_share', facet = 'topic', value = 'sport', min = 5, per = 10}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_share', facet = 'source', value = 'science', min = 5, per = 10}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 9, per = 10}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 5}",
    ),
    (
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10}",
        "{kind = 'min_share', facet = 'topic', value = 'science', min = 5, per = 10, top = 10}",
    ),
    ("{kind = 'pin', facet = 'topic', value = 'science', position = 0}", "{kind = 'pin', facet = 'topic', value = 'sport', position = 0}"),
    (
        "{kind = 'pin', facet = 'topic', value = 'science', position = 0}",
        "{kind = 'pin', facet = 'creator', value = 'science', position = 0}",
    ),
    (
        "{kind = 'pin', facet = 'topic', value = 'science', position = 0}",
        "{kind = 'pin', facet = 'topic', value = 'science', position = 1}",
    ),
];

pub const SLATE: &[Knob] = &[
    knob("policy.id", "'other'"),
    knob("policy.version", "2"),
    knob("policy.page_size", "7"),
    knob("policy.retrieve.candidates", "60"),
    ask("policy.retrieve.deadline", "'5ms'", Ask::Late),
    knob("policy.retrieve.sources.interest", "0.0"),
    knob("policy.retrieve.sources.followed", "1.0"),
    knob("policy.retrieve.sources.trending", "1.0"),
    knob("policy.retrieve.sources.fresh", "1.0"),
    knob("policy.retrieve.sources.outside", "1.0"),
    knob("policy.score.normalize", "'minmax'"),
    knob("policy.score.recency_half_life", "'1h'"),
    ask("policy.score.popularity_half_life", "'1h'", Ask::HalfLife),
    knob("policy.score.weights.interest", "0.0"),
    knob("policy.score.weights.topic", "0.0"),
    knob("policy.score.weights.creator", "0.0"),
    knob("policy.score.weights.follow", "0.0"),
    knob("policy.score.weights.recency", "0.0"),
    knob("policy.score.weights.popularity", "0.0"),
    ask("policy.score.weights.relevance", "0.0", Ask::Rerank),
    knob("policy.score.weights.less_like", "0.0"),
    knob("policy.score.weights.repetition", "0.0"),
    knob("policy.score.weights.uncertainty", "2.0"),
    knob("policy.score.prior", "[{topic = 'science', weight = 1.0}]"),
    knob("policy.diversify.method", "'none'"),
    knob("policy.diversify.diversity", "0.9"),
    knob("policy.diversify.aggregate", "'max'"),
    knob("policy.diversify.window", "1"),
    with("policy.diversify.calibrate.facet", "'source'", "diversify.method = 'calibrated'"),
    with("policy.diversify.calibrate.toward", "'catalogue'", "diversify.method = 'calibrated'"),
    with(
        "policy.diversify.calibrate.editorial",
        "[{value = 'science', share = 1.0}]",
        "diversify.method = 'calibrated'\ndiversify.calibrate.toward = 'editorial'",
    ),
    with("policy.diversify.target.metric", "'distinct'", "diversify.target.at_least = 8.0"),
    with("policy.diversify.target.at_least", "14.0", "diversify.target.metric = 'distinct'"),
    with(
        "policy.diversify.target.relevance_kept_min",
        "1.0",
        "diversify.target.metric = 'distinct'\ndiversify.target.at_least = 15.0\ndiversify.target.relevance_kept_min = 0.0",
    ),
    with("policy.diversify.pool", "20", "diversify.diversity = 0.9"),
    // Alone, without the sum of 1 that is held when settings are loaded: the others stay as they are.
    knob("policy.diversify.similarity.topic", "0.0"),
    knob("policy.diversify.similarity.creator", "1.0"),
    knob("policy.diversify.similarity.source", "1.0"),
    knob("policy.diversify.similarity.viewpoint", "1.0"),
    knob("policy.diversify.similarity.language", "1.0"),
    knob("policy.diversify.similarity.embedding", "0.0"),
    with("policy.constraint.0.kind", "'min_distinct'", "constraint = [{kind = 'max_share', facet = 'creator', max = 2, per = 10}]"),
    with("policy.constraint.0.facet", "'language'", NARROW),
    with("policy.constraint.0.max", "1", NARROW),
    with("policy.constraint.0.per", "3", NARROW),
    with("policy.constraint.1.kind", "'min_gap'", NARROW),
    with("policy.constraint.1.facet", "'language'", "diversify.diversity = 0.0\nconstraint.1.min = 12"),
    with("policy.constraint.1.min", "12", "diversify.diversity = 0.0"),
    with("policy.constraint.1.per", "4", "diversify.diversity = 0.0"),
    with("policy.constraint.2.kind", "'max_share'", GAP_ALONE),
    with("policy.constraint.2.facet", "'topic'", GAP_ALONE),
    with("policy.constraint.2.gap", "9", GAP_ALONE),
    knob("policy.explore.share", "0.5"),
    knob("policy.explore.method", "'softmax'"),
    knob("policy.explore.epsilon", "0.0"),
    with("policy.explore.temperature", "0.01", "explore.method = 'softmax'"),
    knob("policy.explore.earliest_position", "15"),
    knob("policy.explore.max_item_age", "'6h'"),
    knob("policy.repeat.seen_cooldown", "'0s'"),
    knob("policy.repeat.opened_cooldown", "'0s'"),
    with("policy.repeat.impression_discount", "0.0", "repeat.seen_cooldown = '0s'"),
    knob("policy.repeat.less_like_half_life", "'1d'"),
    knob("policy.feed.ttl", "'5m'"),
    knob("policy.feed.length", "20"),
    in_session("policy.session.natural_stop_after_pages", "1", ""),
    in_session("policy.session.gap", "'1m'", "session.natural_stop_after_pages = 5"),
    in_session("policy.session.pauses", "['5m']", ""),
    in_session("policy.session.pause_length", "'1m'", "session.pauses = ['5m']"),
    in_session("policy.session.limit", "'5m'", ""),
    in_session("policy.session.rest", "'1h'", "session.limit = '5m'"),
    in_session("policy.session.dismissible", "false", "session.pauses = ['5m']"),
    with("policy.sponsored.max_per_page", "1", SPONSORED),
    with("policy.sponsored.first_position", "9", SPONSORED),
    with("policy.sponsored.every", "5", SPONSORED),
    with("policy.sponsored.max_per_feed", "5", SPONSORED),
    Knob { key: "policy.sponsored.sensitive_topics", value: "[]", with: SPONSORED, ask: Ask::Nobody },
    ask("policy.user_control.diversity_range", "[0.0, 0.1]", Ask::Diverse),
    ask("surface.video.page_size", "3", Ask::Surface("video")),
    ask("surface.video.diversify.diversity", "0.0", Ask::Surface("video")),
    ask("surface.email_digest.page_size", "3", Ask::Surface("email_digest")),
    ask("surface.email_digest.explore.share", "0.5", Ask::Surface("email_digest")),
    ask("surface.email_digest.repeat.seen_cooldown", "'0s'", Ask::Surface("email_digest")),
    ask("surface.push.page_size", "7", Ask::Surface("push")),
    ask("surface.push.explore.share", "0.5", Ask::Long("push")),
    ask("surface.push.repeat.seen_cooldown", "'0s'", Ask::Surface("push")),
];

/// The demo's catalogue and people in a store.
struct World {
    store: Arc<EmbeddedStore>,
    clock: Arc<ManualClock>,
    half_life: Span,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(half_life: Span) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let options = EmbeddedOptions {
            path: folder.path().join("store.redb"),
            store: StoreOptions { popularity_half_life: half_life, ..StoreOptions::default() },
        };
        let store = Arc::new(EmbeddedStore::open(options, clock.clone()).unwrap());
        let world = Self { store, clock, half_life, _folder: folder };
        let items: Vec<Item> = demo::catalogue(SEED, NOW, DIMENSION);
        let ingest = Ingest {
            store: world.store.clone(),
            catalogue: Arc::new(Catalogue::new(DIMENSION, half_life)),
            clock: world.clock.clone(),
            journal: Arc::new(Journal::off()),
            consent: ConsentDefault::Assumed,
            sensitive: Arc::default(),
        };
        let personas = demo::personas(SEED, NOW, &items);
        let background = demo::background(SEED, NOW, &items);
        ingest.put_items(items).await.unwrap();
        let mut one = ingest.catalogue.snapshot().iter().next().map(|(_, entry)| Item::clone(&entry.item)).unwrap();
        (one.topics, one.published_at) = (Vec::new(), None);
        let sponsored = |id: &str, topics: Vec<String>| {
            let topics = topics.into_iter().map(Into::into).collect();
            let sponsored = Sponsored { payer: "Acme".into(), on_behalf_of: None, surfaces: vec![], languages: vec![], topics };
            Item { id: ItemId::new(id).unwrap(), sponsored: Some(sponsored), ..one.clone() }
        };
        let sensitive = Policy::default().sponsored.sensitive_topics;
        ingest.put_items(vec![sponsored("ad_1", vec![]), sponsored("ad_2", vec![]), sponsored("ad_3", sensitive)]).await.unwrap();
        for persona in &personas {
            ingest.learn(&persona.events).await.unwrap();
        }
        ingest.add_popularity(&background).await;
        let first = world.served(&base(""), Ask::Feed).await;
        ingest.learn(&more_of_ana(&first)).await.unwrap().iter().for_each(|outcome| assert_eq!(*outcome, Outcome::Accepted));
        world
    }

    async fn served(&self, policy: &Policy, ask: Ask) -> Served {
        let surfaces = Surfaces([("home".to_owned(), Arc::new(ActivePolicy::new(policy.clone())))].into());
        self.served_by(surfaces, "home", ask).await
    }

    async fn served_by(&self, surfaces: Surfaces, surface: &str, ask: Ask) -> Served {
        let catalogue = Arc::new(Catalogue::new(DIMENSION, self.half_life));
        follow::load(&*self.store, &catalogue).await.unwrap();
        let signer = Arc::new(Signer::new([0; 32]));
        let mut feeds =
            FeedService::new(self.store.clone(), Arc::clone(&catalogue), self.clock.clone(), Arc::new(Journal::off()), signer, surfaces);
        let ads = AdLogOptions { directory: self._folder.path().join("ads"), queue_pages: 10, retention: Span::days(1) };
        feeds.ads = Arc::new(AdLog::open(ads, NOW).unwrap());
        if ask == Ask::Late {
            feeds.sources.push(Box::new(LateSource));
        }
        let request = FeedRequest {
            request_id: "rq_1".into(),
            surface: surface.into(),
            user: (ask != Ask::Nobody).then(|| UserId::new("ana").unwrap()),
            limit: matches!(ask, Ask::Long(_)).then_some(20),
            diversity: (ask == Ask::Diverse).then_some(0.9),
            seed: Some(SEED),
            takes_sponsored: true,
            session_token: (ask == Ask::Session).then(session_token),
            ..FeedRequest::default()
        };
        if ask == Ask::Rerank {
            let snapshot = catalogue.snapshot();
            let candidate = |(n, item): (usize, Item)| RerankCandidate { item, relevance: n as f32 / 100.0 };
            let candidates = snapshot.iter().take(100).map(|(_, entry)| Item::clone(&entry.item)).enumerate().map(candidate).collect();
            return feeds.rerank(RerankRequest { request, candidates }).await.unwrap();
        }
        feeds.serve(&request).await.unwrap()
    }
}

fn session_token() -> String {
    let (begun, served) = (NOW.minus(Span::minutes(10)), NOW.minus(Span::minutes(2)));
    let session = Session { begun, served, pages: 1, pauses: 0, held: None };
    Signer::new([0; 32]).session_token(session, Some(&UserId::new("ana").unwrap()))
}

/// The id of the pool's `n`-th item.
fn id_of(served: &Served, n: usize) -> ItemId {
    let row = served.snapshot.find_hash(served.feed.pool[n].item_hash).unwrap();
    served.snapshot.entry(row).unwrap().item.id.clone()
}

/// Ana sees, opens and follows, and wants less of something.
fn more_of_ana(page: &Served) -> Vec<Event> {
    let event = |n: usize, kind: EventKind, scope: Scope| Event {
        id: EventId::new(format!("more{n}")).unwrap(),
        user: UserId::new("ana").unwrap(),
        kind,
        item: id_of(page, n),
        at: NOW.minus(Span::hours(1)),
        undo: false,
        scope,
        feed: None,
        position: None,
        visible_ms: None,
    };
    let mut events: Vec<Event> = (0..4).map(|n| event(n, EventKind::Seen, Scope::Item)).collect();
    events.extend((4..7).map(|n| event(n, EventKind::Open, Scope::Item)));
    events.extend((8..12).map(|n| event(n, EventKind::Follow, Scope::Item)));
    events.push(event(30, EventKind::LessLike, Scope::Topic));
    events.push(event(31, EventKind::LessLike, Scope::Source));
    events
}

/// A source that takes its time and finds nothing.
struct LateSource;

#[async_trait]
impl CandidateSource for LateSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Trending
    }
    fn applies(&self, _: &Query) -> bool {
        true
    }
    async fn fetch(&self, _: Arc<Query>, _: usize) -> Result<Found, SourceError> {
        tokio::time::sleep(LATE).await;
        Ok(Found::default())
    }
}

fn value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}")).unwrap_or_else(|error| panic!("{text}: {error}"))["value"].clone()
}

fn put(tree: &mut Value, key: &str, new: Value) {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let place = match tree {
        Value::Array(list) => &mut list[first.parse::<usize>().unwrap()],
        Value::Table(table) => table.entry(first).or_insert(Value::Table(Table::new())),
        other => panic!("{key}: {other}"),
    };
    match rest {
        Some(rest) => put(place, rest, new),
        None => *place = new,
    }
}

/// The default policy with these lines; its deadline is long, because a busy machine must not decide what is found.
fn base(lines: &str) -> Policy {
    policy(lines, None)
}

fn policy(lines: &str, changed: Option<(&str, &str)>) -> Policy {
    let mut tree = Value::try_from(Settings::default().policy).unwrap();
    put(&mut tree, "retrieve.deadline", value("'500ms'"));
    for line in lines.lines() {
        let (key, text) = line.split_once(" = ").unwrap();
        put(&mut tree, key, value(text));
    }
    if let Some((key, text)) = changed {
        put(&mut tree, key, value(text));
        if key.starts_with("constraint.") && key.ends_with(".kind") {
            let (place, _) = key.rsplit_once('.').unwrap();
            let rule = match text {
                "'min_gap'" => "{kind = 'min_gap', facet = 'topic', gap = 3}",
                "'max_share'" => "{kind = 'max_share', facet = 'creator', max = 1, per = 20}",
                _ => "{kind = 'min_distinct', facet = 'creator', min = 10, per = 10}",
            };
            put(&mut tree, place, value(rule));
        }
    }
    tree.try_into().unwrap()
}

fn surfaces(key: Option<(&str, &str)>) -> Surfaces {
    let mut settings = Settings { policy: base(""), ..Settings::default() };
    if let Some((key, text)) = key {
        let (surface, key) = key.strip_prefix("surface.").unwrap().split_once('.').unwrap();
        let mut tree = Value::Table(settings.surface[surface].clone());
        put(&mut tree, key, value(text));
        settings.surface.insert(surface.into(), tree.try_into().unwrap());
    }
    settings.surfaces().unwrap()
}

/// What a client or an auditor can see, without what names the settings themselves.
fn fingerprint(served: &Served) -> String {
    let feed = &served.feed;
    let pool: Vec<_> = (0..feed.pool.len()).map(|n| (id_of(served, n), feed.pool[n].relevance)).collect();
    let slate: Vec<_> = served.page.placed.iter().map(|p| (p.item.as_str(), p.slot, p.propensity)).collect();
    let policy = &served.policy.policy;
    let lives = feed.expires_at.since(feed.created_at);
    let (degraded, more) = (&served.degraded, served.next.is_some());
    format!(
        "{} {} {lives} {more} {degraded:?} {:?}\n{slate:?}\n{:?} {:?}\n{pool:?}",
        policy.id, policy.version, served.turn, served.page.relaxed, served.page.sponsored
    )
}

async fn seen(world: &World, knob: &Knob, is_changed: bool) -> String {
    let served = match knob.ask {
        Ask::Surface(name) | Ask::Long(name) => {
            world.served_by(surfaces(is_changed.then_some((knob.key, knob.value))), name, knob.ask).await
        }
        _ => {
            let key = knob.key.strip_prefix("policy.").unwrap();
            world.served(&policy(knob.with, is_changed.then_some((key, knob.value))), knob.ask).await
        }
    };
    fingerprint(&served)
}

#[tokio::test]
async fn every_key_of_the_policy_changes_feeds() {
    let world = World::new(Settings::default().policy.score.popularity_half_life).await;
    let mut idle = Vec::new();
    for knob in SLATE {
        let before = seen(&world, knob, false).await;
        assert_eq!(before, seen(&world, knob, false).await, "{}: the same request answers the same", knob.key);
        let after = match knob.ask {
            Ask::HalfLife => seen(&World::new(Span::hours(1)).await, knob, true).await,
            _ => seen(&world, knob, true).await,
        };
        if before == after {
            idle.push(knob.key);
        }
    }
    assert!(idle.is_empty(), "these keys change nothing: {idle:?}");
}

#[tokio::test]
async fn every_key_of_every_constraint_changes_feeds() {
    let world = World::new(Settings::default().policy.score.popularity_half_life).await;
    let plain = "diversify.diversity = 0.0\nexplore.share = 0.0\npage_size = 40";
    for (rule, changed) in RULES {
        let mut slates = Vec::new();
        for rule in [rule, changed] {
            let policy = policy(plain, Some(("constraint", &format!("[{rule}]"))));
            assert_eq!(policy.check(), [], "{rule}");
            slates.push(fingerprint(&world.served(&policy, Ask::Feed).await));
        }
        assert_ne!(slates[0], slates[1], "{rule} is the same as {changed}");
    }
}
