//! Whether an event may follow what is folded: its place, its date, and whether its signer was entitled *then*.
//!
//! An event is judged by the ledger as it stood before it, so none can entitle whoever signed it.

use super::{Fault, Intact, SignedHead, signers::check_message};
use crate::{
    LEDGER_SIGNING_KEY,
    event::Event,
    key,
    ledger::{Applied, Ledger},
    name::Aggregate,
    operator,
    record::Record,
    stamp::VerifiedBy,
};

/// Lets events through one after the other, or refuses.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// The operator's nkey: pinned, or that of the first genesis event's signer.
    operator: Option<Box<str>>,
}

impl Gate {
    /// A gate before the first event. The trust bootstrap must be signed by `expected_operator`, where that is known.
    #[must_use]
    pub fn new(expected_operator: Option<String>) -> Self {
        Self {
            operator: expected_operator.map(Into::into),
        }
    }

    /// A gate behind what was let through already.
    #[must_use]
    pub fn behind(ledger: &Ledger) -> Self {
        let operator = ledger.operator();
        Self {
            operator: operator.map(|(_, operator)| operator.state.nkey.clone()),
        }
    }

    /// The operator's nkey, once the ledger has named it.
    pub(super) fn operator(&self, ledger: &Ledger) -> Result<&str, Fault> {
        match &self.operator {
            Some(operator) if ledger.operator().is_some() => Ok(operator),
            _ => Err(Fault::NoOperator),
        }
    }

    /// Judges whether an event may follow in `ledger`, if it is signed by whom it names.
    ///
    /// # Errors
    ///
    /// [`Fault`] says why not.
    pub fn judge(&mut self, event: &Intact, ledger: &Ledger) -> Result<(), Fault> {
        check_place(&event.record, ledger)?;
        self.judge_signer(event, ledger)
    }

    /// Judges only whether whoever signed an event was entitled. Of the ledger, the histories of the operator and of the
    /// key that signs it are looked at.
    ///
    /// # Errors
    ///
    /// [`Fault::UnknownSigner`], [`Fault::OtherOperator`] or [`Fault::NoOperator`] says why not.
    pub fn judge_signer(&mut self, event: &Intact, ledger: &Ledger) -> Result<(), Fault> {
        let Intact { record, signer, .. } = event;
        let refuse = |why| not_entitled(signer, why);
        if record.principal.verified_by == VerifiedBy::Genesis {
            if !ledger.in_bootstrap() {
                return Err(refuse(
                    "the trust bootstrap stands at the beginning, and only there",
                ));
            }
            let operator = self.operator.get_or_insert_with(|| signer.clone());
            if operator != signer {
                // Only an operator that was pinned differs from the first signer.
                return Err(if ledger.events() == 0 {
                    Fault::OtherOperator {
                        expected: operator.clone(),
                        found: signer.chars().take(80).collect::<String>().into(),
                    }
                } else {
                    refuse("the trust bootstrap is signed by the operator alone")
                });
            }
        } else {
            self.operator(ledger)?;
            may_write(record, signer, ledger)?;
        }
        if let Event::Operator(operator::Event::Created(created)) = &record.event {
            if ledger.operator().is_some() {
                return Err(refuse("there is one operator, made by the trust bootstrap"));
            }
            if created.nkey != *signer {
                return Err(refuse("the operator that it makes has another nkey"));
            }
        }
        Ok(())
    }

    /// Folds an event that was judged, and whose signature was checked.
    ///
    /// # Errors
    ///
    /// [`Fault::Unchained`] if it does not follow. Nothing was changed.
    pub fn fold(&self, event: &Intact, sequence: u64, ledger: &mut Ledger) -> Result<(), Fault> {
        match ledger.apply(&event.record, event.cid, sequence) {
            Ok(Applied::New) => Ok(()),
            Ok(Applied::Already) => Err(Fault::Unchained("it was folded before".to_owned())),
            Err(e) => Err(Fault::Unchained(e.to_string())),
        }
    }

    /// Checks the signature of a head that covers what was folded so far, or more.
    pub(super) fn check_head(&self, head: &SignedHead, ledger: &Ledger) -> Result<(), Fault> {
        let operator = self.operator(ledger)?;
        let refuse = |why: &str| not_entitled(&head.signer, &format!("it signed the head; {why}"));
        if head.signer != operator {
            entitled(ledger, &head.signer).map_err(refuse)?;
        }
        check_message(&head.signer, &head.message(), &head.signature)
            .ok_or_else(|| refuse("it is no public nkey"))?
    }
}

/// True of an event by which [`Gate::judge_signer`] goes from then on: one of the operator, or of the key that signs.
#[must_use]
pub fn tells_who_signs(event: &Intact) -> bool {
    let history = &event.record.history;
    history.aggregate == Aggregate::Operator
        || (history.aggregate == Aggregate::Key && history.name.as_str() == LEDGER_SIGNING_KEY)
}

/// Its revision is the next of its history, and it is not dated before its predecessor.
fn check_place(record: &Record, ledger: &Ledger) -> Result<(), Fault> {
    let head = ledger.head(&record.history);
    if let Some(head) = head
        && record.occurred_at < head.at
    {
        return Err(Fault::Backdated { before: head.at });
    }
    let expected = head.map_or(1, |h| h.revision + 1);
    if record.revision != expected {
        let (history, found) = (&record.history, record.revision);
        let fault = format!("{history}: revision {found} came where {expected} was expected");
        return Err(Fault::Reordered(fault));
    }
    Ok(())
}

/// Whether `signer` was entitled to write this event after the trust bootstrap.
fn may_write(record: &Record, signer: &str, ledger: &Ledger) -> Result<(), Fault> {
    let refuse = |why| not_entitled(signer, why);
    entitled(ledger, signer).map_err(refuse)?;
    if is_rotation(record) && newest(ledger) != Some(signer) {
        return Err(refuse("a rotation is signed by the version it replaces"));
    }
    Ok(())
}

fn not_entitled(signer: &str, why: &str) -> Fault {
    Fault::UnknownSigner {
        signer: signer.chars().take(80).collect(),
        why: why.to_owned(),
    }
}

/// Whether `signer` is a version of the ledger's signing key, which nobody else has.
fn entitled(ledger: &Ledger, signer: &str) -> Result<(), &'static str> {
    let Some(entry) = ledger.key(&signing_key()) else {
        return Err("no earlier event names a signing key of the ledger");
    };
    if entry.state.state.is_compromised() {
        return Err("the ledger's signing key was compromised before");
    }
    let mut versions = entry.state.versions.iter();
    if versions.any(|version| version.nkey.as_deref() == Some(signer)) {
        Ok(())
    } else {
        Err("it is no version of the ledger's signing key")
    }
}

fn newest(ledger: &Ledger) -> Option<&str> {
    ledger.key(&signing_key())?.state.newest()?.nkey.as_deref()
}

fn is_rotation(record: &Record) -> bool {
    record.history.name.as_str() == LEDGER_SIGNING_KEY
        && matches!(&record.event, Event::Key(key::Event::Rotated(_)))
}

fn signing_key() -> crate::Name {
    crate::Name::new(LEDGER_SIGNING_KEY).expect("it is a name")
}
