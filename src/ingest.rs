//! Taking in: items into store and catalogue, events into profiles.
//!
//! An event is acknowledged only after the store has it; a repeated event is recognised and not learned twice.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    catalogue::{Catalogue, CatalogueRecord, Snapshot},
    clock::Clock,
    domain::{
        Event, EventKind, Item, ItemId, UserId,
        consent::{ConsentDefault, Purpose},
    },
    journal::{EventRecord, Journal, JournalRecord},
    learn::{self, LearnError},
    store::{Commit, PopularityDelta, Store, StoreError},
};

/// Times a profile is read and tried again when somebody else wrote it meanwhile.
const MAX_COMMIT_TRIES: usize = 32;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// Its id was learned within the de-duplication window, or stands twice in the call.
    Duplicate,
    Refused(Refusal),
    /// The person does not want it kept. Nothing of it is.
    Ignored(Unwanted),
}

/// Why nothing about a person is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// Keeping a profile was refused, or never allowed.
    NoConsent,
    /// The person chose feeds that use nothing inferred of them and nothing they do.
    NoProfile,
    /// The person was erased, and has not consented to anything since.
    Erased,
    /// It is about a sponsored item: those teach nothing.
    Sponsored,
}

impl Unwanted {
    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::NoProfile => "no_profile",
            Self::Erased => "erased",
            Self::Sponsored => "sponsored",
        }
    }
}

/// Why an event was refused. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no item `{0}` in the catalogue")]
    UnknownItem(ItemId),
    #[error(transparent)]
    Learn(#[from] LearnError),
}

/// Everything that taking in needs. One per process.
pub struct Ingest {
    pub store: Arc<dyn Store>,
    pub catalogue: Arc<Catalogue>,
    pub clock: Arc<dyn Clock>,
    pub journal: Arc<Journal>,
    /// What holds for people who were never asked.
    pub consent: ConsentDefault,
}

impl Ingest {
    /// Inserts or replaces items: in the store first, then here; other instances follow by the change log.
    pub async fn put_items(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.store.put_items(&items).await?;
        self.catalogue.apply(items.into_iter().map(|item| CatalogueRecord::Put(Box::new(item))));
        Ok(())
    }

    /// Deletes items. Per id: whether it was there.
    pub async fn delete_items(&self, ids: Vec<ItemId>) -> Result<Vec<bool>, StoreError> {
        let were_there = self.store.delete_items(&ids).await?;
        self.catalogue.apply(ids.into_iter().map(CatalogueRecord::Deleted));
        Ok(were_there)
    }

