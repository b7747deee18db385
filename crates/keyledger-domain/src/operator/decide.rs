//! The rules of the operator's life.

use super::{AttestationAuthority, Command, Described, Event, Operator};
use crate::{
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
};

/// Decides what a command does to the operator `name`. `authorities` are those found in a command that are to be
/// trusted, each once.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    operator: Option<&Operator>,
    command: &Command,
    authorities: &[AttestationAuthority],
) -> Result<Vec<Event>, Rejection> {
    let Some(operator) = operator else {
        return Err(Rejection::NotFound(HistoryId::new(
            Aggregate::Operator,
            name.clone(),
        )));
    };
    Ok(match command {
        Command::Describe(describe) if describe.title == operator.title => vec![],
        Command::Describe(describe) => vec![Event::Described(Described {
            title: describe.title.clone(),
        })],
        Command::Trust(_) => authorities
            .iter()
            .filter(|new| !operator.trusts(&new.sha256))
            .map(|new| Event::AttestationAuthorityTrusted(new.clone()))
            .collect(),
    })
}
