//! Who may sign an event, learned from the events themselves as they come.

use std::collections::{BTreeMap, HashMap};

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::{Fault, SignedHead, StoredEvent, header, required};
use crate::{
    LEDGER_SIGNING_KEY,
    cid::EventCid,
    event::Event,
    key::{self, State},
    ledger::Ledger,
    operator,
    record::Record,
    stamp::VerifiedBy,
};

/// The signers known so far.
#[derive(Debug, Clone)]
pub(super) struct Signers {
    /// The operator's nkey: pinned, or that of the first genesis event's signer.
    operator: Option<String>,
    /// True once `operator.v1.created` has named it.
    operator_named: bool,
    /// True while only genesis events have come.
    in_genesis: bool,
    signatures: Signatures,
    /// How many events each signed.
    counts: BTreeMap<String, u64>,
}

impl Signers {
    pub(super) fn new(expected_operator: Option<String>) -> Self {
        Self {
            operator: expected_operator,
            operator_named: false,
            in_genesis: true,
            signatures: Signatures::default(),
            counts: BTreeMap::new(),
        }
    }

    /// The operator's nkey, once the ledger has named it.
    pub(super) fn operator(&self) -> Result<&str, Fault> {
        match &self.operator {
            Some(operator) if self.operator_named => Ok(operator),
            _ => Err(Fault::NoOperator),
        }
    }

    pub(super) fn into_counts(self) -> BTreeMap<String, u64> {
        self.counts
    }

    /// Checks the signature of an event that is not folded yet.
    pub(super) fn check_event(
        &mut self,
        stored: &StoredEvent,
        record: &Record,
        cid: EventCid,
        ledger: &Ledger,
    ) -> Result<(), Fault> {
        let signer = required(stored, header::SIGNER)?;
        let signature = required(stored, header::SIGNATURE)?;
        let refuse = |why| not_entitled(signer, why);
        let genesis = record.principal.verified_by == VerifiedBy::Genesis;
        if genesis {
            if !self.in_genesis {
                return Err(refuse(
                    "the trust bootstrap stands at the beginning, and only there",
                ));
            }
            let operator = self.operator.get_or_insert_with(|| signer.to_owned());
            if operator != signer {
                // Only an operator that was pinned differs from the first signer.
                return Err(if self.counts.is_empty() {
                    Fault::OtherOperator {
                        expected: operator.as_str().into(),
                        found: signer.chars().take(80).collect::<String>().into(),
                    }
                } else {
                    refuse("the trust bootstrap is signed by the operator alone")
                });
            }
        } else {
            self.operator()?;
            self.in_genesis = false;
            may_write(record, signer, ledger)?;
        }
        if let Event::Operator(operator::Event::Created(created)) = &record.event {
            if self.operator_named {
                return Err(refuse("there is one operator, made by the trust bootstrap"));
            }
            if *created.nkey != *signer {
                return Err(refuse("the operator that it makes has another nkey"));
            }
            self.operator_named = true;
        }
        self.signatures.check(signer, cid, signature)?;
        *self.counts.entry(signer.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Checks the signature of a head that covers what was folded so far, or more.
    pub(super) fn check_head(&self, head: &SignedHead, ledger: &Ledger) -> Result<(), Fault> {
        let operator = self.operator()?;
        let refuse = |why: &str| Fault::UnknownSigner {
            signer: head.signer.chars().take(80).collect(),
            why: format!("it signed the head; {why}"),
        };
        if head.signer != operator {
            entitled(ledger, &head.signer).map_err(refuse)?;
        }
        let key = public_key(&head.signer).ok_or_else(|| refuse("it is no public nkey"))?;
        verify(&key, &head.signer, &head.message(), &head.signature)
    }
}

/// Signatures of events, checked without knowing whether the signer was entitled: see [`may_write`].
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    /// Public keys by nkey, each read once.
    keys: HashMap<String, VerifyingKey>,
}

impl Signatures {
    /// How many keys are kept: a ledger has a few, and signers' names come from outside.
    const MAX_KEYS: usize = 64;

