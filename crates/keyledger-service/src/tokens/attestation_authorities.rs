//! Whose attestations of tokens are believed.

use std::borrow::Cow;

use data_encoding::BASE64;
use keyledger_domain::{
    Ledger, Rejection, ledger::Fingerprint, operator::AttestationAuthority, pem::blocks,
};
use keyledger_pki::x509::{Anchors, Certificate, Generation};
use keyledger_wire::query::{AttestationAuthorities, AttestationAuthorityRow, Origin};

use super::findings::said;
use crate::shared::Shared;

/// The most certificates that are looked at in one command.
const MAX_CERTIFICATES: usize = 64;

/// The authorities to be trusted among these certificates in PEM, each once: those that Yubico published, that we know by
/// their fingerprints, and that are not embedded.
///
/// # Errors
///
/// [`Rejection::BadValue`] if one is no certificate, or if none is known.
pub(crate) fn to_trust(ledger: &Ledger, pem: &str) -> Result<Vec<AttestationAuthority>, Rejection> {
    let bad = |fault: String| Rejection::BadValue {
        field: "certificates",
        fault,
    };
    let (embedded, mut known, mut refused) = (Anchors::yubico(), false, None);
    let mut authorities: Vec<AttestationAuthority> = Vec::new();
    for (index, block) in blocks(pem).filter(|b| b.label == "CERTIFICATE").enumerate() {
        if index == MAX_CERTIFICATES {
            return Err(Rejection::LimitReached {
                what: "certificates of a command",
                max: MAX_CERTIFICATES,
            });
        }
        // What stands between them says whose they are, and is not ours to read.
        let der = block.der();
        let der = der.ok_or_else(|| bad("a certificate in it is not base64".to_owned()))?;
        let certificate = Certificate::from_der(&der).map_err(|e| bad(e.to_string()))?;
        let public = Fingerprint::of_public_key(&BASE64.encode(certificate.spki()));
        if let Some(key) = public.and_then(|public| ledger.compromised(public)) {
            return Err(Rejection::Compromised {
                field: "certificates".to_owned(),
                fault: format!("the public key of one was compromised as key {key}"),
            });
        }
        let authority = AttestationAuthority {
            subject: certificate.subject().into(),
            sha256: certificate.fingerprint().into(),
            certificate: BASE64.encode(certificate.der()).into(),
        };
        if embedded.holds(&certificate) || authorities.contains(&authority) {
            known = true;
            continue;
        }
        match embedded.clone().with_pinned_intermediate(certificate) {
            Ok(_) => authorities.push(authority),
            Err(error) => refused = refused.or(Some(said(&error))),
        }
    }
    if authorities.is_empty() && !known {
        let none = || "there is no certificate in PEM".into();
        return Err(bad(refused.unwrap_or_else(none).into()));
    }
    Ok(authorities)
}

/// Whom attestations must lead to now.
pub(super) fn anchors(shared: &Shared) -> Cow<'_, Anchors> {
    let ledger = shared.live.ledger.read();
    let trusted = ledger.operator().map_or(&[][..], |(_, operator)| {
        &operator.state.attestation_authorities
    });
    let anchors = Cow::Borrowed(&shared.anchors);
    trusted.iter().fold(anchors, |anchors, authority| {
        match with(&anchors, authority) {
            Ok(more) => Cow::Owned(more),
            Err(said) => {
                // A pin may be withdrawn by a later release.
                tracing::warn!(subject = %authority.subject, %said, "a trusted authority is not believed");
                anchors
            }
        }
    })
}

fn with(anchors: &Anchors, authority: &AttestationAuthority) -> Result<Anchors, Box<str>> {
    let der = BASE64.decode(authority.certificate.as_bytes());
    let certificate = Certificate::from_der(&der.map_err(|e| said(&e))?).map_err(|e| said(&e))?;
    let linked = anchors.clone().with_pinned_intermediate(certificate);
    linked.map_err(|e| said(&e))
}

/// The authorities that are believed now.
pub(crate) fn authorities(shared: &Shared) -> AttestationAuthorities {
    let embedded = Anchors::yubico();
    let anchors = anchors(shared);
    let rows = anchors
        .vouching()
        .map(|(generation, certificate)| AttestationAuthorityRow {
            subject: certificate.subject(),
            sha256: certificate.fingerprint(),
            root: generation.as_str().to_owned(),
            origin: match generation {
                Generation::Test => Origin::Test,
                _ if embedded.holds(certificate) => Origin::Embedded,
                _ => Origin::Trusted,
            },
        });
    AttestationAuthorities {
        authorities: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    const EMBEDDED: &str =
        include_str!("../../../keyledger-pki/src/x509/yubico/piv-attestation-b-1.pem");
    const STRANGER: &str =
        include_str!("../../../keyledger-pki/src/x509/tests/vectors/firmware-4.4.5-9c.pem");

    fn refused(pem: &str) -> String {
        to_trust(&Ledger::new(), pem).unwrap_err().to_string()
    }

    #[test]
    fn what_is_embedded_is_trusted_already() {
        assert_eq!(to_trust(&Ledger::new(), EMBEDDED), Ok(vec![]));
        // As Yubico publishes them: several in a file, with words between.
        let file = format!("PIV\n\n{STRANGER}\nand\n{EMBEDDED}\nend");
        assert_eq!(to_trust(&Ledger::new(), &file), Ok(vec![]));
    }

    #[test]
    fn what_no_pin_is_known_of_is_refused_with_its_fingerprint() {
        let said = refused(STRANGER);
        assert!(
            said.contains("no pin for") && said.contains("SHA-256"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(refused("").contains("no certificate in PEM"));
        assert!(refused(&format!("{BEGIN}\nMAA=\n{END}")).contains("not exactly one"));
        assert!(refused(&EMBEDDED[..200]).contains("certificate"));
        assert!(refused(&EMBEDDED.repeat(65)).contains("at most 64"));
    }
}
