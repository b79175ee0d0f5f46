//! What serves whom: the policy of everybody, a canary that some get first, and experiments. One snapshot, swapped whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{Experiment, PolicySet, UnitKind};
use crate::domain::{
    lottery::{Lottery, Unit},
    policy::{ActivePolicy, Surfaces},
};

/// Index of those who get a canary in its lottery.
const CANARY: usize = 1;
/// Indexes of those who get no experiment in a layer's lottery; the experiments follow.
const HOLDOUT: usize = 0;
const REST: usize = 1;
const FIRST_EXPERIMENT: usize = 2;
/// The arm, in the journal, of those a layer's experiments never reach.
pub const HOLDOUT_ARM: &str = "holdout";

/// Who asks, as far as splits may know: nothing of somebody who does not want a profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    pub user: Option<&'a str>,
    pub session: Option<&'a str>,
}

impl Who<'_> {
    fn unit(&self, kind: UnitKind) -> Option<Unit> {
        match kind {
            UnitKind::User => self.user.map(Unit::new),
            UnitKind::Session => self.session.map(Unit::new),
        }
    }
}

/// Somebody is in an experiment in which it matters which arm they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub layer: Arc<str>,
    /// `None`: held out of every experiment of the layer.
    pub experiment: Option<Arc<str>>,
    /// Name of the arm's policy, or [`HOLDOUT_ARM`].
    pub arm: Arc<str>,
    /// [`Experiment::allocation`]; empty for a holdout.
    pub allocation: Arc<str>,
    pub unit: UnitKind,
}

/// Somebody whose feeds tell how a canary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Whether they get the canary, or what all others get.
    pub is_canary: bool,
    pub unit: Unit,
}

/// The policy for one request, and why this one.
#[derive(Clone, Debug)]
pub struct Choice {
    pub policy: Arc<ActivePolicy>,
    pub exposure: Option<Exposure>,
    /// While there is a canary, for whom it could have been.
    pub watched: Option<Watched>,
}

/// A policy that a share of people get before all do.
#[derive(Clone, Debug)]
pub struct Canary {
    pub set: Arc<PolicySet>,
    /// Of people, in (0, 1).
    pub share: f64,
    lottery: Lottery,
}

