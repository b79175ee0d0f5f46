//! Who may call what, over HTTP.

use actix_web::{HttpResponse, web};
use jsonwebtoken::{EncodingKey, Header};
use polyphony::{
    auth::Caller,
    domain::{Span, UserId},
    http::problem::Problem,
    settings::{Secret, Settings},
};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::app::{NOW, TestApp, told};

const SERVER_KEY: &str = "server-key-0123456789";
const ADMIN_KEY: &str = "admin-key-0123456789";
const TOKEN_SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn feed_of(caller: Caller, user: web::Path<String>) -> Result<String, Problem> {
    let requested = (*user != "-").then(|| UserId::new(user.as_str())).transpose().map_err(Problem::internal)?;
    caller.require_surface("home")?;
    Ok(caller.user_for(requested)?.map_or_else(|| "nobody".to_owned(), |user| user.to_string()))
}

async fn admin(caller: Caller) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    Ok(HttpResponse::NoContent().finish())
}

async fn catalogue(caller: Caller) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    Ok(HttpResponse::NoContent().finish())
}

async fn app(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::with(change, |config| {
        config
            .route("/v1/test/feed/{user}", web::get().to(feed_of))
            .route("/v1/test/admin", web::get().to(admin))
            .route("/v1/test/catalogue", web::get().to(catalogue));
    })
    .await
}

fn closed(settings: &mut Settings) {
    settings.auth.server_keys = vec![Secret::new(SERVER_KEY)];
    settings.auth.admin_keys = vec![Secret::new(ADMIN_KEY)];
    settings.auth.jwt_secret = Secret::new(TOKEN_SECRET);
}

fn token(surfaces: &[&str]) -> String {
    let claims = json!({ "sub": "ann", "exp": NOW.0 / 1_000 + 60, "surfaces": surfaces });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(TOKEN_SECRET.as_bytes())).unwrap()
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn open_mode_lets_everybody_do_everything() {
    let app = app(|_| {}).await;
    assert_eq!(app.get("/v1/test/feed/ann").await.text().await.unwrap(), "ann");
    assert_eq!(status(app.request(Method::GET, "/v1/test/admin")).await, 204);
}

#[tokio::test]
async fn keys_have_their_rights() {
    let app = app(closed).await;
    let get = |path: &str| app.request(Method::GET, path);
    assert_eq!(status(get("/v1/test/feed/ann")).await, 401);
    assert_eq!(status(get("/v1/test/feed/ann").bearer_auth(SERVER_KEY)).await, 200);
    assert_eq!(status(get("/v1/test/feed/ann").header("x-api-key", SERVER_KEY)).await, 200);
    assert_eq!(status(get("/v1/test/feed/ann").header("authorization", format!("bearer {SERVER_KEY}"))).await, 200);
    assert_eq!(status(get("/v1/test/feed/ann").header("x-api-key", "server-key-012345678")).await, 401);
    assert_eq!(status(get("/v1/test/feed/ann").header("authorization", format!("Basic {SERVER_KEY}"))).await, 401);
    assert_eq!(status(get("/v1/test/admin").bearer_auth(SERVER_KEY)).await, 403);
    assert_eq!(status(get("/v1/test/admin").bearer_auth(ADMIN_KEY)).await, 204);
    assert_eq!(status(get("/v1/test/catalogue").bearer_auth(ADMIN_KEY)).await, 204);
    assert_eq!(status(get("/livez")).await, 200);
}

#[tokio::test]
async fn a_user_token_speaks_for_its_subject_only() {
    let app = app(closed).await;
    let get = |path: &str| app.request(Method::GET, path).bearer_auth(token(&["home"]));
    assert_eq!(get("/v1/test/feed/-").send().await.unwrap().text().await.unwrap(), "ann");
    assert_eq!(get("/v1/test/feed/ann").send().await.unwrap().text().await.unwrap(), "ann");
    insta::assert_snapshot!("token_for_another_user", told(get("/v1/test/feed/bob").send().await.unwrap()).await);
    assert_eq!(status(get("/v1/test/admin")).await, 403);
    assert_eq!(status(get("/v1/test/catalogue")).await, 403);
    let other = app.request(Method::GET, "/v1/test/feed/-").bearer_auth(token(&["video"]));
    insta::assert_snapshot!("token_for_another_surface", told(other.send().await.unwrap()).await);
}

#[tokio::test]
async fn an_expired_token_is_refused_by_the_servers_clock() {
    let app = app(closed).await;
    let token = token(&["home"]);
    let get = || app.request(Method::GET, "/v1/test/feed/-").bearer_auth(&token);
    assert_eq!(status(get()).await, 200);
    app.clock.advance(Span::secs(91));
    insta::assert_snapshot!("expired_token", told(get().send().await.unwrap()).await);
}
