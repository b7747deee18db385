//! `key.generate`.

use crate::{
    algorithm::{Algorithm, Purposes},
    command::body,
    event::Event,
    key::{
        self, Certification, Classification, Created, Custodian, Dates, Description, GeneratedKey,
        creation,
    },
    ledger::{Born, Deciding, Decision, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    text::{Labels, Note, Title},
    time::Timestamp,
    verb::{Binds, Certificate, Urgency, Verb},
};

body! { Key "generate", optional reason;
    /// Generate a key whose secret half never leaves custody
    Generate {
        /// The algorithm and length.
        algorithm: Algorithm,
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
        /// The certificate over it, made with it: both, or neither. Of an issuer that is kept elsewhere it is only checked that it
        /// could be asked for.
        certify: Option<Box<Certification>>,
    }
}

impl Verb for Generate {
    type Made = Option<GeneratedKey>;
    type Gives = Certificate;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<GeneratedKey>,
    ) -> Result<Decision, Rejection> {
        on.check_bound(&self.binds(&on.ledger, on.name()))?;
        on.check_not_reserved()?;
        on.check_new()?;
        let made = made.as_ref().ok_or_else(|| Rejection::NoMaterial {
            key: on.name().clone(),
            why: "custody generated nothing",
        })?;
        let created = Created {
            algorithm: self.algorithm,
            purposes: creation::purposes(self.algorithm, self.purposes)?,
            custodian: Custodian::Software,
            public: made.version.public.clone(),
            material: made.version.material.clone(),
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
        let events = creation::events(created, self.activate, on.now, key::Event::Generated)?;
        match &self.certify {
            Some(wanted) => {
                on.born_certified(events, &Born::Certified(wanted), made.certified.as_deref())
            }
            None => Ok(on.writes(events)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Generated(_)))
    }

    fn binds(&self, _ledger: &Reader<'_>, _on: &Name) -> Binds<'_> {
        Binds {
            owner: self.owner.as_ref(),
            parent: self.parent.as_ref(),
            public: None,
            certifies: self.certify.is_some(),
        }
    }
}
