//! Outcomes of units as means per arm and differences to the control.

use serde::Serialize;

use super::{
    ALPHA, MISMATCH_P,
    units::{PAGES, SIGNALS, Unit, Units},
};
use crate::{
    domain::Time,
    policy::{Experiment, PolicySet, UnitKind, serving::HOLDOUT_ARM},
    stats::{Interval, MismatchTest, Moments, difference, mean},
};

/// What an experiment shows as of some time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Results {
    pub experiment: String,
    /// Outcomes under another allocation (weights, arms' policies, slice) are not in here.
    pub allocation: String,
    pub unit: UnitKind,
    /// Chance that an interval holds, at all times together.
    pub confidence: f64,
    /// The first is the control.
    pub arms: Vec<ArmResults>,
    /// Those whom no experiment of the layer reaches, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<ArmResults>,
    pub mismatch: Mismatch,
    /// Units that are not counted: in two arms, or exposed under another allocation before.
    pub mixed_units: u64,
    /// Units past the limit of what is followed.
    pub left_out_units: u64,
}

/// One arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmResults {
    pub arm: String,
    /// Of its policy; absent for the holdout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// 0 for the holdout.
    pub weight: f64,
    pub exposed_units: u64,
    /// Of these, those whose window is over: only they have an outcome.
    pub complete_units: u64,
    pub measures: Vec<Measured>,
}

/// One measure of one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub measure: &'static str,
    pub units: u64,
    pub mean: f64,
    /// Absent while there are too few units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// Against the control; absent for the control itself, and while there are too few units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Compared>,
}

/// The arm's mean less the control's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
    /// The interval leaves out 0.
    pub is_different: bool,
}

/// Whether units came into arms in the shares they were meant to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// Small when they did not; holds at any time.
    pub p_value: f64,
    /// Nothing else here is to be believed.
    pub is_suspicious: bool,
}

pub(super) fn of(experiment: &Experiment, own: &PolicySet, units: &Units<'_>, now: Time) -> Results {
    let mut by_arm: Vec<Vec<&Unit>> = vec![Vec::new(); experiment.arms.len() + 1];
    let (mut mixed, holdout) = (0, experiment.arms.len());
    for unit in &units.all {
        if unit.is_mixed {
            mixed += 1;
        } else if let Some(of_arm) = by_arm.get_mut(unit.arm.unwrap_or(holdout)) {
            of_arm.push(unit);
        }
    }
    let complete = |unit: &&&Unit| now.0.saturating_sub(unit.first) >= experiment.outcome_window.as_millis();
    let counted = |of_arm: &Vec<&Unit>| -> (u64, u64, Vec<Moments>) {
        let done: Vec<&&Unit> = of_arm.iter().filter(complete).collect();
        let mut moments = vec![Moments::default(); SIGNALS.len() + PAGES.len()];
        for unit in &done {
            for (moments, value) in moments.iter_mut().zip(unit.outcome()) {
                moments.add(value.unwrap_or(f64::NAN));
            }
        }
        (of_arm.len() as u64, done.len() as u64, moments)
    };
    let counts: Vec<_> = by_arm.iter().map(counted).collect();
    let control = counts.first().map(|(.., moments)| moments.as_slice()).unwrap_or_default();
    let arms = experiment.arms.iter().zip(&counts).enumerate().map(|(index, (arm, counts))| {
        let set = arm.other.as_deref().unwrap_or(own);
        let measures = measured(&counts.2, (index > 0).then_some(control));
        arm_results(&arm.name, Some(set), arm.weight, counts, measures)
    });
    let held_out = counts.get(holdout).filter(|(exposed, ..)| *exposed > 0);
    Results {
        experiment: experiment.id.clone(),
        allocation: experiment.allocation(own),
        unit: experiment.unit,
        confidence: 1.0 - ALPHA,
        arms: arms.collect(),
        holdout: held_out.map(|counts| arm_results(HOLDOUT_ARM, None, 0.0, counts, measured(&counts.2, Some(control)))),
        mismatch: mismatch(experiment, counts.iter().map(|(exposed, ..)| *exposed)),
        mixed_units: mixed,
        left_out_units: units.left_out,
    }
}

fn arm_results(arm: &str, set: Option<&PolicySet>, weight: f64, counts: &(u64, u64, Vec<Moments>), measures: Vec<Measured>) -> ArmResults {
    ArmResults {
        arm: arm.to_owned(),
        policy: set.map(|set| set.id.clone()),
        version: set.map(|set| set.version),
        weight,
        exposed_units: counts.0,
        complete_units: counts.1,
        measures,
    }
}

fn measured(of: &[Moments], control: Option<&[Moments]>) -> Vec<Measured> {
    let names = SIGNALS.iter().map(|(name, _)| *name).chain(PAGES);
    let one = |(index, (measure, moments)): (usize, (&'static str, &Moments))| {
        let interval = mean(moments, ALPHA);
        let compared = control.and_then(|control| control.get(index)).and_then(|control| {
            let Interval { lower, upper } = difference(moments, control, ALPHA)?;
            let is_different = !(lower..=upper).contains(&0.0);
            Some(Compared { estimate: moments.mean() - control.mean(), lower, upper, is_different })
        });
        Measured {
            measure,
            units: moments.count(),
            mean: moments.mean(),
            lower: interval.map(|interval| interval.lower),
            upper: interval.map(|interval| interval.upper),
            difference: compared,
        }
    };
    names.zip(of).enumerate().map(one).collect()
}

/// Arms without weight get nobody, and are not in it.
fn mismatch(experiment: &Experiment, exposed: impl Iterator<Item = u64>) -> Mismatch {
    let weighty = experiment.arms.iter().zip(exposed).filter(|(arm, _)| arm.weight > 0.0);
    let (weights, counts): (Vec<f64>, Vec<u64>) = weighty.map(|(arm, count)| (arm.weight, count)).unzip();
    let p_value = MismatchTest::new(&weights).p_value(&counts);
    Mismatch { p_value, is_suspicious: p_value < MISMATCH_P }
}
