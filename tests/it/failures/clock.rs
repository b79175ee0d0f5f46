//! The machine's clock jumps, forward and back.

use polyphony::{clock::Clock, domain::Span};

use super::told;
use crate::support::world::{StoreKind, World, event};

#[tokio::test]
async fn a_clock_that_jumps_changes_no_page_and_learns_nothing_twice() {
    let world = World::start(StoreKind::Embedded).await;
    world.demo().await;
    let first = world.feed("ann").limit(5).get().await.ok();
    let cursor = first.next().unwrap();
    let second = world.feed("ann").cursor(&cursor).limit(5).get().await.ok();
    let mut opened = event("open", &first.ids()[0]);
    opened["id"] = "ev_once".into();
    world.events("ann", [opened.clone()]).await;

    world.clock.advance(Span::hours(2));
    let late = world.feed("ann").cursor(&cursor).limit(5).get().await.ok();
    assert_eq!(late.body["page"]["restarted"], true, "a cursor past its time starts a new feed: {}", late.text);
    assert!(late.ids().iter().all(|id| !first.ids().contains(id)), "without what was served");

    // Back to before: as when a time server corrects a wrong clock.
    world.clock.set(world.clock.now().minus(Span::hours(3)));
    let again = world.feed("ann").cursor(&cursor).limit(5).get().await.ok();
    assert_eq!(again.ids(), second.ids(), "the page is the one that was served");
    let sent_again = world.try_events("ann", &[opened]).await;
    assert_eq!((&sent_again.body["accepted"], &sent_again.body["duplicates"]), (&0.into(), &1.into()), "{}", sent_again.text);
    let mut served = 0;
    for _ in 0..5 {
        let page = world.feed("ann").limit(5).get().await.ok();
        served += usize::from(page.ids().len() == 5 && page.body.get("degraded").is_none());
    }
    told(
        "no page that was served changes, an event is learned once, feeds go on",
        &format!("2 h forward: restarted without repeats; 3 h back: page equal, 0 of 1 events learned again, {served} of 5 feeds whole"),
    );
    assert_eq!(served, 5);
}
