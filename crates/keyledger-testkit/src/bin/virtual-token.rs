//! Virtual YubiKeys behind a pcscd of their own, for tests and for trying out without hardware.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use keyledger_testkit::token::Firmware;
use keyledger_testkit::token::stack::{self, READER_NAME, Wanted};

/// Virtual YubiKeys behind a pcscd of their own.
///
/// Prints `ready: PCSCLITE_CSOCK_NAME=…` when they are plugged in: with that in its environment, every program that
/// speaks PC/SC finds them. Ends with Ctrl-C or when it is killed, and everything it has started with it. Needs root or
/// unprivileged user namespaces.
///
/// While it runs, `--tell` does what a hand would do: `virtual-token --dir DIR --tell '{"token":0,"do":"remove"}'`, or
/// `"insert"`, `"state"`, or `"touch"` with `"touch":"withheld"` or `"given"`.
#[derive(Parser)]
struct Arguments {
    /// Where the tokens are kept; started again over the same, they are the same tokens
    #[arg(long)]
    dir: PathBuf,
    /// How many, 1 to 16
    #[arg(long, default_value_t = 1)]
    keys: usize,
    /// Of new tokens
    #[arg(long, default_value = "5.7.1")]
    firmware: Firmware,
    /// The first one's serial number; the others follow
    #[arg(long, default_value_t = 1_000_001)]
    serial_base: u32,
    /// How the readers are called
    #[arg(long, default_value = READER_NAME)]
    name_reader: String,
    /// Leave the tokens unplugged
    #[arg(long)]
    unplugged: bool,
    /// Say this line to the stack that runs in DIR, print its answer, and do nothing else
    #[arg(long, value_name = "JSON")]
    tell: Option<String>,
    /// Already in namespaces of its own
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(line) = &arguments.tell {
        let answer = stack::tell(&arguments.dir, line)
            .with_context(|| format!("no tokens are played in {}", arguments.dir.display()))?;
        println!("{answer}");
        return Ok(());
    }
    if !arguments.inside {
        let again = std::env::args().skip(1).chain(["--inside".to_owned()]);
        let status = stack::run_in_namespaces(again)
            .context("running unshare (Debian: apt-get install util-linux)")?;
        std::process::exit(status.code().unwrap_or(1));
    }
    stack::run(&Wanted {
        directory: std::path::absolute(arguments.dir)?,
        tokens: arguments.keys,
        firmware: arguments.firmware,
        first_serial: arguments.serial_base,
        reader_name: arguments.name_reader,
        inserted: !arguments.unplugged,
    })
}
