//! More is asked than can be done in time: feeds are made of less, then new ones are refused, and who has a page goes on.

use actix_web::{HttpResponse, web};
use polyphony::domain::FeedId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    world::{StoreKind, World},
};

/// A server of one worker, which is busy for so long with each request for `path`.
async fn busy_with(path: &'static str, millis: u64) -> TestApp {
    let busy = move || async move {
        std::thread::sleep(std::time::Duration::from_millis(millis));
        HttpResponse::NoContent().finish()
    };
    let configure = move |config: &mut web::ServiceConfig| {
        config.route(path, web::get().to(busy));
    };
    TestApp::with(|settings| settings.server.workers = 1, configure).await
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_and_who_waits_is_served() {
    const ASKED: usize = 150;
    let app = busy_with("/test/busy", 30).await;
    let asked: Vec<_> = (0..ASKED).map(|_| tokio::spawn(app.request(Method::GET, "/test/busy").send())).collect();
    let (mut served, mut refused) = (0, 0);
    for answer in asked {
        let answer = answer.await.unwrap().unwrap();
        match answer.status().as_u16() {
            204 => served += 1,
            503 => {
                assert_eq!(answer.headers()["retry-after"], "1");
                let problem: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(problem["code"], "E0131", "{problem}");
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0, "512 places are no reason to make {ASKED} wait for seconds");
    assert!(served >= 32 && served + refused == ASKED, "{served} served, {refused} refused");
    assert_eq!(app.get("/test/busy").await.status(), 204, "and well again");
    assert!(app.get("/metrics").await.text().await.unwrap().contains(&format!("feed_shed_total {refused}\n")));
}

#[tokio::test]
async fn whoever_has_a_page_gets_the_next_when_nobody_new_does() {
    const GOING_ON: usize = 8;
    let app = busy_with("/v1/feed", 5).await;
    // It learns what a feed costs here, so that places do not become fewer below.
    for _ in 0..60 {
        assert_eq!(app.get("/v1/feed?user=ana").await.status(), 204);
    }
    let ask = |path: &str| tokio::spawn(app.request(Method::GET, path).send());
    let beginning: Vec<_> = (0..150).map(|_| ask("/v1/feed?user=ana")).collect();
    let going_on: Vec<_> = (0..GOING_ON).map(|_| ask("/v1/feed?user=ben&cursor=c1.x")).collect();
    let mut counts = [[0, 0], [0, 0]];
    for (step, answers) in [beginning, going_on].into_iter().enumerate() {
        for answer in answers {
            let status = answer.await.unwrap().unwrap().status().as_u16();
            assert!(matches!(status, 204 | 503), "{status}");
            counts[step][usize::from(status == 503)] += 1;
        }
    }
    let [[_, turned_away], [went_on, stopped]] = counts;
    assert!(turned_away > 0, "{counts:?}");
    assert_eq!((went_on, stopped), (GOING_ON, 0), "{counts:?}");
}

#[tokio::test]
async fn feeds_are_made_of_less_before_they_are_refused() {
    const ASKED: usize = 150;
    let world = World::with(StoreKind::Embedded, |settings| {
        settings.server.workers = 1;
        settings.server.brownout_share = 0.4;
    })
    .await;
    world.demo().await;
    let overloaded = json!([{"stage": "candidates", "reason": "overload", "fallback": "fewer_candidates"}]);
    let asked: Vec<_> = (0..ASKED).map(|_| tokio::spawn(world.request(Method::GET, "/v1/feed?user=ana").send())).collect();
    let (mut less, mut refused) = (0, 0);
    for answer in asked {
        let answer = answer.await.unwrap().unwrap();
        if answer.status() == 503 {
            refused += 1;
            continue;
        }
        let page: Value = answer.json().await.unwrap();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(20), "{page}");
        match page.get("degraded") {
            None => {}
            Some(degraded) => {
                assert_eq!(*degraded, overloaded);
                less += 1;
            }
        }
    }
    assert!(less > 0 && refused < ASKED, "{less} made of less, {refused} refused");
    let alone = world.feed("ana").get().await.ok();
    let candidates = |page: &str| world.app.feed.local.get(&FeedId::new(page).unwrap()).unwrap().record().feed.pool.len();
    assert_eq!(candidates(alone.feed_id()), 500, "all of them again");
    let counted = world.get("/metrics").await.text;
    assert!(counted.contains(&format!("feed_degraded_total{{surface=\"home\",reason=\"overload\"}} {less}\n")), "{counted}");
}
