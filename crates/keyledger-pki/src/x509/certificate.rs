//! A certificate, read: the facts a view shows, and what checking a chain needs.

use aws_lc_rs::digest;
use der::{
    Decode as _, Encode as _,
    oid::{AssociatedOid, ObjectIdentifier},
};
use x509_cert::{
    TbsCertificate,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectAltName,
            SubjectKeyIdentifier,
        },
    },
    name::Name,
    time::Time,
};

use crate::Moment;

use super::{
    MAX_CERTIFICATE_BYTES, algorithm::SignatureAlgorithm, envelope::Envelope,
    name::DistinguishedName, profile::AlternativeName, serial_number::SerialNumber, to_be_signed,
    verify::BadSignature,
};

/// The longest text that is read as PEM: the largest certificate in base64 is shorter.
const MAX_PEM_BYTES: usize = 2 * MAX_CERTIFICATE_BYTES;

/// A certificate that was read: nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    envelope: Envelope,
    tbs: TbsCertificate,
    spki: Vec<u8>,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    subject_key_id: Option<Vec<u8>>,
}

/// Why bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedCertificate {
    /// Longer than any certificate that is meant.
    #[error("{0} bytes are more than a certificate has: at most {MAX_CERTIFICATE_BYTES}")]
    TooLong(usize),
    /// Not one `CERTIFICATE` in PEM as RFC 7468 writes it: send the whole block, with its first and last line.
    #[error("not exactly one CERTIFICATE in PEM")]
    NotPem,
    /// Not exactly one certificate in DER: cut off, followed by something else, or no certificate.
    #[error("not exactly one X.509 certificate in DER")]
    NotDer(#[source] der::Error),
    /// The algorithm inside is not the one outside: somebody put it together.
    #[error("the certificate names two signature algorithms")]
    TwoAlgorithms,
    /// An extension occurs twice (RFC 5280 §4.2 forbids it): which of them would count?
    #[error("extension {0} occurs twice")]
    ExtensionTwice(ObjectIdentifier),
    /// An extension is not what its type says.
    #[error("extension {0} is malformed")]
    Extension(ObjectIdentifier),
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    ///
    /// [`MalformedCertificate`] if it is not exactly one well-formed certificate of at most 16 KiB.
    pub fn from_der(der: &[u8]) -> Result<Self, MalformedCertificate> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(MalformedCertificate::TooLong(der.len()));
        }
        let envelope = Envelope::open(der).map_err(MalformedCertificate::NotDer)?;
        let tbs =
            TbsCertificate::from_der(&envelope.signed).map_err(MalformedCertificate::NotDer)?;
        if *tbs.signature() != envelope.identifier {
            return Err(MalformedCertificate::TwoAlgorithms);
        }
        let spki = tbs
            .subject_public_key_info()
            .to_der()
            .map_err(MalformedCertificate::NotDer)?;
        let extensions = tbs.extensions().map_or(&[][..], Vec::as_slice);
        for (index, extension) in extensions.iter().enumerate() {
            let id = extension.extn_id;
            if extensions[..index].iter().any(|other| other.extn_id == id) {
                return Err(MalformedCertificate::ExtensionTwice(id));
            }
        }
        Ok(Self {
            der: der.to_vec(),
            spki,
            basic_constraints: decoded(extensions)?,
            key_usage: decoded(extensions)?,
            subject_key_id: decoded::<SubjectKeyIdentifier>(extensions)?
                .map(|id| id.0.as_bytes().to_vec()),
            envelope,
            tbs,
        })
    }

    /// Reads a certificate in PEM as RFC 7468 §3 has it written, which is how [`to_pem`](Self::to_pem) and `openssl` write it. What
    /// people send in other forms is read where it comes in.
    ///
    /// # Errors
    ///
    /// As [`Certificate::from_der`], and [`MalformedCertificate::NotPem`].
    pub fn from_pem(text: &str) -> Result<Self, MalformedCertificate> {
        if text.len() > MAX_PEM_BYTES {
            return Err(MalformedCertificate::TooLong(text.len()));
        }
        match der::pem::decode_vec(text.as_bytes()) {
            Ok(("CERTIFICATE", der)) => Self::from_der(&der),
            Ok(_) | Err(_) => Err(MalformedCertificate::NotPem),
        }
    }

    /// Reads a certificate that is yet to be signed: all that it will say, under a signature that verifies nowhere.
    pub(super) fn unsigned(
        bytes: &[u8],
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, MalformedCertificate> {
        if bytes.len() > MAX_CERTIFICATE_BYTES {
            return Err(MalformedCertificate::TooLong(bytes.len()));
        }
        let der = Envelope::close(bytes, algorithm, &[]).map_err(MalformedCertificate::NotDer)?;
        Self::from_der(&der)
    }

    /// The certificate as it came, in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_be_signed::pem("CERTIFICATE", &self.der)
    }

    /// SHA-256 over the DER: what people compare.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }

    /// [`Self::sha256`] in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.sha256())
    }

    /// Its serial number.
    #[must_use]
    pub fn serial_number(&self) -> SerialNumber {
        SerialNumber::as_found(self.tbs.serial_number())
    }

    /// Whom it is for, as RFC 4514 writes names: the most specific part first.
    #[must_use]
    pub fn subject(&self) -> String {
        self.tbs.subject().to_string()
    }

    /// Who signed it, as RFC 4514 writes names.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.tbs.issuer().to_string()
    }

    /// Not valid before.
    #[must_use]
    pub fn not_before(&self) -> Moment {
        moment(self.tbs.validity().not_before)
    }

    /// Not valid after; the whole second counts.
    #[must_use]
    pub fn not_after(&self) -> Moment {
        moment(self.tbs.validity().not_after)
    }

    /// The public key, as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Does it say that it is a certificate authority?
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|it| it.ca)
    }

    /// How many authorities may stand between this one and a leaf; `None` if unlimited, or if it is no authority.
    #[must_use]
    pub fn path_length(&self) -> Option<u8> {
        self.basic_constraints
            .as_ref()
            .and_then(|it| it.path_len_constraint)
    }

    /// The identifier of its key, if it names one.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.subject_key_id.as_deref()
    }

    /// The other names of its subject, as they are shown: host names, IP addresses, e-mail addresses; of kinds that are not known
    /// here nothing.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let extensions = self.tbs.extensions().map_or(&[][..], Vec::as_slice);
        let found = decoded::<SubjectAltName>(extensions).ok().flatten();
        let names = found.map_or(Vec::new(), |names| names.0);
        let known = names.iter().filter_map(AlternativeName::found);
        known.map(|name| name.to_string()).collect()
    }

    /// Is it for a subject of this name?
    #[must_use]
    pub fn is_named(&self, name: &DistinguishedName) -> bool {
        self.tbs.subject() == name.as_name()
    }

    /// Whom it is for, to be issued to again.
    #[must_use]
    pub fn distinguished_name(&self) -> DistinguishedName {
        DistinguishedName::of(self.subject_name().clone())
    }

    /// Is it valid at this moment, by its own dates?
    #[must_use]
    pub fn is_valid_at(&self, now: Moment) -> bool {
        (self.not_before()..=self.not_after()).contains(&now)
    }

    /// Was it signed by the key of `issuer`? Only the signature is looked at.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if not.
    pub fn verify_signed_by(&self, issuer: &Self) -> Result<(), BadSignature> {
        self.envelope.verify(&issuer.spki)
    }

    /// Was it signed by this key?
    pub(super) fn verify(&self, spki: &[u8]) -> Result<(), BadSignature> {
        self.envelope.verify(spki)
    }

    /// What it says besides what it is asked for elsewhere.
    pub(super) const fn tbs(&self) -> &TbsCertificate {
        &self.tbs
    }

    /// The usages of its key, if it names them.
    pub(super) const fn key_usage(&self) -> Option<&KeyUsage> {
        self.key_usage.as_ref()
    }

    /// Does it say of itself whether it is an authority, and if so, as a reader must not overlook?
    pub(super) fn is_constrained(&self) -> bool {
        let mut extensions = self.tbs.extensions().into_iter().flatten();
        let found = extensions.find(|extension| extension.extn_id == BasicConstraints::OID);
        found.is_none_or(|extension| extension.critical || !self.is_ca())
    }

    /// The identifier of its issuer's key, if it names one.
    pub(super) fn authority_key_id(&self) -> Result<Option<Vec<u8>>, MalformedCertificate> {
        let extensions = self.tbs.extensions().map_or(&[][..], Vec::as_slice);
        let found: Option<AuthorityKeyIdentifier> = decoded(extensions)?;
        Ok(found
            .and_then(|id| id.key_identifier)
            .map(|id| id.as_bytes().to_vec()))
    }

    /// May its key sign certificates, as far as key usage says? Yes if it says nothing.
    pub(super) fn may_sign_certificates(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.key_cert_sign())
    }

    /// May its key sign CRLs, as far as key usage says? Yes if it says nothing.
    pub(super) fn may_sign_crls(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.crl_sign())
    }

    pub(super) fn subject_name(&self) -> &Name {
        self.tbs.subject()
    }

    pub(super) fn issuer_name(&self) -> &Name {
        self.tbs.issuer()
    }

    /// The content of an extension, in whatever form its type has.
    pub(super) fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let mut extensions = self.tbs.extensions()?.iter();
        let found = extensions.find(|extension| extension.extn_id == id)?;
        Some(found.extn_value.as_bytes())
    }

    /// The first critical extension that checking a chain here would ignore.
    pub(super) fn unknown_critical_extension(&self) -> Option<ObjectIdentifier> {
        let mut extensions = self.tbs.extensions()?.iter();
        let known = [BasicConstraints::OID, KeyUsage::OID];
        extensions
            .find(|extension| extension.critical && !known.contains(&extension.extn_id))
            .map(|extension| extension.extn_id)
    }
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// The content of the extension of a type, if there is one.
pub(super) fn decoded<T>(extensions: &[Extension]) -> Result<Option<T>, MalformedCertificate>
where
    T: AssociatedOid + for<'a> der::Decode<'a>,
{
    extensions
        .iter()
        .find(|extension| extension.extn_id == T::OID)
        .map(|extension| T::from_der(extension.extn_value.as_bytes()))
        .transpose()
        .map_err(|_| MalformedCertificate::Extension(T::OID))
}

pub(super) fn moment(time: Time) -> Moment {
    Moment::from(time.to_date_time())
}
