//! What serves whom: the policy of everybody, a canary that some get first, and experiments. One snapshot, swapped whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{Experiment, PolicySet, UnitKind};
use crate::domain::{
    lottery::{Lottery, Places, Unit},
    policy::{ActivePolicy, Surfaces},
};

/// Index of those who get a canary in its lottery.
const CANARY: usize = 1;
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
    places: Places,
    /// From here on everybody is held out.
    holdout_from: f64,
    holdout_arm: Arc<str>,
    experiments: Vec<Split>,
}

#[derive(Clone, Debug)]
struct Split {
    id: Arc<str>,
    allocation: Arc<str>,
    slice: [f64; 2],
    lottery: Lottery,
    arms: Vec<Arc<str>>,
    /// Surfaces on which the arm matters, with each arm's policy.
    policies: BTreeMap<String, Vec<Arc<ActivePolicy>>>,
}

impl From<Surfaces> for Serving {
    fn from(surfaces: Surfaces) -> Self {
        PolicySet::of(surfaces).into()
    }
}

impl From<PolicySet> for Serving {
    fn from(set: PolicySet) -> Self {
        Self::new(Arc::new(set), None)
    }
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
        self.by_surface().map(|(_, policy)| policy).find(|policy| policy.digest == digest)
    }

    /// Every policy that anybody gets, with its surface; some of them perhaps twice.
    pub fn by_surface(&self) -> impl Iterator<Item = (&str, &Arc<ActivePolicy>)> {
        let canary = self.canary.iter().flat_map(|canary| &canary.set.surfaces.0);
        let splits = self.layers.iter().flat_map(|layer| &layer.experiments).flat_map(|split| &split.policies);
        let arms = splits.flat_map(|(surface, policies)| policies.iter().map(move |policy| (surface, policy)));
        self.set.surfaces.0.iter().chain(canary).chain(arms).map(|(surface, policy)| (surface.as_str(), policy))
    }
}

impl Layer {
    fn new(id: &str, set: &PolicySet) -> Self {
        let of_layer: Vec<&Experiment> = set.experiments.iter().filter(|e| e.layer == id).collect();
        Self {
            id: id.into(),
            unit: of_layer.first().map(|e| e.unit).unwrap_or_default(),
            places: Places::new(&format!("layer {id}")),
            holdout_from: 1.0 - set.holdouts.get(id).copied().unwrap_or(0.0),
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
        let place = self.places.of(unit);
        if place >= self.holdout_from {
            return (own, Some(exposure(None, &self.holdout_arm, Arc::default())));
        }
        let here = self.experiments.iter().find(|split| split.slice[0] <= place && place < split.slice[1]);
        let acting = here.and_then(|split| {
            let arm = split.lottery.draw(unit);
            let (policy, name) = split.policies.get(surface)?.get(arm).zip(split.arms.get(arm))?;
            Some((policy, Some(exposure(Some(Arc::clone(&split.id)), name, Arc::clone(&split.allocation)))))
        });
        acting.unwrap_or((own, None))
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
            slice: experiment.slice,
            lottery: Lottery::new(&experiment.salt, experiment.arms.iter().map(|arm| (arm.name.as_str(), arm.weight))),
            arms: experiment.arms.iter().map(|arm| arm.name.as_str().into()).collect(),
            policies: experiment.surfaces.iter().filter_map(policies).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Checked, Library, Text, check, load_from};

    const PEOPLE: usize = 4_000;

    fn checked(rest: &str) -> Checked {
        let text = format!("schema = 1\nextends = \"balanced\"\nid = \"mine\"\nversion = 3\n{rest}");
        check(&Text::new("mine.toml", text), &Library::presets())
    }

    fn set(rest: &str) -> Arc<PolicySet> {
        let Checked { set, findings, .. } = checked(rest);
        Arc::new(set.unwrap_or_else(|| panic!("{findings}")))
    }

    fn experiment(id: &str, more: &str) -> String {
        let arms = "arms = [{ policy = \"mine\", weight = 50 }, { policy = \"discovery\", weight = 50 }]";
        format!("[[experiment]]\nid = \"{id}\"\n{arms}\n{more}\n")
    }

    fn choose(serving: &Serving, surface: &str, person: usize) -> Choice {
        serving.choose(surface, Who { user: Some(&format!("user-{person}")), session: None }).unwrap()
    }

    /// Share of people for whom `holds`.
    fn share(serving: &Serving, surface: &str, holds: impl Fn(&Choice) -> bool) -> f64 {
        (0..PEOPLE).filter(|person| holds(&choose(serving, surface, *person))).count() as f64 / PEOPLE as f64
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.03, "{found}, {expected}");
    }

    fn arm(choice: &Choice) -> Option<&str> {
        choice.exposure.as_ref().map(|exposure| &*exposure.arm)
    }

