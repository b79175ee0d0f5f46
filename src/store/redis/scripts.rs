//! The Lua scripts: each an atomic read-modify-write on keys of one hash tag. A Redis that does not know one (restart, `SCRIPT
//! FLUSH`, another node of a cluster) is sent its text.

use redis::{Cmd, ToRedisArgs};
use sha1_smol::Sha1;

/// A script's text, and the name Redis knows it by.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: Sha1::from(text).hexdigest() }
    }

    /// Begins a call with its first key, which decides the node.
    pub(super) fn key(&self, key: impl Into<String>) -> Invocation<'_> {
        Invocation { script: self, keys: vec![key.into()], arguments: Vec::new() }
    }
}

/// A call of a script.
pub(super) struct Invocation<'a> {
    script: &'a Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Invocation<'_> {
    pub(super) fn key(&mut self, key: impl Into<String>) -> &mut Self {
        self.keys.push(key.into());
        self
    }

    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    pub(super) fn first_key(&self) -> &[u8] {
        self.keys.first().map_or(&[], String::as_bytes)
    }

    /// By name, for a Redis that knows it.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident)+) => {
        pub(super) struct Scripts { $(pub $name: Script),+ }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self { $($name: Script::new(include_str!(concat!(stringify!($name), ".lua")))),+ }
            }
        }
    };
}

scripts! {
    add_popularity
    adopt
    announce_erasure
    append_activation
    append_consent
    begin_learning
    commit_profile
    destroy_late
    erase_user
    forget_earlier
    freeze_page
    put_feed
    read_log
    swap_key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_its_keys_and_arguments() {
        let scripts = Scripts::new();
        let mut call = scripts.swap_key.key("k");
        call.arg("old").arg(7);
        let words = |command: Cmd| -> Vec<Vec<u8>> {
            command
                .args_iter()
                .filter_map(|word| match word {
                    redis::Arg::Simple(word) => Some(word.to_vec()),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(call.first_key(), b"k");
        assert_eq!(words(call.by_hash())[2..], [b"1".to_vec(), b"k".to_vec(), b"old".to_vec(), b"7".to_vec()]);
        assert_eq!(words(call.by_text())[1], include_bytes!("swap_key.lua"));
    }
}
