//! The organisation's certificate authority: certificates over keys in the ledger, signed by a key in custody.

use std::time::Duration;

use aws_lc_rs::rand;
use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::MaterialContext;
use keyledger_domain::{
    Name, Rejection, Timestamp,
    key::{self, Certified, RevocationReason},
    token::{self, CertificateUsage, Holder, Slot, SlotPlan},
};

use crate::{
    shared::Shared,
    x509::{
        AlternativeName, AuthorityReach, Certificate, CertificateProfile,
        CertificateRevocationReason as Reason, DistinguishedName, ExtendedKeyUsage, Issuer,
        KeyUsage, NewCertificate, NewCrl, Revoked, SerialNumber, ToBeSigned,
    },
};

/// Certificates hold from a little before they are issued: clocks differ.
const BACKDATED: Duration = Duration::from_secs(300);
/// How long a CRL may be used.
const CRL_HOURS: i64 = 24 * 7;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertifyError {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Custody or the ledger does not give what it needs.
    #[error("{0}")]
    Failed(String),
}

fn failed(said: impl std::fmt::Display) -> CertifyError {
    CertifyError::Failed(said.to_string())
}

/// What a certificate is to say.
struct Wanted<'a> {
    issuer: &'a Name,
    subject: DistinguishedName,
    spki: &'a [u8],
    names: Vec<AlternativeName>,
    days: u16,
    profile: CertificateProfile,
}

/// Makes the certificate that `key certify` asks for.
pub(crate) async fn certify(
    shared: &Shared,
    name: &Name,
    certify: &key::Certify,
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let public_key = {
        let ledger = shared.live.ledger.read();
        let key = ledger.key(name).map(|e| &e.state);
        key.and_then(|key| key.newest()?.public_key.clone())
    };
    let public_key =
        public_key.ok_or_else(|| bad("issuer", "a symmetric key has no certificate"))?;
    let spki = BASE64.decode(public_key.as_bytes()).map_err(failed)?;
    let mut names = Vec::new();
    for (texts, make) in [
        (&certify.dns_names, AlternativeName::Dns as fn(String) -> _),
        (&certify.emails, AlternativeName::Email as fn(String) -> _),
    ] {
        let texts = texts.as_deref().unwrap_or_default();
        if texts.len() > 16 {
            return Err(Rejection::LimitReached {
                what: "names of a certificate",
                max: 16,
            }
            .into());
        }
        names.extend(texts.iter().cloned().map(make));
    }
    let wanted = Wanted {
        issuer: certify.issuer.as_ref().unwrap_or(name),
        subject: named([("CN", certify.subject.as_str())])?,
        spki: &spki,
        names,
        days: certify.days,
        profile: match certify.path_length {
            Some(length) => authority(length),
            None => leaf(certify.usages.as_deref().unwrap_or_default()),
        },
    };
    issue(shared, &wanted, certify.issuer.is_none(), now).await
}

