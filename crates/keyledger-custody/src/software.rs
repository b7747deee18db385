//! The custodian in software: keys sealed under the root key, opened in the memory of this process.

use std::sync::Arc;

use keyledger_domain::key::Public;

use crate::{
    custodian::{Custodian, CustodianError, Delivered, KeyKind, MadeKey, SecretHalf, Work},
    custody::Custody,
    material::MaterialContext,
    sign::SignError,
    vault::Vault,
};

/// The custodian whose keys are sealed under the root key of a vault. It does nothing while the vault is sealed.
///
/// Slow work (making RSA keys, signing with them) runs on tokio's threads for blocking work: it must be called within a runtime.
#[derive(Debug, Clone)]
pub struct SoftwareCustodian(Arc<Vault>);

impl SoftwareCustodian {
    /// The custodian of `vault`.
    #[must_use]
    pub const fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }
}

impl Custodian for SoftwareCustodian {
    fn makes(&self, kind: KeyKind) -> bool {
        match kind {
            KeyKind::Plain(_) | KeyKind::Nkey(_) => true,
        }
    }

    fn generate<'a>(&'a self, kind: KeyKind, context: &'a MaterialContext) -> Work<'a, MadeKey> {
        Box::pin(async move {
            let custody = self.0.custody()?;
            let context = context.clone();
            let made = on_a_thread(move || match kind {
                KeyKind::Plain(algorithm) => custody.generate(algorithm, &context),
                KeyKind::Nkey(kind) => custody.generate_nkey(kind, &context),
            });
            let made = made.await??;
            Ok(MadeKey {
                public: made.public,
                secret: SecretHalf::Sealed(made.sealed),
            })
        })
    }

    fn renumber<'a>(
        &'a self,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
        version: u32,
    ) -> Work<'a, SecretHalf> {
        Box::pin(async move {
            let sealed = self
                .0
                .custody()?
                .renumber(sealed(secret)?, context, version)?;
            Ok(SecretHalf::Sealed(sealed))
        })
    }

    fn open<'a>(
        &'a self,
        place: &'a str,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
    ) -> Work<'a, Public> {
        Box::pin(async move {
            let sealed = sealed(secret)?;
            self.0.keep(place, |custody| {
                let half = custody.open_to_sign(sealed, context)?;
                let public = half.public().map_err(SignError::from)?;
                Ok((half, public))
            })
        })
    }

    fn is_open(&self, place: &str) -> bool {
        let found = self.0.with_opened(|opened| opened.holds(place));
        found.unwrap_or(false) // of a sealed vault nothing is open
    }

    fn sign<'a>(&'a self, place: &'a str, message: &'a [u8]) -> Work<'a, Vec<u8>> {
        Box::pin(async move {
            let half = self.0.with_opened(|opened| opened.find(place))?;
            let half = half.ok_or_else(|| CustodianError::NotOpen {
                place: place.into(),
            })?;
            if !half.is_slow() {
                return Ok(half.sign(message)?);
            }
            let message = message.to_vec();
            Ok(on_a_thread(move || half.sign(&message)).await??)
        })
    }

    fn deliver<'a>(
        &'a self,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
        receiver: &'a str,
    ) -> Work<'a, Delivered> {
        Box::pin(async move {
            let custody: Arc<Custody> = self.0.custody()?;
            let key = custody.open_openpgp_key(&context.key, sealed(secret)?)?;
            Ok(Delivered {
                fingerprint: key.fingerprint(),
                delivery: key.seal_to(receiver)?,
            })
        })
    }

    fn destroy<'a>(&'a self, place: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            // A sealed vault has no open keys.
            let _ = self.0.with_opened(|opened| opened.close(place));
            Ok(())
        })
    }
}

fn sealed(secret: &SecretHalf) -> Result<&[u8], CustodianError> {
    match secret {
        SecretHalf::Sealed(sealed) => Ok(sealed),
        SecretHalf::Handle(_) => Err(CustodianError::NotKept),
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CustodianError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| CustodianError::Unavailable(Arc::new(e)))
}
