//! The `keyledger` program: `up`, `init`, `serve`, and the administrator's commands.
//!
//! *Invariant:* no rule is decided and no secret is kept here. The service decides about commands, and this program shows its
//! answers.

mod args;
mod cli;
mod connect;
mod context;
mod denied;
mod exit;
#[cfg(test)]
mod golden;
mod heard;
mod output;
mod panics;
mod place;
mod session;
mod signing;
mod table;
mod when;

use std::{io, process::ExitCode};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// A command makes many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(guard) = cli::Guard::asked_for() {
        let ended = guard.run();
        return ended.map_or_else(
            |error| exit::report(&error, false, &mut io::stdout(), &mut io::stderr()),
            |()| ExitCode::SUCCESS,
        );
    }
    let cli = cli::Cli::parse_from(cli::arranged(std::env::args_os()));
    let json = cli.is_json();
    log(&cli);
    panics::end_the_process();
    // Some commands have root keys, passphrases or seeds in memory.
    if let Err(error) = keyledger_custody::keep_memory_to_itself() {
        tracing::warn!("other processes of this user can read this one's memory: {error}");
    }
    let done = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let mut stdout = io::stdout();
            let done = runtime.block_on(cli.run(&mut output::Output::standard(&mut stdout, json)));
            runtime.shutdown_background(); // a prompt that nobody answers would block it
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, json, &mut io::stdout(), &mut io::stderr()),
    }
}

fn log(cli: &cli::Cli) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(cli.log_filter()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if cli.log_json {
        log.json().init();
    } else {
        log.with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .init();
    }
}
