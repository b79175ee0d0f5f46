//! The JSON form of an event: `{id, type, item, at, user?, undo?, scope?, feed_id?, track?, position?, visible_ms?}`.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Fault, Faults, read};
use crate::domain::{
    Event, EventId, EventKind, FeedId, ItemId, Scope, Time, UserId,
    event::{MAX_CLOCK_AHEAD, MAX_EVENT_AGE},
    ids::IdError,
};

const FIELDS: [&str; 11] = ["id", "type", "item", "at", "user", "undo", "scope", "feed_id", "track", "position", "visible_ms"];

/// Longest visible time taken: one day, in milliseconds.
const MAX_VISIBLE_MS: u64 = 86_400_000;
/// Longest track in bytes; ours are 51.
const MAX_TRACK_BYTES: usize = 256;
/// Highest position taken.
const MAX_POSITION: u64 = 1_000_000;

/// What a person did, told by a client.
#[derive(ToSchema)]
#[schema(as = Event, example = json!({"id": "ev_01K7ZQ5", "type": "open", "item": "itm_8c1f", "at": "2026-10-09T08:21:07.120Z"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct EventForm {
    /// 1 to 128 bytes, chosen by the client; a repeated id within 48 h is a duplicate.
    id: String,
    /// `seen open dwell like save share reply follow hide more_like less_like report` or `x_*`.
    r#type: String,
    /// The item's id.
    item: String,
    /// RFC 3339. At most 7 days old; more than 5 minutes ahead is set to 5 minutes ahead.
    at: Option<String>,
    /// Who did it. Only with a server key, and only if the call names no `user`.
    user: Option<String>,
    /// Takes back the latest such act on the item (within 30 days): like, save, follow, hide, more_like, less_like, report.
    undo: Option<bool>,
    /// For hide, more_like and less_like: `item` (default), `topic`, `creator` or `source`.
    scope: Option<String>,
    /// The feed the item was served in.
    feed_id: Option<String>,
    /// The item's `track` from the feed, as it was: proves where it was served.
    track: Option<String>,
    /// 0-based.
    position: Option<u32>,
    /// For dwell and seen.
    visible_ms: Option<u32>,
}

/// A read event, before its track is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadEvent {
    pub event: Event,
    pub track: Option<String>,
    /// `at` lay too far ahead and was set back.
    pub clamped: bool,
}

/// Reads one event; names all its faults. `user` is the call's person, `now` the server's time.
pub fn read(value: &Value, user: Option<&UserId>, may_name_user: bool, now: Time) -> Result<ReadEvent, Vec<Fault>> {
    let mut faults = Faults::default();
    let event = read_noting(value, user, may_name_user, now, &mut faults);
    faults.into_result()?;
    event.ok_or_else(|| vec![Fault::new("", "cannot be read")])
}

fn read_noting(value: &Value, user: Option<&UserId>, may_name_user: bool, now: Time, faults: &mut Faults) -> Option<ReadEvent> {
    let map = read::object(value, "", faults)?;
    read::unknown_keys(map, &FIELDS, "an event", "", faults);
    let id = required_id(map, "id", faults, |text| EventId::new(text));
    let item = required_id(map, "item", faults, |text| ItemId::new(text));
    let kind = kind(map, faults);
    let at = read::optional(map, "at").map(|v| read::time(v, "/at", faults));
    let own = read::optional(map, "user").map(|v| id_of(v, "/user", faults, |text| UserId::new(text)));
    let undo = read::optional(map, "undo").map(|v| flag(v, "/undo", faults));
    let scope = read::optional(map, "scope").map(|v| scope(v, faults));
    let feed = read::optional(map, "feed_id").map(|v| id_of(v, "/feed_id", faults, |text| FeedId::new(text)));
    let track = read::optional(map, "track").and_then(|v| read::text(v, 1, MAX_TRACK_BYTES, "/track", faults)).map(str::to_owned);
    let position = read::optional(map, "position").map(|v| whole(v, MAX_POSITION, "/position", faults));
    let visible_ms = read::optional(map, "visible_ms").map(|v| whole(v, MAX_VISIBLE_MS, "/visible_ms", faults));
    let user = whose(own, user, may_name_user, faults);
    let (at, clamped) = clock(at, now, faults);
    let kind = kind?;
    if undo == Some(Some(true)) && !kind.can_undo() {
        faults.add("/undo", format!("`{kind}` cannot be undone; expected one of like, save, follow, hide, more_like, less_like, report"));
    }
    if scope.is_some() && !kind.takes_scope() {
        faults.add("/scope", format!("`{kind}` takes no scope; expected it with hide, more_like or less_like"));
    }
    let event = Event {
        id: id?,
        user: user?,
        kind,
        item: item?,
        at,
        undo: undo.flatten().unwrap_or(false),
        scope: scope.flatten().unwrap_or_default(),
        feed: feed.flatten(),
        position: position.flatten(),
        visible_ms: visible_ms.flatten(),
    };
    Some(ReadEvent { event, track, clamped })
}

fn kind(map: &serde_json::Map<String, Value>, faults: &mut Faults) -> Option<EventKind> {
    let expected = || format!("{} or x_*", read::one_of(&EventKind::NAMES));
    let value = read::required(map, "type", &expected(), "", faults)?;
    let text = read::string(value, "/type", faults)?;
    let kind = EventKind::parse(text);
    if kind.is_none() {
        let hint = read::suggestion(text, &EventKind::NAMES)
            .map_or_else(|| format!("expected {}", expected()), |name| format!("did you mean `{name}`?"));
        faults.add("/type", format!("`{}` is not a type of event; {hint}", read::shown(text)));
    }
    kind
}

