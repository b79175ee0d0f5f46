//! Raw scores to [0, 1].

use super::Scored;
use crate::domain::policy::Normalize;

/// Equal raw scores get equal relevance under every rule.
pub(super) fn normalise(raw: &mut [(f32, Scored)], rule: Normalize) {
    // A score that is not a number sinks below every number.
    for (score, _) in raw.iter_mut() {
        if !score.is_finite() {
            *score = f32::MIN;
        }
    }
    let (low, high) = raw.iter().fold((f32::MAX, f32::MIN), |(low, high), (score, _)| (low.min(*score), high.max(*score)));
    match rule {
        Normalize::None => raw.iter_mut().for_each(|(score, scored)| scored.relevance = score.clamp(0.0, 1.0)),
        _ if high <= low => raw.iter_mut().for_each(|(_, scored)| scored.relevance = 1.0),
        Normalize::Minmax => raw.iter_mut().for_each(|(score, scored)| scored.relevance = (*score - low) / (high - low)),
        Normalize::Percentile => percentile(raw),
    }
}

/// The best is 1, the worst 0, evenly spaced by rank; ties share their mean rank.
fn percentile(raw: &mut [(f32, Scored)]) {
    let last = (raw.len() - 1) as f32;
    raw.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut from = 0;
    while from < raw.len() {
        let to = raw[from..].iter().take_while(|(score, _)| *score == raw[from].0).count() + from;
        let mean_rank = (from + to - 1) as f32 / 2.0;
        raw[from..to].iter_mut().for_each(|(_, scored)| scored.relevance = mean_rank / last);
        from = to;
    }
}
