//! The catalogue over HTTP: one item, many items, and everything that is wrong with them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, item, on_both_stores, send};

on_both_stores! {
    an_item_comes_and_goes
    the_path_names_the_item
    many_come_in_every_form
    the_sound_ones_are_taken
    ids_are_what_the_path_says_decoded
    an_item_has_its_bounds
    bodies_have_their_bounds
    all_faults_are_named_at_once
    the_last_of_one_id_wins
}

async fn put(world: &World, path: &str, body: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/items/{path}")).json(&body)).await
}

async fn post_as(world: &World, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    send(world.request(Method::POST, "/v1/items").header("content-type", content_type).body(body)).await
}

async fn an_item_comes_and_goes(kind: StoreKind) {
    let world = World::start(kind).await;
    let mut one = item("one", "science", "crt_1", 1);
    assert_eq!(world.put_item(one.clone()).await.status, 201);
    one["title"] = "Another title".into();
    let replaced = world.put_item(one).await;
    assert_eq!(replaced.status, 200);
    let got = world.get("/v1/items/one").await;
    assert_eq!((got.status.as_u16(), &got.body), (200, &replaced.body));
    assert_eq!(got.body["title"], "Another title");
    let embedded = world.get("/v1/items/one?embedding=true").await;
    // Made from the words, and not shown: it is ours.
    assert!(embedded.body.get("embedding").is_none_or(|e| e.as_array().unwrap().len() == world.app.dimension()), "{}", embedded.text);
    assert_eq!(world.feed("").get().await.ok().items()[0]["item"]["title"], "Another title");
    assert_eq!(world.delete_item("one").await.status, 204);
    assert_eq!(world.delete_item("one").await.problem(), (404, "not-found"));
    assert_eq!(world.get("/v1/items/one").await.problem(), (404, "not-found"));
    assert_eq!(world.get("/v1/items/one?embeding=true").await.problem(), (400, "invalid-parameter"));
}

async fn the_path_names_the_item(kind: StoreKind) {
    let world = World::start(kind).await;
    assert_eq!(put(&world, "one", json!({"title": "No id"})).await.status, 201);
    let other = put(&world, "one", json!({"id": "two", "title": "Another id"})).await;
    assert_eq!(other.problem(), (400, "invalid-body"));
    assert_eq!(other.body["errors"][0]["pointer"], "/id");
    assert_eq!(world.get("/v1/items/one").await.body["title"], "No id");
    assert_eq!(world.get("/v1/items/two").await.status, 404);
}

async fn many_come_in_every_form(kind: StoreKind) {
    let world = World::start(kind).await;
    let items: Vec<Value> = (0..3).map(|n| item(&format!("a{n}"), "science", "crt_1", n)).collect();
    let lines: String = items.iter().map(|item| format!("{item}\r\n\n")).collect();
    for (content_type, body) in [
        ("application/json", json!({ "items": items }).to_string()),
        ("application/json", json!(items).to_string()),
        ("application/x-ndjson", lines.clone()),
        ("application/jsonl; charset=utf-8", lines.trim_end().to_owned()),
    ] {
        let answer = post_as(&world, content_type, body).await;
        assert_eq!((answer.status.as_u16(), answer.body), (200, json!({"accepted": 3, "rejected": []})), "{content_type}");
        for n in 0..3 {
            assert_eq!(world.delete_item(&format!("a{n}")).await.status, 204, "{content_type}");
        }
    }
    for (content_type, body) in [
        ("application/json", "[]"),
        ("application/json", "{}"),
        ("application/json", "7"),
        ("application/json", r#"{"items": [], "more": 1}"#),
        ("application/x-ndjson", "\n\n"),
    ] {
        assert_eq!(post_as(&world, content_type, body).await.problem(), (400, "invalid-body"), "{body}");
    }
    assert_eq!(post_as(&world, "text/csv", "id,title").await.problem(), (415, "unsupported-media-type"));
    let too_many = format!("[{}]", vec!["1"; 10_001].join(","));
    assert_eq!(post_as(&world, "application/json", too_many).await.problem(), (400, "invalid-body"));
}

async fn the_sound_ones_are_taken(kind: StoreKind) {
    let world = World::start(kind).await;
    let lines = [
        item("a", "science", "crt_1", 1).to_string(),
        "{broken".to_owned(),
        json!({"id": "b"}).to_string(),
        "7".to_owned(),
        json!({"id": "c", "title": "C", "embedding": [1, 2, 3]}).to_string(),
        item("d", "food", "crt_2", 2).to_string(),
    ];
    let answer = post_as(&world, "application/x-ndjson", lines.join("\n")).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(2)), "{}", answer.text);
    let rejected: Vec<(u64, Option<&str>, &str)> = answer.body["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["index"].as_u64().unwrap(), r["id"].as_str(), r["errors"][0]["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(rejected, [(1, None, ""), (2, Some("b"), "/title"), (3, None, ""), (4, Some("c"), "/embedding")]);
    assert_eq!((world.get("/v1/items/a").await.status, world.get("/v1/items/d").await.status.as_u16()), (reqwest::StatusCode::OK, 200));
}

