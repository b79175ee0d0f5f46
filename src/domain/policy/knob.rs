//! Every knob of a policy: what kind of value it takes, within which range, and what turning it trades.
//!
//! The one table behind [`super::Policy::check`], the policy files' checks and their JSON Schema, and `policy explain`.
//! What each knob means stands in `config/policies/balanced.toml`, above its value.

use std::fmt;

use super::{MAX_CONSTRAINTS, MAX_EDITORIAL_VALUES, MAX_PAUSES, MAX_PRIOR_TOPICS, MAX_SENSITIVE_TOPICS, Method, PAUSE_MAX, PAUSE_MIN};
use crate::domain::{
    Facet, Span,
    feed::{MAX_PAGE_ITEMS, MAX_POOL},
};

/// One knob.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// Dotted, below the policy.
    pub key: &'static str,
    pub kind: Kind,
    /// Values most teams stay within; empty where there is nothing to say.
    pub typical: &'static str,
    /// What more of it gives and costs; empty where it trades nothing.
    pub trades: &'static str,
}

/// What a knob takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Number(f32, f32),
    Whole(u32, u32),
    Duration(Span, Span),
    /// One of these names.
    Choice(&'static [&'static str]),
    /// 1 to 64 of a-z, 0-9 and -.
    Id,
    /// `[low, high]` within 0 to 1.
    Range,
    /// `true` or `false`.
    Flag,
    /// At most so many, each later than the one before and within a range.
    Durations(usize, Span, Span),
    /// At most so many texts of 1 to 128 bytes.
    Texts(usize),
    /// At most so many tables; their fields: [`LISTS`].
    List(usize),
}

/// A value that has a size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    Number(f32),
    Whole(u32),
    Duration(Span),
}

impl Kind {
    /// What is expected, where `size` is out of range. Not-a-number is.
    pub fn fault(&self, size: Size) -> Option<String> {
        let within = match (self, size) {
            (Self::Number(low, high), Size::Number(value)) => value >= *low && value <= *high,
            (Self::Whole(low, high), Size::Whole(value)) => value >= *low && value <= *high,
            (Self::Duration(low, high), Size::Duration(value)) => value >= *low && value <= *high,
            _ => false,
        };
        (!within).then(|| self.to_string())
    }
}

impl fmt::Display for Kind {
    /// As it reads after "expected": `0 to 1`, `5m to 3650d`, `"max" or "mean"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(low, high) => write!(f, "{low} to {high}"),
            Self::Whole(low, u32::MAX) => write!(f, "{low} or more"),
            Self::Whole(low, high) => write!(f, "{low} to {high}"),
            Self::Duration(low, high) => write!(f, "{low} to {high}"),
            Self::Choice(names) => f.write_str(&alternatives(names)),
            Self::Id => f.write_str("1 to 64 of a-z, 0-9 and -"),
            Self::Range => f.write_str("[low, high] with 0 ≤ low ≤ high ≤ 1"),
            Self::Flag => f.write_str("true or false"),
            Self::Durations(most, low, high) => write!(f, "at most {most} durations in order, {low} to {high}"),
            Self::Texts(most) => write!(f, "at most {most} texts"),
            Self::List(most) => write!(f, "at most {most} entries"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Whole(value) => value.fmt(f),
            Self::Duration(value) => value.fmt(f),
        }
    }
}

impl From<f32> for Size {
    fn from(value: f32) -> Self {
        Self::Number(value)
    }
}

impl From<u32> for Size {
    fn from(value: u32) -> Self {
        Self::Whole(value)
    }
}

impl From<Span> for Size {
    fn from(value: Span) -> Self {
        Self::Duration(value)
    }
}

/// `"a", "b" or "c"`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("\"{one}\""),
        [first @ .., last] => format!("\"{}\" or \"{last}\"", first.join("\", \"")),
    }
}

/// The knob of that key.
pub fn knob(key: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.key == key)
}

const fn knob_of(key: &'static str, kind: Kind, typical: &'static str, trades: &'static str) -> Knob {
    Knob { key, kind, typical, trades }
}

