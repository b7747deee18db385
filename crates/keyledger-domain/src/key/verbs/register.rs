//! `key.register`.

use crate::{
    algorithm::{Algorithm, Purposes},
    command::body,
    event::Event,
    key::{
        self, Certification, Certified, Classification, Created, Custodian, Dates, Description,
        Installation, Public, creation, spki,
    },
    ledger::{Born, Deciding, Decision, Ledger, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    text::{Labels, Note, Title},
    time::Timestamp,
    verb::{Binds, Certificate, Payload, Urgency, Verb},
};

body! { Key "register", optional reason;
    /// Register a public key whose secret half is kept elsewhere
    Register {
        /// The algorithm and length.
        algorithm: Algorithm,
        /// The public key: base64 of its DER `SubjectPublicKeyInfo`, or a PEM `PUBLIC KEY`.
        public_key: String,
        /// What it is for; the algorithm's usual purpose if absent.
        purposes: Option<Purposes>,
        /// The key above it in the hierarchy.
        parent: Option<Name>,
        /// Activate it at once.
        activate: Option<bool>,
        /// What people call it.
        title: Option<Title>,
        /// The principal that answers for it.
        owner: Option<Name>,
        /// How sensitive it is; `internal` if absent.
        classification: Option<Classification>,
        /// What it may be used for, in words.
        usage: Option<Note>,
        /// How it is to be handled.
        handling: Option<Note>,
        /// How it is to be disposed of.
        disposal: Option<Note>,
        /// Labels, by name; at most 32.
        labels: Option<Labels>,
        /// When it is to be activated; left pre-active until then.
        activation_at: Option<Timestamp>,
        /// The end of its originator-usage period; reckoned from activation by its class if absent.
        protect_stop_at: Option<Timestamp>,
        /// The end of its recipient-usage period.
        process_stop_at: Option<Timestamp>,
        /// Days of 86,400 seconds after which rotation falls due; its class's period if absent, 1 to 7,300.
        rotation_period_days: Option<u16>,
        /// The certificate over it, made with it: both, or neither.
        certify: Option<Box<Certification>>,
        /// A certificate over it that was signed elsewhere, installed with it: both, or neither.
        install: Option<Installation>,
    }
}

impl Verb for Register {
    type Made = Option<Box<Certified>>;
    type Gives = Certificate;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<Box<Certified>>,
    ) -> Result<Decision, Rejection> {
        let binds = self.binds(&on.ledger, on.name());
        on.check_bound(&binds)?;
        if on.check_new().is_ok() {
            on.ledger.check_newcomer(binds.public)?;
        }
        on.check_not_reserved()?;
        on.check_new()?;
        let created = Created {
            algorithm: self.algorithm,
            purposes: creation::purposes(self.algorithm, self.purposes)?,
            custodian: Custodian::External,
            public: Public {
                public_key: Some(spki::normalised(self.algorithm, &self.public_key)?.into()),
                nkey: None,
                check_value: None,
            },
            material: None,
            parent: self.parent.clone(),
            description: Description {
                title: self.title.clone(),
                owner: self.owner.clone(),
                classification: self.classification,
                usage: self.usage.clone(),
                handling: self.handling.clone(),
                disposal: self.disposal.clone(),
                labels: self.labels.clone(),
            },
            schedule: Dates {
                activation_at: self.activation_at,
                protect_stop_at: self.protect_stop_at,
                process_stop_at: self.process_stop_at,
                rotation_period_days: self.rotation_period_days,
            },
        };
        let events = creation::events(created, self.activate, on.now, key::Event::Registered)?;
        match self.born()? {
            Some(born) => on.born_certified(events, &born, made.as_deref()),
            None => Ok(on.writes(events)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Registered(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, _changed: bool) -> Vec<String> {
        ledger.same_public_key(&Self::history(on))
    }

    fn binds(&self, _ledger: &Reader<'_>, _on: &Name) -> Binds<'_> {
        Binds {
            owner: self.owner.as_ref(),
            parent: self.parent.as_ref(),
            public: spki::fingerprint(self.algorithm, &self.public_key),
            certifies: self.certify.is_some() || self.install.is_some(),
        }
    }
}

impl Register {
    /// The certificate with which the key comes to be, if any.
    fn born(&self) -> Result<Option<Born<'_>>, Rejection> {
        match (&self.certify, &self.install) {
            (None, None) => Ok(None),
            (Some(certify), None) => Ok(Some(Born::Certified(certify))),
            (None, Some(install)) => Ok(Some(Born::Installed(install))),
            (Some(_), Some(_)) => Err(Rejection::BadValue {
                field: "install",
                fault: "a key comes to be with one certificate: leave out `certify` or `install`"
                    .to_owned(),
            }),
        }
    }
}
