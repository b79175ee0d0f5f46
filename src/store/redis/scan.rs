//! Walks over all keys of a pattern, node by node: a scan's cursor is one node's own.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use super::{
    errors::store_error,
    link::{Lane, Link},
};
use crate::store::StoreError;

/// Keys asked for in one step. A hint: Redis may send more.
const STEP_KEYS: usize = 1_000;

/// A walk. Keys that move to another node of a cluster meanwhile may be missed; those that stay are not.
pub(super) struct Keys {
    pattern: String,
    step_limit: Duration,
    /// Those still to walk over; the last one first.
    nodes: Vec<MultiplexedConnection>,
    cursor: u64,
}

impl Link {
    /// Begins a walk over all keys like `pattern`, on connections of its own.
    pub(super) async fn scan(&self, pattern: String) -> Result<Keys, StoreError> {
        let nodes = self.dialer().dial_all().await.map_err(|error| store_error(&error))?;
        Ok(Keys { pattern, step_limit: self.limit(Lane::Bulk), nodes, cursor: 0 })
    }
}

impl Keys {
    /// The next keys, perhaps none of this step; `None` at the end. A key may come twice.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(node) = self.nodes.last_mut() else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(STEP_KEYS);
        let step = timeout(self.step_limit, scan.query_async(node)).await.map_err(|_| StoreError::Timeout)?;
        let (next, found): (u64, Vec<String>) = step.map_err(|error| store_error(&error))?;
        self.cursor = next;
        if next == 0 {
            self.nodes.pop();
        }
        Ok(Some(found))
    }
}
