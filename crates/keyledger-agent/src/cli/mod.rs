//! The commands, each in a file of its own.

mod aside;
mod enrol;
mod packaged;
mod run;
mod running;
mod status;
mod tokens;
mod unit;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::{directories::Directories, exit, output::Output, tokens::Tokens};

/// Keyledger's agent on a workstation: provisions YubiKeys, and proves what it did
///
/// It takes tasks from the ledger's queue, carries them out on the tokens that are plugged in here, and reports. It also
/// works offline: it keeps its reports and delivers them later, each once.
#[derive(Debug, clap::Parser)]
#[command(name = "keyledger-agent", version, arg_required_else_help = true, after_help = exit::HELP)]
pub(crate) struct Cli {
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Write log lines as JSON; RUST_LOG selects the lines
    #[arg(long, global = true, help_heading = "Output")]
    log_json: bool,
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AgentCommand {
    Run(run::RunAgent),
    Status(status::ShowStatus),
    Tokens(tokens::ListTokens),
    Enrol(enrol::EnrolWorkstation),
    Unit(unit::PrintUnit),
    Completions(packaged::PrintCompletions),
    Man(packaged::WriteManual),
}

/// Runs the program, with these tokens.
pub fn main(tokens: impl Tokens) -> ExitCode {
    let cli = Cli::parse();
    cli.log();
    // PINs pass through this process's memory.
    if let Err(error) = keyledger_custody::keep_memory_to_itself() {
        tracing::warn!("other processes of this user can read this one's memory: {error}");
    }
    let json = cli.json;
    let mut stdout = io::stdout();
    let done = cli.execute(Arc::new(tokens), &mut Output::standard(&mut stdout, json));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, json, &mut io::stdout(), &mut io::stderr()),
    }
}

impl Cli {
    fn execute(self, tokens: Arc<dyn Tokens>, out: &mut Output<'_>) -> anyhow::Result<()> {
        let directories = Directories::of_environment()?;
        match self.command {
            AgentCommand::Run(run) => run.run(&directories, tokens, out),
            AgentCommand::Status(status) => status.run(&directories, out),
            AgentCommand::Tokens(tokens) => tokens.run(&directories, out),
            AgentCommand::Enrol(enrol) => enrol.run(&directories, out),
            AgentCommand::Unit(unit) => unit.run(out),
            AgentCommand::Completions(completions) => completions.run(out),
            AgentCommand::Man(man) => man.run(out),
        }
    }

    fn log(&self) {
        let default = match self.command {
            AgentCommand::Run(_) => "info,async_nats=warn",
            _ => "error",
        };
        let filter = EnvFilter::try_from_default_env();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(default)))
            .with_writer(io::stderr);
        if self.log_json {
            log.json().init();
        } else {
            log.with_ansi(io::stderr().is_terminal()).init();
        }
    }
}

#[cfg(test)]
mod tests;
