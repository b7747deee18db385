//! The rules of a principal's life.

use super::{
    Command, Description, Event, KeyRecovered, Kind, Offboarded, OpenpgpPublished, Principal,
    Registered,
};
use crate::{
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    text::Title,
    time::Timestamp,
    user::check_nkey,
};

/// Decides what a command does to the principal `name`.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    principal: Option<&Principal>,
    command: &Command,
    published: Option<&OpenpgpPublished>,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let id = || HistoryId::new(Aggregate::Principal, name.clone());
    Ok(match (principal, command) {
        (None, Command::Register(r)) => {
            if r.kind == Kind::Service && r.responsible.is_none() {
                let fault = "a service needs a person who answers for it".to_owned();
                return Err(Rejection::BadValue {
                    field: "responsible",
                    fault,
                });
            }
            let description = Description {
                title: Some(r.title.clone()),
                email: r.email.clone().map(Title::from),
                unit: r.unit.clone(),
                responsible: r.responsible.clone(),
                labels: r.labels.clone(),
            };
            vec![Event::Registered(Registered {
                kind: r.kind,
                description,
            })]
        }
        (None, _) => return Err(Rejection::NotFound(id())),
        (Some(_), Command::Register(_)) => return Err(Rejection::NameTaken(id())),
        (Some(p), Command::RecoverKey(recover)) => {
            check_nkey(
                "seal_to",
                &recover.seal_to,
                'X',
                "a public curve key (`X…`)",
            )?;
            let escrowed = p.escrowed_as(recover.key.as_ref());
            let escrowed = escrowed.ok_or_else(|| Rejection::BadValue {
                field: "key",
                fault: format!("custody has made no such key for {name}"),
            })?;
            vec![Event::KeyRecovered(KeyRecovered {
                key: escrowed.key.clone(),
                seal_to: recover.seal_to.as_str().into(),
            })]
        }
        (Some(p), Command::Offboard(_)) if p.offboarded_at.is_some() => vec![],
        (Some(_), Command::Offboard(offboard)) => {
            vec![Event::Offboarded(Offboarded {
                offboarded_at: now,
                to: offboard.to.clone(),
            })]
        }
        (Some(p), Command::Describe(_) | Command::Publish(_)) if p.offboarded_at.is_some() => {
            return Err(Rejection::Ended(id()));
        }
        (Some(p), Command::Publish(_)) => {
            // What the certificate says, and that it goes on from the one before, was found out by who can read it.
            let published = published.ok_or_else(|| Rejection::BadValue {
                field: "openpgp",
                fault: "it could not be read".to_owned(),
            })?;
            if p.openpgp.as_deref() == Some(published) {
                vec![]
            } else {
                vec![Event::OpenpgpPublished(published.clone())]
            }
        }
        (Some(p), Command::Describe(d)) => {
            let asked = Description {
                title: d.title.clone(),
                email: d.email.clone().map(Title::from),
                unit: d.unit.clone(),
                responsible: d.responsible.clone(),
                labels: d.labels.clone(),
            };
            if asked == Description::default() {
                return Err(Rejection::NothingToChange);
            }
            let event = Event::Described(asked);
            let mut after = p.clone();
            after.evolve(&event);
            if after == *p { vec![] } else { vec![event] }
        }
    })
}
