//! Parts fail as they do in the field, with real processes. Each test prints what was promised and what was counted.
//! Redis that is killed, frozen, full or talks nonsense: `degraded`; the server stopped or killed on its own file: `shutdown`.

mod bytes;
mod clock;
mod deploy;
mod disk;
mod network;
mod process;
mod upgrade;

use serde_json::Value;

use crate::support::process::Process;

/// What a test promises, and what it counted.
fn told(promised: &str, counted: &str) {
    println!("promised: {promised}\ncounted:  {counted}");
}

/// Sends one event until it is acknowledged, as an app does; how often it was refused before.
async fn insist(server: &Process, user: &str, item: &str, id: &str) -> u32 {
    for refused in 0..2_000 {
        let (status, body) = server.events(user, item, std::slice::from_ref(&id.to_owned())).await;
        match status {
            202 => return refused,
            503 => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            other => panic!("{other}: {body}"),
        }
    }
    panic!("{id} is refused for ever");
}

/// How many of the acknowledged events are not known any more.
async fn lost(server: &Process, user: &str, item: &str, acknowledged: &[String]) -> usize {
    let mut known = 0;
    for ids in acknowledged.chunks(500) {
        let (status, body) = server.events(user, item, ids).await;
        assert_eq!(status, 202, "{body}");
        known += body["duplicates"].as_u64().unwrap_or_default() as usize;
    }
    acknowledged.len() - known
}

fn is_degraded(page: &Value) -> bool {
    page.get("degraded").is_some()
}
