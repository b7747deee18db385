//! What a certificate is to say, and its bytes for an authority to sign.

use aws_lc_rs::rand;
use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp,
    key::{CertificateUsage, Certification, Certified},
    name::HistoryId,
    token::{self, Holder, Slot, SlotPlan},
};
use keyledger_pki::x509::{
    AlternativeName, BACKDATED_SECONDS, CertificateProfile, DistinguishedName, ExtendedKeyUsage,
    IssueError, Issuer, KeyUsage, NewCertificate, SerialNumber, ToBeSigned,
};

use super::{
    authority::{other_name, read},
    dates::moment,
    error::{CertifyError, bad},
    requests,
};

/// What a certificate is to say.
pub(super) struct WantedCertificate<'a> {
    pub(super) issuer: &'a Name,
    pub(super) subject: DistinguishedName,
    spki: &'a [u8],
    names: Vec<AlternativeName>,
    until: Timestamp,
    pub(super) profile: CertificateProfile,
}

/// A certificate before its signature.
pub(super) struct CertificateDraft {
    pub(super) to_be_signed: ToBeSigned,
    pub(super) serial_number: SerialNumber,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl<'a> WantedCertificate<'a> {
    /// What `certify` asks for over the public key of the key `name`.
    pub(super) fn of(
        name: &'a Name,
        wanted: &'a Certification,
        spki: &'a [u8],
        crl_url: Option<String>,
        now: Timestamp,
    ) -> Result<Self, CertifyError> {
        if let Some(request) = &wanted.request {
            requests::check(request, spki)?;
        }
        let mut names = Vec::new();
        let dns = wanted.dns_names.iter().flatten();
        names.extend(dns.map(|name| AlternativeName::Dns(name.as_str().to_owned())));
        let ip = wanted.ip_addresses.iter().flatten();
        names.extend(ip.map(|address| AlternativeName::Ip(address.get())));
        let emails = wanted.emails.iter().flatten();
        names.extend(emails.map(|email| AlternativeName::Email(email.as_str().to_owned())));
        let profile = match wanted.path_length {
            Some(length) => CertificateProfile::authority(length),
            None => leaf(wanted.usages.as_deref().unwrap_or_default()),
        };
        Ok(Self {
            issuer: wanted.issuer.as_ref().unwrap_or(name),
            subject: subject(wanted.subject.as_str())?,
            spki,
            names,
            until: wanted.end(now)?,
            profile: CertificateProfile {
                // Of its own certificate a root gives no list.
                crl_url: crl_url.filter(|_| wanted.issuer.is_some()),
                ..profile
            },
        })
    }

    /// What a profile plans for a slot of a token.
    pub(super) fn for_slot(
        issuer: &'a Name,
        slot: Slot,
        plan: &SlotPlan,
        (holder, token): (&Holder, &Name),
        spki: &'a [u8],
        crl_url: Option<String>,
        now: Timestamp,
    ) -> Result<Self, CertifyError> {
        let Some(certificate) = &plan.certificate else {
            return Err(CertifyError::NotPlanned(slot));
        };
        let subject = token::subject(&certificate.subject, holder, token)?;
        let mut names = Vec::new();
        if let Some(email) = &holder.email {
            names.push(AlternativeName::Email(email.as_str().to_owned()));
            if certificate
                .usages
                .contains(&CertificateUsage::SmartcardLogon)
            {
                names.push(AlternativeName::Upn(email.as_str().to_owned()));
            }
        }
        let mut profile = leaf(&certificate.usages);
        if slot == Slot::KEY_MANAGEMENT {
            profile.key_usages = vec![KeyUsage::KeyAgreement];
            if spki.len() > 200 {
                profile.key_usages = vec![KeyUsage::KeyEncipherment];
            }
        }
        profile.crl_url = crl_url;
        Ok(Self {
            issuer,
            subject: named(
                subject
                    .iter()
                    .map(|(it, value)| (it.as_str(), value.as_str())),
            )?,
            spki,
            names,
            until: now.plus_days(i64::from(certificate.days)),
            profile,
        })
    }

    /// The certificate for `issuer`, whose own one holds so long, to sign.
    pub(super) fn draft(
        &self,
        issuer: &Issuer,
        holds: Option<(Timestamp, Timestamp)>,
        now: Timestamp,
    ) -> Result<CertificateDraft, CertifyError> {
        let (not_before, not_after) = period(self.until, holds, now);
        if not_after <= now {
            return Err(bad(
                "issuer",
                "its certificate ends now, or has ended: renew that first",
            ));
        }
        let serial_number = serial_number()?;
        let new = NewCertificate {
            serial_number: &serial_number,
            subject: &self.subject,
            spki: self.spki,
            alternative_names: &self.names,
            not_before: moment(not_before),
            not_after: moment(not_after),
            profile: &self.profile,
        };
        let to_be_signed = issuer.certificate(&new).map_err(refused)?;
        Ok(CertificateDraft {
            to_be_signed,
            serial_number,
            not_before,
            not_after,
        })
    }

    /// An authority keeps its name, as it stands in its last certificate, which another program may have made: what it issued and
    /// its lists name it.
    pub(super) fn keep_name(
        &mut self,
        ledger: &Ledger,
        name: &Name,
        now: Timestamp,
    ) -> Result<(), CertifyError> {
        if self.profile.authority.is_none() {
            return Ok(());
        }
        let key = ledger.key(name).map(|e| &e.state);
        let Some(before) = key.and_then(|key| key.lists_under(now)) else {
            return Ok(());
        };
        let before = read(before)?;
        if before.subject() != self.subject.to_string() {
            return Err(other_name(&before, "subject"));
        }
        self.subject = before.distinguished_name();
        Ok(())
    }
}

/// A certificate as a decision can be tried with, before anything is made. It ends with its authority's, as the real one will.
pub(crate) fn placeholder(
    ledger: &Ledger,
    target: &HistoryId,
    wanted: &Certification,
    now: Timestamp,
) -> Result<Certified, Rejection> {
    let issuer = wanted.issuer.as_ref().and_then(|issuer| ledger.key(issuer));
    let authority = issuer.and_then(|issuer| issuer.state.authority_at(now));
    let until = wanted.end(now)?;
    Ok(Certified {
        issuer: wanted.issuer.as_ref().unwrap_or(&target.name).clone(),
        serial: Box::default(),
        not_before: now,
        not_after: authority.map_or(until, |above| above.not_after.min(until)),
        authority: wanted.path_length.is_some(),
        certificate: Box::default(),
    })
}

/// From when and until when a certificate holds: nothing outlives the authority that vouches for it, or was there before it.
fn period(
    until: Timestamp,
    holds: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    let not_before = Timestamp::from_seconds(now.seconds() - BACKDATED_SECONDS);
    let not_after = Timestamp::from_seconds(until.seconds());
    match holds {
        Some((from, until)) => (not_before.max(from), not_after.min(until)),
        None => (not_before, not_after),
    }
}

fn serial_number() -> Result<SerialNumber, CertifyError> {
    let mut random = [0; 16];
    rand::fill(&mut random)?;
    Ok(SerialNumber::from_random(random))
}

fn subject(text: &str) -> Result<DistinguishedName, CertifyError> {
    DistinguishedName::of_subject(text).map_err(|e| bad("subject", &e.to_string()))
}

fn named<'a>(
    parts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<DistinguishedName, CertifyError> {
    DistinguishedName::from_parts(parts).map_err(|e| bad("subject", &e.to_string()))
}

/// What cannot be issued, under the field that asked for it.
fn refused(error: IssueError) -> CertifyError {
    use IssueError as E;
    let field = match &error {
        E::Key(_) => "public_key",
        E::NotAnAuthority { .. } => "issuer",
        E::PathLength { .. } => "path_length",
        E::NotItsOwn | E::NamedAsIssuer | E::TooLong { .. } => "subject",
        E::Period { .. } | E::OutlivesIssuer { .. } => "until",
        E::AuthorityUsage | E::UnfitUsage { .. } | E::Repeated { .. } => "usages",
        E::AlternativeName { .. } | E::TooMany { .. } => "dns_names",
        // Of the service's own configuration, of its lists, of its numbers.
        E::CrlUrl { .. } | E::RevokedTwice { .. } | E::Encoding(_) => return error.into(),
    };
    bad(field, &error.to_string())
}

fn leaf(usages: &[CertificateUsage]) -> CertificateProfile {
    use {CertificateUsage as U, ExtendedKeyUsage as E};
    let mut key_usages = vec![KeyUsage::DigitalSignature];
    if usages.contains(&U::DocumentSigning) {
        key_usages.push(KeyUsage::ContentCommitment);
    }
    let extended = usages.iter().filter_map(|usage| {
        Some(match usage {
            U::ClientAuth => E::ClientAuth,
            U::ServerAuth => E::ServerAuth,
            U::EmailProtection => E::EmailProtection,
            U::SmartcardLogon => E::SmartcardLogon,
            U::CodeSigning => E::CodeSigning,
            U::DocumentSigning => return None,
        })
    });
    CertificateProfile {
        key_usages,
        extended_key_usages: extended.collect(),
        ..CertificateProfile::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match subject(text) {
            Ok(name) => name.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn a_subject_is_a_common_name_or_a_whole_name() {
        assert_eq!(said("Example Root CA"), "CN=Example Root CA");
        assert_eq!(said("CN=Ada,O=Example"), "CN=Ada,O=Example");
        assert_eq!(said("CN = Ada, O = Example"), "CN=Ada,O=Example");
        assert_eq!(said("1 + 1 = 2"), "CN=1 \\+ 1 \\= 2".replace("\\=", "="));
        for (bad, words) in [
            ("CN=Ada,Example", "not a name"),
            ("CN=Ada,XX=Example", "no \"XX\" here"),
            ("CN=", "1 to 64"),
            (&format!("CN={}", "x".repeat(65)), "1 to 64"),
            (&"x".repeat(65), "1 to 64"),
        ] {
            let said = said(bad);
            assert!(said.contains(words), "{bad}: {said}");
            assert!(said.contains("field subject"), "{said}");
        }
    }
}
