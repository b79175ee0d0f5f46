//! Reading, stacking and checking policy files.

use super::*;

fn checked(text: &str) -> Checked {
    check(&Text::new("draft", text), &Library::presets())
}

fn set(text: &str) -> PolicySet {
    let Checked { set, findings, .. } = checked(text);
    set.unwrap_or_else(|| panic!("{findings}"))
}

fn head(rest: &str) -> String {
    format!("schema = 1\nid = \"mine\"\nversion = 2\n{rest}")
}

#[test]
fn the_presets_are_sound_and_balanced_is_the_default() {
    for (name, text) in PRESETS {
        let Checked { set, findings, .. } = check(&Text::new(name, text), &Library::presets());
        assert!(findings.is_empty(), "{name}: {findings}");
        let set = set.unwrap();
        assert_eq!(set.id, name);
        assert_eq!(set.surfaces.names().collect::<Vec<_>>(), ["email_digest", "home", "push", "video"]);
        assert!(set.owner.is_some() && set.description.is_some());
    }
    let balanced = load_from("balanced").unwrap();
    assert_eq!(balanced.shared, Policy::default());
    assert_eq!(balanced.guardrails, Guardrails::default());
    assert_eq!(balanced.overrides, settings::shipped_surfaces());
    let inline = chosen(&Settings::default()).unwrap();
    assert_eq!(inline.surfaces, balanced.surfaces);
    assert_eq!(inline.digest, balanced.digest);
}

#[test]
fn a_file_builds_on_what_it_extends() {
    let plain = set(&head(""));
    assert_eq!(plain.shared, Policy { id: "mine".into(), version: 2, ..Policy::default() });
    let set = set(&head("extends = \"discovery\"\n[explore]\nshare = 0.2\n[surface.video]\npage_size = 6\n[surface.shorts]\n"));
    let discovery = load_from("discovery").unwrap();
    assert_eq!(set.shared.explore.share, 0.2);
    assert_eq!(set.shared.diversify, discovery.shared.diversify, "what is not set is inherited");
    let of = |name: &str| &set.surface(name).unwrap().policy;
    assert_eq!((of("video").page_size, of("video").diversify.diversity, of("video").explore.share), (6, 0.65, 0.2));
    assert_eq!(*of("shorts"), set.shared);
    assert_eq!(of("email_digest").explore.share, 0.0, "a surface's own value is nearer than the file's");
    assert_eq!(set.guardrails, discovery.guardrails);
    assert_eq!(set.owner, None, "who answers for another file does not answer for this one");
}

#[test]
fn a_list_replaces_the_one_below() {
    assert!(set(&head("constraint = []\n")).shared.constraint.is_empty());
    let one = set(&head("[[constraint]]\nkind = \"min_gap\"\nfacet = \"topic\"\ngap = 1\n"));
    assert_eq!(one.shared.constraint.len(), 1);
}

#[test]
fn a_draft_may_extend_the_policy_in_force() {
    let active = Arc::new(set(&head("[diversify]\ndiversity = 0.8\n")));
    let library = Library::presets().with_active(Arc::clone(&active));
    let text = Text::new("draft", head("extends = \"active\"\npage_size = 9\n"));
    let set = load(&text, &library).unwrap();
    assert_eq!((set.shared.diversify.diversity, set.shared.page_size), (0.8, 9));
    let alone = check(&text, &Library::presets()).findings;
    assert_eq!(alone.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::Extends]);
}

#[test]
fn a_set_survives_being_a_file() {
    for (name, _) in PRESETS {
        let set = load_from(name).unwrap();
        let text = Text::new("again", set.to_toml());
        assert_eq!(load(&text, &Library::presets()).unwrap_or_else(|findings| panic!("{findings}\n{}", text.text)), set);
    }
}

#[test]
fn files_extend_files_of_their_folder_but_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("base.toml", &head("page_size = 11\n"));
    write("mine.toml", &head("extends = \"base\"\n"));
    write("loop.toml", &head("extends = \"pool\"\n"));
    write("pool.toml", &head("extends = \"loop\"\n"));
    write("out.toml", &head("extends = \"../base\"\n"));
    write("broken.toml", &head("page_size = 0\n"));
    write("onbroken.toml", &head("extends = \"broken\"\n"));
    let at = |name: &str| load_from(folder.path().join(name).to_str().unwrap());
    assert_eq!(at("mine.toml").unwrap().shared.page_size, 11);
    let code = |name: &str| at(name).unwrap_err().iter().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(code("loop.toml"), [Code::ExtendsBroken]);
    assert_eq!(code("out.toml"), [Code::Extends]);
    assert_eq!(code("onbroken.toml"), [Code::ExtendsBroken]);
    assert_eq!(code("absent.toml"), [Code::Unreadable]);
}

#[test]
fn keeping_people_is_no_objective() {
    for objective in ["time_spent", "session_length", "return_rate_7d"] {
        for section in ["[score.weights]", "[guardrails]", "[diversify.target]", "[surface.home]"] {
            let text = format!("schema = 1\nid = \"mine\"\nversion = 1\n{section}\n{objective} = 0.5\n");
            let checked = check(&Text::new("mine.toml", text), &Library::presets());
            let told = checked.findings.to_string();
            assert!(checked.set.is_none() && told.contains("no objectives here"), "{section} {objective}: {told}");
        }
    }
}
