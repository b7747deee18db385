//! What was seen on the servers, told to the ledger.

use std::sync::Arc;

use keyledger_domain::{
    Name, Timestamp,
    account::{Account, Confirmed, DriftRepaired},
    ledger::Outcome,
};

use super::pusher::Pusher;

impl Pusher {
    /// Every server that answers holds it: recorded once.
    pub(super) async fn report_confirmed(&self, name: &Name, account: &Account) {
        let now = (self.clock)();
        let users = {
            let ledger = self.handler.live().ledger.read();
            let open = ledger.users().filter(|(_, user)| {
                user.state.account == *name
                    && user.state.revocation_took_ms.is_none()
                    // Only what this JWT holds: a later revocation waits for its own.
                    && account
                        .revocations
                        .refuses(&user.state.nkey, user.state.issued_at)
            });
            open.filter_map(|(user, u)| Some((user.clone(), since(u.state.revoked_at?, now))))
                .collect()
        };
        let confirmed = Confirmed {
            issued_at: account.issued_at,
            servers: self.servers.names(),
            took_ms: since(account.changed_at, now),
            confirmed_at: now,
        };
        self.report(Outcome::Confirmed {
            account: name.clone(),
            confirmed,
            users,
        })
        .await;
    }

    /// A server held something else, and was given the newest again; `times` since that was last written down.
    pub(super) async fn report_drift(
        &self,
        name: &Name,
        account: &Account,
        found: Option<Box<str>>,
        times: u32,
    ) {
        tracing::warn!(account = %name, times, "a server held another JWT; it was pushed again");
        let repaired = DriftRepaired {
            // A look-up does not say which server answers.
            server: self.servers.names().join(" or ").into(),
            found,
            issued_at: account.issued_at,
            times: (times > 1).then_some(times),
        };
        self.report(Outcome::DriftRepaired {
            account: name.clone(),
            repaired,
        })
        .await;
    }

    async fn report(&self, outcome: Outcome) {
        self.handler
            .outcome(outcome, Arc::clone(&self.principal))
            .await;
    }
}

fn since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.ms().saturating_sub(then.ms())).unwrap_or_default()
}
