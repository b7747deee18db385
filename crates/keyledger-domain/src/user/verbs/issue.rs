//! `user.issue`.

use keyledger_claims::subject;

use crate::{
    account::{Account, Purpose},
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Fingerprint, Ledger},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    senders::Senders,
    stamp::Role,
    time::Timestamp,
    user::{
        self, DEFAULT_EXPIRES_DAYS, Issued, MAX_EXPIRES_DAYS, MAX_GRANTS, MAX_JWT_BYTES, User,
        check_nkey,
    },
    verb::{Credentials, Payload, Urgency, Verb},
};

body! { User "issue", optional reason;
    /// Issue a NATS user: for a public nkey of your own, or with a generated one, sealed to your curve key
    Issue {
        /// The account it belongs to.
        account: Name,
        /// Its public nkey (`U…`), if the requester made one; else give `seal_to`.
        nkey: Option<String>,
        /// The requester's public curve key (`X…`): the generated creds are sealed to it.
        seal_to: Option<String>,
        /// Its role, where the account imports this service.
        role: Option<Role>,
        /// The principal it stands for.
        principal: Option<Name>,
        /// Days until it expires, 1 to 365; 90 if absent.
        expires_days: Option<u16>,
        /// The moment at which it expires, a minute to 365 days from now. This, or `expires_days`.
        expires_at: Option<Timestamp>,
        /// Keys that a `service` may command besides its namesake; at most 64.
        keys: Option<Vec<Name>>,
        /// Subjects it may publish to, if it has no role; everything if absent; at most 64.
        publish: Option<Vec<String>>,
        /// Subjects it may subscribe to, if it has no role; everything if absent; at most 64.
        subscribe: Option<Vec<String>>,
    }
}

/// A user that custody generated: its seed was sealed to the requester.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedUser {
    /// Its public nkey.
    pub nkey: String,
    /// When its JWT was issued.
    pub issued_at: Timestamp,
}

