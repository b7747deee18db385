//! An agent's report: what cryptography finds in it, and what is made for it.

use futures::{FutureExt, future::BoxFuture};
use keyledger_domain::{Prepared, command::VisitReport, token::Reported, verb::Nothing};

use crate::{
    delivery::Delivery,
    refused::Refused,
    tokens,
    verbs::{Beside, GiveFor, Giving, Making, ToDecide},
};

impl<'a> VisitReport for Making<'a> {
    type Out = BoxFuture<'a, Result<ToDecide, Refused>>;

    fn visit_report(self, reported: Box<Reported>) -> Self::Out {
        async move {
            let name = &self.target.name;
            let (found, entries) = tokens::report(self.shared, name, &reported, self.now).await?;
            let found = found.map(Box::new);
            Ok((Prepared::Report(reported, found), Beside::wrote(entries)))
        }
        .boxed()
    }
}

impl<'a> VisitReport for Giving<'a> {
    type Out = BoxFuture<'a, Result<Delivery, Refused>>;

    fn visit_report(self, reported: Box<Reported>) -> Self::Out {
        async move { <Nothing as GiveFor<Reported>>::give(&reported, self).await }.boxed()
    }
}
