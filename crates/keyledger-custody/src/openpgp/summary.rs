//! The state of a certificate: its signatures are verified one by one, and then folded.

use keyledger_domain::{Timestamp, text::Reason};
use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    packet::{PublicKey, Signature, SignatureType, SignatureVersion, SubpacketData},
    types::{KeyDetails, KeyVersion, SignedUser, Tag},
};
use serde::Serialize;

use super::{
    certificate_error::CertificateError,
    fingerprint::Fingerprint,
    reason::{Revocation, RevocationReason},
    self_signature::{flags, is_certify, is_sound, regular},
    subkey::{PublicSubkey, SubkeyAlgorithm, SubkeyRole},
    time,
    user_id::UserId,
};

/// The state of a certificate or a subkey at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may be used.
    Valid,
    /// It has expired; renewing makes it valid again.
    Expired,
    /// It is revoked, for good.
    Revoked,
}

impl Standing {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    pub(super) fn of(
        revoked: Option<&Revocation>,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        match (revoked, expires) {
            (Some(_), _) => Self::Revoked,
            (None, Some(at)) if at <= now => Self::Expired,
            _ => Self::Valid,
        }
    }
}

/// A user id of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserIdView {
    /// The user id.
    pub id: UserId,
    /// When it was certified last.
    pub certified: Timestamp,
    /// Whether mail programs show it first.
    pub is_primary: bool,
}

/// A subkey of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubkeyView {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What it is for.
    pub role: SubkeyRole,
    /// Its algorithm.
    pub algorithm: SubkeyAlgorithm,
    /// When it was made.
    pub created: Timestamp,
    /// When it was bound last.
    pub bound: Timestamp,
    /// When it expires; `None` if never.
    pub expires: Option<Timestamp>,
    /// Its revocation, if it is revoked.
    pub revoked: Option<Revocation>,
    /// Its public half.
    #[serde(skip)]
    pub public: PublicSubkey,
}

impl SubkeyView {
    /// Its state at `now`, if the whole certificate is valid.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing::of(self.revoked.as_ref(), self.expires, now)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) created: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) revoked: Option<Revocation>,
    pub(super) user_ids: Vec<UserIdView>,
    pub(super) subkeys: Vec<SubkeyView>,
}

use CertificateError::{Forged, OtherKind};

impl Summary {
    /// Verifies every signature of `key`, then folds them: the last certification or binding counts, and a revocation counts whenever
    /// it was made.
    pub(super) fn of(key: &SignedPublicKey) -> Result<Self, CertificateError> {
        let primary = &key.primary_key;
        if primary.version() != KeyVersion::V4 || !is_certify(primary.algorithm()) {
            let what = "a primary key other than Ed25519 of version 4";
            return Err(OtherKind { what });
        }
        if !key.details.direct_signatures.is_empty() {
            let what = "a signature over the primary key alone";
            return Err(OtherKind { what });
        }
        if !key.details.user_attributes.is_empty() {
            let what = "a picture or another user attribute";
            return Err(OtherKind { what });
        }
        let revoked = key_revocation(key)?;
        let (user_ids, expires) = user_ids(key)?;
        let mut subkeys: Vec<SubkeyView> = Vec::new();
        for subkey in &key.public_subkeys {
            let view = view(primary, subkey)?;
            if subkeys.iter().any(|s| s.fingerprint == view.fingerprint) {
                return Err(OtherKind {
                    what: "a subkey twice",
                });
            }
            subkeys.push(view);
        }
        Ok(Self {
            created: time::from_pgp(primary.created_at()),
            expires,
            revoked,
            user_ids,
            subkeys,
        })
    }
}

/// The first revocation of the whole certificate. A revocation is for good, and the first one says since when.
fn key_revocation(key: &SignedPublicKey) -> Result<Option<Revocation>, CertificateError> {
    let mut found = Vec::new();
    for signature in &key.details.revocation_signatures {
        check(signature, SignatureType::KeyRevocation, &key.primary_key)?;
        let what = "the revocation of the certificate";
        signature
            .verify_key(&key.primary_key)
            .map_err(|_| Forged { what })?;
        found.push(revocation(signature)?);
    }
    Ok(found.into_iter().min_by_key(|r| r.at))
}

