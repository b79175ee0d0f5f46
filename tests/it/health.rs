//! Probes, version, metrics, documentation pages.

use polyphony::telemetry::Metrics;
use reqwest::Method;

use crate::support::app::{TestApp, told};

#[tokio::test]
async fn probes_say_what_they_know() {
    let app = TestApp::start().await;
    insta::assert_snapshot!("livez", told(app.get("/livez").await).await);
    insta::assert_snapshot!("readyz", told(app.get("/readyz").await).await);
    insta::assert_snapshot!("readyz_verbose", told(app.get("/readyz?verbose").await).await);
    app.store.go_down();
    insta::assert_snapshot!("readyz_store_down", told(app.get("/readyz?verbose").await).await);
    app.app.health.drain();
    insta::assert_snapshot!("readyz_draining", told(app.get("/readyz").await).await);
    assert_eq!(app.get("/livez").await.status(), 200);
}

#[tokio::test]
async fn every_route_answers_head_like_get() {
    let app = TestApp::start().await;
    for path in ["/livez", "/readyz", "/version", "/metrics", "/openapi.json", "/docs/"] {
        let get = app.get(path).await;
        let head = app.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(get.status(), head.status(), "{path}");
        assert_eq!(get.headers()["content-type"], head.headers()["content-type"], "{path}");
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let app = TestApp::start().await;
    app.get("/livez").await;
    let response = app.get("/metrics").await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let page = response.text().await.unwrap();
    assert!(page.ends_with("# EOF\n"));
    assert!(page.contains("feed_build_info{version=\""), "{page}");
    assert!(page.contains("feed_policy_info{surface=\"home\",policy=\"balanced\",version=\"1\",digest=\"b3:"), "{page}");
    for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        let declared = Metrics::NAMES.iter().any(|declared| declared.strip_suffix("_total").unwrap_or(declared) == name);
        assert!(declared, "{name} is not declared");
    }
}

#[tokio::test]
async fn the_documentation_page_needs_no_network() {
    let app = TestApp::start().await;
    let redirect = app.get("/docs").await;
    assert_eq!(redirect.status(), 308);
    assert_eq!(redirect.headers()["location"], "/docs/");
    let page = app.get("/docs/").await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let html = page.text().await.unwrap();
    let files: Vec<&str> = html.split(['"', '\'']).filter(|text| text.starts_with("./") || text.ends_with(".js")).collect();
    assert!(files.len() >= 3, "{html}");
    for file in files {
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        assert_eq!(app.get(&path).await.status(), 200, "{path}");
    }
    assert!(!html.contains("https://") && !html.contains("http://"), "{html}");
    let initializer = app.get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    assert_eq!(app.get("/docs/nothing.js").await.status(), 404);
}