/// Makes the certificate over a key in a slot.
pub(super) async fn for_slot(
    shared: &Shared,
    issuer: &Name,
    slot: Slot,
    plan: &SlotPlan,
    (holder, token): (&Holder, &Name),
    spki: &[u8],
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let Some(certificate) = &plan.certificate else {
        return Err(failed(format!(
            "slot {slot} has no certificate in its profile"
        )));
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
    let wanted = Wanted {
        issuer,
        subject: named(
            subject
                .iter()
                .map(|(it, value)| (it.as_str(), value.as_str())),
        )?,
        spki,
        names,
        days: certificate.days,
        profile,
    };
    issue(shared, &wanted, false, now).await
}

async fn issue(
    shared: &Shared,
    wanted: &Wanted<'_>,
    root: bool,
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let signing = Signing::of(shared, wanted.issuer, root.then_some(&wanted.subject))?;
    let not_before = Timestamp::from_seconds(now.seconds() - BACKDATED.as_secs() as i64);
    let mut not_after = Timestamp::from_seconds(now.plus_days(i64::from(wanted.days)).seconds());
    // Nothing outlives the authority that vouches for it.
    if let Some(end) = signing.not_after {
        not_after = not_after.min(end);
    }
    let serial_number = serial_number()?;
    let new = NewCertificate {
        serial_number: &serial_number,
        subject: &wanted.subject,
        spki: wanted.spki,
        alternative_names: &wanted.names,
        not_before,
        not_after,
        profile: &wanted.profile,
    };
    let to_be_signed = signing.issuer.certificate(&new);
    let to_be_signed = to_be_signed.map_err(|e| bad("subject", &e.to_string()))?;
    let der = signing.sign(shared, &to_be_signed).await?;
    Ok(Certified {
        issuer: wanted.issuer.clone(),
        serial: serial_number.to_string().into(),
        not_before,
        not_after,
        authority: wanted.profile.authority.is_some(),
        certificate: BASE64.encode(&der).into(),
    })
}

/// The list of what an authority's certificates were revoked, as DER: those over keys that were revoked and that have not
/// expired.
pub(crate) async fn crl(
    shared: &Shared,
    issuer: &Name,
    now: Timestamp,
) -> Result<Vec<u8>, CertifyError> {
    let signing = Signing::of(shared, issuer, None)?;
    let (entries, number) = {
        let ledger = shared.live.ledger.read();
        let mut entries = Vec::new();
        for (_, key) in ledger.keys() {
            let Some(revoked) = revoked(&key.state, now) else {
                continue;
            };
            for certified in key.state.certificates() {
                if certified.issuer != *issuer || certified.not_after < now {
                    continue;
                }
                let serial_number: SerialNumber = certified.serial.parse().map_err(failed)?;
                entries.push(Revoked {
                    serial_number,
                    ..revoked.clone()
                });
            }
        }
        entries.sort_by(|a, b| a.serial_number.cmp(&b.serial_number));
        // It rises with every event: no list is newer under an older number.
        (entries, ledger.events())
    };
    let new = NewCrl {
        number,
        this_update: Timestamp::from_seconds(now.seconds()),
        next_update: Timestamp::from_seconds(now.seconds() + CRL_HOURS * 3_600),
        entries: &entries,
    };
    let to_be_signed = signing.issuer.crl(&new).map_err(failed)?;
    signing.sign(shared, &to_be_signed).await
}

/// How a key was revoked, if its certificates are to be refused.
fn revoked(key: &key::Key, now: Timestamp) -> Option<Revoked> {
    use {RevocationReason as R, key::State as S};
    let (revoked_at, reason, invalid_since) = match (&key.revocation, key.state) {
        (Some(revocation), _) => (
            revocation.revoked_at,
            match revocation.reason {
                R::Unspecified => None,
                R::KeyCompromise => Some(Reason::KeyCompromise),
                R::CaCompromise => Some(Reason::CaCompromise),
                R::AffiliationChanged => Some(Reason::AffiliationChanged),
                R::Superseded => Some(Reason::Superseded),
                R::CessationOfOperation => Some(Reason::CessationOfOperation),
                R::PrivilegeWithdrawn => Some(Reason::PrivilegeWithdrawn),
            },
            revocation.compromise_occurred_at,
        ),
        (None, S::Deactivated | S::Destroyed | S::DestroyedCompromised | S::Compromised) => {
            let at = key.deactivated_at.or(key.destroyed_at)?;
            (at, Some(Reason::CessationOfOperation), None)
        }
        // A suspension is not dated in the state: the hold counts from the list that says so.
        (None, S::Suspended) => (now, Some(Reason::CertificateHold), None),
        (None, S::PreActive | S::Active) => return None,
    };
    Some(Revoked {
        serial_number: SerialNumber::from_random([0; 16]),
        revoked_at,
        reason,
        invalid_since,
    })
}

/// An authority that is ready to sign.
struct Signing {
    issuer: Issuer,
    not_after: Option<Timestamp>,
    entry: Box<str>,
    context: MaterialContext,
    algorithm: keyledger_domain::Algorithm,
}

impl Signing {
    /// The key `name`; as a root under `root`, where it certifies itself.
    fn of(
        shared: &Shared,
        name: &Name,
        root: Option<&DistinguishedName>,
    ) -> Result<Self, CertifyError> {
        let ledger = shared.live.ledger.read();
        let key = ledger.key(name).map(|e| &e.state);
        let key = key.ok_or_else(|| bad("issuer", &format!("there is no key {name}")))?;
        let version = key
            .newest()
            .ok_or_else(|| failed("the key has no version"))?;
        let entry = version.entry.clone();
        let entry = entry.ok_or_else(|| bad("issuer", "its secret half is not in custody here"))?;
        let (issuer, not_after) = if let Some(root) = root {
            let public_key = version
                .public_key
                .as_ref()
                .ok_or_else(|| failed("no public key"))?;
            let spki = BASE64.decode(public_key.as_bytes()).map_err(failed)?;
            let issuer = Issuer::new_root(root, &spki);
            (issuer.map_err(|e| bad("issuer", &e.to_string()))?, None)
        } else {
            let certified = key.authority();
            let certified = certified.ok_or_else(|| bad("issuer", "it is no authority"))?;
            let der = BASE64
                .decode(certified.certificate.as_bytes())
                .map_err(failed)?;
            let certificate = Certificate::from_der(&der).map_err(failed)?;
            (
                Issuer::of(&certificate).map_err(failed)?,
                Some(certified.not_after),
            )
        };
        Ok(Self {
            issuer,
            not_after,
            entry,
            context: MaterialContext {
                key: name.clone(),
                version: version.number,
                purposes: key.purposes,
            },
            algorithm: key.algorithm,
        })
    }

    async fn sign(
        &self,
        shared: &Shared,
        to_be_signed: &ToBeSigned,
    ) -> Result<Vec<u8>, CertifyError> {
        let sealed = shared.materials.read(&self.entry).await.map_err(failed)?;
        let sealed = sealed.ok_or_else(|| failed(format!("entry {} is gone", self.entry)))?;
        let custody = &shared.custody;
        let signature = custody.sign(&sealed, &self.context, self.algorithm, to_be_signed.bytes());
        to_be_signed
            .finish(&signature.map_err(failed)?)
            .map_err(failed)
    }
}

fn serial_number() -> Result<SerialNumber, CertifyError> {
    let mut random = [0; 16];
    rand::fill(&mut random).map_err(failed)?;
    Ok(SerialNumber::from_random(random))
}

fn named<'a>(
    parts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<DistinguishedName, CertifyError> {
    DistinguishedName::from_parts(parts).map_err(|e| bad("subject", &e.to_string()))
}

fn authority(path_length: u8) -> CertificateProfile {
    CertificateProfile {
        key_usages: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
        authority: Some(AuthorityReach {
            path_length: Some(path_length),
        }),
        ..CertificateProfile::default()
    }
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

/// SHA-256 in hex of a certificate in base64 of DER.
pub(super) fn fingerprint(certificate: &str) -> Option<Box<str>> {
    let der = BASE64.decode(certificate.as_bytes()).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    Some(HEXLOWER.encode(&certificate.sha256()).into())
}

fn bad(field: &'static str, fault: &str) -> CertifyError {
    Rejection::BadValue {
        field,
        fault: fault.to_owned(),
    }
    .into()
}
