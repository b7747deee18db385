//! Authority: whom the ledger knows, and what their role may command.

use super::{Fingerprint, Ledger};
use crate::{
    account::Purpose,
    command::Command,
    key,
    name::{Aggregate, Name},
    principal,
    rejection::Rejection,
    stamp::Role,
    time::Timestamp,
    token,
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
            // What a program makes for itself vouches for nobody.
            (Role::Service, Command::Key(command)) if command.certifies() => {
                refuse("a service may not certify a key".to_owned())
            }
            (Role::Service, Command::Key(command)) => {
                let verb = command.verb();
                let named = *target == known.user
                    || self
                        .user(&known.user)
                        .is_some_and(|u| u.state.keys.contains(target));
                // Whatever it is called: what NATS trust or the ledger stands on is no program's.
                // Nor is an authority, on which everybody's certificates stand.
                let vouches = self.key(target).is_some_and(|key| key.state.is_authority());
                let own = named && self.ends(target) && !vouches;
                match (own, SERVICE_VERBS.contains(&verb)) {
                    (true, true) => self.check_service(&known.user, target, command),
                    (false, _) => refuse(format!("service {} has no key {target}", known.user)),
                    (_, false) => refuse(format!("a service may not {verb} a key")),
                }
            }
            (role, _) => refuse(format!("the role {role} does not give {}", command.verb())),
        }
    }
}

impl Ledger {
    /// A service owns as itself or as its principal, puts keys below its own only, and brings no public key that is known already:
    /// what it says of a key binds whoever it names.
    fn check_service(
        &self,
        user: &Name,
        target: &Name,
        command: &key::Command,
    ) -> Result<(), Rejection> {
        use key::Command as C;
        let refuse = |why: String| Err(Rejection::Unauthorised { why });
        let (owner, parent, public) = match command {
            C::Generate(c) => (c.owner.as_ref(), c.parent.as_ref(), None),
            C::Register(c) => (
                c.owner.as_ref(),
                c.parent.as_ref(),
                Fingerprint::of_text(c.algorithm, &c.public_key),
            ),
            C::Rotate(c) => {
                let key = self.key(target).map(|e| e.state.algorithm);
                let public = key.zip(c.public_key.as_deref());
                let public =
                    public.and_then(|(algorithm, text)| Fingerprint::of_text(algorithm, text));
                (None, None, public)
            }
            C::Describe(c) => (c.owner.as_ref(), None, None),
            C::Activate(_)
            | C::Suspend(_)
            | C::Resume(_)
            | C::Deactivate(_)
            | C::Revoke(_)
            | C::Destroy(_)
            | C::Archive(_)
            | C::Recover(_)
            | C::Schedule(_)
            | C::Certify(_)
            | C::Install(_)
            | C::RevokeCertificate(_) => (None, None, None),
        };
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
        let given = self
            .user(user)
            .is_some_and(|u| user == key || u.state.keys.contains(key));
        let owner = self.key(key).and_then(|e| e.state.owner.as_ref());
        given || owner.is_some_and(|owner| self.stands_for(user, owner))
    }

    /// True of the principal that a user was issued for, and of a service that bears the user's name.
    fn stands_for(&self, user: &Name, principal: &Name) -> bool {
        let issued_for = self.user(user).and_then(|u| u.state.principal.as_ref());
        let itself = user == principal
            && self
                .principal(principal)
                .is_some_and(|p| p.state.kind == principal::Kind::Service);
        issued_for == Some(principal) || itself
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
