//! A deploy stops half-way: two servers of one store with different policies answer the same readers in turns.

use std::collections::HashSet;

use super::{is_degraded, told};
use crate::support::{
    process::{Recipe, ids, items, next},
    redis::RedisServer,
};

const READERS: usize = 10;
const PAGES: usize = 4;

#[tokio::test]
async fn readers_between_two_versions_see_whole_feeds_without_repeats() {
    let redis = RedisServer::start_new();
    let before = Recipe::serve().redis(&redis.url()).set("policy.version", "1");
    let after = Recipe::serve().redis(&redis.url()).set("policy.version", "2").set("policy.diversify.method", "dpp");
    let servers = [before.ready().await, after.ready().await];
    servers[0].put_items(&items(120)).await;
    let caught_up = async || (servers[1].metric("feed_catalogue_items").await == 120.0).then_some(());
    crate::support::process::eventually("both have the catalogue", caught_up).await;
    let (mut pages, mut repeated, mut foreign, mut degraded) = (0, 0, 0, 0);
    for reader in 0..READERS {
        let (mut seen, mut cursor, mut began) = (HashSet::new(), None, None);
        for number in 0..PAGES {
            let server = &servers[(reader + number) % 2];
            let query = match &cursor {
                None => format!("user=u{reader}&limit=5"),
                Some(cursor) => format!("user=u{reader}&limit=5&cursor={cursor}"),
            };
            let page = server.feed(&query).await;
            let policy = page["policy"]["digest"].as_str().unwrap().to_owned();
            // The answer names the policy that made the feed, whoever serves it.
            foreign += usize::from(*began.get_or_insert_with(|| policy.clone()) != policy);
            repeated += ids(&page).iter().filter(|id| !seen.insert((*id).clone())).count();
            degraded += usize::from(is_degraded(&page));
            pages += 1;
            cursor = Some(next(&page));
        }
    }
    told(
        "a feed goes on under the policy that began it on any server, without repeats, and says which that is",
        &format!(
            "{pages} pages of {READERS} readers in turns; {repeated} items repeated, {foreign} pages of another policy, {degraded} degraded"
        ),
    );
    assert_eq!((pages, repeated, foreign, degraded), (READERS * PAGES, 0, 0, 0));
}
