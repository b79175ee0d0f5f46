//! What Redis said, in the store's words.

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;

/// What cannot be read when Redis, or something in its place, does not speak its protocol.
const ANSWER: &str = "answer";

pub(super) fn store_error(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::Timeout;
    }
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::AuthenticationFailed
        | ErrorKind::RESP3NotSupported
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel
        | ErrorKind::EmptySentinelList => StoreError::Unreachable(error.to_string()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreError::Corrupt { what: ANSWER, detail: error.to_string() },
        _ => answer(error),
    }
}

/// An error that Redis itself sent: its first word is its code.
fn answer(error: &RedisError) -> StoreError {
    // A pipeline keeps its faults apart from its kind; the first one stands for all.
    let faults = error.clone().into_server_errors();
    let (code, details) = match faults.as_deref().and_then(|faults| faults.first()) {
        Some((_, fault)) => (fault.code().to_owned(), fault.details().unwrap_or_default().to_owned()),
        None => (error.code().unwrap_or_default().to_owned(), error.to_string()),
    };
    let text = format!("{code} {details}").trim().to_owned();
    match code.as_str() {
        "OOM" => StoreError::Full(text),
        // Redis before 7 wraps what a script met.
        "ERR" if details.contains("-OOM ") || details.contains("OOM command not allowed") => StoreError::Full(text),
        // It refuses connections, or is there and cannot answer yet: the same as not being there.
        "ERR" if details.contains("max number of clients") => StoreError::Unreachable(text),
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOAUTH" | "WRONGPASS" => StoreError::Unreachable(text),
        "WRONGTYPE" => StoreError::Corrupt { what: "key", detail: text },
        "MOVED" | "ASK" | "CROSSSLOT" => {
            StoreError::Refused(format!("{text}; this is a node of a Redis Cluster: set store.redis.mode = \"cluster\""))
        }
        _ => StoreError::Refused(text),
    }
}

/// Whether Redis said so before it did anything.
pub(super) fn changed_nothing(error: &RedisError) -> bool {
    let said = matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "READONLY" | "MOVED" | "ASK"));
    said && error.clone().into_server_errors().is_none_or(|faults| faults.len() == 1)
}

/// Whether the next call should dial again: the name may lead to another server by then.
pub(super) fn ends_connection(error: &StoreError) -> bool {
    match error {
        StoreError::Unreachable(_) => true,
        // What follows on this connection is out of step with what is asked, too.
        StoreError::Corrupt { what: ANSWER, .. } => true,
        // A primary that became a replica.
        StoreError::Refused(text) => text.starts_with("READONLY"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    fn said(code: &str, details: &str) -> StoreError {
        store_error(&make_extension_error(code.into(), Some(details.into())))
    }

    #[test]
    fn what_redis_says_has_its_meaning() {
        assert!(matches!(said("OOM", "command not allowed when used memory > 'maxmemory'."), StoreError::Full(_)));
        assert!(matches!(said("ERR", "Error running script: -OOM command not allowed"), StoreError::Full(_)));
        assert!(matches!(said("ERR", "max number of clients reached"), StoreError::Unreachable(_)));
        assert!(matches!(said("LOADING", "Redis is loading the dataset in memory"), StoreError::Unreachable(_)));
        assert!(matches!(said("NOAUTH", "Authentication required."), StoreError::Unreachable(_)));
        assert!(matches!(said("WRONGTYPE", "Operation against a key"), StoreError::Corrupt { what: "key", .. }));
        assert!(matches!(said("MISCONF", "unable to persist to disk"), StoreError::Refused(_)));
        assert!(matches!(said("MOVED", "1234 10.0.0.1:6379"), StoreError::Refused(text) if text.contains("mode = \"cluster\"")));
        let readonly = said("READONLY", "You can't write against a read only replica.");
        assert!(matches!(readonly, StoreError::Refused(_)) && ends_connection(&readonly));
        let nonsense = store_error(&(ErrorKind::Parse, "not the protocol").into());
        assert!(matches!(nonsense, StoreError::Corrupt { .. }) && ends_connection(&nonsense));
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(matches!(store_error(&io.into()), StoreError::Unreachable(_)));
        let io = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert!(matches!(store_error(&io.into()), StoreError::Timeout));
    }
}
