//! The organisation's certificate authority: certificates over keys in the ledger, signed by a key in custody.

use data_encoding::BASE64;
use keyledger_custody::{MadeKey, MaterialContext, SecretHalf};
use keyledger_domain::{
    Ledger, Name, Timestamp,
    key::{Certification, Certified, Material},
    ledger::KEPT_ELSEWHERE,
    token::{Holder, Slot, SlotPlan},
};
use keyledger_pki::x509::{DistinguishedName, IssueError, Issuer, ToBeSigned};
use uuid::Uuid;

use super::{
    authority::{authority_of, is_elsewhere, lists_under, no_key, public_key, read},
    dates::period,
    error::{CertifyError, bad},
    wanted::WantedCertificate,
};
use crate::{shared::Shared, signers::KeyPlace};

/// Makes the certificate that `certify` asks for over a public key, that of the key `name`, which is in the ledger or comes to be.
pub(crate) async fn certify(
    shared: &Shared,
    name: &Name,
    certify: &Certification,
    spki: &[u8],
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let mut wanted = WantedCertificate::of(name, certify, spki, shared.crl_url(certify), now)?;
    wanted.keep_name(&shared.live.ledger.read(), name, now)?;
    let root = certify.issuer.is_none().then_some(&wanted.subject);
    let signing = SigningAuthority::of(shared, wanted.issuer, root, now)?;
    issue(shared, &wanted, &signing, now).await
}

/// Makes the certificate of a key that custody has just made, and that is not in the ledger yet. Nothing, if its issuer is kept
/// elsewhere: then it is only tried whether it could be put before that.
pub(crate) async fn certify_new(
    shared: &Shared,
    new: NewKey<'_>,
    certify: &Certification,
    now: Timestamp,
) -> Result<Option<Certified>, CertifyError> {
    let public_key = new.made.public.public_key.as_ref();
    let public_key =
        public_key.ok_or_else(|| bad("certify", "a symmetric key has no certificate"))?;
    let spki = BASE64.decode(public_key.as_bytes())?;
    let name = &new.context.key;
    let wanted = WantedCertificate::of(name, certify, &spki, shared.crl_url(certify), now)?;
    let signing = match &certify.issuer {
        None => SigningAuthority::new_root(new, &wanted.subject, &spki)?,
        Some(issuer) if is_elsewhere(&shared.live.ledger.read(), issuer) => {
            let certificate = authority_of(&shared.live.ledger.read(), issuer, now)?;
            let holds = period(&certificate);
            let issuer = Issuer::of(&certificate)?;
            wanted.draft(&issuer, Some(holds), now)?;
            return Ok(None);
        }
        Some(issuer) => SigningAuthority::of(shared, issuer, None, now)?,
    };
    Ok(Some(issue(shared, &wanted, &signing, now).await?))
}

/// A key that custody has made.
#[derive(Clone, Copy)]
pub(crate) struct NewKey<'a> {
    /// What its material is bound to.
    pub(crate) context: &'a MaterialContext,
    /// The key.
    pub(crate) made: &'a MadeKey,
}

/// Makes the certificate over a key in a slot.
pub(crate) async fn for_slot(
    shared: &Shared,
    issuer: &Name,
    slot: Slot,
    plan: &SlotPlan,
    whose: (&Holder, &Name),
    spki: &[u8],
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let crl_url = shared.crl_url_of(issuer);
    let wanted = WantedCertificate::for_slot(issuer, slot, plan, whose, spki, crl_url, now)?;
    let signing = SigningAuthority::of(shared, issuer, None, now)?;
    issue(shared, &wanted, &signing, now).await
}