impl Verb for Issue {
    type Made = Option<GeneratedUser>;
    type Gives = Credentials;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(
        &self,
        on: &Deciding<'_>,
        made: &Option<GeneratedUser>,
    ) -> Result<Decision, Rejection> {
        self.check(on)?;
        on.check_new()?;
        let facts = Facts {
            now: made
                .as_ref()
                .map_or(on.now, |made| made.issued_at.min(on.now)),
            generated: made.as_ref().map(|made| made.nkey.as_str()),
            account: on.account(&self.account),
        };
        let issued = checked(on.name(), issued(self, facts)?, facts)?;
        Ok(on.writes([issued]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::User(user::Event::Issued(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, _changed: bool) -> Vec<String> {
        ledger.same_public_key(&Self::history(on))
    }
}

/// What the rule must know.
#[derive(Clone, Copy)]
struct Facts<'a> {
    /// The time.
    now: Timestamp,
    /// The public nkey that custody generated, for an issue with `seal_to`.
    generated: Option<&'a str>,
    /// The account it will belong to.
    account: Option<&'a Account>,
}

impl Issue {
    /// What it names must be there and sound, and nobody else's.
    fn check(&self, on: &Deciding<'_>) -> Result<(), Rejection> {
        let bad = |field, fault| Err(Rejection::BadValue { field, fault });
        let purpose = on.account(&self.account).map(|account| account.purpose);
        let agent = purpose == Some(Purpose::Agents) && self.role == Some(Role::Agent);
        if purpose.is_some_and(Purpose::is_own) && !agent {
            let account = &self.account;
            return bad(
                "account",
                format!("account {account} is this service's own: only agents connect to it"),
            );
        }
        if let Some(principal) = &self.principal {
            on.acting(principal)?;
        }
        for (field, nkey) in [("nkey", &self.nkey), ("seal_to", &self.seal_to)] {
            let public = nkey.as_deref().and_then(Fingerprint::of_nkey);
            on.ledger.check_sound(field, public)?;
        }
        match self
            .nkey
            .as_deref()
            .and_then(|nkey| on.ledger.user_of_nkey(nkey))
        {
            Some(by) if on.check_new().is_ok() => bad(
                "nkey",
                format!("it is user {by}'s already: every user needs an nkey of its own"),
            ),
            Some(_) | None => Ok(()),
        }
    }
}

/// Holds that nats-server would let in who has this JWT.
fn checked(name: &Name, issued: user::Event, facts: Facts<'_>) -> Result<user::Event, Rejection> {
    let Some(user) = User::create(&issued) else {
        return Ok(issued);
    };
    let bytes = user.jwt_bytes(name);
    if bytes > MAX_JWT_BYTES {
        let field = if user.keys.is_empty() {
            "publish"
        } else {
            "keys"
        };
        let fault = format!(
            "the user's JWT would have {bytes} bytes, and a client that sends more than {MAX_JWT_BYTES} is refused by \
             nats-server: name fewer, or use wildcards in subjects"
        );
        return Err(Rejection::BadValue { field, fault });
    }
    let all = facts.account.and_then(|account| account.revocations.all());
    if let Some(all) = all.filter(|all| user.issued_at <= all.until) {
        return Err(Rejection::BadDate {
            field: "issued_at",
            value: Timestamp::from_seconds(user.issued_at),
            rule: if all.until < facts.now.seconds() {
                "its account refuses everything that was issued until then: send the command again"
            } else {
                "its account refuses everything that was issued until now and later: the service's clock was set back; set it right"
            },
        });
    }
    Ok(issued)
}

fn issued(issue: &Issue, facts: Facts<'_>) -> Result<user::Event, Rejection> {
    let bad = |field, fault: &str| Rejection::BadValue {
        field,
        fault: fault.to_owned(),
    };
    let account = facts.account.ok_or_else(|| {
        Rejection::NotFound(HistoryId::new(Aggregate::Account, issue.account.clone()))
    })?;
    let (nkey, generated) = match (&issue.nkey, &issue.seal_to) {
        (Some(nkey), None) => {
            check_nkey("nkey", nkey, 'U', "a public user nkey (`U…`)")?;
            (nkey.as_str(), false)
        }
        (None, Some(seal_to)) => {
            check_nkey("seal_to", seal_to, 'X', "a public curve key (`X…`)")?;
            let generated = facts
                .generated
                .ok_or_else(|| bad("seal_to", "custody generated nothing"))?;
            (generated, true)
        }
        _ => {
            return Err(bad(
                "nkey",
                "give either `nkey`, or `seal_to` to have one generated",
            ));
        }
    };
    let signing = account
        .signing_key(issue.role)
        .ok_or_else(|| match issue.role {
            Some(role) => bad(
                "role",
                &format!(
                    "account {} has no role {role}{}",
                    issue.account,
                    match account.purpose {
                        Purpose::Plain => {
                            ": it does not import this service; create another with `imports_keyledger`"
                        }
                        _ => "",
                    }
                ),
            ),
            None => bad(
                "role",
                &format!("every user of account {} needs a role", issue.account),
            ),
        })?;
    if issue.role.is_some() && (issue.publish.is_some() || issue.subscribe.is_some()) {
        return Err(bad(
            "publish",
            "a role has its own permissions: leave it and `subscribe` out",
        ));
    }
    if issue.role != Some(Role::Service) && issue.keys.as_ref().is_some_and(|k| !k.is_empty()) {
        return Err(bad("keys", "only a user of role `service` is given keys"));
    }
    let expires_at = expiry(issue, facts.now)?;
    let keys = issue.keys.clone().unwrap_or_default();
    if keys.len() > MAX_GRANTS {
        return Err(Rejection::LimitReached {
            what: "keys of a user",
            max: MAX_GRANTS,
        });
    }
    Ok(user::Event::Issued(Issued {
        account: issue.account.clone(),
        nkey: nkey.into(),
        generated,
        role: issue.role,
        issuer: signing.nkey.clone(),
        principal: issue.principal.clone(),
        issued_at: facts.now.seconds(),
        expires_at: expires_at.seconds(),
        keys,
        publish: subjects("publish", issue.publish.as_deref())?,
        subscribe: subjects("subscribe", issue.subscribe.as_deref())?,
    }))
}

/// When a user's JWT expires.
fn expiry(issue: &Issue, now: Timestamp) -> Result<Timestamp, Rejection> {
    let days = match (issue.expires_days, issue.expires_at) {
        (Some(_), Some(_)) => {
            return Err(Rejection::BadValue {
                field: "expires_at",
                fault: "give `expires_days` or `expires_at`, not both".to_owned(),
            });
        }
        (None, Some(value)) => {
            let latest = now.plus_days(i64::from(MAX_EXPIRES_DAYS));
            let rule = match () {
                () if value < now.plus_ms(60_000) => "it is not at least a minute away",
                () if value > latest => "it is more than 365 days away",
                () => return Ok(value),
            };
            let field = "expires_at";
            return Err(Rejection::BadDate { field, value, rule });
        }
        (days, None) => days.unwrap_or(DEFAULT_EXPIRES_DAYS),
    };
    if !(1..=MAX_EXPIRES_DAYS).contains(&days) {
        return Err(Rejection::OutOfRange {
            field: "expires_days",
            value: i64::from(days),
            min: 1,
            max: i64::from(MAX_EXPIRES_DAYS),
        });
    }
    Ok(now.plus_days(i64::from(days)))
}

fn subjects(
    field: &'static str,
    asked: Option<&[String]>,
) -> Result<Option<Vec<Box<str>>>, Rejection> {
    let Some(asked) = asked else { return Ok(None) };
    if asked.is_empty() {
        // nats-server reads an empty list as everything.
        let fault = "name at least one subject, or leave the field out for all".to_owned();
        return Err(Rejection::BadValue { field, fault });
    }
    if asked.len() > MAX_GRANTS {
        return Err(Rejection::LimitReached {
            what: field,
            max: MAX_GRANTS,
        });
    }
    for subject in asked {
        if subject.len() > 255 || subject.contains("{{") || !subject::is_valid(subject) {
            let shown: String = subject.chars().take(80).collect();
            let fault = format!("{shown:?} is not a NATS subject of at most 255 bytes");
            return Err(Rejection::BadValue { field, fault });
        }
    }
    Ok(Some(asked.iter().map(|s| s.as_str().into()).collect()))
}
