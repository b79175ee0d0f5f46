//! The `polyphony` binary: see [`polyphony::cli`].

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    polyphony::cli::Cli::parse().run()
}
