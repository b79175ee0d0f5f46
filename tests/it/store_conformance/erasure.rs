//! What every store promises of erasures and keys.

use std::{sync::Arc, time::Duration};

use polyphony::{
    clock::ManualClock,
    domain::{
        Profile, Span,
        consent::{Decision, Purpose},
        feed::Owner,
    },
    store::{Commit, Store, StoreError},
};

use super::consents::consent;
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
                match store.put_feed(&own, &page(0), KEEP, None).await {
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

pub async fn a_consent_given_lifts_an_erasure(store: Shared, _: &ManualClock) {
    let ann = user("ann");
    let given = consent(Purpose::ProfileCreate, Decision::Given, NOW);
    let refused = consent(Purpose::Email, Decision::Refused, NOW);
    store.append_consent(&ann, 0, &given).await.unwrap();
    let before = store.pseudonym(&ann).await.unwrap();
    store.erase_user(&ann, NOW).await.unwrap();
    assert_eq!(store.append_consent(&ann, 0, &refused).await.unwrap(), Commit::Erased, "a refusal is a record too");
    assert_eq!(store.person(&ann).await.unwrap(), None);
    assert_eq!(store.append_consent(&ann, 1, &given).await.unwrap(), Commit::Conflict, "the log begins anew");
    assert!(store.begin_learning(&ann, &[]).await.unwrap().is_erased, "what was refused lifts nothing");
    assert_eq!(store.append_consent(&ann, 0, &given).await.unwrap(), Commit::Done);
    assert_eq!(store.append_consent(&ann, 1, &refused).await.unwrap(), Commit::Done);
    assert_eq!(store.person(&ann).await.unwrap().unwrap().consents[..], [given, refused]);
    assert_ne!(store.pseudonym(&ann).await.unwrap(), before, "nothing links to before");
    assert_eq!(store.commit_profile(&ann, 0, &profile(1), &[], NOW).await.unwrap(), Commit::Done);
}

/// Leaving and coming back at once, with late writers: whatever came first, what is there can be read.
pub async fn coming_back_while_leaving_breaks_nothing(store: Shared, _: &ManualClock) {
    let ann = user("ann");
    let comes = async {
        for _ in 0..40 {
            let log = store.person(&ann).await.unwrap().unwrap_or_default().consents;
            store.append_consent(&ann, log.len(), &consent(Purpose::Push, Decision::Given, NOW)).await.unwrap();
        }
    };
    let leaves = async {
        for _ in 0..40 {
            store.erase_user(&ann, NOW).await.unwrap();
        }
    };
    let writes = async {
        for round in 0..40 {
            let learning = store.begin_learning(&ann, &[]).await.unwrap();
            store.commit_profile(&ann, learning.revision, &profile(round), &[], NOW).await.unwrap();
        }
    };
    tokio::join!(comes, leaves, writes);
    store.person(&ann).await.unwrap();
    store.erase_user(&ann, NOW).await.unwrap();
    assert_eq!(store.person(&ann).await.unwrap(), None);
}

pub async fn a_key_stays_as_long_as_a_consent_log(store: Shared, clock: &ManualClock) {
    let ann = user("ann");
    let refused = consent(Purpose::ProfileUse, Decision::Refused, NOW);
    store.commit_profile(&ann, 0, &profile(1), &[event("e")], NOW).await.unwrap();
    store.append_consent(&ann, 0, &refused).await.unwrap();
    let later = NOW.plus(Span::days(1_000));
    clock.set(later);
    while store.sweep(later).await.unwrap() > 0 {}
    assert_eq!(store.person(&ann).await.unwrap().unwrap().consents[..], [refused]);
}
