//! Sending a command and printing its result.

use anyhow::Context as _;
use keyledger_domain::{Name, record::Ids, verb::Payload};
use keyledger_wire::Acknowledgement;
use serde::Serialize;

use crate::{
    output::{Output, warning},
    session::Session,
};

/// A subcommand that sends one command.
pub(crate) trait Order {
    /// What happened to the aggregate, as a word such as `revoked`.
    const PAST: &'static str;
    /// The command's body.
    type Body: Payload + Serialize;

    /// The name of the aggregate.
    fn name(&self) -> &Name;
    /// The command's ids.
    fn ids(&self) -> Ids;
    /// Its body, from the arguments.
    fn body(self) -> anyhow::Result<Self::Body>;
}

/// Sends a command and prints one line about its result, or the acknowledgement as JSON.
pub(crate) async fn send<O: Order>(
    session: &Session,
    out: &mut Output<'_>,
    order: O,
) -> anyhow::Result<()> {
    let acknowledgement = order_of(session, order).await?;
    print::<O>(out, &acknowledgement)
}

/// Sends a command.
pub(crate) async fn order_of<O: Order>(
    session: &Session,
    order: O,
) -> anyhow::Result<Acknowledgement> {
    let (name, ids) = (order.name().clone(), order.ids());
    let body = order.body()?;
    session
        .command(&name, &body, ids)
        .await
        .with_context(|| format!("{} {} {name}", O::Body::VERB, O::Body::AGGREGATE))
}

/// Prints an acknowledgement.
pub(crate) fn print<O: Order>(
    out: &mut Output<'_>,
    acknowledgement: &Acknowledgement,
) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(acknowledgement)?;
        return Ok(());
    }
    let Acknowledgement {
        id,
        revision,
        state,
        durable,
        ..
    } = acknowledgement;
    out.line(format!("{} {id} at revision {revision} ({state})", O::PAST))?;
    remarks(out, acknowledgement)?;
    if !durable {
        out.styled(
            warning(),
            "NOT DURABLE: this service was started with --accept-data-loss",
        )?;
    }
    Ok(())
}

/// Prints the service's remarks about the command.
pub(crate) fn remarks(out: &mut Output<'_>, done: &Acknowledgement) -> std::io::Result<()> {
    for remark in &done.remarks {
        out.styled(warning(), &format!("note: {remark}"))?;
    }
    Ok(())
}

/// Turns the arguments of a subcommand into an order: the word for what happened, and its body, which says the verb.
macro_rules! order {
    ($type:ty => $past:literal, $body:ty, |$this:ident| $made:expr) => {
        impl crate::cli::Order for $type {
            const PAST: &'static str = $past;
            type Body = $body;

            fn name(&self) -> &keyledger_domain::Name {
                &self.name
            }

            fn ids(&self) -> keyledger_domain::record::Ids {
                self.why.under.ids()
            }

            fn body(self) -> anyhow::Result<$body> {
                let $this = self;
                Ok($made)
            }
        }
    };
}
pub(crate) use order;

#[cfg(test)]
mod tests {
    use super::*;
    use keyledger_domain::{EventCid, Timestamp};
    use keyledger_wire::Status;
    use uuid::Uuid;

    fn said(durable: bool) -> String {
        let acknowledgement = Acknowledgement {
            status: Status::Accepted,
            command_id: Uuid::nil(),
            correlation_id: Uuid::nil(),
            id: "orders-db".to_owned(),
            revision: 4,
            cid: EventCid::of(b"{}"),
            state: "compromised".to_owned(),
            durable,
            jwt: None,
            creds: None,
            secrets: Vec::new(),
            remarks: Vec::new(),
            certificate: None,
        };
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, Timestamp::from_ms(0));
        print::<crate::cli::key::Revoke>(&mut out, &acknowledgement).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn an_acknowledgement_is_one_line() {
        assert_eq!(
            said(true),
            "revoked orders-db at revision 4 (compromised)\n"
        );
    }

    #[test]
    fn what_may_be_lost_is_said_to_be() {
        assert!(
            said(false)
                .ends_with("\nNOT DURABLE: this service was started with --accept-data-loss\n")
        );
    }
}
