//! Whatever comes from outside, given to the decoder that reads it: one [`Target`] a decoder.
//!
//! A target takes any bytes and never panics. What a decoder accepts, the target holds to more: written and read again it is the same.
//!
//! The binary `fuzz` makes libFuzzer look for bytes that break this (`./dev fuzz`). The test `corpus` runs every target on the files of
//! its corpus, without an engine, so that nothing that was found comes back.
//!
//! It needs no nightly compiler. libFuzzer's instrumentation is a pass of LLVM, which stable Rust can switch on; only its sanitizers
//! need nightly, and there is no unsafe code here in which they could find anything.

pub mod authority;
mod targets;

use std::path::PathBuf;

/// A decoder, and where files are that it reads.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Gives the bytes to the decoder. True if it accepts them.
    ///
    /// # Panics
    ///
    /// If the decoder does, or if what it read is not the same once it was written and read again. This is what fuzzing looks for.
    pub accepts: fn(&[u8]) -> bool,
    /// Folders of files that the decoder's own tests use, from the root of the repository.
    borrowed: &'static [&'static str],
}

/// Every target.
pub const TARGETS: [Target; 14] = [
    Target {
        name: "jwt",
        accepts: targets::jwt,
        borrowed: &["crates/keyledger-claims/tests/golden/data"],
    },
    Target {
        name: "creds",
        accepts: targets::creds,
        borrowed: &[],
    },
    Target {
        name: "event",
        accepts: targets::event,
        borrowed: &["crates/keyledger-domain/tests/corpus"],
    },
    Target {
        name: "envelope",
        accepts: targets::envelope,
        borrowed: &["crates/keyledger-domain/tests/corpus"],
    },
    Target {
        name: "export",
        accepts: targets::export,
        borrowed: &[],
    },
    Target {
        name: "profile",
        accepts: targets::profile,
        borrowed: &["crates/keyledger-domain/src/token/profiles"],
    },
    Target {
        name: "certificate",
        accepts: targets::certificate,
        borrowed: &[
            "crates/keyledger-pki/src/x509/tests/vectors",
            "crates/keyledger-pki/src/x509/yubico",
        ],
    },
    Target {
        name: "csr",
        accepts: targets::csr,
        borrowed: &[],
    },
    Target {
        name: "crl",
        accepts: targets::crl,
        borrowed: &[],
    },
    Target {
        name: "attestation",
        accepts: targets::attestation,
        borrowed: &[],
    },
    Target {
        name: "openpgp",
        accepts: targets::openpgp,
        borrowed: &["crates/keyledger-domain/tests/private_keys/public"],
    },
    Target {
        name: "apdu",
        accepts: targets::apdu,
        borrowed: &[],
    },
    Target {
        name: "exchange",
        accepts: targets::exchange,
        borrowed: &[],
    },
    Target {
        name: "command",
        accepts: targets::command,
        borrowed: &["crates/keyledger-domain/tests/private_keys/public"],
    },
];

impl Target {
    /// The target of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Its own folder of files, which fuzzing adds to.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        root().join("fuzz/corpus").join(self.name)
    }

    /// Its own folder, and those that it borrows.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let borrowed = self.borrowed.iter().map(|folder| root().join(folder));
        std::iter::once(self.corpus()).chain(borrowed)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
