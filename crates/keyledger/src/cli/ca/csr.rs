//! Requests for certificates (PKCS#10) that others made.

use std::path::Path;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{
    Algorithm, Name,
    key::{Certification, Register},
    pem,
    text::{Reason, Ticket, Title},
    views::InventoryRow,
};
use keyledger_pki::x509::{CertificateRequest, MAX_CERTIFICATE_BYTES, PublicKeyKind};
use keyledger_wire::query::Nothing;

use crate::{
    cli::openpgp::files,
    exit::{Exit, Failure, is_refused_for},
    session::Session,
};

/// A verified request: its maker has the key.
pub(super) struct Csr {
    der: Vec<u8>,
    request: CertificateRequest,
}

impl Csr {
    /// Reads a request in PEM or DER.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = files::read(path, 2 * MAX_CERTIFICATE_BYTES)?;
        let text = pem::text_of(&bytes);
        let der = if text.contains("-----BEGIN ") {
            pem::one(&text, "CERTIFICATE REQUEST").map_err(|e| files::refused(path, e))?
        } else {
            bytes
        };
        let request = CertificateRequest::from_der(&der).map_err(|e| files::refused(path, e))?;
        Ok(Self { der, request })
    }

    /// The request in the form that the service accepts.
    pub(super) fn text(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// True if the ledger has this key under this name; an error if it has another key.
    pub(super) async fn is_known(&self, session: &Session, name: &Name) -> anyhow::Result<bool> {
        let row: Result<InventoryRow, _> = session
            .query(&format!("inventory.show.{name}"), &Nothing {})
            .await;
        let row = match row {
            Ok(row) => row,
            Err(error) if is_refused_for(&error, "not_found") => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("asking for key {name}")),
        };
        if row.public_key.as_deref() == Some(&*STANDARD.encode(self.request.spki())) {
            return Ok(true);
        }
        let problem = format!("key {name} is not the key of the request");
        Err(Failure::new(Exit::Rejected, problem)
            .remedy("name a new key, or rotate that one to the request's public key first")
            .into())
    }

    /// The key, which is registered together with the certificate.
    pub(super) fn register(
        &self,
        wanted: Certification,
        reason: Option<Reason>,
        ticket: Option<Ticket>,
    ) -> anyhow::Result<Register> {
        let algorithm = match self.request.key() {
            PublicKeyKind::P256 => Some(Algorithm::P256),
            PublicKeyKind::P384 => Some(Algorithm::P384),
            PublicKeyKind::Ed25519 => Some(Algorithm::Ed25519),
            PublicKeyKind::Rsa { bits } => Algorithm::ALL
                .into_iter()
                .find(|algorithm| algorithm.rsa_bits() == Some(bits)),
        };
        let algorithm = algorithm.ok_or_else(|| {
            let found = self.request.key();
            let problem = format!("the request's key is {found:?}, and no such key is registered");
            Failure::new(Exit::Rejected, problem)
                .remedy("use P-256, P-384, Ed25519 or RSA of 2048, 3072 or 4096 bits")
        })?;
        Ok(Register {
            algorithm,
            public_key: STANDARD.encode(self.request.spki()),
            purposes: None,
            parent: None,
            activate: Some(true),
            title: Title::new(wanted.subject.as_str()).ok(),
            labels: None,
            owner: None,
            classification: None,
            usage: None,
            handling: None,
            disposal: None,
            activation_at: None,
            protect_stop_at: None,
            process_stop_at: None,
            rotation_period_days: None,
            certify: Some(Box::new(wanted)),
            install: None,
            reason,
            ticket,
        })
    }
}