use Kind::{Choice, Duration, Durations, Flag, Id, List, Number, Range, Texts, Whole};

const SHARE: Kind = Number(0.0, 1.0);
const WEIGHT: Kind = Number(0.0, 5.0);
const HALF_LIFE: Kind = Duration(Span::minutes(5), Span::days(3650));
pub(super) const METHODS: [&str; Method::ALL.len()] = names_of_methods();
pub(super) const FACETS: [&str; Facet::ALL.len()] = names_of_facets();

const fn names_of_methods() -> [&'static str; Method::ALL.len()] {
    let mut names = [""; Method::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Method::ALL[at].name();
        at += 1;
    }
    names
}

const fn names_of_facets() -> [&'static str; Facet::ALL.len()] {
    let mut names = [""; Facet::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Facet::ALL[at].name();
        at += 1;
    }
    names
}

/// In the order of the policy's fields; the guardrails after them.
pub const KNOBS: &[Knob] = &[
    knob_of("id", Id, "", ""),
    knob_of("version", Whole(1, u32::MAX), "", ""),
    knob_of("page_size", Whole(1, MAX_PAGE_ITEMS as u32), "8 to 30", "Longer pages hold more variety and cost time and bytes."),
    knob_of(
        "retrieve.candidates",
        Whole(50, MAX_POOL as u32),
        "300 to 1000",
        "More finds more, the better for diversity, and takes longer to score.",
    ),
    knob_of(
        "retrieve.deadline",
        Duration(Span::millis(5), Span::millis(500)),
        "20ms to 80ms",
        "Longer waits for slow sources; shorter answers sooner with what is there, marked degraded.",
    ),
    knob_of("retrieve.sources.interest", SHARE, "0.3 to 0.6", "More keeps the pool close to what the person already likes."),
    knob_of("retrieve.sources.followed", SHARE, "0.05 to 0.3", "More gives followed creators more room and others less."),
    knob_of("retrieve.sources.trending", SHARE, "0.1 to 0.3", "More shows what everybody uses; the popular get more popular."),
    knob_of("retrieve.sources.fresh", SHARE, "0.1 to 0.3", "More gives new items a start, before anything is known of them."),
    knob_of("retrieve.sources.outside", SHARE, "0.1 to 0.3", "More to explore from; 0 leaves exploration nothing to draw."),
    knob_of(
        "score.normalize",
        Choice(&["percentile", "minmax", "none"]),
        "percentile",
        "percentile makes every other knob mean the same for every reader; the others keep differences of relevance.",
    ),
    knob_of("score.weights.interest", WEIGHT, "0.5 to 1.5", "More follows the person's taste, less opens the feed."),
    knob_of("score.weights.topic", WEIGHT, "0.3 to 1", "More follows the person's topics, less opens the feed."),
    knob_of("score.weights.creator", WEIGHT, "0.1 to 0.5", "More brings familiar creators, less gives others a chance."),
    knob_of("score.weights.follow", WEIGHT, "0.1 to 0.5", "More brings followed creators up."),
    knob_of("score.weights.recency", WEIGHT, "0.1 to 0.5", "More is newer and less well matched."),
    knob_of("score.weights.popularity", WEIGHT, "0 to 0.3", "More is a safe bet for newcomers; above 0.3 the rich get richer."),
    knob_of("score.weights.relevance", WEIGHT, "1", "More trusts the caller's own ranker over what is known here."),
    knob_of("score.weights.less_like", WEIGHT, "0.5 to 2", "More makes \"less like this\" felt sooner and wider."),
    knob_of(
        "score.weights.repetition",
        WEIGHT,
        "0.1 to 0.3",
        "More turns from feed to feed to what was shown less, away from the best match.",
    ),
    knob_of("score.weights.uncertainty", WEIGHT, "0 to 0.1", "More gives new items a start at the price of some misses."),
    knob_of("score.recency_half_life", HALF_LIFE, "6h to 90d", "Shorter is newer; longer lets good old items live."),
    knob_of("score.popularity_half_life", HALF_LIFE, "6h to 7d", "Shorter follows trends faster and forgets them faster."),
    knob_of("score.prior", List(MAX_PRIOR_TOPICS), "0 to 5 topics", "Newcomers get a start in these topics instead of in what is popular."),
    knob_of("diversify.method", Choice(&METHODS), "mmr", "mmr suits most; dpp spans more for more time; none is relevance order."),
    knob_of("diversify.diversity", SHARE, "0.15 to 0.45", "More variety for some relevance: about 2 % of it at 0.35, a third near 1."),
    knob_of(
        "diversify.aggregate",
        Choice(&["max", "mean"]),
        "mean",
        "mean moves smoothly with diversity; max keeps near copies apart and moves in leaps.",
    ),
    knob_of(
        "diversify.window",
        Whole(0, 100),
        "0 or 5 to 20",
        "A short window varies what is seen together and lets topics return; 0 varies the whole feed.",
    ),
    knob_of("diversify.pool", Whole(20, MAX_POOL as u32), "200 to 500", "More reaches further down for variety and takes longer."),
    knob_of("diversify.similarity.topic", SHARE, "0.2 to 0.6", "More spreads topics."),
    knob_of("diversify.similarity.creator", SHARE, "0.1 to 0.3", "More spreads creators."),
    knob_of("diversify.similarity.source", SHARE, "0 to 0.2", "More spreads sources."),
    knob_of("diversify.similarity.viewpoint", SHARE, "0 to 0.3", "More spreads viewpoints; a min_share constraint balances them for less."),
    knob_of("diversify.similarity.language", SHARE, "0 to 0.1", "More mixes languages."),
    knob_of("diversify.similarity.embedding", SHARE, "0.2 to 0.6", "More spreads what items are about beyond their labels."),
    knob_of("diversify.calibrate.facet", Choice(&FACETS), "topic", ""),
    knob_of(
        "diversify.calibrate.toward",
        Choice(&["user_history", "catalogue", "editorial"]),
        "user_history",
        "user_history keeps each reader's own mix, catalogue shows what there is, editorial what you decide.",
    ),
    knob_of("diversify.calibrate.editorial", List(MAX_EDITORIAL_VALUES), "", ""),
    knob_of(
        "diversify.target.metric",
        Choice(&["none", "entropy", "ild", "distinct"]),
        "none",
        "A target gives every reader the same variety for differing relevance.",
    ),
    // 10 bits and 100 topics are the ends for the other metrics: see `Target::check`.
    knob_of("diversify.target.at_least", Number(0.0, 100.0), "", "More variety for some relevance."),
    knob_of("diversify.target.relevance_kept_min", SHARE, "0.8 to 0.95", "Less lets the target be reached more often."),
    knob_of(
        "constraint",
        List(MAX_CONSTRAINTS),
        "1 to 4 rules",
        "Each rule is kept wherever a page can be filled so; every one costs some relevance and some time.",
    ),
    knob_of(
        "explore.share",
        Number(0.0, 0.5),
        "0.05 to 0.15",
        "More lets readers out of their echo and new items in, for less relevant positions.",
    ),
    knob_of(
        "explore.method",
        Choice(&["epsilon", "softmax", "thompson"]),
        "epsilon",
        "epsilon gives the cleanest data for evaluation; thompson costs readers least.",
    ),
    knob_of("explore.epsilon", SHARE, "1", "More is more chance and better data; less is safer."),
    knob_of("explore.temperature", Number(0.01, 10.0), "0.2 to 2", "Higher is nearer to pure chance."),
    knob_of("explore.earliest_position", Whole(0, 100), "2 to 6", "Later keeps the first screen safe and gets less seen."),
    knob_of("explore.max_item_age", Duration(Span::hours(1), Span::FOREVER), "7d to forever", "Shorter keeps chance for new items."),
    knob_of(
        "repeat.seen_cooldown",
        Duration(Span::ZERO, Span::FOREVER),
        "24h to 14d",
        "Longer repeats less and uses up a small catalogue.",
    ),
    knob_of(
        "repeat.opened_cooldown",
        Duration(Span::ZERO, Span::FOREVER),
        "30d to forever",
        "Shorter lets what was opened come back: music yes, news no.",
    ),
    knob_of("repeat.impression_discount", SHARE, "0.5 to 0.9", "Lower gives up sooner on what is passed over."),
    knob_of("repeat.less_like_half_life", Duration(Span::days(1), Span::FOREVER), "14d to 90d", "Longer remembers a dislike longer."),
    knob_of(
        "feed.ttl",
        Duration(Span::minutes(1), Span::hours(24)),
        "15m to 2h",
        "Longer continues older feeds and keeps more in the store.",
    ),
    knob_of("feed.length", Whole(20, MAX_POOL as u32), "200 to 1000", "Longer scrolls further and keeps more in the store."),
    knob_of(
        "session.natural_stop_after_pages",
        Whole(0, MAX_POOL as u32),
        "0 or 5 to 20",
        "Fewer end the feed sooner; the client may go on.",
    ),
    knob_of("session.gap", Duration(Span::minutes(1), Span::hours(24)), "15m to 1h", "Longer counts visits as one that are further apart."),
    knob_of("session.pauses", Durations(MAX_PAUSES, PAUSE_MIN, PAUSE_MAX), "", "More and earlier breaks shorten sessions."),
    knob_of("session.pause_length", Duration(Span::minutes(1), Span::hours(24)), "2m to 15m", "Longer breaks shorten sessions."),
    knob_of("session.limit", Duration(Span::minutes(1), Span::FOREVER), "1h to forever", "Shorter ends sessions sooner."),
    knob_of("session.rest", Duration(Span::minutes(1), Span::days(7)), "1h to 12h", "Longer keeps a limit felt for longer."),
    knob_of("session.dismissible", Flag, "", "false holds everybody to the breaks, true leaves it to them."),
    knob_of("sponsored.max_per_page", Whole(0, 10), "0 to 2", "More sponsored items beside the feed."),
    knob_of("sponsored.first_position", Whole(0, 100), "2 to 6", "Later keeps the first screen free."),
    knob_of("sponsored.every", Whole(1, 100), "6 to 12", "More items between two sponsored ones."),
    knob_of("sponsored.max_per_feed", Whole(1, 10), "1", "More shows the same sponsored item again."),
    knob_of("sponsored.sensitive_topics", Texts(MAX_SENSITIVE_TOPICS), "", "More topics that no sponsored item is chosen by."),
    knob_of("reach.push_per_day", Whole(0, 10), "0 to 2", "More pushes to those who are not there."),
    knob_of("reach.digest_every", Duration(Span::hours(1), Span::days(30)), "20h to 7d", "Longer sends fewer mails."),
    knob_of("reach.quiet_from", Whole(0, 23), "20 to 23", "Earlier leaves evenings free."),
    knob_of("reach.quiet_until", Whole(0, 23), "6 to 9", "Later leaves mornings free."),
    knob_of("reach.fade_after", Duration(Span::days(1), Span::FOREVER), "3d to 14d", "Sooner lets go earlier of those who are away."),
    knob_of("reach.stop_after", Duration(Span::days(1), Span::FOREVER), "14d to 60d", "Sooner lets go for good of those who are away."),
    knob_of("user_control.diversity_range", Range, "[0, 1]", "Narrower takes choice from people."),
    knob_of("guardrails.relevance_kept_min", SHARE, "0.75 to 0.95", "Higher refuses policies that cost more relevance."),
    knob_of("guardrails.ild_min", SHARE, "0.3 to 0.6", "Higher refuses policies that vary less."),
    knob_of("guardrails.topic_entropy_min", Number(0.0, 10.0), "0.3 to 1.5", "Higher refuses policies with fewer topics."),
    knob_of("guardrails.exploration_share_max", SHARE, "0.1 to 0.3", "Lower refuses policies that leave more to chance."),
];

