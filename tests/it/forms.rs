//! The forms people are asked with: served as data, replaceable by the operator, and refused where they do not ask fairly.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use polyphony::consent::Notices;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{StoreKind, World, on_both_stores, send};

on_both_stores! {
    forms_come_in_every_language_with_the_notice_they_show
    the_operators_forms_take_the_place_of_the_shipped
}

/// A folder with one form and an earlier one.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/consent")
}

async fn forms(world: &World) -> Vec<Value> {
    world.get("/v1/consent/forms").await.ok().body["forms"].as_array().unwrap().clone()
}

async fn forms_come_in_every_language_with_the_notice_they_show(kind: StoreKind) {
    let world = World::start(kind).await;
    let forms = forms(&world).await;
    let languages: Vec<&str> = forms.iter().map(|form| form["language"].as_str().unwrap()).collect();
    assert_eq!(languages, ["de", "en", "fr"]);
    for form in &forms {
        let hash = form["notice"].as_str().unwrap();
        let notice = world.get(&format!("/v1/consent/notices/{hash}")).await.ok();
        assert_eq!(notice.headers["content-language"], form["language"].as_str().unwrap());
        for toggle in form["toggle"].as_array().unwrap() {
            assert!(notice.text.contains(toggle["text"].as_str().unwrap()));
            assert_eq!(toggle["pre_ticked"], false);
        }
        // A consent given in a language names what was shown.
        let consent = json!({"decisions": {"email": "given"}, "notice": hash});
        let user = format!("reader-{}", form["language"].as_str().unwrap());
        send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&consent)).await.ok();
        let receipts = world.get(&format!("/v1/users/{user}/consent/receipts")).await.ok();
        assert_eq!(receipts.body["receipts"][0]["notice"]["version"], hash);
    }
}

async fn the_operators_forms_take_the_place_of_the_shipped(kind: StoreKind) {
    let world = World::with(kind, |settings| settings.consent.notices = folder()).await;
    let forms = forms(&world).await;
    assert_eq!((forms.len(), &forms[0]["title"]), (1, &json!("Your choice")));
    assert_eq!(world.get("/v1/users/ana/consent").await.ok().body["notice"], forms[0]["notice"]);
    // What was shown before is found by its hash, and not shown any more.
    let earlier = "Your earlier choice\n\nThe feed works without it.\n\nProfile: We keep a list of topics you read.\nOrder: We order your feed by that list.\n\nA yes lasts one year.\n";
    let hash = format!("b3:{}", blake3::hash(earlier.as_bytes()).to_hex());
    assert_eq!(world.get(&format!("/v1/consent/notices/{hash}")).await.ok().text, earlier);
}

#[test]
fn unfair_forms_are_told_by_the_command_and_never_shown() {
    let lint = |folder: Option<&Path>| {
        let output = Command::new(env!("CARGO_BIN_EXE_polyphony")).args(["consent", "lint"]).args(folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = lint(None);
    assert_eq!((code, told.lines().count()), (Some(0), 3), "{told}");
    assert_eq!(lint(Some(&folder())).0, Some(0));

    let unfair = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder().join("form.en.toml")).unwrap();
    let text = text.replace("does = \"refuse_all\"", "does = \"refuse_all\"\nscreen = 2").replace("No to both", "Maybe later");
    std::fs::write(unfair.path().join("form.en.toml"), text).unwrap();
    let (code, told) = lint(Some(unfair.path()));
    assert_eq!(code, Some(1));
    assert!(told.contains("[unequal_choices]") && told.contains("[unclear_refusal]"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(Notices::load(unfair.path()).is_err());
    // No folder, and no form in it, is a fault too.
    assert_eq!(lint(Some(&unfair.path().join("gone"))).0, Some(2));
    assert_eq!(lint(Some(tempfile::tempdir().unwrap().path())).0, Some(2));
}
