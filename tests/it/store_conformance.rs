//! The promises of `Store`, checked on every store: one suite, one module per implementation.

mod cluster;
mod consents;
mod deployments;
mod embedded;
mod erasure;
mod redis;
mod sample;
mod suite;

/// Hands the promises of the suite to a macro, after what it gets itself.
macro_rules! promises {
    ($with:ident! { $($before:tt)* }) => {
        crate::store_conformance::$with! { $($before)*
            a_profile_comes_back_as_written
            concurrent_writers_lose_nothing
            a_stale_revision_conflicts
            a_slow_writer_brings_nothing_back
            event_ids_are_known_within_the_window
            a_consent_log_only_grows
            no_consent_is_lost_to_another
            a_pace_is_replaced_as_it_was_read
            a_person_is_erased_completely
            writers_bring_nothing_back_after_an_erasure
            a_consent_given_lifts_an_erasure
            coming_back_while_leaving_breaks_nothing
            a_key_stays_as_long_as_a_consent_log
            a_pseudonym_is_the_persons_own_and_stays
            a_feed_keeps_its_pages
            the_first_freezer_wins
            unknown_ids_are_nothing
            a_feed_belongs_to_its_owner
            awkward_ids_stay_apart
            the_catalogue_loads_as_written
            ten_thousand_items_load
            deleting_tells_what_was_there
            deleting_an_item_deletes_its_popularity
            popularity_does_not_depend_on_order
            popularity_of_unknown_items_is_skipped
            changes_resume_after_a_position
            a_deleted_item_that_returns_starts_without_popularity
            many_changes_come_in_pieces
            waiting_ends_with_the_first_change
            waiting_ends_with_nothing
            a_foreign_position_resyncs
            empty_batches_change_nothing
            policies_are_kept_by_digest
            the_activation_log_only_grows
            one_of_many_appends_to_the_activation_log
            the_secret_is_the_first_one
            it_answers_pings
        }
    };
}
use promises;

/// One test per promise of the suite, on the store that `$fixture` makes.
macro_rules! conforms {
    ($fixture:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let fixture = $fixture;
                crate::store_conformance::suite::$promise(fixture.store(), &fixture.clock).await;
            }
        )*
    };
    ($fixture:expr) => {
        crate::store_conformance::promises! { conforms! { $fixture; } }
    };
}
use conforms;

/// Every promise one after the other, where what a store stands on takes long to come up: `$fresh` makes an empty store and its
/// clock from a promise's name.
macro_rules! keeps_all {
    ($fresh:expr; $($promise:ident)*) => {
        $(
            let (store, clock) = $fresh(stringify!($promise));
            crate::store_conformance::suite::$promise(store, &clock).await;
        )*
    };
    ($fresh:expr) => {
        crate::store_conformance::promises! { keeps_all! { $fresh; } }
    };
}
use keeps_all;
