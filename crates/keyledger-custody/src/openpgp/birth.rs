//! Ending a certificate without its certify key, with the revocation that was made together with the certificate.

use pgp::packet::{Packet, PacketParser};

use super::{
    certificate_error::CertificateError,
    public::{Certificate, dearmored},
};

impl Certificate {
    /// The certificate, revoked with the revocation that the certify key signed when both were made, armored or not.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Unreadable`] if it is no revocation; [`CertificateError::OtherKind`] or [`CertificateError::Forged`] if it is
    /// the revocation of another certificate.
    pub fn revoked_with(&self, revocation: &[u8]) -> Result<Self, CertificateError> {
        let bytes = dearmored(revocation, Self::MAX_BYTES)?;
        let mut packets = PacketParser::new(&bytes[..]);
        let (Some(Ok(Packet::Signature(signature))), None) = (packets.next(), packets.next())
        else {
            return Err(CertificateError::Unreadable);
        };
        let mut key = self.key().clone();
        key.details.revocation_signatures.push(signature);
        Self::verified(key)
    }
}
