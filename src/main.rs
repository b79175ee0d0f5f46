//! The `polyphony` binary: see [`polyphony::cli`].

use std::{panic, process::ExitCode};

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    end_with_the_reader();
    polyphony::cli::Cli::parse().run()
}

/// `polyphony openapi | head -1`: whoever reads what is printed may stop, and nothing is wrong then.
fn end_with_the_reader() {
    let otherwise = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if message.is_some_and(|message| message.starts_with("failed printing to stdout: Broken pipe")) {
            std::process::exit(0);
        }
        otherwise(info);
    }));
}
