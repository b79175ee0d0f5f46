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
        Event, EventKind, Item, ItemId, Profile, Time, Use, UserId,
        consent::{ConsentDefault, ConsentRecord, Purpose},
        privacy::AgeGroup,
        profile::Mode,
        sensitive::SensitiveTopics,
    },
    journal::{EventRecord, Journal, JournalRecord},
    learn::{self, LearnError},
    store::{Commit, PopularityDelta, Store, StoreError},
};

/// Times a profile is read and tried again when somebody else wrote it meanwhile.
const MAX_COMMIT_TRIES: usize = 32;
/// Items written to the store and applied here in one go.
const PUT_BATCH_ITEMS: usize = 1_000;

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
    /// How long the person looks may not be learned from.
    NoDwellConsent,
    /// The item is of a special category that the person did not consent to.
    Sensitive,
    /// Nothing is inferred about minors.
    Minor,
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
            Self::NoDwellConsent => "no_dwell_consent",
            Self::Sensitive => "sensitive",
            Self::Minor => "minor",
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

/// What bears on whether a person's events are kept.
struct Chosen<'a> {
    consents: &'a [ConsentRecord],
    mode: Mode,
    age_group: AgeGroup,
}

/// Everything that taking in needs. One per process.
pub struct Ingest {
    pub store: Arc<dyn Store>,
    pub catalogue: Arc<Catalogue>,
    pub clock: Arc<dyn Clock>,
    pub journal: Arc<Journal>,
    /// What holds for people who were never asked.
    pub consent: ConsentDefault,
    /// What is learned from with consent to its category alone.
    pub sensitive: Arc<SensitiveTopics>,
}

impl Ingest {
    /// Inserts or replaces items: in the store first, then here; other instances follow by the change log.
    ///
    /// Errors: the store failed; items before those it failed for may be there.
    pub async fn put_items(&self, items: Vec<Item>) -> Result<(), StoreError> {
        for batch in items.chunks(PUT_BATCH_ITEMS) {
            let since = self.catalogue.snapshot();
            self.store.put_items(batch).await?;
            self.catalogue.apply_written(batch.iter().map(|item| CatalogueRecord::Put(Box::new(item.clone()))), &since);
        }
        Ok(())
    }

    /// Deletes items. Per id: whether it was there.
    pub async fn delete_items(&self, ids: Vec<ItemId>) -> Result<Vec<bool>, StoreError> {
        let since = self.catalogue.snapshot();
        let were_there = self.store.delete_items(&ids).await?;
        self.catalogue.apply_written(ids.into_iter().map(CatalogueRecord::Deleted), &since);
        Ok(were_there)
    }

    /// Learns events, each person's in order of their time. Outcomes stand in the order of `events`.
    ///
    /// Errors: the store failed for some person; what was learned before stays learned, and repeating the call is safe.
    pub async fn learn(&self, events: &[Event]) -> Result<Vec<Outcome>, StoreError> {
        self.learn_of(events, AgeGroup::Adult).await
    }

