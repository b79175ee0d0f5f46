//! Where a rollout stands: a fold over the log, and what may come next. Pure.

use super::{
    chain::{Broken, Changed, Line, Link},
    entry::{Action, Cause, Entry, SetRef, Step},
};

/// A policy that a share of people get.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub set: SetRef,
    pub share: f64,
    /// The entry with which it began: as long as it runs, the same people get it first.
    pub since: u64,
}

/// See the module. Nothing was activated yet in the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The last entry's link.
    pub head: Option<Link>,
    /// The last line, as it is kept.
    pub last_line: Option<String>,
    pub entries: Vec<Entry>,
    /// What everybody gets who does not get a canary. `None`: what the settings say.
    pub active: Option<SetRef>,
    pub canary: Option<Running>,
    /// What everybody got before, the latest last: where rolling back leads.
    earlier: Vec<SetRef>,
}

/// What somebody wants to come next.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// A share of people, in (0, 1), get the set.
    Canary { set: SetRef, share: f64 },
    /// Everybody gets the set.
    All { set: SetRef, cause: Cause, skip_canary: bool },
    /// Everybody gets what was before.
    RollBack,
}

/// What follows from a wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// It is so already.
    Unchanged,
    Step {
        action: Action,
        from: SetRef,
        to: SetRef,
        share: Option<f64>,
        skipped: Vec<Step>,
    },
}

/// Why a wish cannot be met as things stand. The messages are written for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{running} is being given to a share of people; promote it or roll it back before another policy")]
    OtherCanary { running: SetRef },
    #[error("{set} was not given to a share of people first; do that, or skip the step and say so (`skip`: \"canary\")")]
    CanaryFirst { set: SetRef },
    #[error("there is nothing to roll back to: {active} is the first policy")]
    NothingBefore { active: String },
}

impl State {
    /// Adds the next line of the log. Errors: it does not fit; nothing has changed then.
    pub fn read(&mut self, line: &str) -> Result<(), Broken> {
        let number = self.entries.len() + 1;
        let broken = |what| Broken { line: number, what };
        let kept = line;
        let line = Line::parse(kept).ok_or_else(|| broken(Changed::Line))?;
        if self.head.unwrap_or(Link::START).after(line.text) != line.link {
            return Err(broken(Changed::Unclear));
        }
        let entry: Entry = serde_json::from_str(line.text).map_err(|_| broken(Changed::Line))?;
        if entry.seq != number as u64 {
            return Err(broken(Changed::Unclear));
        }
        self.head = Some(line.link);
        self.last_line = Some(kept.to_owned());
        self.apply(entry);
        Ok(())
    }

    fn apply(&mut self, entry: Entry) {
        match entry.action {
            Action::Canary => {
                let same = self.canary.take().filter(|running| running.set == entry.to);
                let since = same.map_or(entry.seq, |running| running.since);
                self.active.get_or_insert_with(|| entry.from.clone());
                self.canary = Some(Running { set: entry.to.clone(), share: entry.share.unwrap_or(0.0), since });
            }
            Action::Activate => {
                self.earlier.push(self.active.take().unwrap_or_else(|| entry.from.clone()));
                self.active = Some(entry.to.clone());
                self.canary = None;
            }
            Action::Rollback => {
                if self.canary.take().is_none() {
                    self.earlier.pop();
                }
                self.active = Some(entry.to.clone());
            }
        }
        self.entries.push(entry);
    }

    /// What follows from `wish`; `base` is what the settings say everybody gets until something is activated.
    pub fn next(&self, wish: &Wish, base: &SetRef) -> Result<Next, Refusal> {
        let active = self.active.as_ref().unwrap_or(base);
        let step =
            |action, from: &SetRef, to: &SetRef| Next::Step { action, from: from.clone(), to: to.clone(), share: None, skipped: vec![] };
        match (wish, &self.canary) {
            (Wish::RollBack, Some(running)) => Ok(step(Action::Rollback, &running.set, active)),
            (Wish::RollBack, None) => match self.earlier.last() {
                Some(before) => Ok(step(Action::Rollback, active, before)),
                None => Err(Refusal::NothingBefore { active: active.to_string() }),
            },
            (Wish::Canary { set, .. } | Wish::All { set, .. }, Some(running)) if running.set.digest != set.digest => {
                Err(Refusal::OtherCanary { running: running.set.clone() })
            }
            (Wish::Canary { share, .. }, Some(running)) if running.share == *share => Ok(Next::Unchanged),
            (Wish::Canary { set, .. } | Wish::All { set, .. }, None) if active.digest == set.digest => Ok(Next::Unchanged),
            (Wish::Canary { set, share }, _) => {
                Ok(Next::Step { action: Action::Canary, from: active.clone(), to: set.clone(), share: Some(*share), skipped: vec![] })
            }
            (Wish::All { set, .. }, Some(_)) => Ok(step(Action::Activate, active, set)),
            (Wish::All { set, cause: Cause::Operator, skip_canary: false }, None) => Err(Refusal::CanaryFirst { set: set.clone() }),
            (Wish::All { set, cause, .. }, None) => {
                let skipped = if *cause == Cause::Operator { vec![Step::Canary] } else { vec![] };
                Ok(Next::Step { action: Action::Activate, from: active.clone(), to: set.clone(), share: None, skipped })
            }
        }
    }

