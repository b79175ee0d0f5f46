//! Every reader of what comes over the network, on its corpus and on that broken at random. The fuzzer in `fuzz/` looks longer and with
//! coverage; this runs with every test.

use std::{collections::BTreeMap, path::Path};

use polyphony::{
    domain::{
        Facet, Popularity, Profile, Span, Time,
        consent::{ConsentRecord, Decision, Purpose},
        profile::{Affinity, Dislike},
    },
    http::fuzz::READERS,
    store::codec,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::reading;

const BROKEN_PER_SEED: usize = 400;
/// What the formats are made of.
const PIECES: [&[u8]; 16] =
    [b"{", b"}", b"[", b"]", b"\"", b",", b":", b"null", b"-1", b"1e999", b"0.5", b"\\u0000", b"\xff", b"\xc3\xa9", b"%2", b"\n"];

/// Records as the store has them, with the byte that says which.
fn stored() -> Vec<Vec<u8>> {
    let at = Time::from_secs(1_791_533_700);
    let mut profile = Profile { as_of: at, events: 3, ..Profile::default() };
    profile.affinities.push(Affinity { facet: Facet::Topic, value: "science".into(), liking: 2.0, shown: 1.0 });
    profile.dislikes.push(Dislike { facet: Facet::Creator, value: "c1".into(), weight: 3.0, at: at.minus(Span::days(2)) });
    profile.follows.push("c2".into());
    let record =
        ConsentRecord { purpose: Purpose::ProfileUse, decision: Decision::Given, at, notice: "b3:00".into(), signature: vec![7; 64] };
    let with = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    vec![
        with(0, codec::profile::encode(&profile).unwrap()),
        with(2, codec::consent::encode(&[record.clone(), record]).unwrap()),
        with(5, codec::popularity::encode(&Popularity::default()).to_vec()),
    ]
}

fn corpus() -> BTreeMap<String, Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus/readers");
    let mut corpus: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::from([("stored".to_owned(), stored())]);
    for reader in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let mut files: Vec<_> = std::fs::read_dir(reader.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let seeds = corpus.entry(reader.file_name().into_string().unwrap()).or_default();
        seeds.extend(files.iter().map(|file| std::fs::read(file).unwrap()));
    }
    corpus
}

fn broken(seed: &[u8], draw: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..draw.random_range(1..5) {
        let at = draw.random_range(0..=bytes.len());
        let to = (at + draw.random_range(0..9)).min(bytes.len());
        match draw.random_range(0..4) {
            0 => drop(bytes.splice(at..at, PIECES[draw.random_range(0..PIECES.len())].iter().copied())),
            1 => drop(bytes.drain(at..to)),
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << draw.random_range(0..8);
                }
            }
            _ => {
                let again = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

#[test]
fn no_reader_panics_or_breaks_its_promises() {
    let app = reading::app();
    let corpus = corpus();
    let names: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
    assert!(corpus.keys().all(|name| names.contains(&name.as_str())), "a folder that no reader has: {:?}", corpus.keys());
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    for (name, read) in READERS {
        let seeds = corpus.get(name).unwrap_or_else(|| panic!("{name} has no corpus"));
        for seed in seeds {
            read(&app, seed);
            (0..BROKEN_PER_SEED).for_each(|_| read(&app, &broken(seed, &mut draw)));
        }
    }
}

/// The corpus reaches what it is for: of each reader something is taken, and something refused.
#[test]
fn the_stored_seeds_are_records() {
    for bytes in stored() {
        let is_one = match bytes[0] {
            0 => codec::profile::decode(&bytes[1..]).is_ok(),
            2 => codec::consent::decode(&bytes[1..]).is_ok(),
            _ => codec::popularity::decode(&bytes[1..]).is_ok(),
        };
        assert!(is_one, "{}", bytes[0]);
    }
}
