//! Why `keyledger init` made no organisation.

use keyledger_claims::EncodeError;
use keyledger_custody::{
    CredsError, GenerateError, ProviderFailure, RootKeyError, SealedFileError, SignError,
};
use keyledger_domain::{ledger::ChainBreak, text::NotALine, verify::export};

use super::{draft::DraftError, jwt::JwtError, url::BadUrl};

/// Why no organisation was made. Nothing stays behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The directory was not written: the source says why.
    #[error("writing the organisation's directory")]
    Directory(#[from] DraftError),
    /// The title is no line of text.
    #[error("the title")]
    Title(#[from] NotALine),
    /// Clients cannot connect there: the source says how to write it.
    #[error("the URL where clients connect")]
    Url(#[from] BadUrl),
    /// The root key was not made.
    #[error("making the root key")]
    Root(#[from] RootKeyError),
    /// The root key was not sealed.
    #[error("sealing the root key")]
    Seal(#[from] SealedFileError),
    /// A key was not made.
    #[error("making a key")]
    Generate(#[from] GenerateError),
    /// A key that was just made does not open: a fault of ours, report it.
    #[error("opening a key that was just made")]
    Sign(#[from] SignError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
    /// An activation or the operator's JWT was not signed: a fault of ours, report it.
    #[error("signing the trust")]
    Encode(#[from] EncodeError),
    /// A JWT would be refused: a fault of ours, report it.
    #[error("making a JWT")]
    Jwt(#[from] JwtError),
    /// A creds file was not written.
    #[error("writing creds")]
    Creds(#[from] CredsError),
    /// The genesis events do not fold: a fault of ours, report it.
    #[error("the genesis events contradict each other")]
    Fold(#[from] ChainBreak),
    /// The genesis events do not verify: a fault of ours, report it.
    #[error("the genesis events do not verify")]
    Verify(#[from] export::ExportError),
}
