//! The changes that the certify key makes to its certificate.

use keyledger_domain::{Timestamp, text::Reason};
use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    packet::{Signature, SignatureType, UserId as UserIdPacket},
    types::{
        Duration, KeyDetails as _, PacketHeaderVersion, Password, SignedUser, Tag,
        Timestamp as PgpTime,
    },
};

use super::{
    bind::ProvenSubkey,
    certify_error::CertifyError,
    certify_key::CertifyKey,
    fingerprint::Fingerprint,
    offline::{Ask, CertifyAnswer, Request, Response},
    public::Certificate,
    reason::RevocationReason,
    renewal::Renewal,
    self_signature::{binding, certification, revocation},
    subkey::SubkeyRole,
    time,
    user_id::UserId,
};
use crate::{ProviderFailure, dates::moment};

impl CertifyKey {
    /// Makes all changes of a request, or none. Show the request to a person first: see
    /// [`Request::describe`](keyledger_pki::exchange::Request::describe).
    ///
    /// # Errors
    ///
    /// As for the single changes; [`CertifyError::Answer`].
    pub fn answer(&self, request: &Request, now: Timestamp) -> Result<Response, CertifyError> {
        let mut certificate = request.content().certificate().clone();
        for ask in request.content().asks() {
            certificate = match ask {
                Ask::Bind { subkey, expires } => {
                    self.bind(&certificate, &[((**subkey).clone(), *expires)], now)
                }
                Ask::Renew { what, expires } => self.renew(&certificate, &[*what], *expires, now),
                Ask::RevokeSubkey {
                    subkey,
                    reason,
                    text,
                } => self.revoke_subkey(&certificate, *subkey, *reason, text.as_ref(), now),
                Ask::Revoke { reason, text } => {
                    self.revoke(&certificate, *reason, text.as_ref(), now)
                }
                Ask::AddUserId { id } => self.add_user_id(&certificate, id, now),
            }?;
        }
        let answer = CertifyAnswer {
            certificate: certificate.to_armored(),
        };
        Ok(Response::new(request, answer, moment(now))?)
    }

    /// Binds subkeys, each until its own end.
    ///
    /// # Errors
    ///
    /// [`CertifyError::Bind`] if a signing subkey has not agreed, [`CertifyError::SubkeyTwice`] if it is there already,
    /// [`CertifyError::ExpiresBefore`], [`CertifyError::Clock`], and the errors of every change:
    /// [`CertifyError::OtherCertificate`], [`CertifyError::Revoked`].
    pub fn bind(
        &self,
        certificate: &Certificate,
        subkeys: &[(ProvenSubkey, Timestamp)],
        now: Timestamp,
    ) -> Result<Certificate, CertifyError> {
        let (mut key, at) = self.begin(certificate, now)?;
        if subkeys.is_empty() {
            return Err(CertifyError::Nothing);
        }
        for (proven, expires) in subkeys {
            let subkey = proven.subkey();
            let fingerprint = subkey.fingerprint();
            proven.verify(self.public())?;
            let there = |s: &SignedPublicSubKey| Fingerprint::of(&s.key) == fingerprint;
            if key.public_subkeys.iter().any(there) {
                return Err(CertifyError::SubkeyTwice {
                    subkey: fingerprint,
                });
            }
            newer(subkey.created(), now, true)?;
            let lasts = lasts(subkey.packet().created_at(), *expires, now)?;
            let config = binding(
                self.public(),
                at,
                subkey.role(),
                lasts,
                proven.proof().cloned(),
            );
            let signature = config
                .sign_subkey_binding(self, self.public(), &Password::empty(), subkey.packet())
                .map_err(|_| ProviderFailure)?;
            key.public_subkeys.push(SignedPublicSubKey {
                key: subkey.packet().clone(),
                signatures: vec![signature],
            });
        }
        Ok(Certificate::verified(key)?)
    }

