//! Whether a signature is the one of the signer that it names. Whether that signer was entitled is the gate's question.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::Fault;
use crate::cid::EventCid;

/// A signature over the CID of an event, as its headers claim it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The public nkey that is said to have signed.
    pub signer: &'a str,
    /// The CID whose 36 bytes were signed.
    pub cid: EventCid,
    /// Base64url without padding.
    pub signature: &'a str,
}

/// Signatures of events, checked without knowing whether the signer was entitled: see [`Gate`](super::Gate).
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    /// Public keys by nkey, each read once.
    keys: HashMap<String, VerifyingKey>,
}

impl Signatures {
    /// How many keys are kept: a ledger has a few, and signers' names come from outside.
    const MAX_KEYS: usize = 64;

    /// Checks that a signature is one by its signer.
    ///
    /// # Errors
    ///
    /// [`Fault::BadSignature`], or [`Fault::UnknownSigner`] if the signer is no public nkey.
    pub fn check(&mut self, signer: &str, cid: EventCid, signature: &str) -> Result<(), Fault> {
        verify(&self.key(signer)?, signer, &cid.to_bytes(), signature)
    }

    /// Checks many at once: a third of the time that each on its own takes. If all are good together, each is; if not,
    /// each is checked on its own.
    pub fn check_all(&mut self, claims: &[Claim<'_>]) -> Vec<Result<(), Fault>> {
        if self.are_good(claims) {
            return vec![Ok(()); claims.len()];
        }
        let alone = |claim: &Claim<'_>| self.check(claim.signer, claim.cid, claim.signature);
        claims.iter().map(alone).collect()
    }

    fn are_good(&mut self, claims: &[Claim<'_>]) -> bool {
        let (mut keys, mut signatures) = (Vec::new(), Vec::new());
        for claim in claims {
            let (Ok(key), Some(signature)) = (self.key(claim.signer), parse(claim.signature))
            else {
                return false;
            };
            keys.push(key);
            signatures.push(signature);
        }
        let messages: Vec<_> = claims.iter().map(|claim| claim.cid.to_bytes()).collect();
        let messages: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok()
    }

    fn key(&mut self, signer: &str) -> Result<VerifyingKey, Fault> {
        if let Some(key) = self.keys.get(signer) {
            return Ok(*key);
        }
        let key = public_key(signer).ok_or_else(|| Fault::UnknownSigner {
            signer: signer.chars().take(80).collect(),
            why: "it is no public nkey".to_owned(),
        })?;
        if self.keys.len() == Self::MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert(signer.to_owned(), key);
        Ok(key)
    }
}

/// Checks a signature over other bytes than a CID's.
pub(super) fn check_message(
    signer: &str,
    message: &[u8],
    signature: &str,
) -> Option<Result<(), Fault>> {
    Some(verify(&public_key(signer)?, signer, message, signature))
}

/// A key of small order, under which anybody can sign, is none.
fn public_key(nkey: &str) -> Option<VerifyingKey> {
    let (_, bytes) = nkeys::from_public_key(nkey).ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (!key.is_weak()).then_some(key)
}

fn parse(signature: &str) -> Option<Signature> {
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    Signature::from_slice(&bytes).ok()
}

fn verify(key: &VerifyingKey, signer: &str, message: &[u8], signature: &str) -> Result<(), Fault> {
    let bad = || Fault::BadSignature {
        signer: signer.to_owned(),
    };
    let signature = parse(signature).ok_or_else(bad)?;
    key.verify_strict(message, &signature).map_err(|_| bad())
}
