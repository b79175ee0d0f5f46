//! From the journal's lines to decisions: pages, the rewards they brought, and what a target policy would have done.

use std::collections::{HashMap, HashSet};

use super::{
    super::{intervals::clustered, replay::Reward},
    Estimates, Exploration, MIN_PEOPLE, Read, Refusal, Report, SlotReport,
    chances::chances,
    estimators::{self, Decision, LoggedDraw},
};
use crate::{
    domain::{
        EventKind, Policy, Span,
        feed::{MAX_POOL, Slot},
        policy::Explore,
    },
    journal::{EventRecord, ExploreRecord, JournalRecord, ServedItem, ServedRecord},
    rank::explore::{self, Arm},
};

/// A reward counts for a slot for this long after it was served.
pub const REWARD_WINDOW: Span = Span::hours(24);
/// Most slots kept, about 200 bytes each for every target; the journal's first ones.
pub const MAX_SLOTS: usize = 2_000_000;
/// A recorded chance may differ by this share from the one its candidates give: they are recorded rounded, and those of Thompson
/// sampling are integrated.
const MAX_CHANCE_ERROR: f64 = 0.05;

/// Where a reward belongs: hashes of feed and item.
type SlotKey = (u64, u64);

/// Reads the journal's records one by one, in any order, for several target policies at once.
pub struct Collector<'a> {
    reward: Reward,
    targets: Vec<Target<'a>>,
    clusters: HashMap<String, u32>,
    pages: HashSet<(u64, u32)>,
    /// When each slot was served.
    slots: HashMap<SlotKey, i64>,
    rewards: HashMap<SlotKey, Rewarded>,
    read: Read,
}

struct Target<'a> {
    policy: &'a Policy,
    ranking_digest: String,
    /// Positions before this one are ranked in every feed.
    first_draw: u32,
    exploration: Exploration,
    /// Slots of `exploration.decisions`, in its order.
    drawn: Vec<SlotKey>,
    /// `(slot, person)` of the ranked slots that the target fills alike.
    ranked: Vec<(SlotKey, u32)>,
    without_arms: usize,
    /// Pages ranked by another policy, and the first one's ranking digest.
    ranked_otherwise: usize,
    other_ranking: Option<String>,
}

/// What was done in favour of a slot's item.
#[derive(Clone, Copy)]
struct Rewarded {
    /// Acts that cannot be taken back.
    lasting: u32,
    /// The others, less those taken back.
    net: i32,
    first_at: i64,
}

impl<'a> Collector<'a> {
    pub fn new(targets: impl IntoIterator<Item = &'a Policy>, reward: Reward) -> Self {
        Self {
            reward,
            targets: targets.into_iter().map(Target::new).collect(),
            clusters: HashMap::new(),
            pages: HashSet::new(),
            slots: HashMap::new(),
            rewards: HashMap::new(),
            read: Read::default(),
        }
    }

    pub fn add(&mut self, record: &JournalRecord) {
        match record {
            JournalRecord::Served(served) => self.served(served),
            JournalRecord::Event(event) => self.event(event),
        }
    }

    fn served(&mut self, served: &ServedRecord) {
        let feed = hash(&served.feed_id);
        if !self.pages.insert((feed, served.page)) {
            self.read.repeated_pages += 1;
            return;
        }
        self.read.pages += 1;
        // Non-personalised feeds of one seed are one draw, however many people see it.
        let person = served.user.clone().unwrap_or_else(|| format!("seed {}", served.seed));
        let next = self.clusters.len() as u32;
        let cluster = *self.clusters.entry(person).or_insert(next);
        for target in self.targets.iter_mut().filter(|target| target.ranking_digest != served.ranking_digest) {
            target.ranked_otherwise += 1;
            target.other_ranking.get_or_insert_with(|| served.ranking_digest.clone());
        }
        for item in &served.items {
            if self.slots.len() >= MAX_SLOTS {
                self.read.slots_left_out += 1;
                continue;
            }
            let key = (feed, hash(&item.id));
            self.slots.insert(key, served.at);
            for target in self.targets.iter_mut().filter(|target| target.ranking_digest == served.ranking_digest) {
                target.add(key, cluster, item, served);
            }
        }
    }

    fn event(&mut self, event: &EventRecord) {
        self.read.events += 1;
        let Some(kind) = EventKind::parse(&event.event_type).filter(|kind| self.reward.is_given_by(kind)) else { return };
        let Some(feed) = &event.feed_id else {
            self.read.rewards_without_feed += 1;
            return;
        };
        let none = Rewarded { lasting: 0, net: 0, first_at: i64::MAX };
        let rewarded = self.rewards.entry((hash(feed), hash(&event.item))).or_insert(none);
        match (kind.can_undo(), event.undo) {
            (true, true) => rewarded.net -= 1,
            (true, false) => rewarded.net += 1,
            (false, _) => rewarded.lasting += 1,
        }
        if !event.undo {
            rewarded.first_at = rewarded.first_at.min(event.at);
        }
    }

