//! Why something is not a certificate of ours.

/// Why something is not a certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is empty, or no OpenPGP data: check the file.
    #[error("it is no OpenPGP certificate")]
    Unreadable,
    /// It is too large to be one of ours: check the file.
    #[error("it has {bytes} bytes, and at most {max} are read")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// There are several: give them one by one.
    #[error("it holds more than one certificate")]
    Several,
    /// It contains something that our certificates never contain: use the certificate that Keyledger wrote.
    #[error("it holds {what}, which no certificate made here has")]
    OtherKind {
        /// What.
        what: &'static str,
    },
    /// A signature in it does not verify: the certificate was damaged or forged. Get it again from the place where it was made.
    #[error("{what} does not verify: the certificate was changed")]
    Forged {
        /// Which signature.
        what: &'static str,
    },
}
