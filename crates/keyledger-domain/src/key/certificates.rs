//! The certificates over a key: which of them hold, which were revoked one by one, and how long the key lives for them.

use super::{CertificateRevocation, CertificateRevoked, Certified, Key, State};
use crate::time::Timestamp;

impl Key {
    /// The certificates over it, oldest first.
    pub fn certificates(&self) -> impl DoubleEndedIterator<Item = &Certified> {
        self.certificates.iter().flat_map(|all| all.iter())
    }

    /// How a certificate over it was revoked, if it was revoked by itself.
    #[must_use]
    pub fn revocation_of(&self, certified: &Certified) -> Option<&CertificateRevocation> {
        let mut revoked = self.revoked_certificates.iter().flat_map(|all| all.iter());
        revoked.find(|it| it.issuer == certified.issuer && it.serial == certified.serial)
    }

    /// True if it ever was an authority: one of its certificates says so.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.certificates().any(|c| c.authority)
    }

    /// The certificate under which it issues others at `now`: the newest that holds.
    #[must_use]
    pub fn authority_at(&self, now: Timestamp) -> Option<&Certified> {
        let holds = |c: &&Certified| c.not_after > now && self.revocation_of(c).is_none();
        self.certificates().rev().find(|c| c.authority && holds(c))
    }

    /// The certificate under which it signs lists of revoked certificates at `now`: the newest that holds, or else the last that
    /// held. A list can be needed after the authority's own end.
    #[must_use]
    pub fn lists_under(&self, now: Timestamp) -> Option<&Certified> {
        self.authority_at(now).or_else(|| {
            let authorities = self.certificates().filter(|c| c.authority);
            authorities.max_by_key(|c| c.not_after)
        })
    }

    /// The end of the last certificate over it that was not revoked.
    #[must_use]
    pub fn certified_until(&self) -> Option<Timestamp> {
        let stands = |c: &&Certified| self.revocation_of(c).is_none();
        self.certificates()
            .filter(stands)
            .map(|c| c.not_after)
            .max()
    }

    /// True if nothing but the clock ended it: its originator-usage period was over. Nobody revoked it then.
    #[must_use]
    pub fn ended_by_clock(&self) -> bool {
        let over = self
            .protect_stop_at
            .zip(self.deactivated_at)
            .is_some_and(|(stop, at)| stop <= at);
        self.state == State::Deactivated && self.revocation.is_none() && over
    }

    /// When its rotation falls due. Of an authority never: what it signed names its key, so it is not rotated; nor of a key
    /// that has left its history's hands, on a token or offline.
    #[must_use]
    pub fn rotation_due(&self) -> Option<Timestamp> {
        let rotates = self.custodian.rotates() && !self.is_authority();
        self.rotation_due_at.filter(|_| rotates)
    }

    /// The end of its certificates, where its own lies before it.
    pub(super) fn outlived_until(&self) -> Option<Timestamp> {
        let until = self.certified_until()?;
        self.protect_stop_at.filter(|stop| *stop < until)?;
        Some(until)
    }

    pub(super) fn certified(&mut self, certified: &Certified) {
        self.certificates
            .get_or_insert_default()
            .push(certified.clone());
        if certified.authority {
            self.rotation_overdue = false;
        }
    }

    pub(super) fn certificate_revoked(&mut self, revoked: &CertificateRevoked) {
        self.revoked_certificates
            .get_or_insert_default()
            .push(CertificateRevocation {
                issuer: revoked.issuer.clone(),
                serial: revoked.serial.clone(),
                reason: revoked.revocation_reason,
                revoked_at: revoked.revoked_at,
            });
    }
}
