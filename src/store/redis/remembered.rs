//! People as this process last read them. Nothing here is taken for true: a page made from it is only kept, and only served, where
//! Redis says with the same command that the person's records are still those ([`Store::supposed`](crate::store::Store::supposed)).
//! So a reader who pages costs one round trip a page, however many servers there are, and no server ever serves what another has
//! changed.

use std::sync::atomic::{AtomicU32, Ordering};

use quick_cache::{Weighter, sync::Cache};

use super::people::Stored;
use crate::store::{
    Basis, Person, Supposed,
    seal::{HEAD_BYTES, Lookup},
};

/// A profile's revision, which stands before its seal.
const REVISION_BYTES: usize = 8;
/// What a person takes in memory for each byte in Redis, about: numbers are packed there.
const BYTES_PER_STORED: u64 = 3;
const BYTES_PER_PERSON: u64 = 1_024;
/// People that are expected for each MiB.
const PEOPLE_PER_MIB: u64 = 64;
/// Outcomes that are weighed; older ones count half.
const WEIGHED: u32 = 1_024;
/// Beyond one page in this many that was made for nothing, it costs more than reading first.
const OUTDATED_ONE_IN: u32 = 8;
/// So many may be before anything is concluded.
const OUTDATED_MIN: u32 = 8;
/// Then one in this many is still tried, to see whether that is over.
const TRIED_ONE_IN: u32 = 32;

pub(super) struct Remembered {
    /// `None`: nobody is.
    people: Option<Cache<Lookup, Entry, InMemory>>,
    held: AtomicU32,
    outdated: AtomicU32,
    asked: AtomicU32,
}

#[derive(Clone)]
struct Entry {
    supposed: Supposed,
    bytes: u64,
}

#[derive(Clone)]
struct InMemory;

impl Weighter<Lookup, Entry> for InMemory {
    fn weight(&self, _: &Lookup, entry: &Entry) -> u64 {
        entry.bytes
    }
}

impl Remembered {
    /// Room for `bytes` of people; 0: for nobody.
    pub(super) fn new(bytes: u64) -> Self {
        let expected = usize::try_from((bytes >> 20) * PEOPLE_PER_MIB).unwrap_or(usize::MAX).max(1);
        let people = (bytes > 0).then(|| Cache::with_weighter(expected, bytes, InMemory));
        Self { people, held: AtomicU32::new(0), outdated: AtomicU32::new(0), asked: AtomicU32::new(0) }
    }

    /// `profile` and `consents`: what is stored.
    pub(super) fn remember(&self, who: &Lookup, person: &Person, profile: &Stored, consents: &Stored) {
        let Some(people) = &self.people else { return };
        let head = |stored: &Stored, bytes: usize| -> Box<[u8]> { stored.as_deref().map_or(&[][..], |s| &s[..bytes.min(s.len())]).into() };
        let basis = Basis { profile: head(profile, REVISION_BYTES + HEAD_BYTES), consents: head(consents, HEAD_BYTES) };
        let stored = [profile, consents].into_iter().flatten().map(|stored| stored.len() as u64).sum::<u64>();
        let bytes = BYTES_PER_PERSON + BYTES_PER_STORED * stored;
        people.insert(who.clone(), Entry { supposed: Supposed { person: person.clone(), basis }, bytes });
    }

    pub(super) fn supposed(&self, who: &Lookup) -> Option<Supposed> {
        let entry = self.people.as_ref()?.get(who)?;
        let (held, outdated) = (self.held.load(Ordering::Relaxed), self.outdated.load(Ordering::Relaxed));
        let is_worth_it = outdated.saturating_sub(OUTDATED_MIN).saturating_mul(OUTDATED_ONE_IN) <= held;
        (is_worth_it || self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(TRIED_ONE_IN)).then_some(entry.supposed)
    }

    /// A page was made from what was remembered, and `held` or was outdated.
    pub(super) fn turned_out(&self, who: &Lookup, held: bool) {
        let counted = if held { &self.held } else { &self.outdated };
        if counted.fetch_add(1, Ordering::Relaxed) >= WEIGHED {
            for count in [&self.held, &self.outdated] {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
        if !held {
            self.forget(who);
        }
    }

    pub(super) fn forget(&self, who: &Lookup) {
        if let Some(people) = &self.people {
            people.remove(who);
        }
    }

    pub(super) fn clear(&self) {
        if let Some(people) = &self.people {
            people.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::Profile;

    fn person(events: u32) -> Person {
        Person { profile: Some(Arc::new(Profile { events: events.into(), ..Profile::default() })), consents: Arc::default() }
    }

    #[test]
    fn a_person_is_remembered_until_they_change() {
        let remembered = Remembered::new(1 << 20);
        let ann = Lookup::of("ann");
        assert_eq!(remembered.supposed(&ann), None);
        remembered.remember(&ann, &person(3), &Some(vec![7; 900]), &None);
        let supposed = remembered.supposed(&ann).unwrap();
        assert_eq!(supposed.person, person(3));
        assert_eq!((supposed.basis.profile.len(), supposed.basis.consents.len()), (REVISION_BYTES + HEAD_BYTES, 0));
        assert_eq!(remembered.supposed(&Lookup::of("bob")), None);
        remembered.turned_out(&ann, false);
        assert_eq!(remembered.supposed(&ann), None);
    }

    #[test]
    fn nobody_is_remembered_without_room() {
        let remembered = Remembered::new(0);
        remembered.remember(&Lookup::of("ann"), &person(3), &None, &None);
        assert_eq!(remembered.supposed(&Lookup::of("ann")), None);
    }

    #[test]
    fn memory_is_bounded() {
        let remembered = Remembered::new(1 << 20);
        for n in 0..2_000 {
            remembered.remember(&Lookup::of(&n.to_string()), &person(n), &Some(vec![7; 10_000]), &None);
        }
        let kept = (0..2_000).filter(|n| remembered.supposed(&Lookup::of(&n.to_string())).is_some()).count();
        assert!((1..=34).contains(&kept), "{kept} of 31 KB each in 1 MiB");
    }

    #[test]
    fn what_is_mostly_outdated_is_seldom_supposed() {
        let remembered = Remembered::new(1 << 20);
        let ann = Lookup::of("ann");
        let mut tried = 0;
        for _ in 0..10_000 {
            remembered.remember(&ann, &person(1), &None, &None);
            if remembered.supposed(&ann).is_some() {
                tried += 1;
                remembered.turned_out(&ann, false);
            }
        }
        assert!((10_000 / TRIED_ONE_IN..10_000 / TRIED_ONE_IN + 20).contains(&tried), "{tried}");
        let mut held = 0;
        for _ in 0..200_000 {
            remembered.remember(&ann, &person(1), &None, &None);
            if remembered.supposed(&ann).is_some() {
                held += 1;
                remembered.turned_out(&ann, true);
            }
        }
        assert!(held > 100_000, "it is found out that it holds again: {held}");
    }
}
