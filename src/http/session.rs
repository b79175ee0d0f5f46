//! What an answer says of the session: since when, whether a break is due, and until when nothing is served.

use serde::Serialize;
use utoipa::ToSchema;

use super::language::Language;
use crate::{
    domain::{
        Time,
        session::{Held, Turn},
    },
    wire::time::render,
};

/// The session the page belongs to; only where a policy or the reader set breaks, a limit or an end.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    #[schema(format = DateTime)]
    pub began_at: String,
    /// Send it with the next first page (`session_token`): closing the feed and opening it again goes on with the session. The
    /// server keeps nothing of it.
    pub token: String,
    /// A break is due. It stays due until the reader was away for a break's length, or the client sends `continue`.
    pub pause_due: bool,
    /// Whether `continue` passes over a break.
    pub dismissible: bool,
    /// Why there are no items: `pause` or `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("pause"))]
    pub withheld: Option<&'static str>,
    /// When there are items again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub resumes_at: Option<String>,
    /// Says the same to the reader, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("You have been reading for 20 minutes."))]
    pub text: Option<String>,
}

impl SessionBody {
    pub fn new(turn: &Turn, token: String, language: Language) -> Self {
        Self {
            began_at: render(turn.session.begun),
            token,
            pause_due: turn.pause_due,
            dismissible: turn.dismissible,
            withheld: turn.withheld.map(|(why, _)| why.name()),
            resumes_at: turn.withheld.map(|(_, until)| render(until)),
            text: text(turn, language),
        }
    }
}

fn minutes(from: Time, to: Time) -> i64 {
    (to.since(from) / 60_000).max(1)
}

/// States what is, and asks for nothing.
fn text(turn: &Turn, language: Language) -> Option<String> {
    let Some((why, until)) = turn.withheld else {
        let read = minutes(turn.session.begun, turn.now);
        return turn.pause_due.then(|| reading(read, language));
    };
    // Until it was held, not until now: who asks again has not read on.
    let read = minutes(turn.session.begun, turn.session.held.map_or(turn.now, |(_, since)| since));
    let wait = counted(minutes(turn.now, until), language);
    let on = match (why, language) {
        (Held::Pause, Language::English) => format!("A break: the feed goes on in {wait}."),
        (Held::Limit, Language::English) => format!("That is all for now: the feed goes on in {wait}."),
        (Held::Pause, Language::German) => format!("Eine Pause: In {wait} geht es weiter."),
        (Held::Limit, Language::German) => format!("Das ist vorerst alles: In {wait} geht es weiter."),
        (Held::Pause, Language::French) => format!("Une pause : la suite dans {wait}."),
        (Held::Limit, Language::French) => format!("C’est tout pour l’instant : la suite dans {wait}."),
    };
    Some(format!("{} {on}", reading(read, language)))
}

fn reading(minutes: i64, language: Language) -> String {
    let time = counted(minutes, language);
    match language {
        Language::English => format!("You have been reading for {time}."),
        Language::German => format!("Sie lesen seit {time}."),
        Language::French => format!("Vous lisez depuis {time}."),
    }
}

fn counted(minutes: i64, language: Language) -> String {
    let unit = match (language, minutes) {
        (Language::German, 1) => "Minute",
        (Language::German, _) => "Minuten",
        (_, 1) => "minute",
        _ => "minutes",
    };
    format!("{minutes} {unit}")
}