/// The user ids, and the end that the newest certification gives the primary key.
fn user_ids(
    key: &SignedPublicKey,
) -> Result<(Vec<UserIdView>, Option<Timestamp>), CertificateError> {
    let primary = &key.primary_key;
    let mut newest: Option<(Timestamp, Option<Timestamp>)> = None;
    let mut views: Vec<UserIdView> = Vec::new();
    for user in &key.details.users {
        let what = "a user id of another form";
        let id = user.id.as_str().and_then(|text| UserId::new(text).ok());
        let id = id.ok_or(OtherKind { what })?;
        if views.iter().any(|view| view.id == id) {
            return Err(OtherKind {
                what: "a user id twice",
            });
        }
        let last = last_certification(primary, user)?;
        let certified = created(last)?;
        let expires = expiration(primary.created_at(), last);
        if newest.is_none_or(|(at, _)| at <= certified) {
            newest = Some((certified, expires));
        }
        views.push(UserIdView {
            id,
            certified,
            is_primary: last.is_primary(),
        });
    }
    let (_, expires) = newest.ok_or(OtherKind { what: "no user id" })?;
    views.sort_by_key(|view| !view.is_primary); // a stable sort
    Ok((views, expires))
}

fn last_certification<'a>(
    primary: &PublicKey,
    user: &'a SignedUser,
) -> Result<&'a Signature, CertificateError> {
    for signature in &user.signatures {
        check(signature, SignatureType::CertPositive, primary)?;
        let what = "the certification of a user id";
        signature
            .verify_certification(primary, Tag::UserId, &user.id)
            .map_err(|_| Forged { what })?;
        let flags = signature.key_flags();
        let more = flags.sign()
            || flags.encrypt_comms()
            || flags.encrypt_storage()
            || flags.authentication();
        if !flags.certify() || more {
            let what = "a primary key that does more than certify";
            return Err(OtherKind { what });
        }
    }
    last(user.signatures.iter()).ok_or(OtherKind {
        what: "a user id that is not certified",
    })
}

fn view(primary: &PublicKey, subkey: &SignedPublicSubKey) -> Result<SubkeyView, CertificateError> {
    let (bindings, revocations): (Vec<_>, Vec<_>) = subkey
        .signatures
        .iter()
        .partition(|s| s.typ() == Some(SignatureType::SubkeyBinding));
    let mut role = None;
    for binding in &bindings {
        check(binding, SignatureType::SubkeyBinding, primary)?;
        let what = "the binding of a subkey";
        binding
            .verify_subkey_binding(primary, &subkey.key)
            .map_err(|_| Forged { what })?;
        let this = role_of(binding)?;
        if this == SubkeyRole::Sign {
            back_signature(primary, subkey, binding)?;
        }
        if role.replace(this).is_some_and(|other| other != this) {
            let what = "a subkey that changed its role";
            return Err(OtherKind { what });
        }
    }
    let mut revoked = Vec::new();
    for signature in revocations {
        check(signature, SignatureType::SubkeyRevocation, primary)?;
        let what = "the revocation of a subkey";
        signature
            .verify_subkey_binding(primary, &subkey.key)
            .map_err(|_| Forged { what })?;
        revoked.push(revocation(signature)?);
    }
    let (Some(role), Some(last)) = (role, last(bindings.iter().copied())) else {
        let what = "a subkey that is not bound";
        return Err(OtherKind { what });
    };
    let what = "a subkey of another algorithm";
    let public = PublicSubkey::from_packet(role, &subkey.key).ok_or(OtherKind { what })?;
    Ok(SubkeyView {
        fingerprint: public.fingerprint(),
        role,
        algorithm: public.algorithm(),
        created: public.created(),
        bound: created(last)?,
        expires: expiration(subkey.key.created_at(), last),
        revoked: revoked.into_iter().min_by_key(|r| r.at),
        public,
    })
}