    /// As [`Self::learn`], of people of an age group. What minors say is kept; what they do is not.
    pub async fn learn_of(&self, events: &[Event], age_group: AgeGroup) -> Result<Vec<Outcome>, StoreError> {
        let snapshot = self.catalogue.snapshot();
        let mut outcomes = vec![Outcome::Duplicate; events.len()];
        let mut used = vec![Use::default(); events.len()];
        let mut by_user: BTreeMap<&UserId, Vec<usize>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            by_user.entry(&event.user).or_default().push(index);
        }
        let mut learned = Ok(());
        for (user, mut indices) in by_user {
            indices.sort_by_key(|index| events[*index].at);
            learned = self.learn_user((user, age_group), &indices, events, &snapshot, (&mut outcomes, &mut used)).await;
            if learned.is_err() {
                // Nothing of them is kept, whatever they would have become.
                indices.iter().for_each(|index| outcomes[*index] = Outcome::Duplicate);
                break;
            }
        }
        // Also of those before a failure: asked again they are known, and nobody would tell of them.
        self.after_acceptance(events, &outcomes, &used).await;
        learned.map(|()| outcomes)
    }

    /// One person's events: read, learn, commit; again from the start when somebody else committed first.
    async fn learn_user(
        &self,
        (user, age_group): (&UserId, AgeGroup),
        indices: &[usize],
        events: &[Event],
        snapshot: &Snapshot,
        (outcomes, used): (&mut [Outcome], &mut [Use]),
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = indices.iter().map(|index| events[*index].id.clone()).collect();
        for _ in 0..MAX_COMMIT_TRIES {
            let learning = self.store.begin_learning(user, &ids).await?;
            if learning.is_erased {
                indices.iter().for_each(|index| outcomes[*index] = Outcome::Ignored(Unwanted::Erased));
                return Ok(());
            }
            // After the profile: a choice that is made from here on changes it, and the commit is refused.
            let consents = self.store.person(user).await?.unwrap_or_default().consents;
            let mut profile = learning.profile;
            let chosen = Chosen { consents: &consents, mode: profile.preferences.mode, age_group };
            let mut fresh = Vec::new();
            let mut in_call = HashSet::new();
            for (index, known) in indices.iter().zip(learning.known) {
                let event = &events[*index];
                outcomes[*index] = if let Some(unwanted) = self.unwanted(&chosen, event, snapshot) {
                    Outcome::Ignored(unwanted)
                } else if known || in_call.contains(&event.id) {
                    Outcome::Duplicate
                } else {
                    match learn_one(&mut profile, event, snapshot, self.clock.now()) {
                        Ok(adds) => {
                            used[*index] = adds;
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

    /// Why the event is not to be kept; `None`: it may be.
    fn unwanted(&self, chosen: &Chosen<'_>, event: &Event, snapshot: &Snapshot) -> Option<Unwanted> {
        if teaches_nothing(event, snapshot) {
            return Some(Unwanted::Sponsored);
        }
        let Chosen { consents, mode, age_group } = *chosen;
        let now = self.clock.now();
        let allows = |purpose| self.consent.allows(consents, purpose, now);
        // Whoever has no profile can still block, follow and say what they want less of: that is said, not observed.
        let is_said = matches!(event.kind, EventKind::Hide | EventKind::LessLike | EventKind::Report);
        if !allows(Purpose::ProfileCreate) {
            return Some(Unwanted::NoConsent);
        }
        if event.undo || is_said {
            return None;
        }
        if !mode.personalises() && event.kind != EventKind::Follow {
            return Some(Unwanted::NoProfile);
        }
        if age_group == AgeGroup::Minor && event.kind != EventKind::Follow {
            return Some(Unwanted::Minor);
        }
        if event.kind == EventKind::Dwell && !allows(Purpose::Dwell) {
            return Some(Unwanted::NoDwellConsent);
        }
        let entry = snapshot.find(&event.item).and_then(|row| snapshot.entry(row))?;
        self.sensitive.withheld(&entry.item, consents, now).map(|_| Unwanted::Sensitive)
    }

    /// Popularity and journal: after the events are safe, and never a reason to refuse them.
    async fn after_acceptance(&self, events: &[Event], outcomes: &[Outcome], used: &[Use]) {
        let is_accepted = |(index, _): &(usize, &Event)| outcomes[*index] == Outcome::Accepted;
        let accepted = || events.iter().enumerate().filter(is_accepted);
        let deltas: Vec<PopularityDelta> = accepted()
            .map(|(index, event)| PopularityDelta { item: event.item.clone(), used: used[index], at: event.at })
            .filter(|delta| !delta.used.is_nothing())
            .collect();
        if !deltas.is_empty() {
            self.add_popularity(&deltas).await;
        }
        for (_, event) in accepted() {
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

/// Of a sponsored item only what hides it counts.
fn teaches_nothing(event: &Event, snapshot: &Snapshot) -> bool {
    event.kind != EventKind::Hide && snapshot.find_sponsored(&event.item).is_some()
}

fn learn_one(profile: &mut Profile, event: &Event, snapshot: &Snapshot, now: Time) -> Result<Use, Refusal> {
    if let Some(entry) = snapshot.find_sponsored(&event.item) {
        learn::block(profile, event, &entry.item)?;
        return Ok(Use::default());
    }
    let found = snapshot.find(&event.item).and_then(|row| Some((row, snapshot.item(row)?)));
    let (row, item) = found.ok_or_else(|| Refusal::UnknownItem(event.item.clone()))?;
    let most = snapshot.trending().next().map(|row| snapshot.popularity(row)).unwrap_or_default();
    let prominence = snapshot.popularity(row).prominence(&most, event.at, snapshot.popularity_half_life());
    Ok(learn::take_in(profile, event, &item, prominence, now)?)
}
