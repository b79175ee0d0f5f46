//! Policy files: what is said of wrong ones, what their documents promise, previews without effects, commands and admin routes.

mod api;
mod commands;
mod corpus;
mod documents;
mod mutations;
mod preview;
mod promises;

use std::sync::atomic::Ordering;

use polyphony::{
    policy::{self, Checked},
    settings::Secret,
};

use crate::support::world::{StoreKind, World, eventually};

const ADMIN: &str = "admin-key-of-the-tests";
const SERVER: &str = "server-key-of-the-tests";

/// A server with keys, the demo's items and people.
async fn world(kind: StoreKind) -> World {
    let world = World::with(kind, |settings| {
        settings.auth.admin_keys = vec![Secret::new(ADMIN)];
        settings.auth.server_keys = vec![Secret::new(SERVER)];
    })
    .await;
    let items = world.demo().await;
    let people = world.people(&items).await;
    // What they did is in the journal too.
    let events: usize = people.iter().map(|person| person.events.len()).sum();
    eventually("the people's events are journaled", async || journaled(&world) == events as u64).await;
    world
}

/// Records the journal was handed, written or not.
fn journaled(world: &World) -> u64 {
    let counts = world.app.feed.journal.counts();
    counts.written.load(Ordering::SeqCst) + counts.dropped.load(Ordering::SeqCst)
}

fn checked(file: &str) -> Checked {
    match policy::open(file) {
        Ok((text, library)) => policy::check(&text, &library),
        Err(findings) => Checked { set: None, findings, places: None },
    }
}