fn role_of(binding: &Signature) -> Result<SubkeyRole, CertificateError> {
    let found = binding.key_flags();
    let what = "a subkey with other roles than one of ours";
    SubkeyRole::ALL
        .into_iter()
        .find(|role| flags(*role) == found)
        .ok_or(OtherKind { what })
}

/// Checks that a signing subkey itself says that it belongs to the primary key: otherwise everybody could claim it.
fn back_signature(
    primary: &PublicKey,
    subkey: &SignedPublicSubKey,
    binding: &Signature,
) -> Result<(), CertificateError> {
    let hashed = binding
        .config()
        .into_iter()
        .flat_map(|c| &c.hashed_subpackets);
    let back = hashed
        .into_iter()
        .find_map(|subpacket| match &subpacket.data {
            SubpacketData::EmbeddedSignature(back) => Some(back),
            _ => None,
        });
    let what = "a signing subkey that does not agree to be bound";
    let back = back.ok_or(OtherKind { what })?;
    check(back, SignatureType::KeyBinding, &subkey.key)?;
    let what = "a signing subkey's own signature";
    back.verify_primary_key_binding(&subkey.key, primary)
        .map_err(|_| Forged { what })
}

/// Checks that a signature has the form that we make: version 4, a sound hash, a creation time, no end, and no unsigned data that
/// matters.
pub(super) fn check(
    signature: &Signature,
    typ: SignatureType,
    issuer: &impl KeyDetails,
) -> Result<(), CertificateError> {
    let other = |what| Err(OtherKind { what });
    if signature.version() != SignatureVersion::V4 || signature.typ() != Some(typ) {
        return other("a signature of another kind");
    }
    if !signature.hash_alg().is_some_and(is_sound) {
        return other("a signature over a weak hash");
    }
    if signature.signature_expiration_time().is_some() {
        return other("a signature that expires");
    }
    if !signature.exportable_certification() || !signature.is_revocable() {
        return other("a signature that is not for export, or not to be revoked");
    }
    // Everybody can change what is not signed. So only the hint about the issuer may be there.
    let unsigned = signature.config().map(|c| &c.unhashed_subpackets[..]);
    let hint = regular(SubpacketData::IssuerKeyId(issuer.legacy_key_id()));
    match unsigned {
        Some([one]) if *one == hint => {}
        Some([one]) if matches!(one.data, SubpacketData::IssuerKeyId(_)) => {
            return other("a signature of another key");
        }
        _ => return other("an unsigned remark"),
    }
    if created(signature)? < time::from_pgp(issuer.created_at()) {
        return other("a signature older than the key that made it");
    }
    Ok(())
}

fn created(signature: &Signature) -> Result<Timestamp, CertificateError> {
    let what = "a signature without a time";
    let created = signature.created().ok_or(OtherKind { what })?;
    Ok(time::from_pgp(created))
}

/// The newest signature; if several are of the same second, the last of them, as in GnuPG.
fn last<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs))
}

fn expiration(created: pgp::types::Timestamp, signature: &Signature) -> Option<Timestamp> {
    time::after(created, signature.key_expiration_time()?)
}

fn revocation(signature: &Signature) -> Result<Revocation, CertificateError> {
    let text = signature
        .revocation_reason_string()
        .filter(|text| !text.is_empty());
    let what = "a revocation whose text is not one line of plain text";
    let text = match text {
        None => None,
        Some(text) => Some(
            std::str::from_utf8(text)
                .ok()
                .and_then(|text| Reason::new(text).ok())
                .ok_or(OtherKind { what })?,
        ),
    };
    Ok(Revocation {
        at: created(signature)?,
        reason: RevocationReason::of(signature.revocation_reason_code()),
        text,
    })
}
