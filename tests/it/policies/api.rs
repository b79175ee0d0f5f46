//! The admin routes of policies: who may ask, what is refused, what is answered.

use polyphony::{domain::policy::knob::KNOBS, policy::schema};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, SERVER, StoreKind, World, journaled, world};
use crate::support::world::{Answer, send};

const ROUTES: [(&str, &str); 6] = [
    ("POST", "/v1/admin/policies/check"),
    ("GET", "/v1/admin/policies/explain"),
    ("POST", "/v1/admin/policies/diff"),
    ("POST", "/v1/admin/policies/preview"),
    ("POST", "/v1/admin/policies/sweep"),
    ("GET", "/v1/admin/policies/schema"),
];

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    send(world.request(Method::POST, &format!("/v1/admin/policies/{path}")).bearer_auth(ADMIN).json(body)).await
}

async fn get(world: &World, path: &str) -> Answer {
    send(world.request(Method::GET, &format!("/v1/admin/policies/{path}")).bearer_auth(ADMIN)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_may_ask() {
    let world = world(StoreKind::Embedded).await;
    for (method, path) in ROUTES {
        let method: Method = method.parse().unwrap();
        let request = || world.request(method.clone(), path).json(&json!({}));
        assert_eq!(send(request()).await.problem(), (401, "unauthorized"), "{path}");
        assert_eq!(send(request().bearer_auth(SERVER)).await.problem(), (403, "forbidden"), "{path}");
        let status = send(request().bearer_auth(ADMIN)).await.status;
        assert!(status == 200 || status == 400, "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_checked_on_the_live_catalogue() {
    let world = world(StoreKind::Embedded).await;
    let answer =
        post(&world, "check", &json!({ "policy": { "id": "mine", "version": 4, "diversify": { "diversity": 0.5 } }, "readers": 5 })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((answer.body["sound"].as_bool(), answer.body["policy"]["id"].as_str()), (Some(true), Some("mine")), "{}", answer.text);
    assert_eq!(answer.body["findings"], json!([]));
    assert_eq!(answer.body["sampled"].as_array().unwrap().len(), 4);
    assert_eq!(answer.body["sampled"][1]["pages"], 5);

    let text = "schema = 1\nid = \"mine\"\nversion = 1\n[diversify]\ndiversty = 0.3\n[explore]\nshare = 2\n";
    let answer = post(&world, "check", &json!({ "policy": { "toml": text } })).await;
    assert_eq!((answer.status.as_u16(), answer.body["sound"].as_bool()), (200, Some(false)), "a check answers, whatever it finds");
    assert_eq!(answer.body.get("policy"), None);
    let told: Vec<_> = answer.body["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str(), f["line"].as_u64(), f["column"].as_u64()))
        .collect();
    assert_eq!(told, [(Some("P0203"), Some(5), Some(1)), (Some("P0204"), Some(7), Some(9))]);

    let infeasible = json!({ "constraint": [{ "kind": "min_distinct", "facet": "language", "min": 9, "per": 10 }] });
    let answer = post(&world, "check", &json!({ "policy": infeasible, "readers": 3 })).await;
    assert_eq!(answer.body["findings"][0]["code"], "P0402", "{}", answer.text);
    let answer = post(&world, "check", &json!({ "policy": infeasible, "readers": 0 })).await;
    assert_eq!(
        (answer.body["sound"].as_bool(), answer.body.get("sampled")),
        (Some(true), None),
        "without readers the catalogue is not asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_draft_is_a_problem_with_every_finding() {
    let world = world(StoreKind::Embedded).await;
    let wrong = json!({ "diversify": { "diversty": 0.3 }, "explore": { "share": 2 } });
    for (path, body, at) in
        [("preview", json!({ "policies": ["active", wrong] }), "/policies/1"), ("diff", json!({ "from": "active", "to": wrong }), "/to")]
    {
        let answer = post(&world, path, &body).await;
        assert_eq!(answer.problem(), (422, "policy-invalid"), "{}", answer.text);
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(errors[0]["pointer"], format!("{at}/diversify/diversty"));
        assert!(errors[0]["detail"].as_str().unwrap().starts_with("error[P0203]"), "{}", answer.text);
        assert!(errors[0]["detail"].as_str().unwrap().contains("did you mean `diversity`?"), "{}", answer.text);
        assert_eq!(errors[1]["pointer"], format!("{at}/explore/share"));
        assert!(answer.body["detail"].as_str().unwrap().ends_with("(and 1 more; see `errors`)"), "{}", answer.text);
    }
    let answer = post(&world, "diff", &json!({ "from": "actve", "to": "balanced" })).await;
    assert_eq!(answer.problem(), (422, "policy-invalid"));
    assert!(answer.text.contains("did you mean `active`?"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_body_is_refused_whole() {
    let world = world(StoreKind::Embedded).await;
    let pointers = async |path: &str, body: Value| {
        let answer = post(&world, path, &body).await;
        assert_eq!(answer.problem(), (400, "invalid-body"), "{}", answer.text);
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(pointers("check", json!({ "readers": 1001, "polcy": {} })).await, ["/polcy", "/policy", "/readers"]);
    assert_eq!(pointers("check", json!({ "policy": { "toml": 3 } })).await, ["/policy/toml"]);
    assert_eq!(pointers("check", json!({ "policy": { "id": null } })).await, ["/policy"]);
    assert_eq!(pointers("diff", json!({ "from": 3 })).await, ["/from", "/to"]);
    assert_eq!(
        pointers("preview", json!({ "user": "", "limit": 0, "diversity": 2, "seed": -1, "policies": [], "surfac": "home" })).await,
        ["/surfac", "/user", "/limit", "/diversity", "/seed", "/policies"]
    );
    assert_eq!(
        pointers("sweep", json!({ "readers": 0, "floor": 2, "reader": 1, "knobs": { "page_size": [], "explore.share": [[1], 0.1] } }))
            .await,
        ["/reader", "/readers", "/floor", "/knobs/explore.share/0", "/knobs/page_size"]
    );
    assert_eq!(pointers("sweep", json!({ "knobs": { "diversify.diversty": "0:1:0.5", "explore.share": [2] } })).await, ["/knobs"]);
    assert_eq!(pointers("sweep", json!({ "knobs": { "diversify.diversity": "0:1:0.01" }, "readers": 1000 })).await, ["/readers"]);
    assert_eq!(pointers("sweep", json!({})).await, ["/knobs"]);
    let many = vec!["active"; 5];
    assert_eq!(pointers("preview", json!({ "policies": many })).await, ["/policies"]);
    let answer = post(&world, "preview", &json!({ "policies": ["active"], "surface": "hom" })).await;
    assert_eq!(answer.problem(), (400, "unknown-surface"));
    assert!(answer.text.contains("Did you mean `home`?"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_says_what_each_setting_gives_and_costs() {
    let world = world(StoreKind::Embedded).await;
    let before = journaled(&world);
    let asked = json!({ "knobs": { "diversify.diversity": [0, 0.1, 0.35, 0.75, 1] }, "readers": 6, "floor": 0.5 });
    let answer = post(&world, "sweep", &asked).await.ok();
    assert_eq!((&answer.body["readers"], &answer.body["surface"]), (&json!(6), &json!("home")));
    let points = answer.body["points"].as_array().unwrap();
    let of = |n: usize, key: &str| points[n]["metrics"][key].as_f64().unwrap();
    assert_eq!(points.len(), 6, "the policy as it is, and five settings");
    let dials: Vec<&Value> = points.iter().map(|point| &point["settings"]["diversify.diversity"]).collect();
    assert_eq!(dials[1..], [0.0, 0.1, 0.35, 0.75, 1.0].map(|dial| json!(dial)).iter().collect::<Vec<_>>());
    assert!((2..6).all(|n| of(n, "ild") >= of(n - 1, "ild") - 0.02), "{}", answer.text);
    assert!(of(5, "ild") > of(1, "ild") + 0.05 && of(5, "relevance_kept") < of(1, "relevance_kept"), "{}", answer.text);
    let knee = answer.body["knee"].as_u64().unwrap() as usize;
    assert_eq!((&points[knee]["front"], &points[knee]["admissible"]), (&json!(true), &json!(true)));
    // The same question has the same answer, and a floor nobody reaches leaves nothing to choose.
    assert_eq!(post(&world, "sweep", &asked).await.ok().body["points"], answer.body["points"]);
    let strict = json!({ "knobs": { "diversify.diversity": [0.9, 1.0] }, "policy": { "id": "mine", "diversify": { "diversity": 0.95 } }, "readers": 3, "floor": 1 });
    let none = post(&world, "sweep", &strict).await.ok();
    assert!(none.body["points"].as_array().unwrap().iter().all(|point| point["admissible"] == false), "{}", none.text);
    assert_eq!(none.body.get("knee"), None);
    assert_eq!(journaled(&world), before, "without effects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_and_what_a_key_means() {
    let world = world(StoreKind::Embedded).await;
    let answer = post(&world, "diff", &json!({ "from": "balanced", "to": { "id": "balanced", "explore": { "share": 0.2 } } })).await;
    assert_eq!(
        answer.body["changes"],
        json!([{ "surfaces": ["home", "video"], "key": "explore.share", "from": 0.1, "to": 0.2 }]),
        "{}",
        answer.text
    );
    assert_eq!(post(&world, "diff", &json!({ "from": "active", "to": "active" })).await.body["changes"], json!([]));

    let answer = get(&world, "explain?key=explore.share").await;
    assert_eq!((answer.body["default"].as_str(), answer.body["takes"].as_str()), (Some("0.1"), Some("a number, 0 to 0.5")));
    assert_eq!(get(&world, "explain?key=P0203").await.body["title"], "unknown key");
    let listed = get(&world, "explain").await.body;
    let keys: Vec<&str> = listed.as_array().unwrap().iter().map(|form| form["key"].as_str().unwrap()).collect();
    assert_eq!(keys, KNOBS.iter().map(|knob| knob.key).chain(["experiment", "layer"]).collect::<Vec<_>>());
    let answer = get(&world, "explain?key=explore.shar").await;
    assert_eq!(answer.problem(), (404, "not-found"));
    assert!(answer.text.contains("did you mean `explore.share`?"), "{}", answer.text);

    let answer = get(&world, "schema").await;
    assert_eq!(answer.text, schema::json());
    assert_eq!(answer.headers["content-type"], "application/schema+json");
}