    #[test]
    fn arms_get_their_policies_and_their_shares() {
        let serving = Serving::new(set(&experiment("breadth", "surfaces = [\"home\"]")), None);
        near(share(&serving, "home", |choice| arm(choice) == Some("discovery")), 0.5);
        for person in 0..100 {
            let choice = choose(&serving, "home", person);
            let exposure = choice.exposure.clone().unwrap();
            assert_eq!(choice.policy.policy.id, *exposure.arm);
            assert_eq!((exposure.experiment.as_deref(), &*exposure.layer), (Some("breadth"), "breadth"));
            assert_eq!(choose(&serving, "home", person).exposure, Some(exposure), "the same every time");
            let elsewhere = choose(&serving, "video", person);
            assert_eq!((elsewhere.exposure, elsewhere.policy.policy.id.as_str()), (None, "mine"));
        }
        let nobody = serving.choose("home", Who::default()).unwrap();
        assert_eq!((nobody.exposure, nobody.policy.policy.id.as_str()), (None, "mine"));
        assert!(serving.choose("nowhere", Who::default()).is_none() && !serving.knows("nowhere"));
        let digests: Vec<&str> = serving.by_surface().map(|(_, policy)| policy.digest.as_str()).collect();
        assert!(digests.iter().all(|digest| serving.by_digest(digest).is_some()) && serving.by_digest("b3:0").is_none());
    }

    #[test]
    fn where_arms_are_alike_nobody_is_exposed() {
        let folder = tempfile::tempdir().unwrap();
        // The file again, but for one surface.
        let head = "schema = 1\nid = \"mine\"\nversion = 3\n";
        std::fs::write(folder.path().join("arm.toml"), format!("{head}[surface.video]\npage_size = 9\n")).unwrap();
        let library = Library::beside(&folder.path().join("mine.toml"));
        let checked = |surfaces: &str| {
            let experiment = experiment("one", surfaces).replace("discovery", "arm");
            check(&Text::new("mine.toml", format!("{head}{experiment}")), &library)
        };
        let serving = Serving::new(Arc::new(checked("").set.unwrap()), None);
        assert_eq!(share(&serving, "home", |choice| choice.exposure.is_some()), 0.0);
        assert_eq!(share(&serving, "video", |choice| choice.exposure.is_some()), 1.0);
        let findings: Vec<_> = checked("surfaces = [\"home\"]").findings.iter().map(|finding| finding.code).collect();
        assert_eq!(findings, [crate::policy::Code::Alike]);
    }

    #[test]
    fn experiments_of_a_layer_never_share_a_person_and_the_holdout_sees_none() {
        let layer = "[[layer]]\nid = \"ranking\"\nholdout = 0.1\n";
        let one = experiment("one", "layer = \"ranking\"\nslice = [0.0, 0.3]\nsurfaces = [\"home\"]");
        let two = experiment("two", "layer = \"ranking\"\nslice = [0.3, 0.7]\nsurfaces = [\"home\", \"video\"]");
        let serving = Serving::new(set(&format!("{layer}{one}{two}")), None);
        let of = |choice: &Choice| choice.exposure.as_ref().map(|e| e.experiment.as_deref().unwrap_or(HOLDOUT_ARM).to_owned());
        near(share(&serving, "home", |choice| of(choice).as_deref() == Some("one")), 0.3);
        near(share(&serving, "home", |choice| of(choice).as_deref() == Some("two")), 0.4);
        near(share(&serving, "home", |choice| of(choice).as_deref() == Some(HOLDOUT_ARM)), 0.1);
        near(share(&serving, "home", |choice| of(choice).is_none()), 0.2);
        for person in 0..400 {
            let (home, video) = (choose(&serving, "home", person), choose(&serving, "video", person));
            match of(&home).as_deref() {
                Some("one") | None => assert_eq!((of(&video), video.policy.policy.id.as_str()), (None, "mine")),
                Some(other) => {
                    assert_eq!((of(&video).as_deref(), video.policy.policy.id.clone()), (Some(other), home.policy.policy.id.clone()))
                }
            }
            if of(&home).as_deref() == Some(HOLDOUT_ARM) {
                assert_eq!(home.policy.policy.id, "mine");
            }
        }
        // Another experiment's share leaves those of this one where they are.
        let grown = Serving::new(set(&format!("{layer}{one}{}", two.replace("0.7", "0.85"))), None);
        let kept = |person| {
            of(&choose(&serving, "home", person)).as_deref() != Some("one") || of(&choose(&grown, "home", person)).as_deref() == Some("one")
        };
        assert!((0..PEOPLE).all(kept));
    }

    #[test]
    fn sessions_are_units_of_their_own() {
        let serving = Serving::new(set(&experiment("visits", "unit = \"session\"")), None);
        fn chosen(serving: &Serving, user: Option<&str>, session: Option<&str>) -> Choice {
            serving.choose("home", Who { user, session }).unwrap()
        }
        assert!(chosen(&serving, Some("ann"), None).exposure.is_none());
        let arms: Vec<String> = (0..40).map(|n| arm(&chosen(&serving, Some("ann"), Some(&format!("s{n}")))).unwrap().to_owned()).collect();
        assert!(arms.contains(&"mine".to_owned()) && arms.contains(&"discovery".to_owned()));
        assert_eq!(chosen(&serving, Some("ann"), Some("s1")).exposure, chosen(&serving, None, Some("s1")).exposure);
    }

