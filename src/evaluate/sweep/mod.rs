//! Sweeps: one or several knobs turned through their values on one replay, and what each setting gives and costs.

pub mod front;
pub mod picture;
pub mod turn;

pub use front::Point;
pub use picture::Picture;
pub use turn::{Setting, Turn, settings, values};

use serde::Serialize;

use super::{Measure, Measured};
use crate::{domain::policy::Guardrails, rank::metrics::SlateMetrics};

/// Which settings may be chosen. Those that break a bound are drawn and no choice: they are not on the front.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// What no policy may break.
    pub guardrails: Guardrails,
    /// Least relevance kept that somebody would choose, in [0, 1]: where turning the dial further is out of the question
    /// although nothing is broken yet.
    pub relevance_floor: f64,
}

impl Bounds {
    /// Whether a setting with these means may be chosen.
    pub fn hold(&self, means: &SlateMetrics) -> bool {
        let Guardrails { relevance_kept_min, ild_min, topic_entropy_min, exploration_share_max } = self.guardrails;
        means.relevance_kept >= self.relevance_floor.max(f64::from(relevance_kept_min))
            && means.ild >= f64::from(ild_min)
            && means.topic_entropy >= f64::from(topic_entropy_min)
            // A share of single precision may be written as a hair less than it is.
            && means.exploration_share <= f64::from(exploration_share_max) + 1e-6
    }
}

/// A number of single precision as somebody wrote it: 0.85, not 0.850000023841858.
pub fn as_written(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// What the settings of a sweep look like against each other. Indices are places in the list that was judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judgement {
    /// Settings within the bounds.
    pub admissible: Vec<usize>,
    /// The Pareto front of the admissible ones, by rising diversity.
    pub front: Vec<usize>,
    /// Of each on the front, how far it bulges ([`front::bulges`]).
    pub bulges: Vec<f64>,
    /// Its knee.
    pub knee: Option<usize>,
    /// The front and the knee there would be without bounds.
    pub front_of_all: Vec<usize>,
    pub knee_of_all: Option<usize>,
}

impl Judgement {
    /// Judges settings by intra-list diversity and `relevance`, one of the measures of it.
    pub fn new(measured: &[Measured], relevance: Measure, bounds: &Bounds) -> Self {
        let points: Vec<Point> = measured.iter().map(|measured| point(measured, relevance)).collect();
        Self::of(&points, |n| bounds.hold(&means(&measured[n])))
    }

    /// Judges points on the plane; `is_admissible` says of each by its place whether it may be chosen.
    pub fn of(points: &[Point], is_admissible: impl Fn(usize) -> bool) -> Self {
        let admissible: Vec<usize> = (0..points.len()).filter(|n| is_admissible(*n)).collect();
        let chosen = |among: &[usize]| {
            let candidates: Vec<Point> = among.iter().map(|n| points[*n]).collect();
            let on_front: Vec<usize> = front::front(&candidates).into_iter().map(|n| among[n]).collect();
            let line: Vec<Point> = on_front.iter().map(|n| points[*n]).collect();
            let knee = front::knee(&line).map(|n| on_front[n]);
            (on_front, front::bulges(&line), knee)
        };
        let (front, bulges, knee) = chosen(&admissible);
        let (front_of_all, _, knee_of_all) = chosen(&(0..points.len()).collect::<Vec<_>>());
        Self { admissible, front, bulges, knee, front_of_all, knee_of_all }
    }
}

/// What bounds look at.
fn means(measured: &Measured) -> SlateMetrics {
    let value = |measure| measured.value(measure).value;
    SlateMetrics {
        ild: value(Measure::Ild),
        topics: value(Measure::Topics).round() as usize,
        topic_entropy: value(Measure::TopicEntropy),
        exploration_share: value(Measure::ExplorationShare),
        relevance_kept: value(Measure::RelevanceKept),
    }
}

/// Where a policy is on the plane of diversity and relevance.
fn point(measured: &Measured, relevance: Measure) -> Point {
    Point { diversity: measured.value(Measure::Ild).value, relevance: measured.value(relevance).value }
}