/// A field of the tables of a list.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldKind {
    /// A text of 1 to 128 bytes.
    Text,
    Number(f32, f32),
    Whole(u32, u32),
    Choice(&'static [&'static str]),
    /// 1 to 64 of a-z, 0-9 and -.
    Name,
    Duration(Span, Span),
    /// `[low, high]` within 0 to 1.
    Range,
    /// Names of surfaces.
    Surfaces,
    /// 1 to 64 texts of 1 to 128 bytes.
    Texts,
    /// true or false.
    Flag,
    /// A list of its own, under this name in [`LISTS`].
    List(&'static str),
}

/// A kind of table a list holds: which fields it takes.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The knob; or one of the lists of a file that is no knob of a policy: `experiment`, `layer`.
    pub list: &'static str,
    /// The value of `kind`, for lists whose tables are of several kinds.
    pub tag: Option<&'static str>,
    pub required: &'static [Field],
    pub optional: &'static [Field],
}

const fn field(name: &'static str, kind: FieldKind) -> Field {
    Field { name, kind }
}

const ID: Field = field("id", FieldKind::Name);
const FACET: Field = field("facet", FieldKind::Choice(&FACETS));
const VALUE: Field = field("value", FieldKind::Text);
const PAGE: u32 = MAX_PAGE_ITEMS as u32;
const PER: Field = field("per", FieldKind::Whole(1, PAGE));
const MIN: Field = field("min", FieldKind::Whole(1, PAGE));
const MAX: Field = field("max", FieldKind::Whole(1, PAGE));
const GAP: Field = field("gap", FieldKind::Whole(1, PAGE - 1));
const TOP: Field = field("top", FieldKind::Whole(1, MAX_POOL as u32));
const POSITION: Field = field("position", FieldKind::Whole(0, MAX_POOL as u32 - 1));

