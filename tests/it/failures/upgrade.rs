//! A rolling upgrade: servers of the version before and of this one over one Redis, then this one alone.
//!
//! `POLYPHONY_PREVIOUS` names the binary of the version before (`git worktree add ../before TAG && cargo build --release` there);
//! without it the test says that it is skipped. What earlier versions wrote is also held byte by byte in `store::codec`.

use std::{collections::HashSet, path::PathBuf};

use serde_json::Value;

use super::{insist, is_degraded, lost, told};
use crate::support::{
    process::{Process, Recipe, eventually, ids, items, next},
    redis::RedisServer,
};

const READERS: usize = 12;
const PAGES: usize = 4;

#[derive(Default)]
struct Counted {
    pages: usize,
    repeated: usize,
    degraded: usize,
    begun_anew: usize,
}

/// Pages of a reader's feed, each from the server whose turn it is.
async fn read(servers: &[&Process], reader: usize, counted: &mut Counted) {
    let (mut seen, mut cursor, mut feed): (HashSet<String>, Option<String>, Option<Value>) = (HashSet::new(), None, None);
    for number in 0..PAGES {
        let server = servers[(reader + number) % servers.len()];
        let query = match &cursor {
            None => format!("user=u{reader}&limit=5"),
            Some(cursor) => format!("user=u{reader}&limit=5&cursor={cursor}"),
        };
        let page = server.feed(&query).await;
        counted.begun_anew += usize::from(*feed.get_or_insert_with(|| page["feed_id"].clone()) != page["feed_id"]);
        counted.repeated += ids(&page).iter().filter(|id| !seen.insert((*id).clone())).count();
        counted.degraded += usize::from(is_degraded(&page));
        counted.pages += 1;
        cursor = Some(next(&page));
    }
}

#[tokio::test]
async fn the_version_before_and_this_one_serve_side_by_side() {
    let Some(previous) = std::env::var_os("POLYPHONY_PREVIOUS").map(PathBuf::from) else {
        println!("skipped: POLYPHONY_PREVIOUS does not name a binary of the version before");
        return;
    };
    let redis = RedisServer::start_new();
    let before = Recipe::serve().redis(&redis.url()).binary(&previous).ready().await;
    before.put_items(&items(120)).await;
    let mut acknowledged = vec![Vec::new(); READERS];
    for (reader, ids) in acknowledged.iter_mut().enumerate() {
        ids.push(format!("before-{reader}"));
        insist(&before, &format!("u{reader}"), &format!("i{reader}"), &ids[0]).await;
    }
    let begun = before.feed("user=u0&limit=5").await;
    let after = Recipe::serve().redis(&redis.url()).ready().await;
    eventually("both have the catalogue", async || (after.metric("feed_catalogue_items").await == 120.0).then_some(())).await;
    let mut counted = Counted::default();
    for round in 0..3 {
        for (reader, ids) in acknowledged.iter_mut().enumerate() {
            read(&[&before, &after], reader, &mut counted).await;
            let server = if (reader + round) % 2 == 0 { &before } else { &after };
            ids.push(format!("r{round}-{reader}"));
            insist(server, &format!("u{reader}"), &format!("i{}", reader + 20 * round), &ids[ids.len() - 1]).await;
        }
    }
    let ended = before.terminate().await;
    for reader in 0..READERS {
        read(&[&after], reader, &mut counted).await;
    }
    let continued = after.feed(&format!("user=u0&limit=5&cursor={}", next(&begun))).await;
    let mut gone = 0;
    for (reader, ids) in acknowledged.iter().enumerate() {
        // An event is known with its item; each went to one of its own.
        for (at, id) in ids.iter().enumerate() {
            let item = if at == 0 { format!("i{reader}") } else { format!("i{}", reader + 20 * (at - 1)) };
            gone += lost(&after, &format!("u{reader}"), &item, std::slice::from_ref(id)).await;
        }
    }
    let Counted { pages, repeated, degraded, begun_anew } = counted;
    told(
        "cursors and events cross between two versions; nobody notices when the old one ends",
        &format!(
            "{pages} pages, {repeated} items repeated, {begun_anew} feeds begun anew, {degraded} degraded; {} events, {gone} lost; a feed of \
             the old version goes on: {}",
            4 * READERS,
            continued["feed_id"] == begun["feed_id"],
        ),
    );
    assert!(ended.success());
    assert_eq!((pages, repeated, degraded, begun_anew, gone), (READERS * PAGES * 4, 0, 0, 0, 0));
    assert_eq!(continued["feed_id"], begun["feed_id"]);
}
