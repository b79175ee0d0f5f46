//! Safeguards: what no number of events, accounts or seconds can do, and what is never learned unasked.

mod crowd;
mod minors;
mod mix;
mod rabbit_hole;
mod sensitive;
