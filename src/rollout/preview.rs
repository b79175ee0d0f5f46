//! What a policy would serve, before anybody gets it: pages for made-up readers, against those of the policy in force.

use std::time::Duration;

use super::entry::{Means, Tried};
use crate::{
    feed::{FeedError, FeedService, supply::Sampled, verdict},
    policy::{Findings, PolicySet},
};

/// Made-up readers per surface and policy.
const READERS: usize = 40;
/// After this no further readers are made up, for each of the two.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What was tried, and what the pages say against the policy.
pub struct Preview {
    pub tried: Vec<Tried>,
    pub findings: Findings,
}

/// Pages under `before` and `after`. Errors: an empty catalogue.
pub async fn preview(feed: &FeedService, before: &PolicySet, after: &PolicySet) -> Result<Preview, FeedError> {
    let old = feed.sample(before, READERS, TIME_MAX).await?;
    let new = feed.sample(after, READERS, TIME_MAX).await?;
    let tried = new.iter().filter_map(|after| {
        let before = old.iter().find(|before| before.surface == after.surface)?;
        Some(Tried { surface: after.surface.clone(), readers: after.pages, before: means(before), after: means(after) })
    });
    Ok(Preview { tried: tried.collect(), findings: verdict::findings(after, &new, None) })
}

fn means(sampled: &Sampled) -> Means {
    let of = &sampled.metrics;
    let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
    Means {
        relevance_kept: rounded(of.relevance_kept),
        ild: rounded(of.ild),
        topic_entropy: rounded(of.topic_entropy),
        exploration_share: rounded(of.exploration_share),
    }
}