    #[test]
    fn a_canary_grows_and_keeps_whom_it_had() {
        let (base, new) = (set(""), Arc::new(load_from("discovery").unwrap()));
        let serving = |share| Serving::new(Arc::clone(&base), Some(Canary::new(Arc::clone(&new), share, "7")));
        let (few, more) = (serving(0.1), serving(0.4));
        let is_canary = |choice: &Choice| choice.watched.unwrap().is_canary;
        near(share(&few, "home", is_canary), 0.1);
        near(share(&more, "home", is_canary), 0.4);
        for person in 0..PEOPLE {
            let (before, after) = (choose(&few, "home", person), choose(&more, "home", person));
            assert!(!is_canary(&before) || is_canary(&after));
            assert_eq!(after.policy.policy.id, if is_canary(&after) { "discovery" } else { "mine" });
        }
        let nobody = few.choose("home", Who::default()).unwrap();
        assert_eq!((nobody.watched, nobody.policy.policy.id.as_str()), (None, "mine"));
    }

    #[test]
    fn a_set_with_experiments_is_written_and_read_again() {
        let layer = "[[layer]]\nid = \"ranking\"\nholdout = 0.05\n";
        let written = set(&format!(
            "{layer}{}",
            experiment("one", "layer = \"ranking\"\nslice = [0.25, 0.75]\nsalt = \"x\"\noutcome_window = \"36h\"")
        ));
        let Checked { set: read, findings, .. } = check(&Text::new("again", written.to_toml()), &Library::presets());
        assert_eq!(read.as_ref(), Some(&*written), "{findings}");
        let plain = set("");
        assert_ne!(plain.digest, written.digest);
        let other_weights = set(&format!(
            "{layer}{}",
            experiment("one", "layer = \"ranking\"\nslice = [0.25, 0.8]\nsalt = \"x\"\noutcome_window = \"36h\"")
        ));
        assert_ne!(other_weights.digest, written.digest);
        assert_ne!(other_weights.experiments[0].allocation(&other_weights), written.experiments[0].allocation(&written));
    }

    #[test]
    fn wrong_experiments_are_found_all_at_once() {
        let found = |rest: &str| -> Vec<String> {
            let checked = checked(rest);
            assert!(checked.set.is_none());
            checked.findings.iter().map(|finding| format!("{} {}", finding.code.as_str(), finding.message)).collect()
        };
        assert_eq!(
            found(
                "[[experiment]]\nid = \"a b\"\narms = [{ policy = \"mine\", wieght = 1 }]\nunit = \"device\"\nslice = [0, 2]\nsurfaces = \"home\"\noutcome_window = \"5m\"\n"
            ),
            [
                "P0207 `experiment[0].id` is \"a b\"; expected 1 to 64 of a-z, 0-9 and -",
                "P0202 `experiment[0].arms[0]` has no `weight`",
                "P0203 unknown key `wieght`",
                "P0205 `experiment[0].unit` is \"device\"; expected \"user\" or \"session\"",
                "P0204 `experiment[0].slice` is [0, 2]; expected [low, high] with 0 ≤ low ≤ high ≤ 1",
                "P0201 `experiment[0].surfaces` is \"home\"; expected a list of surfaces, e.g. [\"home\"]",
                "P0204 `experiment[0].outcome_window` is \"5m\"; expected 1h to 28d",
            ]
        );
        let overlap = format!("{}{}", experiment("one", "surfaces = [\"home\"]"), experiment("two", "layer = \"x\""));
        assert_eq!(found(&overlap), ["P0604 \"two\" acts on a surface of \"one\", in another layer"]);
        let over_full = format!(
            "{}{}",
            experiment("one", "layer = \"x\"\nslice = [0, 0.7]"),
            experiment("two", "layer = \"x\"\nslice = [0.6, 0.8]\nunit = \"session\"")
        );
        assert_eq!(
            found(&over_full),
            [
                "P0603 \"two\" counts other units than \"one\" of the same layer",
                "P0603 the slice of \"two\", [0.6, 0.8], meets that of \"one\", [0.0, 0.7]",
            ]
        );
        assert_eq!(
            found(&format!("{}{}", experiment("one", ""), experiment("one", "layer = \"one\"\nslice = [0.5, 0.5]"))),
            [
                "P0304 there are two experiments \"one\"",
                "P0603 the slice of \"one\" is empty: [0.5, 0.5]",
                "P0603 the slice of \"one\", [0.5, 0.5], meets that of \"one\", [0.0, 1.0]",
            ]
        );
        assert_eq!(
            found(&experiment("one", "").replace("\"discovery\"", "\"discovry\"")),
            ["P0601 `experiment[0].arms[1].policy` names \"discovry\", which is not there"]
        );
        assert_eq!(
            found(&experiment("one", "surfaces = [\"hom\"]")),
            ["P0204 `experiment[0].surfaces` names \"hom\", which is no surface of this file".replace("P0204", "P0205")]
        );
        assert_eq!(
            found(&experiment("one", "").replacen("50", "0", 1)),
            ["P0602 `experiment[0].arms` has 2 arms, 1 of them with weight; expected 2 to 8"]
        );
    }
}
