//! The organisation's certificate authority: certificates over keys in the ledger, signed by a key in custody.

use std::time::Duration;

use aws_lc_rs::rand;
use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::MaterialContext;
use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp,
    key::{self, Certified},
    ledger::KEPT_ELSEWHERE,
    name::{Aggregate, HistoryId},
    token::{self, CertificateUsage, Holder, Slot, SlotPlan},
};

use crate::{
    material::MaterialError,
    shared::Shared,
    x509::{
        AlternativeName, AuthorityReach, Certificate, CertificateProfile, DistinguishedName,
        ExtendedKeyUsage, Issuer, KeyUsage, NewCertificate, SerialNumber, ToBeSigned,
    },
};

/// Certificates hold from a little before they are issued: clocks differ.
const BACKDATED: Duration = Duration::from_secs(300);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// A rule says no: the rejection says what to do.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The issuer's material was not read: the source says what to do.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// Custody or the ledger does not give what it needs: report it.
    #[error("{0}")]
    Failed(String),
}

pub(super) fn failed(said: impl std::fmt::Display) -> CertifyError {
    CertifyError::Failed(said.to_string())
}

/// What a certificate is to say.
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a Name,
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
    let spki = public_key(&shared.live.ledger.read(), name)?;
    let wanted = Wanted::of(name, certify, &spki)?;
    issue(shared, &wanted, certify.issuer.is_none(), now).await
}

/// The certificate of a new root whose key is on no server, for that key to sign: as `key certify` would make it in custody.
///
/// # Errors
///
/// [`CertifyError::Rejected`] if it cannot be called so or its key cannot sign; [`CertifyError::Failed`] if there is no
/// random number for its serial.
pub fn new_root(
    subject: &str,
    spki: &[u8],
    days: u16,
    now: Timestamp,
) -> Result<ToBeSigned, CertifyError> {
    let subject = named([("CN", subject)])?;
    let issuer = Issuer::new_root(&subject, spki).map_err(|e| bad("issuer", &e.to_string()))?;
    let (not_before, not_after) = period(days, None, now);
    let new = NewCertificate {
        serial_number: &serial_number()?,
        subject: &subject,
        spki,
        alternative_names: &[],
        not_before,
        not_after,
        profile: &authority(1),
    };
    issuer
        .certificate(&new)
        .map_err(|e| bad("subject", &e.to_string()))
}

/// The newest public key of the key `name`, as SubjectPublicKeyInfo in DER.
pub(super) fn public_key(ledger: &Ledger, name: &Name) -> Result<Vec<u8>, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let key =
        key.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, name.clone())))?;
    let public_key = key.newest().and_then(|newest| newest.public_key.as_ref());
    let public_key =
        public_key.ok_or_else(|| bad("issuer", "a symmetric key has no certificate"))?;
    BASE64.decode(public_key.as_bytes()).map_err(failed)
}

impl<'a> Wanted<'a> {
    /// What `certify` asks for over the public key of the key `name`.
    pub(super) fn of(
        name: &'a Name,
        certify: &'a key::Certify,
        spki: &'a [u8],
    ) -> Result<Self, CertifyError> {
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
        Ok(Self {
            issuer: certify.issuer.as_ref().unwrap_or(name),
            subject: named([("CN", certify.subject.as_str())])?,
            spki,
            names,
            days: certify.days,
            profile: match certify.path_length {
                Some(length) => authority(length),
                None => leaf(certify.usages.as_deref().unwrap_or_default()),
            },
        })
    }
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
    let draft = wanted.draft(&signing.issuer, signing.holds, now)?;
    let der = signing.sign(shared, &draft.to_be_signed).await?;
    Ok(Certified {
        issuer: wanted.issuer.clone(),
        serial: draft.serial_number.to_string().into(),
        not_before: draft.not_before,
        not_after: draft.not_after,
        authority: wanted.profile.authority.is_some(),
        certificate: BASE64.encode(&der).into(),
    })
}

