//! JWTs as views: claims rendered from the ledger, signed by keys of custody's when they are pushed. Pure and deterministic.

use keyledger_claims::{
    AccountClaims, Draft, EncodeError, UserClaims, signer::SignError, user::ResponsePermission,
};
use keyledger_custody::NkeySigner;
use keyledger_domain::{
    Name, Role,
    account::{
        Account, Exporters, Leave, MAX_JWT_BYTES, Purpose, RESERVED_JWT_BYTES, RenderError,
        Rendered, render,
    },
    user::User,
};
use keyledger_wire::Prefix;

use super::templates::template;

/// How long the service may take for an answer, in nanoseconds: half as much again as the handler's patience.
const ANSWER_WITHIN_NS: i64 = 30_000_000_000;

/// The longest JWT that is pushed: what the ledger's rules let a list grow to.
const MAX_PUSHED_BYTES: usize = MAX_JWT_BYTES + RESERVED_JWT_BYTES;

/// Why there is no JWT.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// What the ledger says the account is to be cannot be rendered: the source says why.
    #[error("the claims of account {account}")]
    Render {
        /// The account's nkey.
        account: Box<str>,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// A key that must give the account leave to import was not opened: open it.
    #[error("{subject} needs leave to import from key {key}, which was not opened")]
    NoLeave {
        /// The account's nkey.
        subject: Box<str>,
        /// The exporter's signing key.
        key: Name,
    },
    /// The claims would not do what they say: nats-server would refuse the account, or every user of it.
    #[error("the claims of {subject} are refused before they are signed: {said}")]
    Invalid {
        /// Whom they are about.
        subject: String,
        /// What is wrong.
        said: String,
    },
    /// The ledger names another issuer: open that key.
    #[error("{subject} is signed by {expected}, and this key is {found}")]
    OtherIssuer {
        /// Whom the claims are about.
        subject: String,
        /// Whose signature it needs.
        expected: String,
        /// Whose key was given.
        found: String,
    },
    /// It is larger than nats-server takes: nobody would enforce it.
    #[error("the JWT of {subject} has {bytes} bytes, and nats-server takes {MAX_PUSHED_BYTES}")]
    TooLarge {
        /// Whom it is about.
        subject: String,
        /// Its length.
        bytes: usize,
    },
    /// They were not signed: the source says why.
    #[error("the claims of {subject} were not signed")]
    Encode {
        /// Whom they are about.
        subject: String,
        /// Why.
        #[source]
        source: EncodeError,
    },
}

/// Signs claims with a key of custody's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClaimsSigner<'a>(pub(super) &'a NkeySigner);

impl keyledger_claims::Signer for ClaimsSigner<'_> {
    fn public_nkey(&self) -> &str {
        self.0.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message))
    }
}

/// What the JWT of an account says, as its history left it, apart from what must be signed.
///
/// # Errors
///
/// [`JwtError::Render`] if it cannot be rendered.
pub fn rendered(
    account: &Account,
    prefix: &Prefix,
    exporters: &impl Exporters,
) -> Result<Rendered, JwtError> {
    let version = account.intent.template;
    let template = template(prefix, version, account.purpose, &account.nkey);
    render(account, &template, exporters).map_err(|source| JwtError::Render {
        account: account.nkey.clone(),
        source,
    })
}

/// The JWT of an account, signed by the operator's signing key that the ledger names, with the leave to import that its exporters' keys
/// sign: `exporter` gives them by their names.
///
/// # Errors
///
/// As [`account_draft`], and [`JwtError::NoLeave`] if `exporter` lacks a key.
pub fn account_jwt<'a>(
    account: &Account,
    rendered: Rendered,
    signer: &NkeySigner,
    exporter: impl Fn(&Name) -> Option<&'a NkeySigner>,
) -> Result<String, JwtError> {
    let claims = rendered.signed(|leave| {
        let signer = exporter(&leave.key).ok_or_else(|| JwtError::NoLeave {
            subject: account.nkey.clone(),
            key: leave.key.clone(),
        })?;
        let draft = leave_draft(account, leave, signer.public_nkey())?;
        let signature = signer.sign(draft.to_be_signed());
        Ok(draft.finish(&signature))
    })?;
    let draft = account_draft(account, &claims, signer.public_nkey())?;
    let signature = signer.sign(draft.to_be_signed());
    Ok(draft.finish(&signature))
}

/// Leave to import, to be signed by the exporter's key with the nkey `issuer`.
///
/// # Errors
///
/// [`JwtError`] if the ledger names another key.
pub fn leave_draft(account: &Account, leave: &Leave, issuer: &str) -> Result<Draft, JwtError> {
    check_issuer(&account.nkey, &leave.signer, issuer)?;
    Draft::new(&leave.claims, issuer).map_err(encode_error(&account.nkey))
}

