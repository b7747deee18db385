//! The rules of the operator's life.

use super::{Command, Described, Event, Operator};
use crate::{
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
};

/// Decides what a command does to the operator `name`.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    operator: Option<&Operator>,
    command: &Command,
) -> Result<Vec<Event>, Rejection> {
    let Some(operator) = operator else {
        return Err(Rejection::NotFound(HistoryId::new(
            Aggregate::Operator,
            name.clone(),
        )));
    };
    let Command::Describe(describe) = command;
    let title = describe.title.clone();
    Ok(if title == operator.title {
        vec![]
    } else {
        vec![Event::Described(Described { title })]
    })
}
