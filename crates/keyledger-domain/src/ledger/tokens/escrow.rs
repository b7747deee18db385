//! Keys that decrypt, which custody makes for a principal and every token of it holds.

use super::{
    made::fingerprint_label,
    reports::{Walk, bad, refuse},
};
use crate::{
    algorithm::{Algorithm, Purpose, Purposes},
    key::{self, Custodian, Dates, Description, Escrowed, Material, Public},
    ledger::{Decision, Ledger, Reader},
    name::{Aggregate, HistoryId, Name},
    principal,
    rejection::Rejection,
    token::{self, EscrowWanted, EscrowedKeyReleased, NewEscrow, ReportFacts},
};

impl<'a> Reader<'a> {
    /// The key in custody that the next token of a principal holds too; nothing if there is none, or it was ended.
    #[must_use]
    pub fn escrowed_for(&self, principal: &Name) -> Option<&'a Escrowed> {
        let newest = self.principal(principal)?.state.escrowed.last()?;
        self.is_active(&newest.key).then_some(newest)
    }

    pub(super) fn is_active(&self, key: &Name) -> bool {
        let key = self.key(key);
        key.is_some_and(|key| key.state.state == key::State::Active)
    }
}

impl Ledger {
    /// True of a key that custody made for a principal's tokens.
    #[must_use]
    pub fn is_escrowed(&self, key: &Name) -> bool {
        self.principals()
            .any(|(_, p)| p.state.escrowed.iter().any(|escrowed| escrowed.key == *key))
    }
}

impl Walk<'_> {
    /// An agent asks for the key to import: the principal's, or, if it has none, the one that was made for this. No key of the token
    /// vouches for it: then something lies, and the token is put into quarantine.
    pub(super) fn escrow_wanted(
        &self,
        wanted: &EscrowWanted,
        found: &ReportFacts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let filed = &self.open.filed;
        let (Some(holder), Some(profile), true) =
            (&filed.holder, &filed.profile, self.open.imports())
        else {
            return Err(refuse("this task is given no key of custody"));
        };
        let principal = &holder.principal;
        self.ledger.check_acting(principal)?;
        self.check_given()?;
        if let Err(fault) = token::check_vouched(wanted, profile, &found.findings) {
            self.quarantine(&fault, decision);
            return Ok(());
        }
        self.release_escrowed(principal, wanted, found.escrow.as_ref(), decision)
    }

    fn release_escrowed(
        &self,
        principal: &Name,
        wanted: &EscrowWanted,
        fresh: Option<&NewEscrow>,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let known = self.ledger.escrowed_for(principal);
        let released = |escrowed: &Escrowed| {
            token::Event::EscrowedKeyReleased(EscrowedKeyReleased {
                task: self.open.filed.task,
                seal_to: wanted.seal_to.clone(),
                escrowed: escrowed.clone(),
            })
        };
        match (known, fresh) {
            (Some(known), None) => self.add(released(known), decision),
            // Made at the same moment for another token: what was made here must not stay.
            (Some(known), Some(_)) => {
                let id = HistoryId::new(Aggregate::Key, known.key.clone());
                return Err(Rejection::NameTaken(id));
            }
            (None, None) => return Err(bad("report", "custody made no key: try again")),
            (None, Some(fresh)) => {
                self.add(released(&fresh.escrowed), decision);
                self.key_of_custody(principal, fresh, decision)?;
                let target = HistoryId::new(Aggregate::Principal, principal.clone());
                let event = principal::Event::KeyEscrowed(fresh.escrowed.clone());
                decision.add(&target, vec![event]);
            }
        }
        Ok(())
    }

    /// The history of a key that custody made: it is in use from the beginning.
    fn key_of_custody(
        &self,
        principal: &Name,
        fresh: &NewEscrow,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let id = HistoryId::new(Aggregate::Key, fresh.escrowed.key.clone());
        if self.ledger.head(&id).is_some() {
            return Err(Rejection::NameTaken(id));
        }
        let holder = self.open.filed.holder.as_ref();
        let created = key::Created {
            algorithm: Algorithm::X25519,
            purposes: Purposes::of(&[Purpose::Encrypt]),
            custodian: Custodian::Software,
            public: Public {
                public_key: Some(fresh.escrowed.public_key.clone()),
                nkey: None,
                check_value: None,
            },
            material: Some(Material::Entry(fresh.entry.clone())),
            parent: None,
            description: Description {
                title: holder.map(|holder| holder.title.clone()),
                owner: Some(principal.clone()),
                labels: fingerprint_label(&fresh.escrowed.fingerprint),
                ..Description::default()
            },
            schedule: Dates {
                rotation_period_days: Some(key::MAX_PERIOD_DAYS),
                ..Dates::default()
            },
        };
        let generated = key::Event::Generated(created);
        let key = key::Key::create(&generated, self.now);
        let activated = key.map(|key| key.activate(self.now)).transpose()?;
        let mut events = vec![generated];
        events.extend(activated.into_iter().flatten());
        decision.add(&id, events);
        Ok(())
    }
}
