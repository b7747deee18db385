//! Remarks on what a command did: what its sender would want to know beside the acknowledgement.

use super::Ledger;
use crate::{
    account::Purpose,
    command::Target,
    name::{HistoryId, Name},
    token::Token,
    user::User,
    verb::AnyVerb,
};

/// The most that are named one by one.
const MAX_NAMED: usize = 8;

impl Ledger {
    /// Sentences for people about a command that was accepted; `changed` is false of one that found everything so already.
    #[must_use]
    pub fn remarks(&self, target: &Target, command: &dyn AnyVerb, changed: bool) -> Vec<String> {
        let mut said = command.remarks(self, &target.name, changed);
        if !changed && said.is_empty() {
            said.push("nothing was recorded: it was so before".to_owned());
        }
        said
    }

    pub(crate) fn same_public_key(&self, target: &Target) -> Vec<String> {
        let namesakes = self.namesakes(target);
        let say = |other: &&HistoryId| {
            let state = self.state(other).unwrap_or("unknown");
            format!("the same public key is {other}'s, which is {state}")
        };
        let more = namesakes.len().saturating_sub(MAX_NAMED);
        let named = namesakes.iter().take(MAX_NAMED).map(say);
        let rest = (more > 0).then(|| format!("and that of {more} more"));
        named.chain(rest).collect()
    }

    /// That a key's end was moved, or stands, where its newest certificate puts it.
    pub(crate) fn lives_longer(&self, name: &Name) -> Option<String> {
        let key = &self.key(name)?.state;
        let stop = key.protect_stop_at?;
        let newest = key.certificates().next_back()?;
        (stop == newest.not_after)
            .then(|| format!("the key now protects until {stop}, as its newest certificate says"))
    }

    /// What became of what an offboarded principal had, and what nobody can know.
    pub(crate) fn left_by(&self, name: &Name) -> Vec<String> {
        let mut said = Vec::new();
        let users = self.users();
        let users = users.filter(|(_, u)| u.state.principal.as_ref() == Some(name));
        match users.count() {
            0 => said.push("no user was issued for it with `--principal`".to_owned()),
            count => said.push(format!("users that stood for it, revoked: {count}")),
        }
        match self.reader().heir(name) {
            Some(heir) => said.push(format!("what it owned goes to {heir}")),
            None => {
                let keys = self.keys();
                let keys = keys.filter(|(_, k)| k.state.former_owner.as_ref() == Some(name));
                let keys: Vec<&Name> = keys.map(|(key, _)| key).collect();
                said.extend(named("keys without an owner now", keys).map(|it| {
                    format!("{it}: `keyledger inventory --without-owner` lists them, `keyledger key describe` gives them one")
                }));
            }
        }
        said.extend(
            named(
                "principals that nobody answers for now",
                self.answered_by(name),
            )
            .map(|it| format!("{it}: `keyledger principal describe NAME --responsible PERSON`")),
        );
        if let Some(principal) = self.principal(name) {
            let held = self.tokens().map(|(_, entry)| &entry.state);
            let held = held.filter(|token| token.principal.as_ref() == Some(name));
            said.extend(self.after_revocation(held.flat_map(Token::may_hold), principal.head.at));
        }
        let unbound = self.users().filter(|(_, u)| {
            let user = &u.state;
            user.principal.is_none() && user.revoked_at.is_none() && self.is_somebodys(user)
        });
        let unbound: Vec<&Name> = unbound.map(|(user, _)| user).collect();
        said.extend(
            named("users that stand for no principal, and go on", unbound).map(|it| {
                format!("{it}: `keyledger user list --without-principal` lists them; revoke those that it used")
            }),
        );
        said
    }

    /// False of those that this service connects with itself, and of agents, which are machines'.
    pub(crate) fn is_somebodys(&self, user: &User) -> bool {
        let purpose = self.account(&user.account).map(|e| e.state.purpose);
        !purpose.is_some_and(Purpose::is_own)
    }

    pub(crate) fn revoked_before(&self, name: &Name) -> Option<String> {
        let user = &self.user(name)?.state;
        let at = user.revoked_at?;
        let why = user.revoked_why.as_ref();
        let why = why
            .map(|why| format!(": {}", why.as_str()))
            .unwrap_or_default();
        Some(format!("it was revoked before, at {at}{why}"))
    }
}

/// How many there are, and the first of them by name; nothing of none.
fn named(what: &str, mut names: Vec<&Name>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let count = names.len();
    let more = if count > MAX_NAMED { ", …" } else { "" };
    names.truncate(MAX_NAMED);
    let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
    Some(format!("{what}: {count} ({}{more})", names.join(", ")))
}
