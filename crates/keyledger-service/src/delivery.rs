//! What goes back to the requester beside the acknowledgement.

use keyledger_wire::{IssuedCertificate, Sealed};

/// What goes back to the requester beside the acknowledgement.
#[derive(Default)]
pub(crate) struct Delivery {
    /// Of an issue whose nkey the requester has: the user's JWT.
    pub(crate) jwt: Option<String>,
    /// Of an issue whose nkey was made: the creds.
    pub(crate) creds: Option<Sealed>,
    /// Of a release or a recovery.
    pub(crate) secrets: Vec<Sealed>,
    /// Of a command that brought a certificate: what became of it.
    pub(crate) certificate: Option<IssuedCertificate>,
}
