//! Security headers on every answer, good or bad.

use polyphony::{http::openapi, settings::Secret};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::app::TestApp;

const KEY: &str = "server-key-0123456789";
const ADMIN_KEY: &str = "admin-key-0123456789";

/// Method and path of every route, with something in the place of each parameter.
pub fn routes() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(openapi::json()).unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<(Method, String)> {
        let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase().parse().unwrap());
        let path = path.split('/').map(|part| if part.starts_with('{') { "something" } else { part }).collect::<Vec<_>>().join("/");
        methods.map(|method| (method, path.clone())).collect()
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

fn check(what: &str, answer: &Response) {
    let all = |name: &str| -> Vec<&str> { answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect() };
    assert_eq!(all("x-content-type-options"), ["nosniff"], "{what}");
    assert_eq!(all("referrer-policy"), ["no-referrer"], "{what}");
    assert_eq!(all("x-frame-options"), ["DENY"], "{what}");
    let policies = all("content-security-policy");
    assert_eq!(policies.len(), 1, "{what}");
    let directives: Vec<&str> = policies[0].split(';').map(str::trim).collect();
    assert!(directives.contains(&"frame-ancestors 'none'"), "{what}: {directives:?}");
    let is_page = what.contains(" /docs") && answer.status().is_success();
    let defaults = if is_page { "default-src 'self'" } else { "default-src 'none'" };
    assert!(directives.contains(&defaults), "{what}: {directives:?}");
    assert!(!directives.iter().any(|directive| directive.starts_with("script-src") && directive.contains("unsafe")), "{what}");
    assert_eq!(all("cache-control").len(), 1, "{what} does not say whether it may be kept");
    for name in ["server", "x-powered-by", "access-control-allow-origin", "set-cookie"] {
        assert_eq!(all(name), [""; 0], "{what}");
    }
    if what.contains(" /v1/") {
        assert_eq!(all("vary").len(), 1, "{what}");
    }
    if answer.status().is_client_error() || answer.status().is_server_error() {
        assert_eq!(all("cache-control"), ["no-store"], "{what}");
        assert_eq!(all("content-type"), ["application/problem+json"], "{what}");
        assert_eq!(all("www-authenticate").len(), usize::from(answer.status() == 401), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_carries_them() {
    let app = TestApp::with(
        |settings| {
            settings.auth.server_keys = vec![Secret::new(KEY)];
            settings.auth.admin_keys = vec![Secret::new(ADMIN_KEY)];
        },
        |_| {},
    )
    .await;
    let pages = ["/docs", "/docs/", "/docs/nothing.js", "/nowhere", "/v1/nowhere"].map(|path| (Method::GET, path.to_owned()));
    let (mut good, mut refused) = (0, 0);
    for (method, path) in routes().into_iter().chain(pages) {
        for credential in [None, Some(KEY), Some(ADMIN_KEY), Some("no key of this server")] {
            for body in ["", "{}", "{"] {
                let mut request = app.request(method.clone(), &path).header("content-type", "application/json").body(body);
                if let Some(credential) = credential {
                    request = request.bearer_auth(credential);
                }
                let answer = request.send().await.unwrap();
                good += usize::from(answer.status().is_success());
                refused += usize::from(answer.status().is_client_error());
                check(&format!("{method} {path} {credential:?} {body}"), &answer);
            }
        }
        check(&format!("TRACE {path}"), &app.request(Method::TRACE, &path).send().await.unwrap());
    }
    assert!(good > 50 && refused > 200, "{good} {refused}");
}
