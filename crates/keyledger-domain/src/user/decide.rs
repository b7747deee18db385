//! The rules of a user's life.

use keyledger_claims::subject;

use super::{
    Command, DEFAULT_EXPIRES_DAYS, Event, Issue, Issued, MAX_EXPIRES_DAYS, MAX_GRANTS,
    MAX_JWT_BYTES, Revoked, User,
};
use crate::{
    account::{Account, Purpose},
    name::{Aggregate, HistoryId, Name},
    private_key::PrivateKey,
    rejection::Rejection,
    stamp::Role,
    time::Timestamp,
};

/// What a decision about a user must know from outside.
#[derive(Debug, Clone, Copy)]
pub struct UserFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The public nkey that custody generated, for an issue with `seal_to`.
    pub generated: Option<&'a str>,
    /// The account it belongs or will belong to.
    pub account: Option<&'a Account>,
}

/// Decides what a command does to the user `name`.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    user: Option<&User>,
    command: &Command,
    facts: UserFacts<'_>,
) -> Result<Vec<Event>, Rejection> {
    let id = || HistoryId::new(Aggregate::User, name.clone());
    Ok(match (user, command) {
        (None, Command::Issue(issue)) => vec![checked(name, issued(issue, facts)?, facts)?],
        (None, Command::Revoke(_)) => return Err(Rejection::NotFound(id())),
        (Some(_), Command::Issue(_)) => return Err(Rejection::NameTaken(id())),
        (Some(user), Command::Revoke(_)) if user.revoked_at.is_some() => vec![],
        (Some(user), Command::Revoke(_)) => {
            vec![Event::Revoked(Revoked {
                nkey: user.nkey.clone(),
                revoked_at: facts.now,
            })]
        }
    })
}

/// Holds that nats-server would let in who has this JWT.
fn checked(name: &Name, issued: Event, facts: UserFacts<'_>) -> Result<Event, Rejection> {
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

fn issued(issue: &Issue, facts: UserFacts<'_>) -> Result<Event, Rejection> {
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
    Ok(Event::Issued(Issued {
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

/// Checks that a text is a public nkey of the kind that `letter` begins.
pub(crate) fn check_nkey(
    field: &'static str,
    nkey: &str,
    letter: char,
    expected: &str,
) -> Result<(), Rejection> {
    let fault = || Rejection::BadValue {
        field,
        fault: format!("it is not {expected}"),
    };
    if nkey.starts_with('S') {
        return Err(Rejection::private(field, PrivateKey::Seed));
    }
    // The first letter is the prefix byte's; the crate checks length and checksum.
    match nkeys::from_public_key(nkey) {
        Ok(_) if nkey.starts_with(letter) => Ok(()),
        _ => Err(fault()),
    }
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