async fn ids_are_what_the_path_says_decoded(kind: StoreKind) {
    let world = World::start(kind).await;
    for (path, id) in
        [("a%20b", "a b"), ("%C3%BCml%C3%A4ut", "ümläut"), ("a%3Fb%23c", "a?b#c"), ("a%2Fb", "a/b"), ("100%25", "100%"), ("a+b", "a+b")]
    {
        let made = put(&world, path, json!({"title": "T"})).await;
        assert_eq!((made.status.as_u16(), &made.body["id"]), (201, &json!(id)), "{path}: {}", made.text);
        assert_eq!(world.get(&format!("/v1/items/{path}")).await.body["id"], id, "{path}");
        assert_eq!(send(world.request(Method::DELETE, &format!("/v1/items/{path}"))).await.status, 204, "{path}");
    }
    for path in ["a%00b", "a%0Ab", "%7F", "a%C2%85b", &"x".repeat(129)] {
        let answer = put(&world, path, json!({"title": "T"})).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter"), "{path}: {}", answer.text);
    }
    for path in ["%FF", "a%C3"] {
        let answer = put(&world, path, json!({"title": "T"})).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
}

async fn an_item_has_its_bounds(kind: StoreKind) {
    let world = World::start(kind).await;
    let put = async |key: &str, value: Value| {
        let mut body = json!({"title": "T"});
        body[key] = value;
        put(&world, "one", body).await
    };
    // `{"k":"…"}` has 8 bytes besides the text.
    let attributes = |bytes: usize| json!({"k": "x".repeat(bytes - 8)});
    assert_eq!(put("attributes", attributes(16 * 1_024)).await.status, 201);
    let kept = world.feed("").param("hydrate", "full").get().await.ok();
    assert_eq!(kept.items()[0]["item"]["attributes"]["k"].as_str().unwrap().len(), 16 * 1_024 - 8);
    for (key, value) in [
        ("attributes", attributes(16 * 1_024 + 1)),
        ("attributes", json!("text")),
        ("title", json!("x".repeat(1_001))),
        ("title", json!("")),
        ("embedding", json!(vec![0.5; 31])),
        ("embedding", json!(vec![0.5; 33])),
        ("embedding", json!("0.5")),
        ("topics", json!({"science": -1})),
        ("published_at", json!("yesterday")),
        ("url", json!("javascript:alert(1)")),
        ("colour", json!("red")),
    ] {
        let answer = put(key, value).await;
        assert_eq!(answer.problem(), (400, "invalid-body"), "{key}: {}", answer.text);
        assert!(answer.body["errors"][0]["pointer"].as_str().unwrap().starts_with(&format!("/{key}")), "{}", answer.text);
    }
    assert_eq!(put("embedding", json!(vec![0.5; 32])).await.status, 200);
}

async fn bodies_have_their_bounds(kind: StoreKind) {
    let world = World::with(kind, |settings| {
        settings.server.body_limit_bytes = 4_096;
        settings.server.bulk_body_limit_bytes = 8_192;
    })
    .await;
    let long = |bytes: usize| json!({"id": "one", "title": "T", "description": "x".repeat(bytes)});
    assert_eq!(put(&world, "one", long(3_000)).await.status, 201);
    assert_eq!(put(&world, "one", long(5_000)).await.problem(), (413, "payload-too-large"));
    assert_eq!(world.post("/v1/items", &json!([long(7_000)])).await.status, 200);
    assert_eq!(world.post("/v1/items", &json!([long(9_000)])).await.problem(), (413, "payload-too-large"));
    let broken = b"[{\"id\": \"\xff\"}]".to_vec();
    for content_type in ["application/json", "application/x-ndjson"] {
        let answer = post_as(&world, content_type, broken.clone()).await;
        assert_eq!(answer.problem(), (400, "invalid-body"), "{content_type}");
        assert!(answer.text.contains("UTF-8"), "{}", answer.text);
    }
}

async fn all_faults_are_named_at_once(kind: StoreKind) {
    let world = World::start(kind).await;
    let wrong = json!({"id": "a\u{0}b", "title": 7, "description": [], "url": "x", "image": "y", "creator": {"name": 1}, "topics": 3,
        "source": "", "viewpoint": 1, "language": [], "format": {}, "published_at": "x", "expires_at": 1, "embedding": [], "attributes": 1, "more": 1});
    let expected = [
        "/id",
        "/title",
        "/description",
        "/url",
        "/image",
        "/creator/id",
        "/creator/name",
        "/topics",
        "/source",
        "/viewpoint",
        "/language",
        "/format",
        "/published_at",
        "/expires_at",
        "/embedding",
        "/attributes",
        "/more",
    ];
    let pointers =
        |errors: &Value| errors.as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let one = put(&world, "one", wrong.clone()).await;
    assert_eq!(one.problem(), (400, "invalid-body"));
    let bulk = world.post("/v1/items", &json!([wrong])).await;
    for found in [pointers(&one.body["errors"]), pointers(&bulk.body["rejected"][0]["errors"])] {
        for pointer in expected {
            assert!(found.iter().any(|f| f == pointer), "{pointer}: {found:?}");
        }
    }
    assert_eq!(bulk.body["accepted"], 0);
}

async fn the_last_of_one_id_wins(kind: StoreKind) {
    let world = World::start(kind).await;
    let versions: Vec<Value> = (0..5).map(|n| json!({"id": "one", "title": format!("Version {n}")})).collect();
    assert_eq!(world.post("/v1/items", &json!(versions)).await.body["accepted"], 5);
    assert_eq!(world.get("/v1/items/one").await.body["title"], "Version 4");
    // The store has the same one: what another instance would load.
    let mut stored = Vec::new();
    world.app.store.load_catalogue(&mut |batch| stored.extend(batch)).await.unwrap();
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(matches!(&stored[0], polyphony::catalogue::CatalogueRecord::Put(item) if item.title == "Version 4"), "{stored:?}");
}
