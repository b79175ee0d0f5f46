//! What every store promises of erasures and keys.

use std::{sync::Arc, time::Duration};

use polyphony::{
    clock::ManualClock,
    domain::{Profile, Span, feed::Owner},
    store::{Store, StoreError},
};

use super::sample::{NOW, event, feed, feed_id, page, profile, user};

type Shared = Arc<dyn Store>;

const KEEP: Duration = Duration::from_secs(600);

pub async fn writers_bring_nothing_back_after_an_erasure(store: Shared, _: &ManualClock) {
    let writer = |n: u64| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..200 {
                let learning = store.begin_learning(&user("ann"), &[]).await.unwrap();
                let ids = [event(&format!("{n}-{round}"))];
                store.commit_profile(&user("ann"), learning.revision, &profile(round), &ids, NOW).await.unwrap();
                let own = feed(&format!("fd_{n}_{round}"), Owner::User(user("ann")));
                match store.put_feed(&own, &page(0), KEEP).await {
                    Ok(()) | Err(StoreError::Erased) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
    };
    let writers: Vec<_> = (0..2).map(writer).collect();
    while store.profile(&user("ann")).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let at = store.erase_user(&user("ann"), NOW).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.erase_user(&user("ann"), NOW.plus(Span::hours(1))).await.unwrap(), at, "the first one counts");
    let learning = store.begin_learning(&user("ann"), &[event("0-0")]).await.unwrap();
    assert_eq!((learning.profile, learning.revision, learning.known, learning.is_erased), (Profile::default(), 0, vec![false], true));
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
    assert!(matches!(store.pseudonym(&user("ann")).await, Err(StoreError::Erased)));
    for n in 0..2 {
        for round in 0..200 {
            assert_eq!(store.feed(&Owner::User(user("ann")), &feed_id(&format!("fd_{n}_{round}"))).await.unwrap(), None);
        }
    }
}

pub async fn a_pseudonym_is_the_persons_own_and_stays(store: Shared, _: &ManualClock) {
    let ann = store.pseudonym(&user("ann")).await.unwrap();
    store.commit_profile(&user("ann"), 0, &profile(1), &[], NOW).await.unwrap();
    assert_eq!(store.pseudonym(&user("ann")).await.unwrap(), ann);
    assert_ne!(store.pseudonym(&user("ben")).await.unwrap(), ann);
    assert_eq!(store.rotate_keys().await.unwrap().unreadable, 0);
    assert_eq!(store.pseudonym(&user("ann")).await.unwrap(), ann);
}
