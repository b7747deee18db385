//! Authorities whose secret half is kept elsewhere: what they are to sign, and what they signed.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use keyledger_domain::{
    Name, Rejection, Timestamp,
    key::{self, Certified},
    pem,
    text::in_full,
};
use keyledger_pki::x509::{Certificate, Issuer, ToBeSigned, check_root};
use keyledger_wire::query;

use super::{
    authority::{authority_of, check_same_name, lists_under, public_key},
    dates::period,
    error::{CertifyError, bad},
    list_pages::{ListPlace, changed},
    lists::list,
    wanted::WantedCertificate,
};
use crate::shared::Shared;

/// How long a list that is signed elsewhere may be used, in days: at most, and unless it is said. The Baseline Requirements
/// §4.9.7 have an offline authority's list renewed within a year; half of that leaves time to be late.
const LIST_DAYS: (u16, u16) = (366, 180);

/// The bytes of the certificate that `certify` asks for, for its issuer to sign elsewhere.
pub(crate) fn to_be_signed(
    shared: &Shared,
    name: &Name,
    certify: &key::Certify,
    now: Timestamp,
) -> Result<query::ToBeSigned, CertifyError> {
    let ledger = shared.live.ledger.read();
    let certify = certify.certification();
    ledger
        .reader()
        .check_certify_elsewhere(name, &certify, now)?;
    let spki = public_key(&ledger, name)?;
    let mut wanted = WantedCertificate::of(name, &certify, &spki, shared.crl_url(&certify), now)?;
    wanted.keep_name(&ledger, name, now)?;
    let (certificate, issuer, holds) = if certify.issuer.is_none() {
        let before = lists_under(&ledger, name, now)?;
        let issuer = Issuer::renewing(&before)?;
        (before, issuer, None)
    } else {
        let certificate = authority_of(&ledger, wanted.issuer, now)?;
        let issuer = Issuer::of(&certificate)?;
        let holds = period(&certificate);
        (certificate, issuer, Some(holds))
    };
    let draft = wanted.draft(&issuer, holds, now)?;
    Ok(answer(wanted.issuer, &certificate, &draft.to_be_signed))
}

/// The bytes of the list of revoked certificates, for `issuer` to sign elsewhere.
pub(crate) fn crl_to_be_signed(
    shared: &Shared,
    issuer: &Name,
    wanted: &query::CrlWanted,
    now: Timestamp,
) -> Result<query::ToBeSigned, CertifyError> {
    let (most, usual) = LIST_DAYS;
    let days = wanted.days.unwrap_or(usual);
    if !(1..=most).contains(&days) {
        return Err(Rejection::OutOfRange {
            field: "days",
            value: i64::from(days),
            min: 1,
            max: i64::from(most),
        }
        .into());
    }
    let ledger = shared.live.ledger.read();
    let here = |key: &key::Key| key.custodian.is_here();
    if ledger.key(issuer).is_some_and(|e| here(&e.state)) {
        return Err(bad(
            "issuer",
            "its secret half is in custody here: ask for the list itself, and for no request",
        ));
    }
    let certificate = lists_under(&ledger, issuer, now)?;
    let signs = Issuer::of(&certificate)?;
    let digest = |draft: &ToBeSigned| digest(&SHA256, draft.bytes()).as_ref().to_vec();
    let (draft, place) = match &wanted.after {
        None => {
            let list = list(&ledger, issuer, now);
            let draft = list.draft(&signs, now, i64::from(days))?;
            let place = list.begins(now, digest(&draft));
            (draft, place)
        }
        Some(after) => {
            let place = ListPlace::parse(after)?;
            let list = list(&ledger, issuer, place.at).numbered(place.number);
            let draft = list.draft(&signs, place.at, i64::from(days))?;
            if digest(&draft) != place.proof {
                return Err(changed().into());
            }
            (draft, place)
        }
    };
    let (to_be_signed, next) = place.page(draft.bytes(), shared.budget())?;
    Ok(query::ToBeSigned {
        next,
        to_be_signed,
        ..answer(issuer, &certificate, &draft)
    })
}

/// What a certificate that was signed elsewhere says, if its issuer as the ledger knows it signed it over the public key of the key
/// `name`, which is in the ledger or comes to be.
pub(crate) fn installed(
    shared: &Shared,
    name: &Name,
    install: &key::Installation,
    spki: &[u8],
    now: Timestamp,
) -> Result<Certified, CertifyError> {
    let certificate = read(&install.certificate)?;
    let ledger = shared.live.ledger.read();
    let believed = match &install.issuer {
        Some(issuer) => {
            let issuer = authority_of(&ledger, issuer, now)?;
            let issuer = Issuer::of(&issuer)?;
            issuer.check_signed(&certificate, spki)
        }
        None => check_root(&certificate, spki),
    };
    believed.map_err(|why| bad("certificate", &in_full(&why)))?;
    check_same_name(&ledger, name, &certificate, now)?;
    let (not_before, not_after) = period(&certificate);
    Ok(Certified {
        issuer: install.issuer.as_ref().unwrap_or(name).clone(),
        serial: certificate.serial_number().to_string().into(),
        not_before,
        not_after,
        authority: certificate.is_ca(),
        certificate: BASE64.encode(certificate.der()).into(),
    })
}

/// Base64 of DER, or PEM as the world writes it.
fn read(text: &str) -> Result<Certificate, CertifyError> {
    let said = |error: &dyn std::error::Error| bad("certificate", &in_full(error));
    let der = pem::one(text, "CERTIFICATE").map_err(|e| match text.contains("-----BEGIN ") {
        true => said(&e),
        false => bad("certificate", "it is neither base64 of DER nor PEM"),
    })?;
    Certificate::from_der(&der).map_err(|e| said(&e))
}

fn answer(
    issuer: &Name,
    certificate: &Certificate,
    to_be_signed: &ToBeSigned,
) -> query::ToBeSigned {
    query::ToBeSigned {
        issuer: issuer.clone(),
        issuer_certificate: BASE64.encode(certificate.der()),
        to_be_signed: BASE64.encode(to_be_signed.bytes()),
        next: None,
    }
}
