//! What every store promises of consent logs.

use std::{collections::BTreeSet, sync::Arc};

use polyphony::{
    clock::{Clock, ManualClock},
    domain::{
        Span, Time,
        consent::{ConsentRecord, Decision, Purpose},
        reach::Pace,
    },
    store::{Commit, Store},
};

use super::sample::{NOW, profile, user};

type Shared = Arc<dyn Store>;

pub fn consent(purpose: Purpose, decision: Decision, at: Time) -> ConsentRecord {
    ConsentRecord { purpose, decision, at, notice: "b3:00".into(), signature: vec![7; 64] }
}

pub async fn a_consent_log_only_grows(store: Shared, clock: &ManualClock) {
    let ann = user("ann");
    let first = consent(Purpose::ProfileCreate, Decision::Given, NOW);
    let second = consent(Purpose::ProfileCreate, Decision::Withdrawn, NOW.plus(Span::secs(1)));
    assert_eq!(store.person(&ann).await.unwrap(), None);
    assert_eq!(store.append_consent(&ann, 1, &first).await.unwrap(), Commit::Conflict);
    assert_eq!(store.person(&ann).await.unwrap(), None);
    assert_eq!(store.append_consent(&ann, 0, &first).await.unwrap(), Commit::Done);
    assert_eq!(store.append_consent(&ann, 0, &second).await.unwrap(), Commit::Conflict);
    assert_eq!(store.append_consent(&ann, 1, &second).await.unwrap(), Commit::Done);
    let person = store.person(&ann).await.unwrap().unwrap();
    assert_eq!((person.profile, &*person.consents), (None, &[first.clone(), second][..]));

    // The profile is beside it, and neither write touches the other.
    store.commit_profile(&ann, 0, &profile(3), &[], NOW).await.unwrap();
    let person = store.person(&ann).await.unwrap().unwrap();
    assert_eq!((person.profile.as_deref(), person.consents.len()), (Some(&profile(3)), 2));
    assert_eq!(store.person(&user("annie")).await.unwrap(), None);
    clock.set(NOW.plus(Span::days(300)));
    assert_eq!(store.person(&ann).await.unwrap().unwrap().consents.len(), 2);
}

/// Two who decide at once: both records are there in the end, none twice.
pub async fn no_consent_is_lost_to_another(store: Shared, _: &ManualClock) {
    // Whoever is first makes the person's key, and must not take what the others write meanwhile for something older.
    for n in 0..40 {
        let who = user(&format!("ann{n}"));
        let decision = if n % 2 == 0 { Decision::Given } else { Decision::Refused };
        let decide = async |purpose: Purpose| {
            loop {
                let log = store.person(&who).await.unwrap().unwrap_or_default().consents;
                if store.append_consent(&who, log.len(), &consent(purpose, decision, NOW)).await.unwrap() == Commit::Done {
                    return;
                }
            }
        };
        tokio::join!(decide(Purpose::Email), decide(Purpose::Push), decide(Purpose::Measure), decide(Purpose::Research));
        let log = store.person(&who).await.unwrap().unwrap().consents;
        let purposes: BTreeSet<Purpose> = log.iter().map(|record| record.purpose).collect();
        assert_eq!((log.len(), purposes.len()), (4, 4), "{who} {decision:?}");
    }
}

/// What was sent to people of late.
pub async fn a_pace_is_replaced_as_it_was_read(store: Shared, clock: &ManualClock) {
    let (ann, none) = (user("ann"), Pace::default());
    let at = |days: i64| NOW.plus(Span::days(days));
    let first = Pace { pushes: vec![at(0)], digest: None };
    let second = Pace { pushes: vec![at(0), at(1)], digest: Some(at(1)) };
    let week = Span::days(7);
    assert_eq!(store.pace(&ann).await.unwrap(), none);
    assert_eq!(store.commit_pace(&ann, &first, &second, week).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit_pace(&ann, &none, &first, week).await.unwrap(), Commit::Done);
    assert_eq!(store.commit_pace(&ann, &none, &second, week).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit_pace(&ann, &first, &second, week).await.unwrap(), Commit::Done);
    assert_eq!((store.pace(&ann).await.unwrap(), store.pace(&user("annie")).await.unwrap()), (second.clone(), none.clone()));
    assert_eq!(store.person(&ann).await.unwrap(), None, "beside what a feed reads");
    store.erase_user(&ann, clock.now()).await.unwrap();
    assert_eq!(store.pace(&ann).await.unwrap(), none);
    for expected in [&none, &second] {
        assert_eq!(store.commit_pace(&ann, expected, &first, week).await.unwrap(), Commit::Erased);
    }
    store.append_consent(&ann, 0, &consent(Purpose::Push, Decision::Given, NOW)).await.unwrap();
    assert_eq!(store.pace(&ann).await.unwrap(), none);
    assert_eq!(store.commit_pace(&ann, &none, &first, week).await.unwrap(), Commit::Done);
}