/// The JWT of an account, to be signed by the key with the nkey `issuer`. In `claims` all leave to import is signed.
///
/// # Errors
///
/// [`JwtError`]; nothing that nats-server would refuse, or take otherwise than it says, is signed.
pub fn account_draft(
    account: &Account,
    claims: &AccountClaims,
    issuer: &str,
) -> Result<Draft, JwtError> {
    check_issuer(&account.nkey, &account.issuer, issuer)?;
    let issues: Vec<_> = claims
        .validate()
        .iter()
        .filter(|i| i.is_blocking())
        .map(text)
        .collect();
    if !issues.is_empty() {
        return Err(invalid(&account.nkey, issues));
    }
    let draft = Draft::new(claims, issuer).map_err(encode_error(&account.nkey))?;
    if draft.token_bytes() > MAX_PUSHED_BYTES {
        return Err(JwtError::TooLarge {
            subject: account.nkey.to_string(),
            bytes: draft.token_bytes(),
        });
    }
    Ok(draft)
}

/// The claims of a user.
#[must_use]
pub fn user_claims(name: &Name, user: &User, account: &Account) -> UserClaims {
    let mut claims = if user.role.is_some() {
        UserClaims::scoped(&*user.nkey, &*account.nkey, user.issued_at)
    } else {
        unscoped(user, account)
    };
    name.as_str().clone_into(&mut claims.name);
    claims.exp = user.expires_at;
    if user.role == Some(Role::Service) {
        claims.nats.tags = user.keys.iter().map(|key| format!("key:{key}")).collect();
    }
    if let Some(role) = user.role {
        claims
            .nats
            .tags
            .push(format!("{}{role}", keyledger_wire::creds::ROLE_TAG));
    }
    claims
}

fn unscoped(user: &User, account: &Account) -> UserClaims {
    let mut claims = UserClaims::new(&*user.nkey, user.issued_at);
    account
        .nkey
        .as_ref()
        .clone_into(&mut claims.nats.issuer_account);
    let limits = &mut claims.nats.limits;
    let allowed = |subjects: &Option<Vec<Box<str>>>| {
        let subjects = subjects.iter().flatten();
        subjects
            .map(|subject| subject.to_string())
            .collect::<Vec<_>>()
    };
    limits.publish.allow = allowed(&user.publish);
    limits.subscribe.allow = allowed(&user.subscribe);
    // An empty list would allow everything, and what was asked for is nothing.
    let none = |subjects: &Option<Vec<Box<str>>>| subjects.as_ref().is_some_and(Vec::is_empty);
    if none(&user.publish) {
        limits.publish.deny = vec![">".to_owned()];
    }
    if none(&user.subscribe) {
        limits.subscribe.deny = vec![">".to_owned()];
    }
    // Users of the service's own account answer requests, once each.
    if account.purpose == Purpose::Service {
        limits.resp = Some(ResponsePermission {
            max: 1,
            ttl: ANSWER_WITHIN_NS,
            ..Default::default()
        });
    }
    claims
}

/// The JWT of a user, signed by the account's signing key that the ledger names.
///
/// # Errors
///
/// [`JwtError`].
pub fn user_jwt(
    name: &Name,
    user: &User,
    account: &Account,
    signer: &NkeySigner,
) -> Result<String, JwtError> {
    let draft = user_draft(name, user, account, signer.public_nkey())?;
    let signature = signer.sign(draft.to_be_signed());
    Ok(draft.finish(&signature))
}

/// The JWT of a user, to be signed by the key with the nkey `issuer`.
///
/// # Errors
///
/// [`JwtError`].
pub fn user_draft(
    name: &Name,
    user: &User,
    account: &Account,
    issuer: &str,
) -> Result<Draft, JwtError> {
    let claims = user_claims(name, user, account);
    check_issuer(&user.nkey, &user.issuer, issuer)?;
    let issues: Vec<_> = claims
        .nats
        .validate()
        .iter()
        .filter(|i| i.is_blocking())
        .map(text)
        .collect();
    if !issues.is_empty() {
        return Err(invalid(&user.nkey, issues));
    }
    Draft::new(&claims, issuer).map_err(encode_error(&user.nkey))
}

fn text(issue: &keyledger_claims::validate::Issue) -> String {
    issue.to_string()
}

fn invalid(subject: &str, issues: Vec<String>) -> JwtError {
    JwtError::Invalid {
        subject: subject.to_owned(),
        said: issues.join("; "),
    }
}

fn check_issuer(subject: &str, expected: &str, issuer: &str) -> Result<(), JwtError> {
    if issuer == expected {
        return Ok(());
    }
    Err(JwtError::OtherIssuer {
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: issuer.to_owned(),
    })
}

fn encode_error(subject: &str) -> impl FnOnce(EncodeError) -> JwtError {
    let subject = subject.to_owned();
    move |source| JwtError::Encode { subject, source }
}

#[cfg(test)]
mod tests;
