//! A card's half of a binding, in two phases: the data that the card has to sign, and the proof made from its signature.

use std::{cell::RefCell, fmt};

use data_encoding::BASE64;
use keyledger_domain::Timestamp;
use pgp::{
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{
        Packet, PacketParser, PacketTrait as _, PublicKey, PublicSubkey as SubkeyPacket, Signature,
        SignatureConfig, SignatureType,
    },
    types::{
        Fingerprint as PgpFingerprint, KeyDetails, KeyId, KeyVersion, Mpi, Password, PublicParams,
        SignatureBytes, SigningKey, Timestamp as PgpTime,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    fingerprint::Fingerprint,
    public::Certificate,
    self_signature::{CARD_HASH, config},
    subkey::{PublicSubkey, SubkeyAlgorithm, SubkeyRole},
    summary::check,
    time::{self, OutOfRange},
};

/// The binding of a subkey to a certificate, as far as the holder of the subkey takes part in it.
///
/// ```text
/// Bind::prepare ──► to_sign ──► the card signs ──► finish ──► ProvenSubkey ──► CertifyKey::bind, offline
/// ```
///
/// Only a signing subkey has to agree (RFC 9580 §5.2.1, type 0x19): otherwise the owner of another certificate could claim to have
/// made its signatures. For other subkeys `to_sign` returns `None`.
#[derive(Debug, Clone)]
pub struct Bind {
    primary: PublicKey,
    subkey: PublicSubkey,
    digest: Option<(SignatureConfig, Vec<u8>)>,
}

/// What the card has to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToSign<'a> {
    /// The subkey's algorithm.
    pub algorithm: SubkeyAlgorithm,
    /// A SHA-256 of 32 bytes: ECDSA signs it as the digest, Ed25519 as the message.
    pub digest: &'a [u8],
}

