//! An import into memory: for evaluation and benchmarks, which read a log and keep no store.

use std::convert::Infallible;

use async_trait::async_trait;

use super::{ImportError, ImportSink, LeftOut, Options, Summary, run};
use crate::{
    clock::Clock,
    domain::{Event, Item},
};

/// Items and events of an import, in the order they came.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    pub items: Vec<Item>,
    pub events: Vec<Event>,
}

#[async_trait]
impl ImportSink for Collected {
    type Error = Infallible;

    async fn items(&mut self, items: Vec<Item>) -> Result<(), Infallible> {
        self.items.extend(items);
        Ok(())
    }

    async fn events(&mut self, events: Vec<Event>) -> Result<LeftOut, Infallible> {
        self.events.extend(events);
        Ok(LeftOut::new())
    }
}

/// Imports into memory; otherwise as [`run()`].
pub async fn collect(options: &Options, clock: &dyn Clock) -> Result<(Collected, Summary), ImportError<Infallible>> {
    let mut collected = Collected::default();
    let summary = run(options, &mut collected, clock).await?;
    Ok((collected, summary))
}