    /// Gives the primary key or subkeys another end, later or earlier. Expired ones can be renewed too.
    ///
    /// # Errors
    ///
    /// [`CertifyError::NoSuchSubkey`], [`CertifyError::SubkeyRevoked`], [`CertifyError::ExpiresBefore`],
    /// [`CertifyError::Clock`], and the errors of every change.
    pub fn renew(
        &self,
        certificate: &Certificate,
        what: &[Renewal],
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Certificate, CertifyError> {
        let (mut key, at) = self.begin(certificate, now)?;
        if what.is_empty() {
            return Err(CertifyError::Nothing);
        }
        for what in what {
            match what {
                Renewal::Primary => {
                    for view in certificate.user_ids() {
                        newer(view.certified, now, false)?;
                        let user = self.certified(&view.id, view.is_primary, now, expires)?;
                        let here = |u: &&mut SignedUser| u.id.id() == user.id.id();
                        let place = key.details.users.iter_mut().find(here);
                        let place = place.expect("the view was made of the key");
                        place.signatures.extend(user.signatures);
                    }
                }
                Renewal::Subkey(fingerprint) => {
                    self.renew_subkey(certificate, &mut key, *fingerprint, expires, (now, at))?;
                }
            }
        }
        Ok(Certificate::verified(key)?)
    }

    /// Revokes one subkey, for good.
    ///
    /// # Errors
    ///
    /// [`CertifyError::NoSuchSubkey`], [`CertifyError::SubkeyRevoked`], and the errors of every change.
    pub fn revoke_subkey(
        &self,
        certificate: &Certificate,
        subkey: Fingerprint,
        reason: RevocationReason,
        text: Option<&Reason>,
        now: Timestamp,
    ) -> Result<Certificate, CertifyError> {
        let (mut key, at) = self.begin(certificate, now)?;
        let place = place(certificate, &mut key, subkey)?;
        let text = text.map_or("", Reason::as_str);
        let signature = revocation(
            SignatureType::SubkeyRevocation,
            self.public(),
            at,
            reason,
            text,
        )
        .sign_subkey_binding(self, self.public(), &Password::empty(), &place.key)
        .map_err(|_| ProviderFailure)?;
        place.signatures.push(signature);
        Ok(Certificate::verified(key)?)
    }

    /// Revokes the whole certificate, for good.
    ///
    /// # Errors
    ///
    /// The errors of every change.
    pub fn revoke(
        &self,
        certificate: &Certificate,
        reason: RevocationReason,
        text: Option<&Reason>,
        now: Timestamp,
    ) -> Result<Certificate, CertifyError> {
        let (mut key, at) = self.begin(certificate, now)?;
        let text = text.map_or("", Reason::as_str);
        let signature = revocation(
            SignatureType::KeyRevocation,
            self.public(),
            at,
            reason,
            text,
        )
        .sign_key(self, &Password::empty(), self.public())
        .map_err(|_| ProviderFailure)?;
        key.details.revocation_signatures.push(signature);
        Ok(Certificate::verified(key)?)
    }

    /// Adds a user id, which lives as long as the primary key.
    ///
    /// # Errors
    ///
    /// [`CertifyError::UserIdTwice`], [`CertifyError::ExpiresBefore`] if the primary key has expired, and the errors of every change.
    pub fn add_user_id(
        &self,
        certificate: &Certificate,
        id: &UserId,
        now: Timestamp,
    ) -> Result<Certificate, CertifyError> {
        let (mut key, _) = self.begin(certificate, now)?;
        if certificate.user_ids().iter().any(|view| view.id == *id) {
            return Err(CertifyError::UserIdTwice { id: id.clone() });
        }
        let expires = certificate.expires().unwrap_or(Timestamp::from_seconds(
            i64::from(u32::MAX), // a primary key of ours always has an end
        ));
        key.details
            .users
            .push(self.certified(id, false, now, expires)?);
        Ok(Certificate::verified(key)?)
    }

    /// A user id with a certification.
    pub(super) fn certified(
        &self,
        id: &UserId,
        is_primary: bool,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<SignedUser, CertifyError> {
        let lasts = lasts(self.public().created_at(), expires, now)?;
        let id = UserIdPacket::from_str(PacketHeaderVersion::New, id.as_str())
            .map_err(|_| ProviderFailure)?;
        let signature = certification(self.public(), time::to_pgp(now)?, lasts, is_primary)
            .sign_certification(self, self.public(), &Password::empty(), Tag::UserId, &id)
            .map_err(|_| ProviderFailure)?;
        Ok(SignedUser::new(id, vec![signature]))
    }

    /// A new binding like the last one, with another end. A signing subkey need not agree again.
    fn renew_subkey(
        &self,
        certificate: &Certificate,
        key: &mut SignedPublicKey,
        subkey: Fingerprint,
        expires: Timestamp,
        (now, at): (Timestamp, PgpTime),
    ) -> Result<(), CertifyError> {
        let place = place(certificate, key, subkey)?;
        let view = certificate.subkey(subkey).expect("it has a place");
        newer(view.bound, now, false)?;
        let back = match view.role {
            SubkeyRole::Sign => {
                let mut signatures = place.signatures.iter().rev();
                signatures.find_map(Signature::embedded_signature).cloned()
            }
            _ => None,
        };
        let lasts = lasts(place.key.created_at(), expires, now)?;
        let signature = binding(self.public(), at, view.role, lasts, back)
            .sign_subkey_binding(self, self.public(), &Password::empty(), &place.key)
            .map_err(|_| ProviderFailure)?;
        place.signatures.push(signature);
        Ok(())
    }

    /// Begins a change of a certificate of this key that is not revoked.
    fn begin(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(SignedPublicKey, PgpTime), CertifyError> {
        let fingerprint = certificate.fingerprint();
        if fingerprint != self.fingerprint() {
            return Err(CertifyError::OtherCertificate {
                certificate: fingerprint,
                key: self.fingerprint(),
            });
        }
        if certificate.revoked().is_some() {
            return Err(CertifyError::Revoked {
                certificate: fingerprint,
            });
        }
        newer(certificate.created(), now, true)?;
        Ok((certificate.key().clone(), time::to_pgp(now)?))
    }
}

/// The subkey, if it can still be changed.
fn place<'a>(
    certificate: &Certificate,
    key: &'a mut SignedPublicKey,
    subkey: Fingerprint,
) -> Result<&'a mut SignedPublicSubKey, CertifyError> {
    match certificate.subkey(subkey) {
        None => Err(CertifyError::NoSuchSubkey { subkey }),
        Some(view) if view.revoked.is_some() => Err(CertifyError::SubkeyRevoked { subkey }),
        Some(_) => key
            .public_subkeys
            .iter_mut()
            .find(|s| Fingerprint::of(&s.key) == subkey)
            .ok_or(CertifyError::NoSuchSubkey { subkey }),
    }
}

/// Readers use the newest of several signatures, and compare times in seconds.
fn newer(last: Timestamp, now: Timestamp, or_same: bool) -> Result<(), CertifyError> {
    let is_newer = now.seconds() > last.seconds() || or_same && now.seconds() == last.seconds();
    if is_newer {
        Ok(())
    } else {
        Err(CertifyError::Clock { last, now })
    }
}

/// How long a key made `created` lasts if it is to end at `expires`.
fn lasts(created: PgpTime, expires: Timestamp, now: Timestamp) -> Result<Duration, CertifyError> {
    let end = time::to_pgp(expires)?;
    let lasts = time::span(created, end).filter(|_| expires > now);
    lasts.ok_or(CertifyError::ExpiresBefore { expires, now })
}
