//! What a page had to do without.

/// Something was missing; the slate is still valid. All names are closed lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degradation {
    /// `profile`, `candidates`, `feed`, `policy`.
    pub stage: &'static str,
    /// What went wrong: [`StoreError::reason`](crate::store::StoreError::reason), [`SourceError::reason`](crate::source::SourceError::reason), `source_late`, `policy_missing` or `overload`.
    pub reason: &'static str,
    /// What was done instead.
    pub fallback: &'static str,
}

impl Degradation {
    /// Noted among `degraded`, once: what fails for two steps of a page is one thing that is missing.
    pub(super) fn note(self, degraded: &mut Vec<Self>) {
        if !degraded.contains(&self) {
            degraded.push(self);
        }
    }
}
