//! A list of revoked certificates that is yet to be signed, read.

use der::{
    Decode as _,
    oid::{AssociatedOid, ObjectIdentifier},
};
use keyledger_domain::time::Timestamp;
use x509_cert::{
    crl::TbsCertList,
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason},
    },
    name::Name,
};

use super::{
    algorithm::SignatureAlgorithm,
    certificate::{decoded, timestamp},
    crl::INVALIDITY_DATE,
    issue::Issuer,
};

/// What a list of revoked certificates says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListContent {
    issuer: Name,
    issuer_key_id: Option<Vec<u8>>,
    /// Its number.
    pub number: u64,
    /// When it was true.
    pub this_update: Timestamp,
    /// When the next one is there at the latest.
    pub next_update: Timestamp,
    /// How many certificates are on it.
    pub entries: usize,
}

/// Why bytes are no list that is signed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAList {
    /// Not exactly one list in DER.
    #[error("not exactly one list of revoked certificates in DER, to be signed")]
    NotDer(#[from] der::Error),
    /// It names another algorithm than its issuer's key signs in.
    #[error("it names another signature algorithm than its issuer's")]
    Algorithm,
    /// It lacks its number or its end, which RFC 5280 demands; or its number is none that is given here, of 64 bits.
    #[error("it has no number of at most 64 bits, or no date of the next list")]
    Incomplete,
    /// It has an extension that is not shown, and what is not shown is not signed.
    #[error("it has extension {0}, which is not known here")]
    Extension(ObjectIdentifier),
    /// It is of another issuer, or of one that signs no lists.
    #[error("it is not this issuer's, or the issuer signs no lists")]
    OtherIssuer,
}

impl ListContent {
    /// Reads a list that `issuer` is to sign.
    pub(super) fn unsigned(
        bytes: &[u8],
        algorithm: SignatureAlgorithm,
        issuer: &Issuer,
    ) -> Result<Self, NotAList> {
        let tbs: TbsCertList = TbsCertList::from_der(bytes)?;
        if tbs.signature != algorithm.identifier() {
            return Err(NotAList::Algorithm);
        }
        let extensions = tbs.crl_extensions.unwrap_or_default();
        check_known(&extensions, &[CrlNumber::OID, AuthorityKeyIdentifier::OID])?;
        let entries = tbs.revoked_certificates.unwrap_or_default();
        for entry in &entries {
            let extensions = entry.crl_entry_extensions.as_deref().unwrap_or_default();
            check_known(extensions, &[CrlReason::OID, INVALIDITY_DATE])?;
        }
        let malformed = |_| NotAList::Incomplete;
        let number: Option<CrlNumber> = decoded(&extensions).map_err(malformed)?;
        let key_id: Option<AuthorityKeyIdentifier> = decoded(&extensions).map_err(malformed)?;
        let content = Self {
            issuer: tbs.issuer,
            issuer_key_id: key_id
                .and_then(|id| id.key_identifier)
                .map(|id| id.as_bytes().to_vec()),
            number: number
                .and_then(|number| u64_of(number.0.as_bytes()))
                .ok_or(NotAList::Incomplete)?,
            this_update: timestamp(tbs.this_update),
            next_update: timestamp(tbs.next_update.ok_or(NotAList::Incomplete)?),
            entries: entries.len(),
        };
        let own = content.issuer == *issuer.name()
            && content.issuer_key_id.as_deref() == Some(issuer.key_id());
        if own && issuer.signs_crls() {
            Ok(content)
        } else {
            Err(NotAList::OtherIssuer)
        }
    }
}

/// The number with these octets, most significant first, if it has at most 64 bits.
fn u64_of(octets: &[u8]) -> Option<u64> {
    let leading = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[leading..];
    let mut all = [0; 8];
    all.get_mut(8usize.checked_sub(octets.len())?..)?
        .copy_from_slice(octets);
    Some(u64::from_be_bytes(all))
}

/// Each extension once, and none that is not shown.
fn check_known(extensions: &[Extension], known: &[ObjectIdentifier]) -> Result<(), NotAList> {
    for (index, extension) in extensions.iter().enumerate() {
        let id = extension.extn_id;
        let again = extensions[..index].iter().any(|other| other.extn_id == id);
        if again || !known.contains(&id) {
            return Err(NotAList::Extension(id));
        }
    }
    Ok(())
}
