//! Files, and signers for tests.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyledger_claims::{KeyPairSigner, SignError, Signer};
use nkeys::{KeyPair, KeyPairType};
use serde_json::Value;

/// A file below `tests/golden/data`.
pub(crate) fn data(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/data")
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The token that Go made.
pub(crate) fn token(name: &str) -> String {
    data(&format!("{name}.jwt")).trim().to_owned()
}

/// What Go reads in that token.
pub(crate) fn reading(name: &str) -> Value {
    serde_json::from_str(&data(&format!("{name}.json"))).unwrap()
}

/// The claims of a token as JSON text.
pub(crate) fn payload(token: &str) -> String {
    let part = token.split('.').nth(1).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A key that is the same in every run: deterministic tokens, and no seed in the tree.
pub(crate) fn key(kind: KeyPairType, number: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [number; 32]).unwrap()
}

pub(crate) fn public(kind: KeyPairType, number: u8) -> String {
    key(kind, number).public_key()
}

pub(crate) fn signer(kind: KeyPairType, number: u8) -> KeyPairSigner {
    KeyPairSigner::new(key(kind, number))
}

/// Any claims text under any header, signed properly.
pub(crate) fn sign_text(header: &str, claims: &str, signer: &dyn Signer) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = signer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Signs with the signature that a token has already: equal bytes give an equal token, anything else does not.
pub(crate) struct Replay {
    issuer: String,
    signature: [u8; 64],
}

impl Replay {
    pub(crate) fn of(token: &str, issuer: &str) -> Self {
        let part = token.split('.').nth(2).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(part).unwrap().try_into().unwrap();
        Self {
            issuer: issuer.to_owned(),
            signature,
        }
    }
}

impl Signer for Replay {
    fn public_nkey(&self) -> &str {
        &self.issuer
    }

    fn sign(&self, _message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.signature)
    }
}
