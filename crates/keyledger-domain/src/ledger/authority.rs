//! Authority: whom the ledger knows, and what their role may command.

use super::Ledger;
use crate::{
    account::Purpose, command::Command, name::Name, principal, rejection::Rejection, stamp::Role,
    time::Timestamp, token,
};

/// Whom nats-server vouched for, as its stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed<'a> {
    /// The account's public nkey.
    pub account: &'a str,
    /// The user's public nkey.
    pub user: &'a str,
    /// The key that issued the user's JWT.
    pub issuer: &'a str,
}

/// Whom the ledger knows under these nkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The user's name.
    pub user: Name,
    /// Its role.
    pub role: Role,
}

impl Ledger {
    /// Finds who commands or asks, by nkeys alone.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unauthorised`] if the account or the user is unknown, has ended, or was issued by a key without a role.
    pub fn identify(&self, claimed: Claimed<'_>, now: Timestamp) -> Result<Known, Rejection> {
        self.known(claimed, Purpose::Client, now)
    }

    /// Finds which agent reports, by nkeys alone.
    ///
    /// # Errors
    ///
    /// As [`Self::identify`], and of whoever is no agent.
    pub fn identify_agent(&self, claimed: Claimed<'_>, now: Timestamp) -> Result<Known, Rejection> {
        let known = self.known(claimed, Purpose::Service, now)?;
        match known.role {
            Role::Agent => Ok(known),
            _ => Err(Rejection::Unauthorised {
                why: "its nkey is no live agent's".to_owned(),
            }),
        }
    }

    fn known(
        &self,
        claimed: Claimed<'_>,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Known, Rejection> {
        let refuse = |why: &str| Rejection::Unauthorised {
            why: why.to_owned(),
        };
        let account = self
            .account_of_nkey(claimed.account)
            .ok_or_else(|| refuse("its account is not in the ledger"))?;
        let user = self.user_of_nkey(claimed.user).ok_or_else(|| {
            refuse("its user is not in the ledger: credentials are issued by `user issue`")
        })?;
        let (Some(of_account), Some(of_user)) = (self.account(account), self.user(user)) else {
            return Err(refuse("its account or user is not in the ledger"));
        };
        if of_account.state.purpose != purpose || of_user.state.account != *account {
            return Err(refuse("its account may not command this service"));
        }
        if !of_user.state.is_live(now) {
            return Err(refuse("its user was revoked or has expired"));
        }
        let role = of_account
            .state
            .signing_keys
            .iter()
            .find(|k| *k.nkey == *claimed.issuer)
            .and_then(|k| k.role)
            .filter(|role| of_user.state.role == Some(*role))
            .ok_or_else(|| refuse("its JWT was not issued under a role of its account"))?;
        Ok(Known {
            user: user.clone(),
            role,
        })
    }

    /// Checks that a role may give a command. The server's permissions said so already; this holds if they were
    /// ever wider than they should be.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unauthorised`] if it may not.
    pub fn authorise(
        &self,
        known: &Known,
        target: &Name,
        command: &Command,
    ) -> Result<(), Rejection> {
        let refuse = |why: String| Err(Rejection::Unauthorised { why });
        match (known.role, command) {
            // Separation of duties: who provisions tokens gets neither what opens them nor what they decrypt with.
            (
                Role::Approver,
                Command::Token(token::Command::Release(_))
                | Command::Principal(principal::Command::RecoverKey(_)),
            ) => Ok(()),
            (
                role,
                Command::Token(token::Command::Release(_))
                | Command::Principal(principal::Command::RecoverKey(_)),
            ) => refuse(format!(
                "what is secret is released to approvers only, and this is an {role}"
            )),
            (Role::Administrator, _) => Ok(()),
            (Role::Service, Command::Key(command)) => {
                let verb = command.verb();
                let named = *target == known.user
                    || self
                        .user(&known.user)
                        .is_some_and(|u| u.state.keys.contains(target));
                // Whatever it is called: what NATS trust or the ledger stands on is no program's.
                let own = named && self.ends(target);
                match (own, SERVICE_VERBS.contains(&verb)) {
                    (true, true) => Ok(()),
                    (false, _) => refuse(format!("service {} has no key {target}", known.user)),
                    (_, false) => refuse(format!("a service may not {verb} a key")),
                }
            }
            (role, _) => refuse(format!("the role {role} does not give {}", command.verb())),
        }
    }
}

/// What a program may do with its own keys. Revoking, destroying and recovering are people's.
pub const SERVICE_VERBS: [&str; 8] = [
    "generate",
    "register",
    "activate",
    "suspend",
    "resume",
    "deactivate",
    "rotate",
    "describe",
];