    /// Checks that `signature` is one by `signer` over the CID of an event.
    ///
    /// # Errors
    ///
    /// [`Fault::BadSignature`], or [`Fault::UnknownSigner`] if `signer` is no public nkey.
    pub fn check(&mut self, signer: &str, cid: EventCid, signature: &str) -> Result<(), Fault> {
        if !self.keys.contains_key(signer) {
            let key =
                public_key(signer).ok_or_else(|| not_entitled(signer, "it is no public nkey"))?;
            if self.keys.len() == Self::MAX_KEYS {
                self.keys.clear();
            }
            self.keys.insert(signer.to_owned(), key);
        }
        verify(&self.keys[signer], signer, &cid.to_bytes(), signature)
    }
}

/// Whether `signer` was entitled to write this event behind what is folded, after the trust bootstrap.
///
/// # Errors
///
/// [`Fault::UnknownSigner`] says why not.
pub fn may_write(record: &Record, signer: &str, ledger: &Ledger) -> Result<(), Fault> {
    let refuse = |why| not_entitled(signer, why);
    if record.principal.verified_by == VerifiedBy::Genesis {
        return Err(refuse(
            "the trust bootstrap stands at the beginning, and only there",
        ));
    }
    if let Event::Operator(operator::Event::Created(_)) = &record.event {
        return Err(refuse("there is one operator, made by the trust bootstrap"));
    }
    entitled(ledger, signer).map_err(refuse)?;
    if is_rotation(record) && newest(ledger) != Some(signer) {
        return Err(refuse("a rotation is signed by the version it replaces"));
    }
    Ok(())
}

/// True if `signer` is the operator, for an event of the trust bootstrap, or else a version of the ledger's signing key.
#[must_use]
pub fn signs_ledger(ledger: &Ledger, signer: &str, genesis: bool) -> bool {
    if genesis {
        let operator = ledger.operator();
        return operator.is_some_and(|(_, operator)| *operator.state.nkey == *signer);
    }
    ledger.key(&signing_key()).is_some_and(|entry| {
        let mut versions = entry.state.versions.iter();
        versions.any(|version| version.nkey.as_deref() == Some(signer))
    })
}

fn not_entitled(signer: &str, why: &str) -> Fault {
    Fault::UnknownSigner {
        signer: signer.chars().take(80).collect(),
        why: why.to_owned(),
    }
}

/// Whether `signer` is a version of the ledger's signing key, which nobody else has.
fn entitled(ledger: &Ledger, signer: &str) -> Result<(), &'static str> {
    let Some(entry) = ledger.key(&signing_key()) else {
        return Err("no earlier event names a signing key of the ledger");
    };
    if matches!(
        entry.state.state,
        State::Compromised | State::DestroyedCompromised
    ) {
        return Err("the ledger's signing key was compromised before");
    }
    if signs_ledger(ledger, signer, false) {
        Ok(())
    } else {
        Err("it is no version of the ledger's signing key")
    }
}

fn newest(ledger: &Ledger) -> Option<&str> {
    ledger.key(&signing_key())?.state.newest()?.nkey.as_deref()
}

fn is_rotation(record: &Record) -> bool {
    record.history.name.as_str() == LEDGER_SIGNING_KEY
        && matches!(&record.event, Event::Key(key::Event::Rotated(_)))
}

fn signing_key() -> crate::Name {
    crate::Name::new(LEDGER_SIGNING_KEY).expect("it is a name")
}

fn public_key(nkey: &str) -> Option<VerifyingKey> {
    let (_, bytes) = nkeys::from_public_key(nkey).ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

fn verify(key: &VerifyingKey, signer: &str, message: &[u8], signature: &str) -> Result<(), Fault> {
    let bad = || Fault::BadSignature {
        signer: signer.to_owned(),
    };
    let bytes = BASE64URL_NOPAD
        .decode(signature.as_bytes())
        .map_err(|_| bad())?;
    let signature = Signature::from_slice(&bytes).map_err(|_| bad())?;
    key.verify_strict(message, &signature).map_err(|_| bad())
}
