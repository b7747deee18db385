//! Starts a stack of virtual tokens, and ends it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::device::Firmware;
use super::in_hand::Token;
use super::stack::{self, Places};
use crate::process::{POLL, Process};
use crate::tools;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// The first token's serial number; the others follow.
const FIRST_SERIAL: u32 = 1_000_001;

/// Tokens behind a pcscd of their own; gone when dropped.
#[derive(Debug)]
pub struct VirtualTokens {
    process: Option<Process>,
    directory: PathBuf,
    tokens: usize,
    firmware: Firmware,
    _temporary: Option<TempDir>,
}

impl VirtualTokens {
    /// `count` tokens with firmware 5.7.1 as they leave the factory, plugged in.
    ///
    /// # Panics
    ///
    /// If something is missing or does not come up; with how to get it, or the log.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self::start_with_firmware(count, Firmware(5, 7, 1))
    }

    /// The same with another firmware.
    ///
    /// # Panics
    ///
    /// Like [`VirtualTokens::start`].
    #[must_use]
    pub fn start_with_firmware(count: usize, firmware: Firmware) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory can be made");
        let directory = temporary.path().to_owned();
        Self::start_over(directory, Some(temporary), count, firmware)
    }

    /// The tokens in `directory`, where they stay; what is missing to `count` is made, with firmware 5.7.1.
    ///
    /// # Panics
    ///
    /// Like [`VirtualTokens::start`].
    #[must_use]
    pub fn start_in(directory: &Path, count: usize) -> Self {
        Self::start_over(directory.to_owned(), None, count, Firmware(5, 7, 1))
    }

    fn start_over(
        directory: PathBuf,
        temporary: Option<TempDir>,
        tokens: usize,
        firmware: Firmware,
    ) -> Self {
        let mut stack = Self {
            process: None,
            directory,
            tokens,
            firmware,
            _temporary: temporary,
        };
        stack.spawn();
        stack
    }

    /// Runs `test`, the whole body of the test function that calls this, in front of `count` tokens.
    ///
    /// For tests that speak PC/SC themselves: libpcsclite asks the environment where pcscd is, once in a process, and a
    /// running process cannot change its environment safely. So the test runs again, as a process of its own.
    ///
    /// # Panics
    ///
    /// Like [`VirtualTokens::start`], and if `test` does; with its output.
    pub fn in_front_of<T: FnOnce(&Self)>(count: usize, test: T) {
        Self::in_front_of_firmware(count, Firmware(5, 7, 1), test);
    }

    /// The same with another firmware.
    ///
    /// # Panics
    ///
    /// Like [`VirtualTokens::in_front_of`].
    pub fn in_front_of_firmware<T: FnOnce(&Self)>(count: usize, firmware: Firmware, test: T) {
        const DIRECTORY: &str = "KEYLEDGER_VIRTUAL_TOKENS";
        if let Some(directory) = std::env::var_os(DIRECTORY) {
            return test(&Self {
                process: None,
                directory: directory.into(),
                tokens: count,
                firmware,
                _temporary: None,
            });
        }
        let stack = Self::start_with_firmware(count, firmware);
        // CRATE::MODULE::TEST::{{closure}}
        let name = std::any::type_name::<T>();
        let name = name.split_once("::").map_or(name, |(_, path)| path);
        let name = name.strip_suffix("::{{closure}}").unwrap_or(name);
        let mut command = Command::new(std::env::current_exe().expect("a test knows its file"));
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
        command
            .env(DIRECTORY, stack.directory())
            .envs([stack.env()]);
        let mut process = Process::spawn(command);
        while process.is_running() {
            std::thread::sleep(POLL);
        }
        let output = process.stdout() + &process.stderr();
        // A name that fits no test would be a success of none.
        assert!(
            output.contains("test result: ok. 1 passed"),
            "{name}\n{output}"
        );
    }

    /// Kills pcscd and pulls out all tokens, as a crash of the machine would. Clients lose their pcscd.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Starts the same tokens again, all plugged in.
    ///
    /// # Panics
    ///
    /// Like [`VirtualTokens::start`].
    pub fn restart(&mut self) {
        self.process = None;
        self.spawn();
    }

    fn spawn(&mut self) {
        let mut command = Command::new(tools::virtual_token());
        command.arg("--dir").arg(&self.directory);
        command.args(["--keys", &self.tokens.to_string()]);
        command.args(["--firmware", &self.firmware.to_string()]);
        command.args(["--serial-base", &FIRST_SERIAL.to_string()]);
        let mut process = Process::spawn(command);
        let deadline = Instant::now() + READY_WITHIN;
        while !process.stdout().contains("ready: ") {
            let running = process.is_running();
            assert!(
                running && Instant::now() < deadline,
                "the virtual tokens do not come up\n{}{}\n--- pcscd\n{}",
                process.stdout(),
                process.stderr(),
                fs::read_to_string(self.places().pcscd_log()).unwrap_or_default()
            );
            std::thread::sleep(POLL);
        }
        self.process = Some(process);
    }

    /// What a client must have in its environment to reach these tokens.
    #[must_use]
    pub fn env(&self) -> (&'static str, OsString) {
        ("PCSCLITE_CSOCK_NAME", self.places().pcscd_socket().into())
    }

    /// One of them, counted from 0.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[must_use]
    pub fn token(&self, index: usize) -> Token {
        assert!(index < self.tokens, "there are only {} tokens", self.tokens);
        Token::new(index, FIRST_SERIAL, self.places().control_socket())
    }

    /// The root of the test that all attestations lead up to.
    ///
    /// # Panics
    ///
    /// If its file has been taken away.
    #[must_use]
    pub fn attestation_root_pem(&self) -> String {
        read(&self.places().attestation_root())
    }

    /// The tiers between that root and what is on the tokens; empty before firmware 5.7.4.
    ///
    /// # Panics
    ///
    /// If their file has been taken away.
    #[must_use]
    pub fn attestation_intermediates_pem(&self) -> String {
        read(&self.places().attestation_intermediates())
    }

    /// Yubico's own client for one of them. It sees none of our processes, since it kills every `scdaemon` it sees.
    ///
    /// # Panics
    ///
    /// If there is no ykman; with how to get it.
    #[must_use]
    pub fn ykman(&self, token: &Token) -> Command {
        let mut command = stack::unshare(&["--pid", "--mount-proc"]);
        command.arg(tools::ykman());
        command.args(["--device", &token.serial().to_string()]);
        command.envs([self.env()]).env("HOME", &self.directory);
        command
    }

    /// Where the tokens are kept.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn places(&self) -> Places {
        Places::new(&self.directory)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