    /// Whether the set ever was what everybody got, or was to get.
    pub fn knows(&self, digest: &str) -> bool {
        self.entries.iter().any(|entry| entry.from.digest == digest || entry.to.digest == digest)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn set(version: u32) -> SetRef {
        SetRef { id: "p".into(), version, digest: format!("b3:{version}") }
    }

    /// The log as one follows wishes on `p v1`; `Err` is what the last one was refused for.
    fn after(wishes: &[Wish]) -> Result<State, Refusal> {
        let mut state = State::default();
        for wish in wishes {
            let Next::Step { action, from, to, share, skipped } = state.next(wish, &set(1))? else { continue };
            let seq = state.entries.len() as u64 + 1;
            let (actor, reason) = ("a".to_owned(), "r".to_owned());
            let (diff, preview, evidence) = (vec![], vec![], vec![]);
            let entry =
                Entry { seq, at: 0, actor, cause: Cause::Operator, action, reason, from, to, share, diff, preview, evidence, skipped };
            let text = serde_json::to_string(&entry).unwrap();
            state.read(&Line::next(state.head.unwrap_or(Link::START), &text).to_string()).unwrap();
        }
        Ok(state)
    }

    fn canary(version: u32, share: f64) -> Wish {
        Wish::Canary { set: set(version), share }
    }

    fn all(version: u32) -> Wish {
        Wish::All { set: set(version), cause: Cause::Operator, skip_canary: false }
    }

    fn at_once(version: u32) -> Wish {
        Wish::All { set: set(version), cause: Cause::Operator, skip_canary: true }
    }

    fn active(state: &State) -> u32 {
        state.active.as_ref().map_or(0, |set| set.version)
    }

    #[test]
    fn a_canary_is_promoted() {
        let state = after(&[canary(2, 0.1)]).unwrap();
        assert_eq!((active(&state), state.canary), (1, Some(Running { set: set(2), share: 0.1, since: 1 })));
        let state = after(&[canary(2, 0.1), canary(2, 0.1), canary(2, 0.5)]).unwrap();
        assert_eq!(state.canary, Some(Running { set: set(2), share: 0.5, since: 1 }), "the same people first");
        assert_eq!(state.entries.len(), 2, "what is so already is not written again");
        let state = after(&[canary(2, 0.1), all(2), all(2), canary(2, 0.3)]).unwrap();
        assert_eq!((active(&state), state.canary, state.entries.len()), (2, None, 2));
    }

    #[test]
    fn rolling_back_leads_to_what_was_before() {
        let state = after(&[canary(2, 0.1), Wish::RollBack]).unwrap();
        assert_eq!((active(&state), state.canary, &state.entries[1].from), (1, None, &set(2)));
        let state = after(&[at_once(2), canary(3, 0.1), all(3), Wish::RollBack]).unwrap();
        assert_eq!(active(&state), 2);
        let state = after(&[at_once(2), at_once(3), Wish::RollBack, Wish::RollBack]).unwrap();
        assert_eq!(active(&state), 1);
        let refused = after(&[at_once(2), Wish::RollBack, Wish::RollBack]).unwrap_err();
        assert_eq!(refused.to_string(), "there is nothing to roll back to: p v1 (b3:1) is the first policy");
        assert!(matches!(after(&[Wish::RollBack]), Err(Refusal::NothingBefore { .. })));
        let state = after(&[at_once(2), Wish::RollBack, at_once(2), Wish::RollBack]).unwrap();
        assert_eq!((active(&state), state.entries.len()), (1, 4));
    }

    #[test]
    fn wrong_steps_are_refused() {
        assert_eq!(after(&[all(2)]), Err(Refusal::CanaryFirst { set: set(2) }));
        assert_eq!(after(&[canary(2, 0.1), canary(3, 0.1)]), Err(Refusal::OtherCanary { running: set(2) }));
        assert_eq!(after(&[canary(2, 0.1), at_once(3)]), Err(Refusal::OtherCanary { running: set(2) }));
        let skipped = after(&[at_once(2)]).unwrap();
        assert_eq!(skipped.entries[0].skipped, [Step::Canary]);
        assert_eq!(after(&[all(1)]).unwrap(), State::default(), "it is so already");
    }

    #[test]
    fn a_line_that_does_not_fit_changes_nothing() {
        let state = after(&[at_once(2), at_once(3)]).unwrap();
        let text = serde_json::to_string(&Entry { seq: 3, ..state.entries[1].clone() }).unwrap();
        let fitting = Line::next(state.head.unwrap(), &text).to_string();
        for (line, what) in [
            ("nonsense".to_owned(), Changed::Line),
            (fitting.replace("\"a\"", "\"b\""), Changed::Unclear),
            (Line::next(Link::START, &text).to_string(), Changed::Unclear),
            (Line::next(state.head.unwrap(), &text.replace("\"seq\":3", "\"seq\":7")).to_string(), Changed::Unclear),
            (Line::next(state.head.unwrap(), "{}").to_string(), Changed::Line),
        ] {
            let mut read = state.clone();
            assert_eq!(read.read(&line), Err(Broken { line: 3, what }), "{line}");
            assert_eq!(read, state);
        }
        let mut read = state.clone();
        assert_eq!(read.read(&fitting), Ok(()));
    }
}
