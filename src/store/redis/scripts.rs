//! The Lua scripts: each an atomic read-modify-write on keys of one hash tag. A Redis that lost them (restart, `SCRIPT
//! FLUSH`) is sent them again.

use redis::Script;

pub(super) struct Scripts {
    pub add_popularity: Script,
    pub adopt: Script,
    pub announce_erasure: Script,
    pub append_activation: Script,
    pub append_consent: Script,
    pub begin_learning: Script,
    pub commit_profile: Script,
    pub destroy_late: Script,
    pub erase_user: Script,
    pub freeze_page: Script,
    pub put_feed: Script,
    pub read_log: Script,
    pub swap_key: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            add_popularity: Script::new(include_str!("add_popularity.lua")),
            adopt: Script::new(include_str!("adopt.lua")),
            announce_erasure: Script::new(include_str!("announce_erasure.lua")),
            append_activation: Script::new(include_str!("append_activation.lua")),
            append_consent: Script::new(include_str!("append_consent.lua")),
            begin_learning: Script::new(include_str!("begin_learning.lua")),
            commit_profile: Script::new(include_str!("commit_profile.lua")),
            destroy_late: Script::new(include_str!("destroy_late.lua")),
            erase_user: Script::new(include_str!("erase_user.lua")),
            freeze_page: Script::new(include_str!("freeze_page.lua")),
            put_feed: Script::new(include_str!("put_feed.lua")),
            read_log: Script::new(include_str!("read_log.lua")),
            swap_key: Script::new(include_str!("swap_key.lua")),
        }
    }
}
