//! The feed in [`crate::domain::profile::Mode::Chronological`]: by `published_at`, newest first, and by nothing else.

use std::{
    cmp::Reverse,
    sync::{Arc, LazyLock},
};

use crate::{
    catalogue::{Row, Snapshot},
    domain::{
        Policy, Time,
        feed::FEATURES,
        policy::{ActivePolicy, Diversify, Explore, Method, Normalize, Score, UserControl, Weights},
    },
    rank::{Context, Feature, Scored, SourceKind, Sources, filter::Rules},
    source::Query,
};

/// What makes such a feed on every surface: relevance is the place in time, and nothing may move an item.
pub static POLICY: LazyLock<Arc<ActivePolicy>> = LazyLock::new(|| {
    let usual = Policy::default();
    // Kept as it stands, relevance is the place, and the place is all there is: so a decision is taken apart as any other.
    let weights = Weights {
        interest: 0.0,
        topic: 0.0,
        creator: 0.0,
        follow: 0.0,
        recency: 1.0,
        popularity: 0.0,
        relevance: 0.0,
        less_like: 0.0,
        repetition: 0.0,
        uncertainty: 0.0,
    };
    let policy = Policy {
        id: "chronological".into(),
        score: Score { normalize: Normalize::None, weights, ..usual.score },
        diversify: Diversify { method: Method::None, diversity: 0.0, ..usual.diversify },
        constraint: Vec::new(),
        explore: Explore { share: 0.0, ..usual.explore },
        user_control: UserControl { diversity_range: [0.0, 0.0] },
        ..usual
    };
    Arc::new(ActivePolicy::new(policy))
});

/// The newest items that may be shown, at most as many as the policy's feed is long. Items of one time are in the order of
/// their hashes, and items without a time come last.
pub(super) fn newest(query: &Query) -> Vec<Scored> {
    let context = query.context();
    let length = context.policy.feed.length as usize;
    let rules = Rules::new(&query.excluded, &context);
    let may_show = |row: &Row| context.snapshot.entry(*row).is_some_and(|entry| rules.check(entry).is_none());
    let mut rows: Vec<Row> = context.snapshot.fresh().filter(may_show).take(length).collect();
    if rows.len() < length {
        // Much of the list of the newest is blocked, or the catalogue is no longer than it.
        rows = newest_of_all(&context, length, may_show);
    }
    let count = rows.len().max(1) as f32;
    let scored = |(place, row): (usize, Row)| {
        let relevance = 1.0 - place as f32 / count;
        let mut contributions = [0.0; FEATURES];
        contributions[Feature::Recency as usize] = relevance;
        Scored { row, sources: Sources::of(SourceKind::Fresh), relevance, contributions, topic: None, interest: None }
    };
    rows.into_iter().enumerate().map(scored).collect()
}

fn newest_of_all(context: &Context<'_>, length: usize, may_show: impl Fn(&Row) -> bool) -> Vec<Row> {
    let snapshot: &Snapshot = context.snapshot;
    let shown = snapshot.iter().filter(|(row, _)| may_show(row));
    let mut all: Vec<(Reverse<Option<Time>>, u64, Row)> =
        shown.map(|(row, entry)| (Reverse(entry.published_at), entry.hash, row)).collect();
    if all.len() > length {
        all.select_nth_unstable(length);
        all.truncate(length);
    }
    all.sort_unstable();
    all.into_iter().map(|(.., row)| row).collect()
}
