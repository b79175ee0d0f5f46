//! A person as a process last saw them: good for a page exactly while the store says so with the same command.

use std::{sync::Arc, time::Duration};

use polyphony::{
    domain::{
        Span, UserId,
        consent::{Decision, Purpose},
        feed::Owner,
    },
    store::{Commit, Store, StoreError, Supposed},
};

use super::{
    super::{
        consents::consent,
        sample::{NOW, event, feed, feed_id, page, profile, user},
    },
    Fixture,
};
use crate::support::redis::RedisServer;

const KEEP: Duration = Duration::from_secs(600);

async fn read(store: &Arc<dyn Store>, who: &UserId) -> Supposed {
    let person = store.person(who).await.unwrap().unwrap();
    let supposed = store.supposed(who).expect("who was read is remembered");
    assert_eq!(supposed.person, person);
    supposed
}

/// Puts a feed and freezes its next page on `supposed`.
async fn keep(store: &Arc<dyn Store>, id: &str, supposed: &Supposed) -> [Result<(), StoreError>; 2] {
    let owner = Owner::User(user("ann"));
    let put = store.put_feed(&feed(id, owner.clone()), &page(0), KEEP, Some(&supposed.basis)).await;
    let frozen = store.freeze_page(&owner, &feed_id("fd_before"), 1, &page(1), Some(&supposed.basis)).await;
    [put, frozen.map(drop)]
}

fn outdated(outcomes: [Result<(), StoreError>; 2]) {
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Outdated))), "{outcomes:?}");
}

#[tokio::test]
async fn whatever_another_server_changes_is_noticed() {
    let fixture = Fixture::new();
    let (here, there) = (fixture.store(), fixture.another());
    let ann = user("ann");
    assert_eq!(here.supposed(&ann), None, "nobody is known before they are read");
    here.commit_profile(&ann, 0, &profile(1), &[event("e1")], NOW).await.unwrap();
    assert_eq!(here.supposed(&ann), None, "what was written is not what was read");
    here.put_feed(&feed("fd_before", Owner::User(ann.clone())), &page(0), KEEP, None).await.unwrap();

    let supposed = read(&here, &ann).await;
    assert!(keep(&here, "fd_1", &supposed).await.iter().all(Result::is_ok));
    assert_eq!(here.supposed(&ann), Some(supposed.clone()), "it held");

    // Another server learns.
    let revision = there.begin_learning(&ann, &[]).await.unwrap().revision;
    assert_eq!(there.commit_profile(&ann, revision, &profile(2), &[], NOW).await.unwrap(), Commit::Done);
    outdated(keep(&here, "fd_2", &supposed).await);
    assert_eq!(here.supposed(&ann), None, "it is not supposed again");
    assert_eq!(here.feed(&Owner::User(ann.clone()), &feed_id("fd_2")).await.unwrap(), None, "nothing of it was kept");

    // Another server takes a consent back: the first there is, and one more.
    for number in 0..2 {
        let supposed = read(&here, &ann).await;
        assert_eq!(supposed.person.consents.len(), number);
        let record = consent(Purpose::ProfileUse, Decision::Withdrawn, NOW);
        assert_eq!(there.append_consent(&ann, number, &record).await.unwrap(), Commit::Done);
        outdated(keep(&here, "fd_3", &supposed).await);
    }

    // Another server erases.
    let supposed = read(&here, &ann).await;
    there.erase_user(&ann, NOW).await.unwrap();
    let [put, frozen] = keep(&here, "fd_4", &supposed).await;
    assert!(matches!(put, Err(StoreError::Erased | StoreError::Outdated)), "{put:?}");
    assert!(matches!(frozen, Err(StoreError::Outdated) | Ok(())), "{frozen:?}");
    assert_eq!(here.feed(&Owner::User(ann.clone()), &feed_id("fd_4")).await.unwrap(), None);
    assert_eq!(here.person(&ann).await.unwrap(), None);
    assert_eq!(here.supposed(&ann), None);
}

#[tokio::test]
async fn an_erasure_elsewhere_is_forgotten_here_too() {
    let fixture = Fixture::new();
    let (here, there) = (fixture.store(), fixture.another());
    let ann = user("ann");
    here.commit_profile(&ann, 0, &profile(1), &[], NOW).await.unwrap();
    read(&here, &ann).await;
    there.erase_user(&ann, NOW).await.unwrap();
    here.erased_since(NOW.minus(Span::secs(1))).await.unwrap();
    assert_eq!(here.supposed(&ann), None);
}

#[tokio::test]
async fn nobody_is_supposed_without_room() {
    let fixture = Fixture::on(RedisServer::start_new(), |options| options.person_cache_bytes = 0);
    let store = fixture.store();
    store.commit_profile(&user("ann"), 0, &profile(1), &[], NOW).await.unwrap();
    store.person(&user("ann")).await.unwrap().unwrap();
    assert_eq!(store.supposed(&user("ann")), None);
}
