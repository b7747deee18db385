//! What custody makes for a command before it is decided, and what is given with its acknowledgement. Each verb of the domain that needs
//! either has a file of the same name here.
//!
//! Material is written before the event that names it. If the event does not come, the material is erased.

mod account;
mod beside;
mod key;
mod operator;
mod principal;
mod token;
mod user;

use std::future::{Future, ready};

use futures::{FutureExt, future::BoxFuture};
use keyledger_domain::{
    Command, Prepared, Rejection, Timestamp,
    command::Target,
    key::{Certification, Certified},
    verb::{Nothing, Verb, Visit},
};
use uuid::Uuid;

pub(crate) use self::{
    beside::{Beside, is_named},
    key::{KeptVersion, Turns},
};
use crate::{
    delivery::Delivery, handler::Done, lanes::SenderId, pki, refused::Refused, shared::Shared,
};

/// For whom something is made, and when.
pub(crate) struct Making<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) target: &'a Target,
    /// The command's id.
    pub(crate) id: Uuid,
    pub(crate) sender: &'a SenderId,
    pub(crate) now: Timestamp,
    /// What was made for the command, and is kept while it is tried again.
    pub(crate) kept: &'a mut Option<KeptVersion>,
}

/// What was made for a command: the facts for its decision, and what else there is of it.
pub(crate) struct Ready<M> {
    pub(crate) made: M,
    pub(crate) beside: Beside,
}

impl<M: Default> Ready<M> {
    /// Nothing was made.
    fn nothing() -> Self {
        Self::of(M::default())
    }
}

impl<M> Ready<M> {
    /// Facts alone.
    fn of(made: M) -> Self {
        let beside = Beside::default();
        Self { made, beside }
    }
}

/// What is made for the verb `V`: implemented for its [`Verb::Made`].
pub(crate) trait MakeFor<V>: Sized {
    /// Makes it. For a command that would be rejected, nothing is made.
    fn make<'a>(
        verb: &'a V,
        on: Making<'a>,
    ) -> impl Future<Output = Result<Ready<Self>, Refused>> + Send + 'a;
}

impl<V: Verb> MakeFor<V> for Nothing {
    fn make<'a>(
        _verb: &'a V,
        _on: Making<'a>,
    ) -> impl Future<Output = Result<Ready<Self>, Refused>> + Send + 'a {
        ready(Ok(Ready::nothing()))
    }
}

/// A command with what was made for it.
pub(crate) type ToDecide = (Prepared, Beside);

/// Makes what a command needs from custody.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn prepare(command: Command, on: Making<'_>) -> Result<ToDecide, Refused> {
    if on.is_done() {
        return Ok((command.bare(), Beside::default()));
    }
    command.visit(on).await
}

impl<'a, V> Visit<V> for Making<'a>
where
    V: Verb,
    V::Made: MakeFor<V>,
    Prepared: From<(V, V::Made)>,
{
    type Out = BoxFuture<'a, Result<ToDecide, Refused>>;

    fn visit(self, verb: V) -> Self::Out {
        async move {
            let Ready { made, beside } = V::Made::make(&verb, self).await?;
            Ok(((verb, made).into(), beside))
        }
        .boxed()
    }
}

impl Making<'_> {
    /// True of a command that was done before, and is only answered again.
    fn is_done(&self) -> bool {
        let ledger = self.shared.live.ledger.read();
        ledger.remembered(&self.id).is_some()
    }

    /// Decides the command against the ledger as it is now, with placeholders for what custody would make: for a command that would be
    /// rejected, nothing is made.
    fn try_out<V: Verb>(&self, verb: &V, made: &V::Made) -> Result<(), Rejection> {
        let ledger = self.shared.live.ledger.read();
        ledger
            .decide_verb(self.target, verb, made, self.now)
            .result?;
        Ok(())
    }

    /// The same of a verb that asks for a certificate, before that is made.
    fn try_out_certified<V>(&self, verb: &V, wanted: &Certification) -> Result<(), Rejection>
    where
        V: Verb<Made = Option<Box<Certified>>>,
    {
        let ledger = self.shared.live.ledger.read();
        let placeholder = pki::placeholder(&ledger, self.target, wanted, self.now)?;
        let made = Some(Box::new(placeholder));
        ledger
            .decide_verb(self.target, verb, &made, self.now)
            .result?;
        Ok(())
    }
}

/// What was done, to whom something is given with the acknowledgement.
pub(crate) struct Giving<'a> {
    pub(crate) shared: &'a Shared,
    /// The command's id.
    pub(crate) id: Uuid,
    pub(crate) done: &'a Done,
    pub(crate) beside: Beside,
}

/// What is given with the acknowledgement of the verb `V`: implemented for its [`Verb::Gives`].
pub(crate) trait GiveFor<V> {
    /// Gives it; of a command that was done before, the same again.
    fn give<'a>(
        verb: &'a V,
        on: Giving<'a>,
    ) -> impl Future<Output = Result<Delivery, Refused>> + Send + 'a;
}

impl<V: Verb> GiveFor<V> for Nothing {
    fn give<'a>(
        _verb: &'a V,
        _on: Giving<'a>,
    ) -> impl Future<Output = Result<Delivery, Refused>> + Send + 'a {
        ready(Ok(Delivery::default()))
    }
}

/// Gives what goes with a command's acknowledgement.
///
/// # Errors
///
/// [`Refused`] if custody or the ledger does not give it.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn deliver(command: Command, on: Giving<'_>) -> Result<Delivery, Refused> {
    command.visit(on).await
}

impl<'a, V> Visit<V> for Giving<'a>
where
    V: Verb,
    V::Gives: GiveFor<V>,
{
    type Out = BoxFuture<'a, Result<Delivery, Refused>>;

    fn visit(self, verb: V) -> Self::Out {
        async move { V::Gives::give(&verb, self).await }.boxed()
    }
}