/// A certificate before its signature.
pub(super) struct Draft {
    pub(super) to_be_signed: ToBeSigned,
    serial_number: SerialNumber,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Wanted<'_> {
    /// The certificate for `issuer`, whose own one holds so long, to sign.
    pub(super) fn draft(
        &self,
        issuer: &Issuer,
        holds: Option<(Timestamp, Timestamp)>,
        now: Timestamp,
    ) -> Result<Draft, CertifyError> {
        let (not_before, not_after) = period(self.days, holds, now);
        let serial_number = serial_number()?;
        let new = NewCertificate {
            serial_number: &serial_number,
            subject: &self.subject,
            spki: self.spki,
            alternative_names: &self.names,
            not_before,
            not_after,
            profile: &self.profile,
        };
        let to_be_signed = issuer.certificate(&new);
        Ok(Draft {
            to_be_signed: to_be_signed.map_err(|e| bad("subject", &e.to_string()))?,
            serial_number,
            not_before,
            not_after,
        })
    }
}

/// An authority that is ready to sign.
pub(super) struct Signing {
    pub(super) issuer: Issuer,
    /// From when and until when its own certificate holds.
    holds: Option<(Timestamp, Timestamp)>,
    entry: Box<str>,
    context: MaterialContext,
    algorithm: keyledger_domain::Algorithm,
}

impl Signing {
    /// The key `name`; as a root under `root`, where it certifies itself.
    pub(super) fn of(
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
        let entry = entry.ok_or_else(|| bad("issuer", KEPT_ELSEWHERE))?;
        let (issuer, holds) = if let Some(root) = root {
            let issuer = Issuer::new_root(root, &public_key(&ledger, name)?);
            (issuer.map_err(|e| bad("issuer", &e.to_string()))?, None)
        } else {
            let certificate = authority_of(&ledger, name)?;
            let holds = (certificate.not_before(), certificate.not_after());
            (Issuer::of(&certificate).map_err(failed)?, Some(holds))
        };
        Ok(Self {
            issuer,
            holds,
            entry,
            context: MaterialContext {
                key: name.clone(),
                version: version.number,
                purposes: key.purposes,
            },
            algorithm: key.algorithm,
        })
    }

    /// Has custody sign.
    pub(super) async fn sign(
        &self,
        shared: &Shared,
        to_be_signed: &ToBeSigned,
    ) -> Result<Vec<u8>, CertifyError> {
        let sealed = shared.materials.read(&self.entry).await?;
        let sealed = sealed.ok_or_else(|| failed(format!("entry {} is gone", self.entry)))?;
        let custody = &shared.custody;
        let signature = custody.sign(&sealed, &self.context, self.algorithm, to_be_signed.bytes());
        to_be_signed
            .finish(&signature.map_err(failed)?)
            .map_err(failed)
    }
}

/// The certificate under which the key `name` issues.
pub(super) fn authority_of(ledger: &Ledger, name: &Name) -> Result<Certificate, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let key = key.ok_or_else(|| bad("issuer", &format!("there is no key {name}")))?;
    let certified = key.authority();
    let certified = certified.ok_or_else(|| bad("issuer", "it is no authority"))?;
    let der = BASE64.decode(certified.certificate.as_bytes());
    Certificate::from_der(&der.map_err(failed)?).map_err(failed)
}

/// From when and until when a certificate of so many days holds: nothing outlives the authority that vouches for it, or was
/// there before it.
fn period(
    days: u16,
    holds: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    let not_before = Timestamp::from_seconds(now.seconds() - BACKDATED.as_secs() as i64);
    let not_after = Timestamp::from_seconds(now.plus_days(i64::from(days)).seconds());
    match holds {
        Some((from, until)) => (not_before.max(from), not_after.min(until)),
        None => (not_before, not_after),
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

pub(super) fn bad(field: &'static str, fault: &str) -> CertifyError {
    Rejection::BadValue {
        field,
        fault: fault.to_owned(),
    }
    .into()
}
