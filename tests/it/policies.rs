//! Policy files: what is said of wrong ones, what their documents promise, previews without effects, commands and admin routes.

mod api;
mod commands;
mod corpus;
mod documents;
mod mutations;
mod preview;
mod promises;

use polyphony::{
    demo,
    policy::{self, Checked},
    settings::Secret,
};

use crate::support::{
    app::NOW,
    world::{StoreKind, World},
};

const ADMIN: &str = "admin-key-of-the-tests";
const SERVER: &str = "server-key-of-the-tests";

/// A server with keys, the demo's items and people.
async fn world(kind: StoreKind) -> World {
    let world = World::with(kind, |settings| {
        settings.auth.admin_keys = vec![Secret::new(ADMIN)];
        settings.auth.server_keys = vec![Secret::new(SERVER)];
    })
    .await;
    let items = demo::catalogue(7, NOW, world.app.dimension());
    let personas = demo::personas(7, NOW, &items);
    world.app.ingest.put_items(items).await.unwrap();
    for persona in &personas {
        world.app.ingest.learn(&persona.events).await.unwrap();
    }
    world
}

fn checked(file: &str) -> Checked {
    match policy::open(file) {
        Ok((text, library)) => policy::check(&text, &library),
        Err(findings) => Checked { set: None, findings, places: None },
    }
}
