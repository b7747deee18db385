//! Authority: whom the ledger knows, and what their role may command.

use super::{Fingerprint, Reader};
use crate::{
    account::Purpose,
    name::{Aggregate, Name},
    principal,
    rejection::Rejection,
    senders::Senders,
    stamp::Role,
    time::Timestamp,
    verb::{AnyVerb, Binds},
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

impl Reader<'_> {
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
        let known = self.known(claimed, Purpose::Agents, now)?;
        match known.role {
            Role::Agent => Ok(known),
            Role::Administrator | Role::Approver | Role::Auditor | Role::Service => {
                Err(Rejection::Unauthorised {
                    why: "its nkey is no live agent's".to_owned(),
                })
            }
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
        let (account, its_purpose, signing_keys) = self
            .account_of_nkey(claimed.account)
            .ok_or_else(|| refuse("its account is not in the ledger"))?;
        let user = self.user_of_nkey(claimed.user).ok_or_else(|| {
            refuse("its user is not in the ledger: credentials are issued by `user issue`")
        })?;
        let Some(of_user) = self.user(user) else {
            return Err(refuse("its user is not in the ledger"));
        };
        if its_purpose != purpose || of_user.state.account != *account {
            return Err(refuse("its account may not command this service"));
        }
        // Its holder is no longer the only one who has it.
        if let Some(key) = Fingerprint::of_nkey(claimed.user).and_then(|it| self.compromised(it)) {
            return Err(refuse(&format!(
                "its nkey was compromised as key {key}: revoke the user and issue another"
            )));
        }
        let stands_for = of_user.state.principal.as_ref();
        let left = stands_for.and_then(|name| self.principal(name)?.state.offboarded_at);
        if left.is_some() {
            return Err(refuse(
                "the principal that its user stands for was offboarded",
            ));
        }
        if !of_user.state.is_live(now) {
            return Err(refuse("its user was revoked or has expired"));
        }
        let role = signing_keys
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
        command: &dyn AnyVerb,
    ) -> Result<(), Rejection> {
        let refuse = |why: String| Err(Rejection::Unauthorised { why });
        let (role, verb) = (known.role, command.verb());
        if command.senders() == Senders::Approvers && role != Role::Approver {
            return refuse(format!(
                "what is secret is released to approvers only, and this is an {role}"
            ));
        }
        if (role, command.aggregate()) == (Role::Service, Aggregate::Key) {
            return self.authorise_service(known, target, command);
        }
        // A service has keys of its own, and nothing else.
        if role != Role::Service && command.senders().include(role) {
            return Ok(());
        }
        refuse(format!("the role {role} does not give {verb}"))
    }

    /// A program commands its own keys.
    fn authorise_service(
        &self,
        known: &Known,
        target: &Name,
        command: &dyn AnyVerb,
    ) -> Result<(), Rejection> {
        let refuse = |why: String| Err(Rejection::Unauthorised { why });
        let binds = command.binds(self, target);
        // What a program makes for itself vouches for nobody.
        if binds.certifies {
            return refuse("a service may not certify a key".to_owned());
        }
        let (keys, _) = self.issued_for(&known.user);
        let named = *target == known.user || keys.contains(target);
        // Whatever it is called: what NATS trust or the ledger stands on is no program's.
        // Nor is an authority, on which everybody's certificates stand.
        let vouches = self.key(target).is_some_and(|key| key.state.is_authority());
        if !(named && self.ends(target) && !vouches) {
            return refuse(format!("service {} has no key {target}", known.user));
        }
        if !command.senders().include(Role::Service) {
            return refuse(format!("a service may not {} a key", command.verb()));
        }
        self.check_service(&known.user, target, &binds)
    }
}

impl Reader<'_> {
    /// A service owns as itself or as its principal, puts keys below its own only, and brings no public key that is known already:
    /// what it says of a key binds whoever it names.
    fn check_service(
        &self,
        user: &Name,
        target: &Name,
        binds: &Binds<'_>,
    ) -> Result<(), Rejection> {
        let refuse = |why: String| Err(Rejection::Unauthorised { why });
        let Binds {
            owner,
            parent,
            public,
            certifies: _,
        } = *binds;
        if let Some(owner) = owner
            && !self.stands_for(user, owner)
        {
            return refuse(format!(
                "service {user} owns keys as itself or as its own principal, and {owner} is neither: leave `owner` out, or \
                 have an administrator describe the key"
            ));
        }
        if let Some(parent) = parent
            && !self.has_key(user, parent)
        {
            return refuse(format!(
                "service {user} puts keys below keys of its own only, and {parent} is none: leave `parent` out"
            ));
        }
        let known = public.into_iter().flat_map(|public| self.bearers(public));
        match known
            .filter(|it| it.aggregate != Aggregate::Key || it.name != *target)
            .min()
        {
            Some(other) => refuse(format!(
                "the public key is {other}'s already, and a service brings only new ones"
            )),
            None => Ok(()),
        }
    }

    /// True of a key that a service was given, or that it or its principal owns. Below any other, a key of its would keep that one
    /// from being destroyed, and stand in the hierarchy of somebody else.
    fn has_key(&self, user: &Name, key: &Name) -> bool {
        let given = user == key || self.issued_for(user).0.contains(key);
        let owner = self.key(key).and_then(|e| e.state.owner.as_ref());
        given || owner.is_some_and(|owner| self.stands_for(user, owner))
    }

    /// True of the principal that a user was issued for, and of a service that bears the user's name.
    fn stands_for(&self, user: &Name, principal: &Name) -> bool {
        let (_, issued_for) = self.issued_for(user);
        let itself = user == principal
            && self
                .principal(principal)
                .is_some_and(|p| p.state.kind == principal::Kind::Service);
        issued_for == Some(principal) || itself
    }
}
