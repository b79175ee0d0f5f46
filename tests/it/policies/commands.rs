//! `polyphony policy` as a product team meets it.

use std::process::{Command, Output};

use polyphony::{domain::policy::knob::KNOBS, policy::schema};
use serde_json::Value;

use super::{ADMIN, StoreKind, world};

fn polyphony(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.args(arguments).env_clear().env("POLYPHONY_ADMIN_KEY", ADMIN).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// Exit code, standard output, standard error.
fn ran(arguments: &[&str]) -> (i32, String, String) {
    let output = polyphony(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn succeeded(arguments: &[&str]) -> String {
    let (code, out, err) = ran(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

const DOUBTS: &str = "tests/it/corpus/policies/doubts.toml";
const ENDS: &str = "tests/it/corpus/policies/ends.toml";

#[test]
fn a_check_ends_with_what_it_found() {
    let out = succeeded(&["policy", "check", "relevance-first", "config/policies/balanced.toml", "discovery"]);
    assert_eq!(out.lines().filter(|line| line.contains(": sound · ")).count(), 3, "{out}");
    let (code, out, _) = ran(&["policy", "check", DOUBTS]);
    assert!(code == 0 && out.contains(": sound, with 12 warnings · home v3"), "{out}");
    assert_eq!(ran(&["policy", "check", "--strict", DOUBTS]).0, 1);
    let (code, out, _) = ran(&["policy", "check", ENDS, "balanced"]);
    assert!(code == 1 && out.contains("error[P0303]") && out.contains("balanced: sound"), "{out}");
    assert!(!out.contains('\x1b'), "no colours where nobody looks");
    assert_eq!(ran(&["policy", "check", "no/such.toml"]).0, 2);
    assert_eq!(ran(&["policy", "check"]).0, 2);
    let (code, _, err) = ran(&["policy", "check", "balanced", "--data", "no/such/folder"]);
    assert!(code == 2 && err.contains("there is no store at no/such/folder/polyphony.redb"), "{err}");
    assert!(!std::path::Path::new("no").exists(), "looking makes nothing");
}

#[test]
fn a_check_speaks_to_programs() {
    let (code, out, _) = ran(&["policy", "check", "--format", "json", ENDS, "balanced"]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!((reports[0]["sound"].as_bool(), reports[0]["findings"][0]["line"].as_u64()), (Some(false), Some(5)));
    assert_eq!((reports[1]["sound"].as_bool(), reports[1]["policy"]["id"].as_str()), (Some(true), Some("balanced")));
    let (_, out, _) = ran(&["policy", "check", "--format", "github", ENDS]);
    assert!(out.starts_with(&format!("::error file={ENDS},line=5,col=19,endColumn=29,title=P0303 ")), "{out}");
}

#[test]
fn keys_codes_and_differences_are_explained() {
    let out = succeeded(&["policy", "explain", "explore.share", "--policy", "discovery"]);
    for part in ["a number, 0 to 0.5", "default  0.1", "relevance-first 0.05", "set at   discovery:"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let listed = succeeded(&["policy", "explain"]);
    for knob in KNOBS {
        assert!(listed.lines().any(|line| line.trim_start().starts_with(knob.key)), "{}: {listed}", knob.key);
    }
    assert!(succeeded(&["policy", "explain", "p0402"]).starts_with("P0402: "));
    assert_eq!(ran(&["policy", "explain", "explore.shar"]).0, 2);
    let out = succeeded(&["policy", "diff", "active", "balanced"]);
    assert!(out.ends_with("No difference in what is served.\n"), "{out}");
    let diff: Value = serde_json::from_str(&succeeded(&["policy", "diff", "balanced", "discovery", "--format", "json"])).unwrap();
    assert!(diff["changes"].as_array().unwrap().len() > 10);
    assert_eq!(ran(&["policy", "diff", "balanced", ENDS]).0, 1);
    assert_eq!(ran(&["policy", "diff", "balanced", "no/such.toml"]).0, 2);
    assert_eq!(succeeded(&["policy", "schema"]), schema::json());
}

#[test]
fn the_demo_shows_what_a_policy_changes() {
    let out = succeeded(&["policy", "preview", "discovery", "--limit", "8"]);
    for part in [
        "home for ana, on the demo catalogue",
        "balanced v1 (diversity 0.35)",
        "discovery v1 (diversity 0.60)",
        "relevance kept",
        " gone, ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let previews: Value = serde_json::from_str(&succeeded(&[
        "policy",
        "preview",
        "balanced",
        "discovery",
        "--user",
        "ben",
        "--user",
        "chloe",
        "--surface",
        "video",
        "--seed",
        "3",
        "--format",
        "json",
    ]))
    .unwrap();
    assert_eq!((previews[0]["user"].as_str(), previews[1]["user"].as_str()), (Some("ben"), Some("chloe")));
    assert_eq!(previews[0]["slates"][1]["items"].as_array().unwrap().len(), 8);
    let out = succeeded(&["policy", "check", "balanced", "--demo", "--readers", "5"]);
    assert!(out.contains("Means over 5 sampled pages of each surface, on the demo catalogue:"), "{out}");
    let (code, out, _) = ran(&["policy", "preview", ENDS]);
    assert!(code == 1 && out.contains("error[P0303]"), "{out}");
    assert_eq!(ran(&["policy", "preview", "discovery", "--surface", "hom"]).0, 2);
    assert_eq!(ran(&["policy", "preview", "discovery", "--diversity", "2"]).0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_asked() {
    let world = world(StoreKind::Embedded).await;
    let server = format!("http://{}", world.address);
    let run = async |arguments: Vec<&'static str>| {
        let server = server.clone();
        let all = move || ran(&[&["policy"][..], &arguments, &["--server", &server]].concat());
        tokio::task::spawn_blocking(all).await.unwrap()
    };
    let (code, out, err) = run(vec!["preview", "discovery", "--user", "ana"]).await;
    assert!(code == 0 && out.contains("home for ana, on the server's catalogue"), "{out}{err}");
    let (code, out, err) = run(vec!["diff", "active", "balanced"]).await;
    // The tests' server waits longer for its sources.
    assert!(code == 0 && out.contains("  retrieve.deadline  \"500ms\" → \"40ms\"\n"), "{out}{err}");
    let (code, out, err) = run(vec!["check", "tests/it/corpus/policies_live/infeasible.toml", "--readers", "3"]).await;
    assert!(code == 1 && out.contains("--> tests/it/corpus/policies_live/infeasible.toml:7:1"), "{out}{err}");
    assert!(out.contains("on the server's catalogue:"), "{out}");
    let (code, _, err) = run(vec!["preview", "discovery", "--surface", "hom"]).await;
    assert!(code == 2 && err.contains("answered 400") && err.contains("Did you mean `home`?"), "{err}");
    let (code, _, err) = ran(&["policy", "preview", "discovery", "--server", "http://127.0.0.1:1"]);
    assert!(code == 2 && err.starts_with("error: http://127.0.0.1:1/v1/admin/policies/preview: "), "{err}");
    let (code, _, err) = ran(&["policy", "preview", "discovery", "--server", "https://feeds.example"]);
    assert!(code == 2 && err.contains("expected http://"), "{err}");
}
