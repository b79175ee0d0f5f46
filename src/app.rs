//! The state every request sees.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{
    auth::Auth,
    clock::Clock,
    domain::policy::Surfaces,
    settings::{Faults, Settings},
    store::Store,
    telemetry::Metrics,
};

/// The version of this server.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, if the build said so.
pub const COMMIT: &str = match option_env!("POLYPHONY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// One server's state, shared by all its workers.
pub struct App {
    /// API keys and token secret are not in here: [`App::auth`] took them.
    pub settings: Settings,
    pub surfaces: Surfaces,
    pub auth: Auth,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub metrics: Metrics,
    pub health: Health,
    pub inflight: Inflight,
}

impl App {
    /// Errors: the faults of settings that were made by hand; none for settings that were loaded.
    pub fn new(mut settings: Settings, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Result<Self, Faults> {
        let surfaces = settings.surfaces()?;
        let metrics = Metrics::new();
        metrics.build(VERSION, COMMIT);
        metrics.set_policies(&surfaces);
        Ok(Self {
            auth: Auth::take(&mut settings.auth),
            inflight: Inflight::new(settings.server.max_inflight_requests),
            surfaces,
            settings,
            clock,
            store,
            metrics,
            health: Health::default(),
        })
    }
}

/// What readiness depends on.
#[derive(Debug, Default)]
pub struct Health {
    catalogue_loaded: AtomicBool,
    draining: AtomicBool,
}

impl Health {
    /// Feeds can be served from now on.
    pub fn catalogue_is_loaded(&self) {
        self.catalogue_loaded.store(true, Ordering::Release);
    }

    pub fn is_catalogue_loaded(&self) -> bool {
        self.catalogue_loaded.load(Ordering::Acquire)
    }

    /// The server is about to stop: load balancers should send nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Counts the requests being served, up to a limit. Past it waiting would only make every answer late.
#[derive(Debug)]
pub struct Inflight {
    now: AtomicUsize,
    max: usize,
}

impl Inflight {
    fn new(max: usize) -> Self {
        Self { now: AtomicUsize::new(0), max }
    }

    pub const fn max(&self) -> usize {
        self.max
    }

    /// A place until it is dropped, or `None` when all are taken.
    pub fn enter(&self) -> Option<Place<'_>> {
        let free = |now: usize| (now < self.max).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Place(self))
    }
}

/// One request being served.
#[derive(Debug)]
pub struct Place<'a>(&'a Inflight);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let inflight = Inflight::new(2);
        let first = inflight.enter();
        let second = inflight.enter();
        assert!(first.is_some() && second.is_some() && inflight.enter().is_none());
        drop(first);
        assert!(inflight.enter().is_some());
    }
}
