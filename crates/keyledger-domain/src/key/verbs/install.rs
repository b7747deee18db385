//! `key.install`.

use crate::{
    command::body,
    event::Event,
    key::{self, Certified, Installation},
    ledger::{Deciding, Decision, Ledger, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    verb::{Binds, Certificate, Urgency, Verb},
};

body! { Key "install", optional reason;
    /// Install a certificate over a key that was signed elsewhere, by a key that is not in custody, or by the key itself
    Install {
        /// The key that signed the certificate; the key itself, for a root, if absent.
        issuer: Option<Name>,
        /// The certificate: base64 of its DER, or a PEM `CERTIFICATE`.
        certificate: String,
    }
}

impl Verb for Install {
    type Made = Option<Box<Certified>>;
    type Gives = Certificate;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<Box<Certified>>,
    ) -> Result<Decision, Rejection> {
        on.check_sound()?;
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        on.install(self, made.as_deref())
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Certified(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String> {
        let said = changed.then(|| ledger.lives_longer(on)).flatten();
        said.into_iter().collect()
    }

    fn binds(&self, _ledger: &Reader<'_>, _on: &Name) -> Binds<'_> {
        Binds {
            certifies: true,
            ..Binds::default()
        }
    }
}

impl Install {
    /// What it installs.
    #[must_use]
    pub fn installation(&self) -> Installation {
        Installation {
            issuer: self.issuer.clone(),
            certificate: self.certificate.clone(),
        }
    }
}