    /// Learns events, each person's in order of their time. Outcomes stand in the order of `events`.
    ///
    /// Errors: the store failed for some person; what was learned before stays learned, and repeating the call is safe.
    pub async fn learn(&self, events: &[Event]) -> Result<Vec<Outcome>, StoreError> {
        let snapshot = self.catalogue.snapshot();
        let mut outcomes = vec![Outcome::Duplicate; events.len()];
        let mut by_user: BTreeMap<&UserId, Vec<usize>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            by_user.entry(&event.user).or_default().push(index);
        }
        for (user, mut indices) in by_user {
            indices.sort_by_key(|index| events[*index].at);
            self.learn_user(user, &indices, events, &snapshot, &mut outcomes).await?;
        }
        self.after_acceptance(events, &outcomes).await;
        Ok(outcomes)
    }

    /// One person's events: read, learn, commit; again from the start when somebody else committed first.
    async fn learn_user(
        &self,
        user: &UserId,
        indices: &[usize],
        events: &[Event],
        snapshot: &Snapshot,
        outcomes: &mut [Outcome],
    ) -> Result<(), StoreError> {
        let is_ad = |index: &usize| teaches_nothing(&events[*index], snapshot);
        let (ads, indices): (Vec<usize>, Vec<usize>) = indices.iter().partition(|index| is_ad(index));
        for index in ads {
            outcomes[index] = Outcome::Ignored(Unwanted::Sponsored);
        }
        if indices.is_empty() {
            return Ok(());
        }
        let unwanted = self.unwanted(user).await?;
        let (ignored, indices): (Vec<usize>, Vec<usize>) =
            indices.iter().partition(|index| unwanted.is_some_and(|unwanted| !is_kept_regardless(&events[**index], unwanted)));
        for index in ignored {
            outcomes[index] = unwanted.map_or(Outcome::Duplicate, Outcome::Ignored);
        }
        if indices.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = indices.iter().map(|index| events[*index].id.clone()).collect();
        for _ in 0..MAX_COMMIT_TRIES {
            let learning = self.store.begin_learning(user, &ids).await?;
            if learning.is_erased {
                indices.iter().for_each(|index| outcomes[*index] = Outcome::Ignored(Unwanted::Erased));
                return Ok(());
            }
            let mut profile = learning.profile;
            let mut fresh = Vec::new();
            let mut in_call = HashSet::new();
            for (index, known) in indices.iter().zip(learning.known) {
                let event = &events[*index];
                outcomes[*index] = if known || in_call.contains(&event.id) {
                    Outcome::Duplicate
                } else {
                    match learn_one(&mut profile, event, snapshot) {
                        Ok(()) => {
                            in_call.insert(&event.id);
                            fresh.push(event.id.clone());
                            Outcome::Accepted
                        }
                        Err(refusal) => Outcome::Refused(refusal),
                    }
                };
            }
            if fresh.is_empty() {
                return Ok(());
            }
            match self.store.commit_profile(user, learning.revision, &profile, &fresh, self.clock.now()).await? {
                Commit::Done => return Ok(()),
                // The next look says so.
                Commit::Erased => {}
                Commit::Conflict => tokio::task::yield_now().await,
            }
        }
        Err(StoreError::Refused(format!("the profile changed {MAX_COMMIT_TRIES} times while learning")))
    }

    /// Why what the person does is not to be kept; `None`: it may be.
    async fn unwanted(&self, user: &UserId) -> Result<Option<Unwanted>, StoreError> {
        let person = self.store.person(user).await?.unwrap_or_default();
        if !self.consent.allows(&person.consents, Purpose::ProfileCreate, self.clock.now()) {
            return Ok(Some(Unwanted::NoConsent));
        }
        let mode = person.profile.map(|profile| profile.preferences.mode).unwrap_or_default();
        Ok((!mode.personalises()).then_some(Unwanted::NoProfile))
    }

    /// Popularity and journal: after the events are safe, and never a reason to refuse them.
    async fn after_acceptance(&self, events: &[Event], outcomes: &[Outcome]) {
        let accepted = || events.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Accepted).map(|(event, _)| event);
        let deltas: Vec<PopularityDelta> = accepted()
            .map(|event| PopularityDelta { item: event.item.clone(), used: learn::used(event), at: event.at })
            .filter(|delta| !delta.used.is_nothing())
            .collect();
        if !deltas.is_empty() {
            self.add_popularity(&deltas).await;
        }
        for event in accepted() {
            // Erased since, or the store is away: a line nobody could be told of is left out.
            let Ok(pseudonym) = self.store.pseudonym(&event.user).await else { continue };
            self.journal.record(JournalRecord::Event(EventRecord {
                at: event.at.0,
                id: self.journal.event_pseudonym(&event.id),
                user: pseudonym.to_string(),
                event_type: event.kind.name().to_owned(),
                item: event.item.to_string(),
                feed_id: event.feed.as_ref().map(ToString::to_string),
                position: event.position,
                undo: event.undo,
            }));
        }
    }

    /// Adds to items' popularity. The change log brings the sums back to every instance, this one too.
    pub async fn add_popularity(&self, deltas: &[PopularityDelta]) {
        if let Err(error) = self.store.add_popularity(deltas).await {
            tracing::warn!(reason = error.reason(), %error, "popularity was not updated");
        }
    }
}

/// Whoever chose no profile can still block, follow and say what they want less of: that is said, not observed. Without
/// consent nothing is kept.
fn is_kept_regardless(event: &Event, unwanted: Unwanted) -> bool {
    let is_said = matches!(event.kind, EventKind::Hide | EventKind::Follow | EventKind::LessLike | EventKind::Report);
    unwanted == Unwanted::NoProfile && (event.undo || is_said)
}

/// Of a sponsored item only what hides it counts.
fn teaches_nothing(event: &Event, snapshot: &Snapshot) -> bool {
    event.kind != EventKind::Hide && snapshot.find_sponsored(&event.item).is_some()
}

fn learn_one(profile: &mut crate::domain::Profile, event: &Event, snapshot: &Snapshot) -> Result<(), Refusal> {
    if let Some(entry) = snapshot.find_sponsored(&event.item) {
        return Ok(learn::block(profile, event, &entry.item)?);
    }
    let found = snapshot.find(&event.item).and_then(|row| Some((row, snapshot.item(row)?)));
    let (row, item) = found.ok_or_else(|| Refusal::UnknownItem(event.item.clone()))?;
    let most = snapshot.trending().next().map(|row| snapshot.popularity(row)).unwrap_or_default();
    let prominence = snapshot.popularity(row).prominence(&most, event.at, snapshot.popularity_half_life());
    Ok(learn::learn(profile, event, &item, prominence)?)
}