async fn issue(
    shared: &Shared,
    wanted: &WantedCertificate<'_>,
    signing: &SigningAuthority,
    now: Timestamp,
) -> Result<Certified, CertifyError> {
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

/// An authority that is ready to sign.
pub(super) struct SigningAuthority {
    pub(super) issuer: Issuer,
    /// From when and until when its own certificate holds.
    holds: Option<(Timestamp, Timestamp)>,
    place: KeyPlace,
    /// The secret half, if the key was just made and is written nowhere yet.
    new: Option<SecretHalf>,
}

impl SigningAuthority {
    /// The key `name`, to issue; as a root under `root`, where it certifies itself.
    fn of(
        shared: &Shared,
        name: &Name,
        root: Option<&DistinguishedName>,
        now: Timestamp,
    ) -> Result<Self, CertifyError> {
        let ledger = shared.live.ledger.read();
        let (issuer, holds) = if let Some(root) = root {
            (root_of(&ledger, name, root, now)?, None)
        } else {
            let certificate = authority_of(&ledger, name, now)?;
            let holds = period(&certificate);
            (Issuer::of(&certificate)?, Some(holds))
        };
        Self::under(&ledger, name, issuer, holds)
    }

    /// The key `name`, to sign the list of what it issued: also after its last certificate has ended.
    pub(super) fn of_list(
        shared: &Shared,
        name: &Name,
        now: Timestamp,
    ) -> Result<Self, CertifyError> {
        let ledger = shared.live.ledger.read();
        let certificate = lists_under(&ledger, name, now)?;
        let holds = period(&certificate);
        let issuer = Issuer::of(&certificate)?;
        Self::under(&ledger, name, issuer, Some(holds))
    }

    fn under(
        ledger: &Ledger,
        name: &Name,
        issuer: Issuer,
        holds: Option<(Timestamp, Timestamp)>,
    ) -> Result<Self, CertifyError> {
        let key = ledger.key(name).map(|e| &e.state);
        let key = key.ok_or_else(|| no_key(name))?;
        if key.state.is_destroyed() {
            return Err(bad(
                "issuer",
                "its key was destroyed, and nothing is signed with it any more: the list that it signed last holds until its end",
            ));
        }
        let version = key
            .newest()
            .ok_or_else(|| CertifyError::NoAuthority(name.clone()))?;
        let entry = version.material.as_ref().and_then(Material::entry);
        let entry = entry.ok_or_else(|| bad("issuer", KEPT_ELSEWHERE))?;
        Ok(Self {
            issuer,
            holds,
            place: KeyPlace {
                entry: entry.into(),
                context: MaterialContext {
                    key: name.clone(),
                    version: version.number,
                    purposes: key.purposes,
                },
            },
            new: None,
        })
    }

    /// A root to be, whose key was just made.
    fn new_root(
        new: NewKey<'_>,
        subject: &DistinguishedName,
        spki: &[u8],
    ) -> Result<Self, CertifyError> {
        let issuer = Issuer::new_root(subject, spki).map_err(|e| bad("issuer", &e.to_string()))?;
        Ok(Self {
            issuer,
            holds: None,
            place: KeyPlace {
                // A place that no key ever had: it is closed again as soon as it has signed.
                entry: format!("new.{}", Uuid::now_v7().simple()).into(),
                context: new.context.clone(),
            },
            new: Some(new.made.secret.clone()),
        })
    }

    /// Has custody sign: the certificate in DER.
    async fn sign(
        &self,
        shared: &Shared,
        to_be_signed: &ToBeSigned,
    ) -> Result<Vec<u8>, CertifyError> {
        let signature = self.signature(shared, to_be_signed).await?;
        Ok(to_be_signed.finish(&signature)?)
    }

    /// Has custody sign: the signature.
    pub(super) async fn signature(
        &self,
        shared: &Shared,
        to_be_signed: &ToBeSigned,
    ) -> Result<Vec<u8>, CertifyError> {
        let message = to_be_signed.bytes();
        let Some(secret) = &self.new else {
            return Ok(shared.signers.sign(&self.place, message).await?);
        };
        let (custodian, entry) = (&shared.custodian, &self.place.entry);
        custodian.open(entry, secret, &self.place.context).await?;
        let signature = custodian.sign(entry, message).await;
        custodian.destroy(entry).await?;
        Ok(signature?)
    }
}

/// A root that signs its own certificate: its first one as `subject`, or the next.
fn root_of(
    ledger: &Ledger,
    name: &Name,
    subject: &DistinguishedName,
    now: Timestamp,
) -> Result<Issuer, CertifyError> {
    let key = ledger.key(name).map(|e| &e.state);
    let issuer = match key.and_then(|key| key.lists_under(now)) {
        Some(before) => Issuer::renewing(&read(before)?),
        None => Issuer::new_root(subject, &public_key(ledger, name)?).map_err(IssueError::from),
    };
    issuer.map_err(|e| bad("issuer", &e.to_string()))
}
