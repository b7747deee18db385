//! OpenPGP certificates of principals, and who may log in by SSH as whom.

mod ssh;

use data_encoding::BASE64;
use keyledger_custody::openpgp::{Certificate, ProvenSubkey, PublicSubkey};
use keyledger_domain::{
    Ledger, Name, Rejection,
    key::{self, Custodian},
    ledger::OPENPGP_FINGERPRINT,
    name::HistoryId,
    principal::{OpenpgpPublished, ReadCertificate},
    token::OpenpgpKeyMade,
};
use keyledger_wire::query::OpenpgpCertificate;

use crate::shared::Shared;

pub(crate) use ssh::authorized_keys;

/// The largest certificate, in bytes as it is sent.
const MAX_BYTES: usize = 32 * 1024;

/// What a certificate says that is to be published for `name`, and what it was held against; nothing if there is no such principal.
///
/// # Errors
///
/// [`Rejection::BadValue`] if it is no certificate, is a secret key, or does not hold what the one before it held.
pub(crate) fn published(
    shared: &Shared,
    name: &Name,
    text: &str,
) -> Result<Option<ReadCertificate>, Rejection> {
    let bad = |fault: String| Rejection::BadValue {
        field: "openpgp",
        fault,
    };
    if text.len() > MAX_BYTES {
        return Err(bad(format!("it has more than {MAX_BYTES} bytes")));
    }
    let bytes = if text.trim_start().starts_with("-----") {
        text.as_bytes().to_vec()
    } else {
        let text: String = text.split_whitespace().collect();
        let decoded = BASE64.decode(text.as_bytes());
        decoded.map_err(|_| bad("it is neither ASCII armor nor base64".to_owned()))?
    };
    let certificate = Certificate::parse(&bytes).map_err(|e| bad(e.to_string()))?;
    let ledger = shared.live.ledger.read();
    let Some(principal) = ledger.principal(name).map(|e| &e.state) else {
        return Ok(None);
    };
    if let Some(before) = &principal.openpgp {
        let before = read(&before.certificate)
            .ok_or_else(|| bad("the one before cannot be read".to_owned()))?;
        let goes_on = certificate.fingerprint() == before.fingerprint();
        if goes_on && !certificate.holds(&before) {
            return Err(bad(
                "it lacks signatures that the published one has: begin with `keyledger openpgp export`".to_owned(),
            ));
        }
        if !goes_on && before.revoked().is_none() {
            return Err(bad(format!(
                "it is of another primary key, and {} is not revoked: publish its revocation first",
                before.fingerprint()
            )));
        }
    }
    let before = principal.openpgp.as_ref();
    Ok(Some(ReadCertificate {
        published: OpenpgpPublished {
            fingerprint: certificate.fingerprint().to_string().into(),
            certificate: BASE64.encode(&certificate.to_bytes()).into(),
        },
        after: before.map(|before| before.certificate.clone()),
    }))
}

/// Checks that the OpenPGP keys of a report are what their fingerprints say, and what is to be bound too.
///
/// # Errors
///
/// [`Rejection::BadValue`].
pub(crate) fn check_made(made: &[OpenpgpKeyMade]) -> Result<(), Rejection> {
    for key in made {
        let bad = |fault: String| Rejection::BadValue {
            field: "openpgp",
            fault: format!("{}: {fault}", key.role.as_str()),
        };
        let subkey = PublicSubkey::try_from(key).map_err(|e| bad(e.to_string()))?;
        let Some(bind) = &key.bind else { continue };
        let proven: ProvenSubkey = serde_json::from_str(bind).map_err(|e| bad(e.to_string()))?;
        if proven.subkey().fingerprint() != subkey.fingerprint() {
            return Err(bad("another subkey is to be bound".to_owned()));
        }
    }
    Ok(())
}

fn is_among(fingerprints: &[&str], fingerprint: &str) -> bool {
    fingerprints
        .iter()
        .any(|f| f.eq_ignore_ascii_case(fingerprint))
}

/// A principal's certificate; nothing if it has none or acts no more.
pub(crate) fn certificate(ledger: &Ledger, name: &Name) -> Option<OpenpgpCertificate> {
    let principal = &ledger.principal(name)?.state;
    if principal.offboarded_at.is_some() {
        return None;
    }
    let published = principal.openpgp.as_ref()?;
    let parsed = read(&published.certificate)?;
    let gone = revoked_keys(ledger, name);
    let to_revoke = parsed
        .subkeys()
        .iter()
        .filter(|subkey| subkey.revoked.is_none())
        .filter(|subkey| is_among(&gone, &subkey.fingerprint.to_string()))
        .map(|subkey| subkey.fingerprint.to_string());
    Some(OpenpgpCertificate {
        principal: name.clone(),
        fingerprint: published.fingerprint.to_string(),
        certificate: published.certificate.to_string(),
        to_revoke: to_revoke.collect(),
    })
}

/// A principal's certificate.
///
/// # Errors
///
/// [`Rejection::Nothing`] if it has published none; [`Rejection::NotFound`] if there is no such principal, or it acts no more.
pub(crate) fn certificate_of(
    ledger: &Ledger,
    id: HistoryId,
) -> Result<OpenpgpCertificate, Rejection> {
    let principal = ledger.principal(&id.name).map(|p| &p.state);
    let acts = principal.is_some_and(|principal| principal.offboarded_at.is_none());
    certificate(ledger, &id.name).ok_or(if acts {
        Rejection::Nothing {
            of: id,
            what: "OpenPGP certificate",
            remedy: "publish one with `keyledger principal publish`",
        }
    } else {
        Rejection::NotFound(id)
    })
}

/// The fingerprints of a principal's OpenPGP keys on tokens that may not be used any more: of keys that were proved to be on a token
/// once, and of which no other is alive. Anybody may put a label on a key of his own, and an agent may say anything until it is
/// proved.
fn revoked_keys<'a>(ledger: &'a Ledger, name: &Name) -> Vec<&'a str> {
    let proved: Vec<(&str, bool)> = ledger
        .keys()
        .filter(|(_, key)| key.state.owner.as_ref() == Some(name))
        .filter(|(key, entry)| entry.state.custodian == Custodian::Token || ledger.is_escrowed(key))
        .map(|(_, key)| &key.state)
        .filter(|key| key.activated_at.is_some())
        .filter_map(|key| {
            let alive = key.state == key::State::Active;
            Some((key.labels.value(OPENPGP_FINGERPRINT)?, alive))
        })
        .collect();
    let is_alive = |fingerprint: &str| proved.iter().any(|(f, alive)| *alive && *f == fingerprint);
    proved
        .iter()
        .map(|(fingerprint, _)| *fingerprint)
        .filter(|fingerprint| !is_alive(fingerprint))
        .collect()
}

fn read(certificate: &str) -> Option<Certificate> {
    Certificate::parse(&BASE64.decode(certificate.as_bytes()).ok()?).ok()
}
