//! Shipped settings files load; wrong ones are refused with every fault, its place and a remedy.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use polyphony::settings::{Layers, Override, Settings};

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn layers(file: Option<PathBuf>, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Layers {
    let flag = |(flag, key, value): &(&str, &str, &str)| Override { flag: (*flag).into(), key: (*key).into(), value: (*value).into() };
    Layers {
        file,
        environment: environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        overrides: flags.iter().map(flag).collect(),
    }
}

/// The faults, with paths as seen from the repository.
fn faults(layers: &Layers) -> String {
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    Settings::load(layers).unwrap_err().to_string().replace(&root, "")
}

#[test]
fn every_wrong_file_is_refused_with_every_fault() {
    let folder = at_root("tests/it/corpus/config");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "the corpus is there");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let told = faults(&layers(Some(file), &[], &[]));
        assert!(!told.contains("hunter2"), "{name} shows a secret: {told}");
        insta::assert_snapshot!(format!("config_{name}"), told);
    }
}

#[test]
fn environment_and_flags_are_checked_the_same_way() {
    let told = faults(&layers(
        Some(at_root("no/such/file.toml")),
        &[
            ("POLYPHONY__SERVER__WORKERS", "many"),
            ("POLYPHONY__SERVER__LISSEN", "0.0.0.0:80"),
            ("POLYPHONY__POLICY__DIVERSIFY__DIVERSITY", "1.5"),
            ("POLYPHONY__AUTH__SERVER_KEYS", "hunter2"),
            ("POLYPHONY__STORE__REDIS__URL", "http://:hunter2@host"),
            ("POLYPHONY__STORE", "x"),
            ("OTHER__SERVER__WORKERS", "ignored"),
        ],
        &[("--listen", "server.listen", "localhost"), ("--set", "policy.page_size", "0"), ("--set", "journal", "off")],
    ));
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!("config_environment_and_flags", told);
}

#[test]
fn later_layers_win_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    let text = "[server]\nworkers = 2\nbody_limit_bytes = 2048\nmax_inflight_requests = 7\n\
        [policy]\nconstraint = []\n[policy.diversify]\ndiversity = 0.2\n\
        [surface.video]\npage_size = 6\n[surface.shorts]\n";
    std::fs::write(&file, text).unwrap();
    let settings = Settings::load(&layers(
        Some(file),
        &[
            ("POLYPHONY__SERVER__WORKERS", "3"),
            ("POLYPHONY__SERVER__BODY_LIMIT_BYTES", "4096"),
            ("POLYPHONY__SURFACE__EMAIL_DIGEST__EXPLORE__SHARE", "0.1"),
            ("POLYPHONY__AUTH__ADMIN_KEYS", "first-key-000000001,second-key-00000002"),
        ],
        &[("--set", "server.body_limit_bytes", "8192")],
    ))
    .unwrap();
    assert_eq!(settings.server.workers, 3, "the environment over the file");
    assert_eq!(settings.server.body_limit_bytes, 8192, "a flag over the environment");
    assert_eq!(settings.server.max_inflight_requests, 7, "the file over the default");
    assert_eq!(settings.auth.admin_keys.len(), 2);
    assert!(settings.policy.constraint.is_empty(), "a list is replaced whole");

    let surfaces = settings.surfaces().unwrap();
    assert_eq!(surfaces.names().collect::<Vec<_>>(), ["email_digest", "home", "push", "shorts", "video"]);
    let of = |name: &str| &surfaces.get(name).unwrap().policy;
    assert_eq!(of("home").diversify.diversity, 0.2);
    assert_eq!(of("shorts"), of("home"));
    assert_eq!((of("video").page_size, of("video").diversify.diversity), (6, 0.45), "merged with what is shipped");
    assert_eq!((of("email_digest").page_size, of("email_digest").explore.share), (10, 0.1));
}

#[test]
fn every_shipped_file_loads() {
    let secrets = [("POLYPHONY__AUTH__SERVER_KEYS", "server-key-0123456789"), ("POLYPHONY__AUTH__ADMIN_KEYS", "admin-key-0123456789")];
    for entry in std::fs::read_dir(at_root("config")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let settings = Settings::load(&layers(Some(file.clone()), &secrets, &[])).unwrap_or_else(|faults| panic!("{faults}"));
            assert_eq!(settings.check_exposure(), Ok(()), "{}", file.display());
        }
    }
    let production = Settings::load(&layers(Some(at_root("config/production.toml")), &[], &[])).unwrap();
    insta::assert_snapshot!("config_production_without_keys", production.check_exposure().unwrap_err());
    assert_eq!(Settings::load(&layers(Some(at_root("config/default.toml")), &[], &[])), Ok(Settings::default()));
}

#[test]
fn every_key_of_the_documented_defaults_has_its_comment() {
    let text = Settings::documented();
    let lines: Vec<&str> = text.lines().collect();
    let mut keys = 0;
    for (index, line) in lines.iter().enumerate() {
        let is_key = !line.starts_with(['#', '[', ' ']) && line.contains(" = ");
        if !is_key {
            continue;
        }
        keys += 1;
        let beside = line.split_once(" = ").is_some_and(|(_, value)| value.contains(" # "));
        let above = index > 0 && lines[index - 1].starts_with("# ");
        assert!(beside || above, "line {}: {line} has no comment", index + 1);
    }
    // Every leaf of the defaults is a line of the file.
    fn leaves(value: &toml::Value) -> usize {
        match value {
            toml::Value::Table(table) => table.values().map(leaves).sum(),
            toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => items.iter().map(leaves).sum(),
            _ => 1,
        }
    }
    let defaults = toml::Value::try_from(Settings::default()).unwrap();
    assert_eq!(keys, leaves(&defaults));
}

#[test]
fn secrets_are_never_shown() {
    let settings = Settings::load(&layers(
        None,
        &[
            ("POLYPHONY__AUTH__SERVER_KEYS", "hunter2-hunter2-hunter2"),
            ("POLYPHONY__AUTH__JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2"),
            ("POLYPHONY__STORE__REDIS__URL", "redis://:hunter2@host:6379"),
        ],
        &[],
    ))
    .unwrap();
    let shown = format!("{settings:?} {}", toml::to_string(&settings).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    let names: BTreeMap<&str, &str> = [("url", settings.store.redis.url.expose())].into();
    assert_eq!(names["url"], "redis://:hunter2@host:6379");
}
