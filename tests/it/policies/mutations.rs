//! The corpus of wrong policies and the presets, broken further at random: reading them keeps its promises.
//!
//! The fuzzer in `fuzz/` looks longer and with coverage; this runs with every test.

use polyphony::policy::{Library, PRESETS, Text};
use proptest::prelude::*;

use super::promises;

/// What policy files are made of.
const PIECES: [&str; 26] = [
    "\n",
    " = ",
    "[",
    "]",
    "[[constraint]]\n",
    "{ ",
    " }",
    ", ",
    "\"",
    "'''",
    "#",
    "\\u0000",
    "é",
    "0",
    "-1",
    "0.5",
    "nan",
    "1e999",
    "true",
    "\"forever\"",
    "kind = \"pin\"\n",
    "[surface.video]\n",
    "diversify.diversity",
    "extends = \"active\"\n",
    "[[experiment]]\n",
    "1979-05-27",
];

fn seeds() -> Vec<String> {
    let files = std::fs::read_dir("tests/it/corpus/policies").unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut seeds: Vec<String> = files.filter_map(|bytes| String::from_utf8(bytes).ok()).collect();
    seeds.extend(PRESETS.map(|(_, text)| text.to_owned()));
    seeds.sort();
    seeds
}

#[derive(Clone, Debug)]
enum Mutation {
    Insert(usize, &'static str),
    Delete(usize, usize),
    /// Lines of another seed.
    Splice(usize, usize, usize),
    Swap(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0..10_000_usize;
    prop_oneof![
        (place.clone(), proptest::sample::select(&PIECES)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (place.clone(), 1..40_usize).prop_map(|(at, count)| Mutation::Delete(at, count)),
        (place.clone(), place.clone(), 1..6_usize).prop_map(|(at, from, count)| Mutation::Splice(at, from, count)),
        (place.clone(), place).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

fn mutated(seed: &str, other: &str, mutations: &[Mutation]) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for mutation in mutations {
        let within = |at: usize| at % (text.len() + 1);
        match mutation {
            Mutation::Insert(at, piece) => drop(text.splice(within(*at)..within(*at), piece.chars()).collect::<Vec<_>>()),
            Mutation::Delete(at, count) => {
                let start = within(*at);
                text.drain(start..text.len().min(start + count));
            }
            Mutation::Splice(at, from, count) => {
                let lines: Vec<&str> = other.lines().collect();
                let start = from % (lines.len() + 1);
                let taken = lines[start..lines.len().min(start + count)].join("\n") + "\n";
                let at = within(*at);
                text.splice(at..at, taken.chars()).for_each(drop);
            }
            Mutation::Swap(a, b) if !text.is_empty() => {
                let (a, b) = (a % text.len(), b % text.len());
                text.swap(a, b);
            }
            Mutation::Swap(..) => {}
        }
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_text_is_read_as_promised(
        seed in any::<proptest::sample::Index>(),
        other in any::<proptest::sample::Index>(),
        mutations in proptest::collection::vec(mutation(), 0..12),
    ) {
        let seeds = seeds();
        let text = mutated(seed.get::<String>(&seeds), other.get::<String>(&seeds), &mutations);
        promises::hold(&Text::new("mutated", text), &Library::presets());
    }
}
