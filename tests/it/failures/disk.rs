//! The disk of the embedded store fills up: the process may not make its file larger.

use serde_json::{Value, json};

use super::{lost, told};
use crate::support::process::{Process, Recipe, eventually, items};

/// Items of one attempt to fill the file, each with a text of [`TEXT_CHARS`].
const BATCH: usize = 100;
const TEXT_CHARS: usize = 4_000;
const ATTEMPTS: usize = 100;
/// What the file may still grow by: enough for some attempts.
const ROOM_BYTES: u64 = 8 * 1024 * 1024;

fn fat_items(batch: usize) -> Vec<Value> {
    let item =
        |n: usize| json!({"id": format!("fat{batch}-{n}"), "title": "Fat", "description": "x".repeat(TEXT_CHARS), "topics": ["art"]});
    (0..BATCH).map(item).collect()
}

async fn fill(server: &Process) -> (usize, u16) {
    for batch in 0..ATTEMPTS {
        let answer = server.post("/v1/items", &json!({ "items": fat_items(batch) })).await;
        if answer.status() != 200 {
            let (status, problem) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            assert_eq!(problem["type"], "https://polyphony.dev/problems/store-unavailable", "{problem}");
            return (batch * BATCH, status);
        }
    }
    panic!("{ATTEMPTS} batches fit");
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_keeps_what_it_acknowledged() {
    let recipe = Recipe::serve().without_file_size_signal();
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    let acknowledged: Vec<String> = (0..20).map(|n| format!("before{n}")).collect();
    assert_eq!(server.events("ann", "i0", &acknowledged).await.0, 202);
    let file = std::fs::metadata(recipe.data().join("polyphony.redb")).unwrap();
    server.limit_file_size(Some(file.len() + ROOM_BYTES));
    let (kept, status) = fill(&server).await;
    assert_eq!(status, 503);
    // Whether one more event fits is the file's luck; what it says it must keep.
    let mut later = Vec::new();
    let mut refused = 0;
    for n in 0..10 {
        let id = format!("full{n}");
        match server.events("ben", "i0", std::slice::from_ref(&id)).await.0 {
            202 => later.push(id),
            503 => refused += 1,
            other => panic!("{other}"),
        }
        assert!(!server.feed("user=ann&limit=5").await["items"].as_array().unwrap().is_empty());
    }
    server.limit_file_size(None);
    eventually("events are taken again", async || (server.events("cleo", "i0", &["after".into()]).await.0 == 202).then_some(())).await;
    server.put_items(&fat_items(ATTEMPTS)).await;
    assert!(server.terminate().await.success());

    let server = recipe.ready().await;
    let lost = lost(&server, "ann", "i0", &acknowledged).await + lost(&server, "ben", "i0", &later).await;
    let items = server.metric("feed_catalogue_items").await;
    told(
        "what does not fit is refused with 503, feeds go on, nothing acknowledged is lost, room heals it without a restart",
        &format!(
            "{kept} items fitted; then {refused} of 10 events refused, 10 of 10 feeds served; after a restart {lost} events lost, {items} items"
        ),
    );
    assert_eq!(lost, 0);
    assert!(items >= (40 + kept + BATCH) as f64, "{items}");
}