/// Every form of every list.
pub const LISTS: &[Form] = &[
    Form {
        list: "score.prior",
        tag: None,
        required: &[field("topic", FieldKind::Text), field("weight", FieldKind::Number(0.0, 1.0))],
        optional: &[],
    },
    Form {
        list: "diversify.calibrate.editorial",
        tag: None,
        required: &[VALUE, field("share", FieldKind::Number(0.0, 1.0))],
        optional: &[],
    },
    Form { list: "constraint", tag: Some("max_share"), required: &[FACET, MAX, PER], optional: &[VALUE, TOP] },
    Form { list: "constraint", tag: Some("min_share"), required: &[FACET, VALUE, MIN, PER], optional: &[TOP] },
    Form { list: "constraint", tag: Some("min_gap"), required: &[FACET, GAP], optional: &[TOP] },
    Form { list: "constraint", tag: Some("min_distinct"), required: &[FACET, MIN, PER], optional: &[TOP] },
    Form { list: "constraint", tag: Some("pin"), required: &[FACET, VALUE, POSITION], optional: &[] },
    Form {
        list: "constraint",
        tag: Some("cap"),
        required: &[field("topics", FieldKind::Texts), MAX, PER],
        optional: &[field("rolling_share", FieldKind::Number(0.0, 1.0)), field("liftable", FieldKind::Flag)],
    },
    Form {
        list: "experiment",
        tag: None,
        required: &[ID, field("arms", FieldKind::List("experiment.arms"))],
        optional: &[
            field("layer", FieldKind::Name),
            field("slice", FieldKind::Range),
            field("unit", FieldKind::Choice(&["user", "session"])),
            field("salt", FieldKind::Text),
            field("surfaces", FieldKind::Surfaces),
            field("outcome_window", FieldKind::Duration(Span::hours(1), Span::days(28))),
        ],
    },
    Form {
        list: "experiment.arms",
        tag: None,
        required: &[field("policy", FieldKind::Name), field("weight", FieldKind::Number(0.0, 1_000.0))],
        optional: &[],
    },
    Form { list: "layer", tag: None, required: &[ID, field("holdout", FieldKind::Number(0.0, 0.5))], optional: &[] },
];
