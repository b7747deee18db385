//! Why a certificate or CRL was not made.

use crate::Moment;

use super::{
    MAX_CERTIFICATE_BYTES,
    algorithm::{PublicKeyKind, UnsupportedKey},
    serial_number::SerialNumber,
    usage::KeyUsage,
};

/// Why a certificate or CRL was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// See [`UnsupportedKey`].
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
    /// The issuer's certificate is not one of an authority that may sign this: choose another issuer.
    #[error("{issuer} is no authority that may sign this")]
    NotAnAuthority {
        /// Whose certificate it is.
        issuer: String,
    },
    /// The issuer's path length leaves no room for such an authority below it: a shorter path length, or a leaf.
    #[error("the issuer's path length of {most} leaves no room for such an authority")]
    PathLength {
        /// The issuer's path length.
        most: u8,
    },
    /// An issuer without a certificate signs its own first: the subject and its key must be the issuer's.
    #[error("an issuer without a certificate signs its own, of its own name and key, only")]
    NotItsOwn,
    /// A certificate of the issuer's own name that is not its own: chains could not tell them apart. Another subject.
    #[error("the subject has the issuer's name")]
    NamedAsIssuer,
    /// A period must begin before it ends.
    #[error("the period ends at {until}, not after its beginning at {from}")]
    Period {
        /// Its beginning.
        from: Moment,
        /// Its end.
        until: Moment,
    },
    /// A certificate must lie within its issuer's: shorten it, or renew the issuer's first.
    #[error("not within the issuer's certificate, from {from} to {until}")]
    OutlivesIssuer {
        /// Beginning of the issuer's certificate.
        from: Moment,
        /// Its end.
        until: Moment,
    },
    /// `key_cert_sign` is an authority's, and every authority has it.
    #[error("key_cert_sign goes with an authority, and with nothing else")]
    AuthorityUsage,
    /// Keys of this kind cannot do this: take it out of the profile, or choose another algorithm.
    #[error("a {key:?} key cannot be used for {usage:?}")]
    UnfitUsage {
        /// The usage.
        usage: KeyUsage,
        /// What the key is.
        key: PublicKeyKind,
    },
    /// An alternative name is not one of its kind.
    #[error("{name:?} is not an alternative name like {expected}")]
    AlternativeName {
        /// What was given, shortened.
        name: String,
        /// An example.
        expected: &'static str,
    },
    /// The address of the CRL is no `http` URL: `https` would need a certificate to check a certificate.
    #[error("{url:?} is no address of a CRL: write an http:// URL")]
    CrlUrl {
        /// What was given, shortened.
        url: String,
    },
    /// Too many of something: names, policies, entries.
    #[error("at most {most} of them")]
    TooMany {
        /// The most.
        most: usize,
    },
    /// A profile names something twice: once is enough.
    #[error("{what} is named twice")]
    Repeated {
        /// What: a usage, a policy.
        what: String,
    },
    /// A CRL names a certificate twice: which revocation would count?
    #[error("certificate {serial_number} is revoked twice")]
    RevokedTwice {
        /// Its serial number.
        serial_number: SerialNumber,
    },
    /// More than anybody reads: shorten the names.
    #[error("{bytes} bytes are too many: at most {MAX_CERTIFICATE_BYTES}")]
    TooLong {
        /// How many it would be.
        bytes: usize,
    },
    /// It could not be written: a fault of ours, to report.
    #[error("writing DER")]
    Encoding(#[from] der::Error),
}
