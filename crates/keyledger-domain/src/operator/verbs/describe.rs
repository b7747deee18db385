//! `operator.describe`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    operator::{self, Described},
    rejection::Rejection,
    senders::Senders,
    text::Title,
    verb::{Nothing, Urgency, Verb},
};

body! { Operator "describe", optional reason;
    /// Describe the operator: its title
    Describe {
        /// What people call it.
        title: Title,
    }
}

impl Verb for Describe {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let operator = on.operator()?;
        let event = (self.title != operator.title).then(|| {
            operator::Event::Described(Described {
                title: self.title.clone(),
            })
        });
        Ok(on.writes(event))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Operator(operator::Event::Described(_)))
    }
}