/// Why a card's half of a binding was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The card must sign, and has not: ask it for the signature.
    #[error("the signing subkey {subkey} has not signed that it wants to be bound")]
    Unsigned {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// It is no signature of that subkey over the data to sign: ask the card again, with the right key.
    #[error("it is no signature of subkey {subkey} over the data to sign: 64 bytes, r and s")]
    Signature {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// The subkey was made later than the signature would be: set the clock right.
    #[error("subkey {subkey} was made at {created}, and it is {now}: is the clock right?")]
    Clock {
        /// Which subkey.
        subkey: Fingerprint,
        /// When it was made.
        created: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// See [`OutOfRange`].
    #[error(transparent)]
    Time(#[from] OutOfRange),
}

impl Bind {
    /// Begins to bind `subkey` to `certificate`.
    ///
    /// # Errors
    ///
    /// [`BindError::Clock`] if the subkey was made after `now`; [`BindError::Time`].
    pub fn prepare(
        certificate: &Certificate,
        subkey: PublicSubkey,
        now: Timestamp,
    ) -> Result<Self, BindError> {
        let primary = certificate.key().primary_key.clone();
        let created = subkey.created();
        if now.seconds() < created.seconds() {
            let subkey = subkey.fingerprint();
            return Err(BindError::Clock {
                subkey,
                created,
                now,
            });
        }
        let now = time::to_pgp(now)?;
        let digest = (subkey.role() == SubkeyRole::Sign).then(|| {
            let config = config(SignatureType::KeyBinding, subkey.packet(), CARD_HASH, now);
            let card = Card::asked(subkey.packet());
            let unsigned = back_signature(config.clone(), &card, &primary);
            unsigned.expect("the layout of a signature depends on nothing that could fail");
            (config, card.asked_for.into_inner())
        });
        Ok(Self {
            primary,
            subkey,
            digest,
        })
    }

    /// The data that the card has to sign; `None` if it need not sign.
    #[must_use]
    pub fn to_sign(&self) -> Option<ToSign<'_>> {
        self.digest.as_ref().map(|(_, digest)| ToSign {
            algorithm: self.subkey.algorithm(),
            digest,
        })
    }

    /// The subkey.
    #[must_use]
    pub const fn subkey(&self) -> &PublicSubkey {
        &self.subkey
    }

    /// Completes the binding with the card's signature: `r` and `s` of 32 bytes each, as cards return them; `None` if the card need not
    /// sign.
    ///
    /// # Errors
    ///
    /// [`BindError::Unsigned`], [`BindError::Signature`].
    pub fn finish(self, signature: Option<&[u8]>) -> Result<ProvenSubkey, BindError> {
        let subkey = self.subkey.fingerprint();
        let Some((config, _)) = self.digest else {
            return Ok(ProvenSubkey::unproven(self.subkey));
        };
        let signature = signature.ok_or(BindError::Unsigned { subkey })?;
        let wrong = BindError::Signature { subkey };
        let (r, s) = match signature.split_at_checked(32) {
            Some((r, s)) if s.len() == 32 => (r, s),
            _ => return Err(wrong),
        };
        let given = SignatureBytes::Mpis(vec![Mpi::from_slice(r), Mpi::from_slice(s)]);
        let card = Card::answering(self.subkey.packet(), given);
        let back = back_signature(config, &card, &self.primary).map_err(|_| wrong.clone())?;
        let proven = ProvenSubkey {
            subkey: self.subkey,
            proof: Some(back),
        };
        match proven.verify(&self.primary) {
            Ok(()) => Ok(proven),
            Err(_) => Err(wrong),
        }
    }
}

fn back_signature(
    config: SignatureConfig,
    card: &Card<'_>,
    primary: &PublicKey,
) -> pgp::errors::Result<Signature> {
    config.sign_primary_key_binding(card, card.key, &Password::empty(), primary)
}

/// A subkey whose holder agrees to the binding. The machine with the certify key gets this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ProvenSubkeyForm", into = "ProvenSubkeyForm")]
pub struct ProvenSubkey {
    subkey: PublicSubkey,
    proof: Option<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvenSubkeyForm {
    subkey: PublicSubkey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

impl ProvenSubkey {
    /// A subkey that need not prove anything.
    pub(super) const fn unproven(subkey: PublicSubkey) -> Self {
        Self {
            subkey,
            proof: None,
        }
    }

    /// The subkey.
    #[must_use]
    pub const fn subkey(&self) -> &PublicSubkey {
        &self.subkey
    }

    pub(super) const fn proof(&self) -> Option<&Signature> {
        self.proof.as_ref()
    }

    /// Checks that a signing subkey agreed to be bound to `primary`.
    pub(super) fn verify(&self, primary: &PublicKey) -> Result<(), BindError> {
        let subkey = self.subkey.fingerprint();
        match (&self.proof, self.subkey.role()) {
            (Some(back), SubkeyRole::Sign) => {
                check(back, SignatureType::KeyBinding, self.subkey.packet())
                    .is_ok()
                    .then(|| back.verify_primary_key_binding(self.subkey.packet(), primary))
                    .and_then(Result::ok)
                    .ok_or(BindError::Signature { subkey })
            }
            (None, SubkeyRole::Sign) => Err(BindError::Unsigned { subkey }),
            (None, _) => Ok(()),
            (Some(_), _) => Err(BindError::Signature { subkey }),
        }
    }
}

/// A proof that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the proof of the subkey is no OpenPGP signature in base64")]
struct NotAProof;

impl TryFrom<ProvenSubkeyForm> for ProvenSubkey {
    type Error = NotAProof;

    fn try_from(form: ProvenSubkeyForm) -> Result<Self, NotAProof> {
        let proof = match form.proof {
            None => None,
            Some(text) => {
                let bytes = BASE64.decode(text.as_bytes()).map_err(|_| NotAProof)?;
                let mut packets = PacketParser::new(&bytes[..]);
                match (packets.next(), packets.next()) {
                    (Some(Ok(Packet::Signature(signature))), None) => Some(signature),
                    _ => return Err(NotAProof),
                }
            }
        };
        Ok(Self {
            subkey: form.subkey,
            proof,
        })
    }
}

impl From<ProvenSubkey> for ProvenSubkeyForm {
    fn from(proven: ProvenSubkey) -> Self {
        let encode = |signature: &Signature| {
            let mut bytes = Vec::new();
            let written = signature.to_writer_with_header(&mut bytes);
            written.expect("a vector takes everything");
            BASE64.encode(&bytes)
        };
        Self {
            proof: proven.proof.as_ref().map(encode),
            subkey: proven.subkey,
        }
    }
}

/// A card as the library sees it: it records the data to sign, and answers with the signature that it was given.
struct Card<'a> {
    key: &'a SubkeyPacket,
    asked_for: RefCell<Vec<u8>>,
    answer: SignatureBytes,
}

impl<'a> Card<'a> {
    const fn asked(key: &'a SubkeyPacket) -> Self {
        Self::answering(key, SignatureBytes::Mpis(Vec::new()))
    }

    const fn answering(key: &'a SubkeyPacket, answer: SignatureBytes) -> Self {
        Self {
            key,
            asked_for: RefCell::new(Vec::new()),
            answer,
        }
    }
}

impl fmt::Debug for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card({})", Fingerprint::of(self.key))
    }
}

impl SigningKey for Card<'_> {
    fn sign(
        &self,
        _: &Password,
        _: HashAlgorithm,
        digest: &[u8],
    ) -> pgp::errors::Result<SignatureBytes> {
        *self.asked_for.borrow_mut() = digest.to_vec();
        Ok(self.answer.clone())
    }

    fn hash_alg(&self) -> HashAlgorithm {
        CARD_HASH
    }
}

impl KeyDetails for Card<'_> {
    fn version(&self) -> KeyVersion {
        self.key.version()
    }

    fn legacy_key_id(&self) -> KeyId {
        self.key.legacy_key_id()
    }

    fn fingerprint(&self) -> PgpFingerprint {
        self.key.fingerprint()
    }

    fn algorithm(&self) -> PublicKeyAlgorithm {
        self.key.algorithm()
    }

    fn created_at(&self) -> PgpTime {
        self.key.created_at()
    }

    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        None
    }

    fn public_params(&self) -> &PublicParams {
        self.key.public_params()
    }
}