fn scope(value: &Value, faults: &mut Faults) -> Option<Scope> {
    let text = read::named(value, &Scope::NAMES, "/scope", faults)?;
    [Scope::Item, Scope::Topic, Scope::Creator, Scope::Source].into_iter().find(|scope| scope.name() == text)
}

fn required_id<T>(
    map: &serde_json::Map<String, Value>,
    key: &str,
    faults: &mut Faults,
    make: impl Fn(&str) -> Result<T, IdError>,
) -> Option<T> {
    let value = read::required(map, key, "1 to 128 bytes", "", faults)?;
    id_of(value, &read::below("", key), faults, make)
}

/// An id; the fault says which characters or length are wrong.
pub fn id_of<T>(value: &Value, at: &str, faults: &mut Faults, make: impl Fn(&str) -> Result<T, IdError>) -> Option<T> {
    let text = read::string(value, at, faults)?;
    make(text).map_err(|error| faults.add(at, error.to_string())).ok()
}

/// `true` or `false`.
pub fn flag(value: &Value, at: &str, faults: &mut Faults) -> Option<bool> {
    let found = value.as_bool();
    if found.is_none() {
        faults.add(at, format!("is {}; expected true or false", read::kind(value)));
    }
    found
}

/// A whole number from 0 to `max`.
pub fn whole(value: &Value, max: u64, at: &str, faults: &mut Faults) -> Option<u32> {
    let found = read::unsigned(value).filter(|n| *n <= max).and_then(|n| u32::try_from(n).ok());
    if found.is_none() {
        let is = if value.is_number() { value.to_string() } else { read::kind(value).to_owned() };
        faults.add(at, format!("is {is}; expected a whole number from 0 to {max}"));
    }
    found
}

/// The event's own user, or the call's.
fn whose(own: Option<Option<UserId>>, call: Option<&UserId>, may_name_user: bool, faults: &mut Faults) -> Option<UserId> {
    match (own, call) {
        (Some(own), None) if may_name_user => own,
        (Some(own), Some(call)) => {
            if own.as_ref().is_some_and(|own| own != call) {
                faults.add("/user", "is not the person this call speaks for; leave it out or name the same");
            }
            Some(call.clone())
        }
        (Some(_), None) => {
            faults.add("/user", "may only be named with a server key");
            None
        }
        (None, Some(call)) => Some(call.clone()),
        (None, None) => {
            faults.add("/user", "is missing; name it here or once beside `events`");
            None
        }
    }
}

/// The event's time within the allowed clock; now when it names none.
fn clock(at: Option<Option<Time>>, now: Time, faults: &mut Faults) -> (Time, bool) {
    let Some(Some(at)) = at else { return (now, false) };
    if now.since(at) > MAX_EVENT_AGE.as_millis() {
        faults.add("/at", format!("is more than {MAX_EVENT_AGE} ago; late events are taken for {MAX_EVENT_AGE}"));
    }
    let latest = now.plus(MAX_CLOCK_AHEAD);
    if at > latest { (latest, true) } else { (at, false) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Time = Time(1_760_000_000_000);

    fn faults_of(value: Value) -> Vec<String> {
        let user = UserId::new("ana").expect("valid");
        let faults = read(&value, Some(&user), false, NOW).expect_err("faulty");
        faults.into_iter().map(|f| format!("{} {}", f.pointer, f.detail)).collect()
    }

    #[test]
    fn all_faults_of_an_event_are_named() {
        let faults =
            faults_of(json!({"id": "", "type": "likes", "item": 7, "at": "yesterday", "undo": "yes", "positon": 1, "visible_ms": -4}));
        for start in [
            "/positon `positon` is not a field",
            "/id must not be empty",
            "/item is a number",
            "/type `likes` is not a type of event; did you mean `like`?",
            "/at ",
            "/undo is a string",
            "/visible_ms is -4",
        ] {
            assert!(faults.iter().any(|f| f.starts_with(start)), "{start}: {faults:#?}");
        }
    }

    #[test]
    fn clocks_are_clamped_ahead_and_refused_behind() {
        let event = |at: i64| json!({"id": "e", "type": "open", "item": "i", "user": "u", "at": super::super::time::render(Time(at))});
        let ahead = read(&event(NOW.0 + 3_600_000), None, true, NOW).expect("taken");
        assert_eq!((ahead.event.at, ahead.clamped), (NOW.plus(MAX_CLOCK_AHEAD), true));
        let ok = read(&event(NOW.0 - 6 * 86_400_000), None, true, NOW).expect("taken");
        assert!(!ok.clamped);
        assert!(read(&event(NOW.0 - 8 * 86_400_000), None, true, NOW).is_err());
    }

    #[test]
    fn a_user_token_speaks_only_for_its_subject() {
        let ana = UserId::new("ana").expect("valid");
        let event = json!({"id": "e", "type": "open", "item": "i", "user": "ben"});
        assert!(read(&event, Some(&ana), false, NOW).is_err());
        assert!(read(&event, None, false, NOW).is_err());
        assert_eq!(read(&event, None, true, NOW).map(|r| r.event.user.to_string()), Ok("ben".to_owned()));
    }

    #[test]
    fn undo_and_scope_only_where_they_mean_something() {
        assert_eq!(faults_of(json!({"id": "e", "type": "open", "item": "i", "undo": true, "scope": "topic"})).len(), 2);
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused(text in "\\PC{0,40}", number in any::<f64>(), key in prop::sample::select(FIELDS.to_vec())) {
            for value in [json!(text), json!(number), json!([text]), json!({"a": text}), Value::Null] {
                let _ = read(&json!({"id": "e", "type": "open", "item": "i", key: value}), None, true, NOW);
                let _ = read(&value, None, true, NOW);
            }
        }
    }
}
