//! The house rules of ARCHITECTURE.md, held over the source tree. Each rule also finds planted violations: see the
//! tests beside it.

mod layers;
mod rules;
mod scan;

use std::{fs, path::Path};

use scan::File;

/// Every Rust file of the package, test files marked as such.
fn tree() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(root, &root.join(folder), &mut files);
    }
    let test_modules: Vec<String> = files.iter().flat_map(File::test_modules).collect();
    for file in &mut files {
        let stem = file.path.trim_end_matches(".rs");
        if test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/"))) {
            file.mark_as_test();
        }
    }
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the source tree was not found under {}", root.display());
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            files.push(File::new(&name, &fs::read_to_string(&path).expect("UTF-8 source")));
        }
    }
}

#[track_caller]
fn holds(rule: fn(&File) -> Vec<String>) {
    none(tree().iter().flat_map(rule).collect());
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} broken:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn modules_use_only_those_below_them() {
    holds(layers::dependencies_point_down);
}

#[test]
fn the_core_is_pure() {
    holds(rules::pure_core);
}

#[test]
fn outside_things_have_one_owner() {
    holds(rules::one_owner);
}

#[test]
fn files_open_with_what_they_are_for() {
    holds(rules::module_doc_on_line_one);
}

#[test]
fn files_are_short() {
    holds(rules::file_length);
}

#[test]
fn functions_are_short() {
    holds(rules::function_length);
}

#[test]
fn nothing_panics_on_purpose() {
    holds(rules::no_panics);
}

#[test]
fn every_test_runs() {
    holds(rules::no_ignored_tests);
}

#[test]
fn unsafe_code_has_one_file() {
    holds(rules::no_unsafe);
}

#[test]
fn names_say_what_is_inside() {
    holds(rules::no_empty_names);
}

#[test]
fn traits_have_more_than_one_implementation() {
    none(rules::no_trait_with_one_implementation(&tree()));
}
