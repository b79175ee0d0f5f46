//! Stored bytes are damaged: each record harms only itself, and a damaged file is refused by name instead of replaced.

use super::told;
use crate::support::{
    process::{Recipe, ids, items},
    redis::RedisServer,
};

#[tokio::test]
async fn damaged_items_are_left_out_and_the_rest_is_served() {
    let redis = RedisServer::start_new();
    let recipe = Recipe::serve().redis(&redis.url());
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    assert!(server.terminate().await.success());
    let mut connection = redis.connection();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("pf:{c:*}:items").query(&mut connection).unwrap();
    let mut damaged = 0;
    for key in keys.iter().take(3) {
        let fields: Vec<String> = ::redis::cmd("HKEYS").arg(key).query(&mut connection).unwrap();
        ::redis::cmd("HSET").arg(key).arg(&fields[0]).arg(&b"\xff\x00nonsense"[..]).exec(&mut connection).unwrap();
        damaged += 1;
    }
    let server = recipe.ready().await;
    let served = ids(&server.feed("user=ann&limit=100").await).len();
    let loaded = server.metric("feed_catalogue_items").await;
    assert!(server.output().contains("damaged catalogue records were skipped"), "{}", server.output());
    told(
        "a damaged record is left out and logged, all others are served",
        &format!("{damaged} of 40 damaged; {loaded} loaded, {served} served"),
    );
    assert_eq!((damaged, loaded, served), (3, 37.0, 37));
}

#[tokio::test]
async fn a_damaged_store_file_is_refused_by_name_and_left_as_it_is() {
    let recipe = Recipe::serve();
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    assert!(server.terminate().await.success());
    let path = recipe.data().join("polyphony.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    // The head of the file, which says where everything is.
    bytes[..512].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let (code, said) = recipe.fails();
    let is_as_it_was = std::fs::read(&path).unwrap() == bytes;
    told(
        "a file that cannot be read is named and not written",
        &format!("exit code {code:?}, names it: {}, unchanged: {is_as_it_was}", said.contains("polyphony.redb")),
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("polyphony.redb") && is_as_it_was, "{said}");
}
