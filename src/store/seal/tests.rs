//! What a seal keeps: secrecy from other keys, and every record in its place.

use super::*;
use crate::domain::UserId;

const MASTER: [u8; 32] = [7; 32];

fn keys() -> (KeyRing, Lookup, Vec<u8>) {
    let masters = MasterKeys::of(&MASTER);
    let ring = KeyRing::new(masters.clone(), None);
    ring.set_root(&masters.make(ROOT).unwrap()).unwrap();
    let lookup = ring.lookup(&UserId::new("ann").unwrap()).unwrap();
    let row = masters.make(&lookup).unwrap();
    (ring, lookup, row)
}

#[test]
fn a_sealed_record_opens_in_its_place_alone() {
    let (ring, lookup, row) = keys();
    let key = ring.key_of(&lookup, &row).unwrap();
    let (one, two) = (FeedId::from_bits(1), FeedId::from_bits(2));
    let places =
        [Record::Profile, Record::Feed(&one), Record::Feed(&two), Record::Page(&one, 1), Record::Page(&one, 2), Record::Page(&two, 1)];
    let plain = [&[3u8], "the canary sings".as_bytes()].concat();
    for (at, place) in places.iter().enumerate() {
        let sealed = key.seal(*place, &plain).unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&plain));
        assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        for (other, place) in places.iter().enumerate() {
            assert_eq!(key.open(*place, &sealed).ok(), (at == other).then(|| plain.clone()), "{at} {other}");
        }
    }
    assert_ne!(key.seal(Record::Profile, &plain).unwrap(), key.seal(Record::Profile, &plain).unwrap());
    assert!(key.seal(Record::Profile, &[]).is_err() && key.seal(Record::Profile, &[0x81]).is_err());
}

#[test]
fn every_byte_counts() {
    let (ring, lookup, row) = keys();
    let key = ring.key_of(&lookup, &row).unwrap();
    let sealed = key.seal(Record::Profile, &[2, 1, 2, 3]).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1 << bit;
            assert!(key.open(Record::Profile, &damaged).is_err(), "byte {at}, bit {bit}");
            assert!(!key.is_foreign(&damaged), "byte {at}, bit {bit}");
        }
        assert!(key.open(Record::Profile, &sealed[..at]).is_err());
    }
    for at in 0..row.len() {
        let mut damaged = row.clone();
        damaged[at] ^= 1;
        assert!(MasterKeys::of(&MASTER).person(&lookup, &damaged).is_err(), "byte {at}");
        assert!(MasterKeys::of(&MASTER).person(&lookup, &row[..at]).is_err());
    }
}

#[test]
fn keys_of_people_are_apart() {
    let (ring, ann, row) = keys();
    let ben = ring.lookup(&UserId::new("ben").unwrap()).unwrap();
    assert!(ann.len() == 32 && ann != ben);
    // A row that was moved to another person.
    assert!(ring.key_of(&ben, &row).is_err());
    let other = ring.masters().make(&ben).unwrap();
    let (ann, ben) = (ring.key_of(&ann, &row).unwrap(), ring.key_of(&ben, &other).unwrap());
    let sealed = ann.seal(Record::Profile, &[2, 9]).unwrap();
    assert!(ben.open(Record::Profile, &sealed).is_err());
    assert!(ben.is_foreign(&sealed) && !ann.is_foreign(&sealed));
    assert!(!ben.is_foreign(&[0xff; 100]) && !ben.is_foreign(&sealed[..9]) && !ben.is_foreign(&[]));
    let event = EventId::new("e").unwrap();
    assert!(ann.event_digest(&event) != ben.event_digest(&event) && ann.event_digest(&event) != event.digest());
    assert_ne!(ann.pseudonym(), ben.pseudonym());
}

#[test]
fn another_root_looks_elsewhere() {
    let masters = MasterKeys::of(&MASTER);
    let ring = KeyRing::new(masters.clone(), None);
    let ann = UserId::new("ann").unwrap();
    assert!(ring.lookup(&ann).is_none());
    let mut seen = Vec::new();
    for _ in 0..2 {
        ring.set_root(&masters.make(ROOT).unwrap()).unwrap();
        seen.push(ring.lookup(&ann).unwrap());
    }
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn a_new_master_key_takes_over() {
    let (_, lookup, row) = keys();
    let both = MasterKeys::of(&[8; 32]).before(MasterKeys::of(&MASTER));
    let moved = both.rewrap(&lookup, &row).unwrap().unwrap();
    assert_eq!(both.rewrap(&lookup, &moved).unwrap(), None);
    let new = MasterKeys::of(&[8; 32]);
    assert!(new.person(&lookup, &row).is_err());
    let (old, new) = (both.person(&lookup, &row).unwrap(), new.person(&lookup, &moved).unwrap());
    assert_eq!(old.pseudonym(), new.pseudonym());
    let sealed = old.seal(Record::Profile, &[2, 9]).unwrap();
    assert_eq!(new.open(Record::Profile, &sealed).unwrap(), [2, 9]);
}

#[test]
fn a_cached_key_is_forgotten() {
    let (ring, lookup, row) = keys();
    ring.key_of(&lookup, &row).unwrap();
    assert!(ring.cached(&lookup).is_some());
    // A row made anew, after an erasure elsewhere, is not the cached one.
    let again = ring.masters().make(&lookup).unwrap();
    let key = ring.key_of(&lookup, &again).unwrap();
    assert_eq!(ring.cached(&lookup).unwrap().pseudonym(), key.pseudonym());
    ring.forget(&lookup);
    assert!(ring.cached(&lookup).is_none());
}

#[test]
fn master_keys_are_read_with_care() {
    let hex = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    assert!(MasterKeys::parse([]).unwrap().is_none());
    assert!(MasterKeys::parse([hex, hex]).unwrap().is_some());
    for wrong in ["", "00", &hex[1..], &format!("{hex}00"), &hex.replace('a', "g"), "ž"] {
        assert_eq!(MasterKeys::parse([wrong]).err(), Some(MasterKeyError::Digits), "{wrong}");
    }
    assert_eq!(MasterKeys::parse([hex; 17]).err(), Some(MasterKeyError::TooMany));
}
