//! Digests and pushes: only where they were agreed to, never more for being away, and out of them with one click.

use polyphony::domain::Span;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    a_push_needs_consent_a_category_and_daylight
    pushes_are_capped_also_for_senders_at_once
    nobody_is_sent_more_for_being_away
    a_mail_is_left_with_one_click_and_not_by_looking
    what_is_remembered_is_shown_and_erased
    of_minors_nothing_inferred_is_sent
}

const TOPICS: [&str; 4] = ["science", "sport", "food", "music"];
const PUBLIC_URL: &str = "https://feeds.example.org";

async fn world(kind: StoreKind, change: impl FnOnce(&mut polyphony::domain::policy::Reach)) -> World {
    let world = World::with(kind, |settings| {
        settings.server.public_url = PUBLIC_URL.into();
        change(&mut settings.policy.reach);
    })
    .await;
    world.items(many(60, &TOPICS, 20)).await;
    world
}

async fn put(world: &World, path: &str, body: &Value) {
    let answer = send(world.request(Method::PUT, path).json(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn agrees(world: &World, user: &str) {
    put(world, &format!("/v1/users/{user}/consent"), &json!({ "decisions": { "push": "given", "email": "given" } })).await;
    let wanted = json!({ "push_categories": ["breaking"], "time_zone": "Europe/Berlin" });
    put(world, &format!("/v1/users/{user}/preferences"), &wanted).await;
}

async fn plan(world: &World, more: Value) -> Answer {
    let mut body = json!({ "user": "ana", "category": "breaking" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.post("/v1/push/plan", &body).await
}

async fn because(world: &World, more: Value) -> String {
    let answer = plan(world, more).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body.get("because").map_or("sent", |because| because.as_str().unwrap()).to_owned()
}

async fn digest(world: &World) -> Answer {
    world.post("/v1/digests", &json!({ "user": "ana", "limit": 5 })).await
}

async fn a_push_needs_consent_a_category_and_daylight(kind: StoreKind) {
    let world = world(kind, |_| {}).await;
    assert_eq!(because(&world, json!({})).await, "no_consent");
    put(&world, "/v1/users/ana/consent", &json!({ "decisions": { "push": "given" } })).await;
    assert_eq!(because(&world, json!({})).await, "category_off");
    put(&world, "/v1/users/ana/preferences", &json!({ "push_categories": ["breaking"] })).await;
    assert_eq!(because(&world, json!({ "category": "sport" })).await, "category_off");
    assert_eq!(because(&world, json!({})).await, "time_zone_unknown");
    // 08:15 in UTC.
    assert_eq!(because(&world, json!({ "time_zone": "America/New_York" })).await, "quiet_hours");
    put(&world, "/v1/users/ana/preferences", &json!({ "push_categories": ["breaking"], "time_zone": "Asia/Kolkata" })).await;
    let sent = plan(&world, json!({})).await;
    assert_eq!(sent.body["send"], true, "{}", sent.text);
    let feed = &sent.body["feed"];
    assert_eq!((&feed["surface"], feed["items"].as_array().unwrap().len()), (&json!("push"), 3));
    assert!(feed["items"][0]["reasons"][0]["text"].is_string() && feed.get("sponsored").is_none());
    put(&world, "/v1/users/ana/consent", &json!({ "decisions": { "push": "refused" } })).await;
    assert_eq!(because(&world, json!({})).await, "no_consent");
    for (wrong, pointer) in [
        (json!({ "time_zone": "Mars/Base" }), "/time_zone"),
        (json!({ "category": "Loud!" }), "/category"),
        (json!({ "user": "" }), "/user"),
        (json!({ "last_seen_at": "soon" }), "/last_seen_at"),
        (json!({ "until": 1 }), "/until"),
    ] {
        let refused = plan(&world, wrong).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (400, &json!(pointer)), "{}", refused.text);
    }
    assert_eq!(plan(&world, json!({ "surface": "nowhere" })).await.problem(), (400, "unknown-surface"));
}

async fn pushes_are_capped_also_for_senders_at_once(kind: StoreKind) {
    let world = world(kind, |reach| reach.push_per_day = 3).await;
    agrees(&world, "ana").await;
    let answers = futures_util::future::join_all((0..12).map(|_| because(&world, json!({})))).await;
    assert_eq!(answers.iter().filter(|because| *because == "sent").count(), 3, "{answers:?}");
    let refused = plan(&world, json!({})).await;
    assert_eq!((&refused.body["because"], &refused.body["not_before"]), (&json!("cap"), &json!("2026-10-10T08:15:00Z")));
    world.clock.advance(Span::hours(24));
    assert_eq!(because(&world, json!({})).await, "sent");
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("feed_reach_total{channel=\"push\",result=\"sent\"} 4"), "{metrics}");
}

/// Sixty days of a sender that asks every four hours, and of a reader who is never there again after the first.
async fn nobody_is_sent_more_for_being_away(kind: StoreKind) {
    let world = world(kind, |reach| reach.push_per_day = 2).await;
    agrees(&world, "ana").await;
    world.events("ana", [event("open", "itm_001")]).await;
    let mut sent: Vec<(u32, u32)> = Vec::new();
    for _ in 0..45 {
        let (mut pushes, mut mails) = (0, 0);
        for _ in 0..4 {
            pushes += u32::from(because(&world, json!({})).await == "sent");
            mails += u32::from(digest(&world).await.body.get("mail").is_some());
            world.clock.advance(Span::hours(6));
        }
        sent.push((pushes, mails));
    }
    let week = |n: usize| sent[n * 7..n * 7 + 7].iter().fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    assert_eq!(week(0), (14, 7));
    assert!(week(1).0 <= 1 && week(1).1 <= 1 && (1..6).all(|n| week(n).0 <= week(n - 1).0 && week(n).1 <= week(n - 1).1), "{sent:?}");
    assert!(sent[30..].iter().all(|day| *day == (0, 0)), "{sent:?}");
    assert_eq!(because(&world, json!({})).await, "away");
    // Back again, and as before.
    world.events("ana", [event("open", "itm_002")]).await;
    assert_eq!(because(&world, json!({})).await, "sent");
}

/// A mail as it has to be; its link to leave by.
fn link_of(answer: &Answer) -> String {
    let mail = &answer.body["mail"];
    assert_eq!(mail["feed"]["items"].as_array().unwrap().len(), 5, "{}", answer.text);
    assert_eq!(mail["subject"]["more"], 4);
    let link = mail["unsubscribe_url"].as_str().unwrap();
    assert_eq!(mail["headers"]["List-Unsubscribe"], format!("<{link}>"));
    assert_eq!(mail["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    assert!(link.starts_with(PUBLIC_URL) && !link.contains("ana"), "{link}");
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    for item in mail["feed"]["items"].as_array().unwrap() {
        assert!(text.contains(item["item"]["title"].as_str().unwrap()) && text.contains(item["reasons"][0]["text"].as_str().unwrap()));
    }
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("http://"), "{html}");
    let links = html.matches("href=\"").count();
    assert!(links >= 1 && html.contains(link) && text.contains(link));
    link.to_owned()
}

/// One withdrawal is on record, with the notice it was made by.
async fn withdrew_once(world: &World) {
    let receipts = world.get("/v1/users/ana/consent/receipts").await;
    let withdrawn: Vec<&Value> =
        receipts.body["receipts"].as_array().unwrap().iter().filter(|r| r["event"]["type"] == "withdrawn").collect();
    assert_eq!(withdrawn.len(), 1, "once, however often it is sent");
    let notice = world.get(&format!("/v1/consent/notices/{}", withdrawn[0]["notice"]["version"].as_str().unwrap())).await;
    assert!(notice.text.contains("RFC 8058"), "{}", notice.text);
}

/// What holds for mails.
async fn standing(world: &World) -> Value {
    world.get("/v1/users/ana/consent").await.body["purposes"]["email"]["standing"].clone()
}

async fn looking_changes_nothing(world: &World, path: &str) {
    let looked = world.get(path).await;
    assert!(looked.status == 200 && looked.text.contains("<form method=\"post\">"), "{}", looked.text);
    assert_eq!(standing(world).await, "given");
}

async fn a_mail_is_left_with_one_click_and_not_by_looking(kind: StoreKind) {
    let world = world(kind, |_| {}).await;
    assert_eq!(digest(&world).await.body, json!({ "skipped": "no_consent" }));
    agrees(&world, "ana").await;
    let mut odd = many(1, &TOPICS, 1).remove(0);
    (odd["title"], odd["url"]) = ("<script>alert(1)</script> & more".into(), "https://example.org/a?b=1&c=2".into());
    world.put_item(odd).await;
    let answer = digest(&world).await;
    let link = &link_of(&answer);
    assert_eq!(digest(&world).await.body["skipped"], "cap");

    let path = link.strip_prefix(PUBLIC_URL).unwrap();
    looking_changes_nothing(&world, path).await;
    let post = |body: &'static str, kind: &'static str| world.request(Method::POST, path).header("content-type", kind).body(body);
    const FORM: &str = "application/x-www-form-urlencoded";
    assert_eq!(send(post("yes=1", FORM)).await.problem(), (400, "bad-request"));
    assert_eq!(standing(&world).await, "given");
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (body, kind) in
        [("List-Unsubscribe=One-Click", FORM), (multipart, "multipart/form-data; boundary=b"), ("List-Unsubscribe=One-Click", FORM)]
    {
        let left = send(post(body, kind)).await;
        assert_eq!(left.status, 200, "{}", left.text);
        assert_eq!(standing(&world).await, "withdrawn");
    }
    world.clock.advance(Span::days(2));
    assert_eq!(digest(&world).await.body, json!({ "skipped": "no_consent" }), "at once");
    withdrew_once(&world).await;
    assert_eq!(world.get("/v1/unsubscribe/nonsense").await.problem(), (404, "not-found"));
    // After an erasure the link still answers, and keeps nothing.
    send(world.request(Method::DELETE, "/v1/users/ana")).await;
    assert_eq!(send(post("List-Unsubscribe=One-Click", FORM)).await.status, 200);
    assert_eq!(standing(&world).await, "unasked");
}

async fn what_is_remembered_is_shown_and_erased(kind: StoreKind) {
    let world = world(kind, |_| {}).await;
    agrees(&world, "ana").await;
    assert_eq!(because(&world, json!({})).await, "sent");
    assert!(digest(&world).await.body.get("mail").is_some());
    let sent = |export: &Answer| export.body["observed"]["sent"].clone();
    let at = "2026-10-09T08:15:00Z";
    assert_eq!(sent(&world.get("/v1/users/ana/export").await), json!({ "pushes": [at], "digest": at }));
    send(world.request(Method::DELETE, "/v1/users/ana")).await;
    assert_eq!(sent(&world.get("/v1/users/ana/export").await), json!({ "pushes": [] }));
    // Whoever comes back begins anew; whoever stays away is forgotten.
    agrees(&world, "ana").await;
    assert_eq!(because(&world, json!({})).await, "sent");
    world.clock.advance(Span::days(8));
    if kind == StoreKind::Embedded {
        assert_eq!(sent(&world.get("/v1/users/ana/export").await), json!({ "pushes": [] }), "its time is over");
    }
    let without = World::with(kind, |_| {}).await;
    without.items(many(5, &TOPICS, 5)).await;
    agrees(&without, "ana").await;
    assert_eq!(digest(&without).await.problem(), (409, "conflict"), "no address, no mail");
}

async fn of_minors_nothing_inferred_is_sent(kind: StoreKind) {
    let world = world(kind, |_| {}).await;
    for (path, age, mode) in [
        ("/v1/push/plan", "adult", "profile"),
        ("/v1/push/plan", "minor", "explicit_only"),
        ("/v1/digests", "adult", "profile"),
        ("/v1/digests", "minor", "explicit_only"),
    ] {
        let user = format!("{age}-of-{}", path.len());
        agrees(&world, &user).await;
        world.events(&user, (0..8).map(|n| event("like", &format!("itm_{:03}", n * 4)))).await;
        let mut body = json!({ "user": user });
        if path == "/v1/push/plan" {
            body["category"] = "breaking".into();
        }
        let answer = send(world.request(Method::POST, path).header("Age-Group", age).json(&body)).await.ok();
        let feed = answer.body.pointer("/feed").or(answer.body.pointer("/mail/feed"));
        let feed = feed.unwrap_or_else(|| panic!("no page: {}", answer.text));
        assert_eq!(feed["privacy"]["mode"], mode, "{path} {age}");
    }
}
