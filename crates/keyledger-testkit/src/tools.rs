//! Where the real programs are: an environment variable, then `PATH`, then what `./dev tools` installed.
//!
//! A missing one fails the test and says how to get it; no test skips itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Before it, atomic batches and "sync always" did not keep all they promise.
const NATS_SERVER_MINIMUM: (u32, u32, u32) = (2, 15, 1);

/// What knows everything of firmware 5.7.
const YKMAN_MINIMUM: (u32, u32, u32) = (5, 5, 0);

/// A nats-server of at least 2.15.1: `$KEYLEDGER_NATS_SERVER`, or the first on `PATH`, or `.tools/bin/nats-server`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn nats_server() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| find("nats-server", "KEYLEDGER_NATS_SERVER", recent_enough))
        .clone()
}

/// The `nats` CLI: `$KEYLEDGER_NATS`, or the first on `PATH`, or `.tools/bin/nats`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn nats_cli() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| find("nats", "KEYLEDGER_NATS", |_| true))
        .clone()
}

/// NATS's own `nsc`: `$KEYLEDGER_NSC`, or the first on `PATH`, or `.tools/bin/nsc`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn nsc() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| find("nsc", "KEYLEDGER_NSC", |_| true))
        .clone()
}

/// The `keyledger` binary: `$KEYLEDGER_BIN`, or the one built beside the running test.
///
/// Cargo builds another package's binary only when asked: `./dev test` does, before the tests.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn keyledger() -> PathBuf {
    built("keyledger", "KEYLEDGER_BIN")
}

/// The `keyledger-agent` binary: `$KEYLEDGER_AGENT_BIN`, or the one built beside the running test.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn keyledger_agent() -> PathBuf {
    built("keyledger-agent", "KEYLEDGER_AGENT_BIN")
}

/// The `virtual-token` binary: `$KEYLEDGER_VIRTUAL_TOKEN`, or the one built beside the running test.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn virtual_token() -> PathBuf {
    built("virtual-token", "KEYLEDGER_VIRTUAL_TOKEN")
}

/// Yubico's `ykman` of at least 5.5: `$KEYLEDGER_YKMAN`, or the first on `PATH`, or `.tools/bin/ykman`.
///
/// Some of its commands kill every `scdaemon` they see: [`crate::token::VirtualTokens::ykman`] lets it see none.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn ykman() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| find("ykman", "KEYLEDGER_YKMAN", recent_ykman))
        .clone()
}

/// The root of the repository these tests were built from.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies in crates/keyledger-testkit")
        .to_owned()
}

fn built(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = named_by(variable) {
        return path;
    }
    let test = std::env::current_exe().expect("a running test knows its own file");
    // target/PROFILE/deps/TEST-HASH
    let path = test
        .ancestors()
        .nth(2)
        .expect("tests lie in target/PROFILE/deps")
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` (`./dev test` does)",
        path.display()
    );
    path
}

fn find(name: &str, variable: &str, fits: fn(&Path) -> bool) -> PathBuf {
    if let Some(path) = named_by(variable) {
        return path;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([repository().join(".tools/bin")])
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file() && fits(candidate))
        .unwrap_or_else(|| {
            panic!(
                "no usable {name}, neither named by ${variable} nor on PATH nor in {}: run `./dev tools`",
                repository().join(".tools/bin").display()
            )
        })
}

fn named_by(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(variable).filter(|value| !value.is_empty())?);
    assert!(
        path.is_file(),
        "${variable} names {}, which is no file",
        path.display()
    );
    Some(path)
}

fn recent_enough(server: &Path) -> bool {
    let Ok(output) = Command::new(server).arg("--version").output() else {
        return false;
    };
    version(&String::from_utf8_lossy(&output.stdout))
        .is_some_and(|version| version >= NATS_SERVER_MINIMUM)
}

/// Debian's is of version 4, and knows no management keys but 3DES.
fn recent_ykman(ykman: &Path) -> bool {
    let Ok(output) = Command::new(ykman).arg("--version").output() else {
        return false;
    };
    let line = String::from_utf8_lossy(&output.stdout);
    line.rsplit("version: ")
        .next()
        .and_then(numbers)
        .is_some_and(|version| version >= YKMAN_MINIMUM)
}

/// The numbers of `nats-server: v2.15.1`.
fn version(line: &str) -> Option<(u32, u32, u32)> {
    numbers(line.trim().rsplit('v').next()?)
}

fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.trim().split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_read_from_what_nats_server_prints() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15, 1)));
        assert_eq!(version("nats-server: v2.9.10-beta.1\n"), Some((2, 9, 10)));
        assert_eq!(version("something else"), None);
    }
}