    /// What the records say of each target, in order, and what was read.
    pub fn finish(mut self) -> (Vec<Report>, Read) {
        self.read.rewards_without_page = self.rewards.keys().filter(|key| !self.slots.contains_key(key)).count();
        let (slots, rewards) = (&self.slots, &self.rewards);
        let reward_of = |key: &SlotKey| {
            let in_time = |(served_at, rewarded): (&i64, &Rewarded)| {
                let window = *served_at..=served_at.saturating_add(REWARD_WINDOW.as_millis());
                (rewarded.lasting > 0 || rewarded.net > 0) && window.contains(&rewarded.first_at)
            };
            f64::from(u8::from(slots.get(key).zip(rewards.get(key)).is_some_and(in_time)))
        };
        let reports = self.targets.iter_mut().map(|target| target.report(self.reward, reward_of)).collect();
        (reports, self.read)
    }
}

impl<'a> Target<'a> {
    fn new(policy: &'a Policy) -> Self {
        let drawn = (0..MAX_POOL).find(|position| explore::is_slot(*position, &policy.explore));
        Self {
            policy,
            ranking_digest: policy.ranking_digest(),
            first_draw: drawn.unwrap_or(MAX_POOL) as u32,
            exploration: Exploration::default(),
            drawn: Vec::new(),
            ranked: Vec::new(),
            without_arms: 0,
            ranked_otherwise: 0,
            other_ranking: None,
        }
    }

    fn add(&mut self, key: SlotKey, cluster: u32, item: &ServedItem, served: &ServedRecord) {
        if item.slot != Slot::Exploration.name() {
            if item.position < self.first_draw {
                self.ranked.push((key, cluster));
            }
            return;
        }
        let Some((draw, logged_by)) = item.draw.as_ref().zip(served.explore.as_ref()) else {
            self.without_arms += 1;
            return;
        };
        let wanted = &self.policy.explore;
        let arms: Vec<Arm> = draw.arms.iter().map(|arm| Arm::from(*arm)).collect();
        let ExploreRecord { method, epsilon, temperature } = *logged_by;
        let logged = chances(&arms, &Explore { method, epsilon, temperature, ..wanted.clone() });
        let target = if ExploreRecord::from(wanted) == *logged_by { logged.clone() } else { chances(&arms, wanted) };
        let taken = draw.taken as usize;
        let given = logged.get(taken).copied().unwrap_or(0.0);
        if (given - item.propensity).abs() > MAX_CHANCE_ERROR * item.propensity {
            self.exploration.disagreeing += 1;
        }
        let draw = LoggedDraw { cluster, position: item.position, arms: &arms, taken, propensity: item.propensity };
        if let Some(decision) = Decision::new(&draw, &target, 0.0) {
            self.exploration.unsupported.push(estimators::unsupported(&target, &logged));
            self.exploration.decisions.push(decision);
            self.drawn.push(key);
        }
    }

    fn report(&mut self, reward: Reward, reward_of: impl Fn(&SlotKey) -> f64) -> Report {
        for (decision, key) in self.exploration.decisions.iter_mut().zip(&self.drawn) {
            decision.reward = reward_of(key);
        }
        Report {
            reward,
            pages_ranked_otherwise: self.ranked_otherwise,
            draws_without_arms: self.without_arms,
            exploration: self.exploration.report(match self.without_arms {
                0 => self.nothing(),
                draws => Refusal::NoArms { draws },
            }),
            ranked: self.ranked_report(reward_of),
        }
    }

    fn nothing(&self) -> Refusal {
        match &self.other_ranking {
            Some(logged) => Refusal::OtherRanking { logged: logged.clone(), target: self.ranking_digest.clone() },
            None => Refusal::Nothing,
        }
    }

    /// Weights are 1: every estimate is the observed mean.
    fn ranked_report(&self, reward_of: impl Fn(&SlotKey) -> f64) -> SlotReport {
        let clusters: Vec<u32> = self.ranked.iter().map(|(_, cluster)| *cluster).collect();
        let rewards: Vec<f64> = self.ranked.iter().map(|(key, _)| reward_of(key)).collect();
        let (logged, people) = (clustered::mean(&clusters, &rewards), clustered::groups(&clusters));
        let estimates = match (self.ranked.len(), people) {
            (0, _) => Err(self.nothing()),
            (_, people) if people < MIN_PEOPLE => Err(Refusal::TooFewPeople { people }),
            _ => Ok(Estimates { ips: logged, clipped_ips: logged, snips: logged, dr: logged }),
        };
        let slots = self.ranked.len();
        SlotReport { slot: Slot::Ranked.name(), slots, people, logged, effective_sample: slots as f64, greatest_weight: 1.0, estimates }
    }
}

/// The first 8 bytes of BLAKE3.
fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}
