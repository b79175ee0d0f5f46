//! Events: what a client tells us a person did.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EventId, FeedId, ItemId, Span, Time, UserId};

/// Most events in one call.
pub const MAX_EVENTS_PER_CALL: usize = 1_000;
/// An event id seen within this time is a duplicate.
pub const DEDUPE_WINDOW: Span = Span::hours(48);
/// Events older than this are refused from clients (imports keep their own times).
pub const MAX_EVENT_AGE: Span = Span::days(7);
/// Clocks ahead by more than this are clamped to it, and the answer says so.
pub const MAX_CLOCK_AHEAD: Span = Span::minutes(5);
/// How long an action can be undone.
pub const UNDO_WINDOW: Span = Span::days(30);

/// What happened. A closed list plus `x_*` custom kinds, which are journaled and not learned from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// At least half of the item was visible for at least half a second.
    Seen,
    Open,
    Dwell,
    Like,
    Save,
    Share,
    Reply,
    Follow,
    Hide,
    MoreLike,
    LessLike,
    Report,
    /// `x_` + 1 to 62 of `[a-z0-9_]`.
    Custom(String),
}

impl EventKind {
    pub const NAMES: [&'static str; 12] =
        ["seen", "open", "dwell", "like", "save", "share", "reply", "follow", "hide", "more_like", "less_like", "report"];

    /// Reads a name of the closed list or `x_*`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "seen" => Self::Seen,
            "open" => Self::Open,
            "dwell" => Self::Dwell,
            "like" => Self::Like,
            "save" => Self::Save,
            "share" => Self::Share,
            "reply" => Self::Reply,
            "follow" => Self::Follow,
            "hide" => Self::Hide,
            "more_like" => Self::MoreLike,
            "less_like" => Self::LessLike,
            "report" => Self::Report,
            custom => {
                let rest = custom.strip_prefix("x_")?;
                let fits =
                    (1..=62).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                return fits.then(|| Self::Custom(custom.to_owned()));
            }
        })
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Seen => "seen",
            Self::Open => "open",
            Self::Dwell => "dwell",
            Self::Like => "like",
            Self::Save => "save",
            Self::Share => "share",
            Self::Reply => "reply",
            Self::Follow => "follow",
            Self::Hide => "hide",
            Self::MoreLike => "more_like",
            Self::LessLike => "less_like",
            Self::Report => "report",
            Self::Custom(name) => name,
        }
    }

    /// Whether `undo: true` is defined for it: the deliberate acts, not the passive signals.
    pub fn can_undo(&self) -> bool {
        matches!(self, Self::Like | Self::Save | Self::Follow | Self::Hide | Self::MoreLike | Self::LessLike | Self::Report)
    }

    /// What a deliberate act does, for the person; `None` for passive signals and custom kinds.
    pub const fn about(&self) -> Option<&'static str> {
        Some(match self {
            Self::Like => "Likes the item: more like it. `undo` takes it back.",
            Self::Save => "Saves the item: more like it. `undo` takes it back.",
            Self::Follow => "Follows the item's creator, whose items come from then on. `undo` takes it back.",
            Self::Hide => {
                "Never shows the item again; with `scope` nothing of its topic, creator or source. Does not fade. `undo` takes it back."
            }
            Self::MoreLike => "Asks for more like it, or with `scope` of its topic, creator or source. `undo` takes it back.",
            Self::LessLike => {
                "Asks for less like it, or with `scope` of its topic, creator or source; fades in time. `undo` takes it back."
            }
            Self::Report => "Reports the item: it is not shown again, and what is like it less. `undo` takes it back.",
            Self::Seen | Self::Open | Self::Dwell | Self::Share | Self::Reply | Self::Custom(_) => return None,
        })
    }

    /// Whether a `scope` may be given.
    pub fn takes_scope(&self) -> bool {
        matches!(self, Self::Hide | Self::MoreLike | Self::LessLike)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a control event is about: the item, or one of its groupings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    #[default]
    Item,
    Topic,
    Creator,
    Source,
}

impl Scope {
    pub const NAMES: [&'static str; 4] = ["item", "topic", "creator", "source"];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Topic => "topic",
            Self::Creator => "creator",
            Self::Source => "source",
        }
    }
}

/// One checked event. `at` is already clamped to the allowed clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub user: UserId,
    pub kind: EventKind,
    pub item: ItemId,
    pub at: Time,
    pub undo: bool,
    pub scope: Scope,
    pub feed: Option<FeedId>,
    /// 0-based.
    pub position: Option<u32>,
    /// For `dwell` and `seen`: visible time in milliseconds.
    pub visible_ms: Option<u32>,
}
