//! Safeguards: what no number of events, accounts or seconds can do, and what is never learned unasked.

mod crowd;
mod sensitive;
