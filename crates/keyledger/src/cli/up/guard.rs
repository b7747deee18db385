//! A program that ends when its parent ends, in whatever way.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use clap::Parser as _;

/// Becomes another program, which the kernel ends when `keyledger up` ends, also by `kill -9`
///
/// Only `keyledger up` uses it, so it is no subcommand and is not listed in help. On other systems than Linux it just becomes the
/// program.
#[derive(Debug, clap::Parser)]
pub(crate) struct Guard {
    /// The process that must live
    parent: i32,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    program: Vec<OsString>,
}

impl Guard {
    /// The first argument that makes this program a guard.
    const NAME: &str = "become-guarded";

    /// The guard, if this program was started as one.
    pub(crate) fn asked_for() -> Option<Self> {
        let is_asked_for = std::env::args_os().nth(1)? == Self::NAME;
        is_asked_for.then(|| Self::parse_from(std::env::args_os().skip(1)))
    }

    /// The command line that starts `program` and ends it together with this process.
    pub(super) fn command(program: &Path) -> anyhow::Result<tokio::process::Command> {
        let this = this_program().context("finding this program")?;
        let mut command = tokio::process::Command::new(this);
        command
            .arg(Self::NAME)
            .arg(std::process::id().to_string())
            .arg("--")
            .arg(program);
        Ok(command)
    }

    pub(crate) fn run(self) -> anyhow::Result<()> {
        end_with(self.parent)?;
        let (program, arguments) = self
            .program
            .split_first()
            .context("a program is required")?;
        let error = Command::new(program).args(arguments).exec();
        Err(error).with_context(|| format!("becoming {}", program.display()))
    }
}

/// The path of this program, even if a newer one was installed in its place after it was started.
fn this_program() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe()
}

#[cfg(target_os = "linux")]
fn end_with(parent: i32) -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have ended before the line above.
    anyhow::ensure!(
        getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent),
        "the parent has ended"
    );
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn end_with(_: i32) -> anyhow::Result<()> {
    Ok(())
}
