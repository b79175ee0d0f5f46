//! The nouns: what an item, a person's profile, an event, a policy and a feed are. No I/O, no clock, no HTTP words.
//!
//! Everything here is plain data with the small pure functions that belong to it. Time is a value
//! ([`Time`]), ids are checked when made, and nothing in this module can fail for a reason outside its arguments.

pub mod consent;
pub mod embedding;
pub mod event;
pub mod facet;
pub mod feed;
pub mod ids;
pub mod item;
pub mod keyword;
pub mod lottery;
pub mod policy;
pub mod popularity;
pub mod preset;
pub mod privacy;
pub mod profile;
pub mod reach;
pub mod sensitive;
pub mod session;
pub mod suggest;
pub mod time;

pub use embedding::{Embedding, EmbeddingSpace};
pub use event::{Event, EventKind, Scope};
pub use facet::{Facet, FacetValue};
pub use ids::{EventId, FeedId, ItemId, Pseudonym, SessionId, UserId};
pub use item::{Creator, Item};
pub use policy::Policy;
pub use popularity::{Popularity, Use};
pub use profile::Profile;
pub use time::{Span, Time};
