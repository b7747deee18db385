//! What custody promises, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod algorithms;
mod authorities;
mod binding;
mod creds;
mod custodians;
mod delivery;
mod escrowed_keys;
mod files;
mod golden;
mod nkeys_signing;
mod openpgp_certificates;
mod openpgp_gpg;
mod openpgp_hostile;
mod openpgp_offline;
mod openpgp_refusals;
mod openpgp_secrets;
mod openpgp_views;
mod openpgp_world;
mod public_keys;
mod roots;
mod silence;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use keyledger_custody::{Custody, MaterialContext, RootKey};
use keyledger_domain::{Name, Purpose, Purposes};

/// Custody under a new root key.
fn custody() -> Custody {
    Custody::open(RootKey::generate().unwrap())
}

/// Custody under the root key whose bytes are all `byte`.
fn custody_of(byte: u8) -> Custody {
    Custody::open(root_of_byte(byte))
}

fn root_of_byte(byte: u8) -> RootKey {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let hex = format!("{byte:02x}").repeat(32);
    put(
        &path,
        format!("keyledger-root-key-v1\n{hex}\n").as_bytes(),
        0o600,
    );
    RootKey::from_file(&path).unwrap()
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn context(key: &str, version: u32, purposes: &[Purpose]) -> MaterialContext {
    MaterialContext {
        key: Name::new(key).unwrap(),
        version,
        purposes: Purposes::of(purposes),
    }
}

/// The context most tests use.
fn orders() -> MaterialContext {
    context("orders-db", 1, &[Purpose::Sign])
}
