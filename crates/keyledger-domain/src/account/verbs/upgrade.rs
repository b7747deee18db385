//! `account.upgrade`.

use crate::{
    account::{self, Account, TemplateAdopted},
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    template::TemplateVersion,
    verb::{Nothing, Urgency, Verb},
};

body! { Account "upgrade", optional reason;
    /// Let an account stand on a newer version of the templates: its users and roles get what that says, and its JWT is pushed
    Upgrade {
        /// The version: the newest if absent.
        template: Option<TemplateVersion>,
    }
}

impl Verb for Upgrade {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;
    const CHANGES_ACCOUNT_JWTS: bool = true;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let state = on.this_account()?;
        let (has, wanted) = (
            state.intent.template,
            self.template.unwrap_or(TemplateVersion::NEWEST),
        );
        let bad = |fault| {
            Err(Rejection::BadValue {
                field: "template",
                fault,
            })
        };
        if wanted < has {
            return bad(format!(
                "the account stands on version {has} already, and there is no way back to version {wanted}"
            ));
        }
        if wanted == has {
            return Ok(Decision::default()); // already so
        }
        if let Some(behind) = behind(state, &on.ledger, wanted) {
            return bad(format!(
                "it imports from account {behind}, which must be upgraded first: `keyledger account upgrade {behind}`"
            ));
        }
        let adopted = account::Event::TemplateAdopted(TemplateAdopted {
            template: wanted,
            issued_at: state.next_issued_at(on.now),
        });
        Ok(on.writes([adopted]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Account(account::Event::TemplateAdopted(_)))
    }
}

/// The account that this one imports from by its template and that does not export yet what version `wanted` says.
fn behind<'a>(account: &Account, ledger: &Reader<'a>, wanted: TemplateVersion) -> Option<&'a Name> {
    let exporters = ledger
        .own_accounts(account.purpose.imports_from())
        .into_iter();
    let behind = exporters.filter(|(_, exporter)| exporter.intent.template < wanted);
    behind.map(|(name, _)| name).min()
}
