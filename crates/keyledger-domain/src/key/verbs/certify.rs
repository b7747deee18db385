//! `key.certify`.

use crate::{
    address::{EmailAddress, HostName, IpAddress},
    command::body,
    event::Event,
    key::{self, Certification, Certified},
    ledger::{Deciding, Decision, Ledger, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    text::{Reason, Subject, Ticket},
    time::Timestamp,
    verb::{Binds, Certificate, Urgency, Verb},
};

body! { Key "certify", optional reason;
    /// Certify a key: an X.509 certificate over it, signed by a key that certifies, or by itself
    Certify {
        /// The key that signs the certificate; the key itself, for a root, if absent.
        issuer: Option<Name>,
        /// Whom it is for: a common name, or a name as RFC 4514 writes it, like `CN=Ada,OU=Keys,O=Example`.
        subject: Subject,
        /// Days until the certificate expires, 1 to 7,300 (20 years, a root's in the key management plan). This, or `until`.
        days: Option<u16>,
        /// The moment at which it expires, within 7,300 days.
        until: Option<Timestamp>,
        /// Makes the key an authority: how many authorities may stand below it, 0 to 4.
        path_length: Option<u8>,
        /// What it may be used for, where it is no authority.
        usages: Option<Vec<crate::key::CertificateUsage>>,
        /// DNS names that it is for; at most 16.
        dns_names: Option<Vec<HostName>>,
        /// IP addresses that it is for; at most 16.
        ip_addresses: Option<Vec<IpAddress>>,
        /// E-mail addresses that it is for; at most 16.
        emails: Option<Vec<EmailAddress>>,
        /// A request (PKCS#10, in PEM or base64 of DER) that is signed with the key: proof that whoever asks has it. What else it
        /// asks for is not looked at.
        request: Option<String>,
    }
}

impl Verb for Certify {
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
        on.certify(self, made.as_deref())
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

impl Certify {
    /// What its certificate is to say.
    #[must_use]
    pub fn certification(&self) -> Certification {
        Certification {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            days: self.days,
            until: self.until,
            path_length: self.path_length,
            usages: self.usages.clone(),
            dns_names: self.dns_names.clone(),
            ip_addresses: self.ip_addresses.clone(),
            emails: self.emails.clone(),
            request: self.request.clone(),
        }
    }

    /// The command that asks for a certificate.
    #[must_use]
    pub fn of(wanted: Certification, reason: Option<Reason>, ticket: Option<Ticket>) -> Self {
        Self {
            issuer: wanted.issuer,
            subject: wanted.subject,
            days: wanted.days,
            until: wanted.until,
            path_length: wanted.path_length,
            usages: wanted.usages,
            dns_names: wanted.dns_names,
            ip_addresses: wanted.ip_addresses,
            emails: wanted.emails,
            request: wanted.request,
            reason,
            ticket,
        }
    }
}
