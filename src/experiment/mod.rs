//! What an experiment shows, from the journal: who was exposed to which arm, and what they did in the time after.
//!
//! ```text
//! journal ──units──► one outcome per unit, complete when its window is over ──results──► arms, differences, mismatch
//! ```
//!
//! A unit's outcome is fixed once its window is over, and units follow each other in the order they were first exposed: that is
//! what lets the intervals hold however often somebody looks ([`crate::stats`]). Measured are signals of satisfaction
//! and what pages were like; never how long or how often people stayed.

mod results;
#[cfg(test)]
mod tests;
mod units;

use std::io;

pub use results::{ArmResults, Compared, Measured, Mismatch, Results};

use crate::{
    domain::Time,
    journal::JournalRecord,
    policy::{Experiment, PolicySet},
};

/// Chance that an interval ever leaves out the truth.
pub const ALPHA: f64 = 0.05;
/// Below this p-value arms did not get the shares they were meant to have.
pub const MISMATCH_P: f64 = 0.01;
/// Most units that are followed; more are counted and left out.
pub const MAX_UNITS: usize = 2_000_000;

/// Results as of `now` of an experiment of `own`. `journal` reads the records from their beginning, and is asked twice:
/// for what was served, then for what people did. Errors: the journal's own.
pub fn results<R>(experiment: &Experiment, own: &PolicySet, now: Time, mut journal: impl FnMut() -> io::Result<R>) -> io::Result<Results>
where
    R: Iterator<Item = io::Result<JournalRecord>>,
{
    let mut units = units::Units::new(experiment, own);
    for record in journal()? {
        if let JournalRecord::Served(served) = record? {
            units.served(&served);
        }
    }
    units.settle();
    for record in journal()? {
        if let JournalRecord::Event(event) = record? {
            units.did(&event);
        }
    }
    Ok(results::of(experiment, own, &units, now))
}