impl Canary {
    /// The same `salt` and a greater share: those who had it keep it.
    pub fn new(set: Arc<PolicySet>, share: f64, salt: &str) -> Self {
        Self { set, share, lottery: Lottery::new(&format!("canary {salt}"), [("active", 1.0 - share), ("canary", share)]) }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What everybody gets whom nothing else says otherwise.
    pub set: Arc<PolicySet>,
    pub canary: Option<Canary>,
    layers: Vec<Layer>,
    /// Surface to the index of the layer whose experiments act on it.
    acting: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Layer {
    id: Arc<str>,
    unit: UnitKind,
    lottery: Lottery,
    holdout_arm: Arc<str>,
    experiments: Vec<Split>,
}

#[derive(Clone, Debug)]
struct Split {
    id: Arc<str>,
    allocation: Arc<str>,
    lottery: Lottery,
    arms: Vec<Arc<str>>,
    /// Surfaces on which the arm matters, with each arm's policy.
    policies: BTreeMap<String, Vec<Arc<ActivePolicy>>>,
}

impl Serving {
    /// Experiments of `set` run among those who do not get the canary.
    pub fn new(set: Arc<PolicySet>, canary: Option<Canary>) -> Self {
        let mut ids: Vec<&str> = set.experiments.iter().map(|e| e.layer.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let layers: Vec<Layer> = ids.into_iter().map(|id| Layer::new(id, &set)).collect();
        let acting = layers.iter().enumerate().flat_map(|(index, layer)| layer.surfaces().map(move |surface| (surface.clone(), index)));
        let acting = acting.collect();
        Self { set, canary, layers, acting }
    }

    /// The policies that everybody gets whom nothing else says otherwise.
    pub fn surfaces(&self) -> &Surfaces {
        &self.set.surfaces
    }

    /// Whether anybody is served on `surface`.
    pub fn knows(&self, surface: &str) -> bool {
        self.set.surface(surface).is_some() || self.canary.as_ref().is_some_and(|canary| canary.set.surface(surface).is_some())
    }

    /// The policy for a request. `None`: there is no such surface for them. Ids are hashed only where somebody is split.
    pub fn choose(&self, surface: &str, who: Who<'_>) -> Option<Choice> {
        let watched = self.canary.as_ref().and_then(|canary| {
            let unit = who.unit(UnitKind::User).or_else(|| who.unit(UnitKind::Session))?;
            Some(Watched { is_canary: canary.lottery.draw(unit) == CANARY, unit })
        });
        let canary = self.canary.as_ref().filter(|_| watched.is_some_and(|watched| watched.is_canary));
        if let Some(policy) = canary.and_then(|canary| canary.set.surface(surface)) {
            return Some(Choice { policy: Arc::clone(policy), exposure: None, watched });
        }
        let own = self.set.surface(surface)?;
        let (policy, exposure) = match self.acting.get(surface).and_then(|index| self.layers.get(*index)) {
            Some(layer) => layer.choose(surface, own, who),
            None => (own, None),
        };
        Some(Choice { policy: Arc::clone(policy), exposure, watched })
    }

    /// The policy of that digest, if anybody gets it.
    pub fn by_digest(&self, digest: &str) -> Option<&Arc<ActivePolicy>> {
        self.policies().find(|policy| policy.digest == digest)
    }

    /// Every policy that anybody gets, some of them perhaps twice.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<ActivePolicy>> {
        let canary = self.canary.iter().flat_map(|canary| canary.set.surfaces.0.values());
        let splits = self.layers.iter().flat_map(|layer| &layer.experiments);
        self.set.surfaces.0.values().chain(canary).chain(splits.flat_map(|split| split.policies.values().flatten()))
    }
}

impl Layer {
    fn new(id: &str, set: &PolicySet) -> Self {
        let of_layer: Vec<&Experiment> = set.experiments.iter().filter(|e| e.layer == id).collect();
        let holdout = set.holdouts.get(id).copied().unwrap_or(0.0);
        let taken = holdout + of_layer.iter().map(|e| e.share).sum::<f64>();
        let fixed = [("-holdout", holdout), ("-rest", (1.0 - taken).max(0.0))];
        let lottery = Lottery::new(&format!("layer {id}"), fixed.into_iter().chain(of_layer.iter().map(|e| (e.id.as_str(), e.share))));
        Self {
            id: id.into(),
            unit: of_layer.first().map(|e| e.unit).unwrap_or_default(),
            lottery,
            holdout_arm: HOLDOUT_ARM.into(),
            experiments: of_layer.into_iter().map(|e| Split::new(e, set)).collect(),
        }
    }

    /// Those on which it matters who is in which arm.
    fn surfaces(&self) -> impl Iterator<Item = &String> {
        self.experiments.iter().flat_map(|split| split.policies.keys())
    }

    fn choose<'a>(&'a self, surface: &str, own: &'a Arc<ActivePolicy>, who: Who<'_>) -> (&'a Arc<ActivePolicy>, Option<Exposure>) {
        let Some(unit) = who.unit(self.unit) else { return (own, None) };
        let exposure = |experiment, arm: &Arc<str>, allocation| Exposure {
            layer: Arc::clone(&self.id),
            experiment,
            arm: Arc::clone(arm),
            allocation,
            unit: self.unit,
        };
        match self.lottery.draw(unit) {
            HOLDOUT => (own, Some(exposure(None, &self.holdout_arm, Arc::default()))),
            REST => (own, None),
            drawn => {
                let Some(split) = self.experiments.get(drawn - FIRST_EXPERIMENT) else { return (own, None) };
                let Some(policies) = split.policies.get(surface) else { return (own, None) };
                let arm = split.lottery.draw(unit);
                match policies.get(arm).zip(split.arms.get(arm)) {
                    Some((policy, arm)) => (policy, Some(exposure(Some(Arc::clone(&split.id)), arm, Arc::clone(&split.allocation)))),
                    None => (own, None),
                }
            }
        }
    }
}

impl Split {
    fn new(experiment: &Experiment, set: &PolicySet) -> Self {
        let policies = |surface: &String| -> Option<(String, Vec<Arc<ActivePolicy>>)> {
            let of_arms: Option<Vec<_>> = experiment.arms.iter().map(|arm| arm.policy(set, surface).cloned()).collect();
            of_arms.filter(|_| experiment.differs_on(set, surface)).map(|of_arms| (surface.clone(), of_arms))
        };
        Self {
            id: experiment.id.as_str().into(),
            allocation: experiment.allocation(set).into(),
            lottery: Lottery::new(&experiment.salt, experiment.arms.iter().map(|arm| (arm.name.as_str(), arm.weight))),
            arms: experiment.arms.iter().map(|arm| arm.name.as_str().into()).collect(),
            policies: experiment.surfaces.iter().filter_map(policies).collect(),
        }
    }
}
