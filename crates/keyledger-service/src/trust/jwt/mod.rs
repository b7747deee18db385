//! JWTs as views: claims folded from the ledger, signed by a key of custody's. Pure and deterministic.

use keyledger_claims::{
    AccountBody, AccountClaims, Draft, EncodeError, SigningKey, UserClaims, UserPermissionLimits,
    UserScope, signer::SignError, user::ResponsePermission,
};
use keyledger_custody::NkeySigner;
use keyledger_domain::{
    Name, Role,
    account::{Account, MAX_JWT_BYTES, Purpose, RESERVED_JWT_BYTES, Signing},
    user::User,
};

/// How long the service may take for an answer, in nanoseconds: half as much again as the handler's patience.
const ANSWER_WITHIN_NS: i64 = 30_000_000_000;

/// Whom an entry of a revocation list refuses that names no nkey.
const EVERYBODY: &str = "*";

/// The longest JWT that is pushed: what the ledger's rules let a list grow to.
const MAX_PUSHED_BYTES: usize = MAX_JWT_BYTES + RESERVED_JWT_BYTES;

/// Why there is no JWT.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The ledger holds claims that cannot be read: run `keyledger ledger verify`, and upgrade if a newer version wrote them.
    #[error("the claims of account {account} in the ledger cannot be read: {said}")]
    Claims {
        /// The account's nkey.
        account: Box<str>,
        /// What is wrong.
        said: String,
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

/// The claims of an account, as its history left it.
///
/// # Errors
///
/// [`JwtError::Claims`] if what stands in the ledger is not an account's claims.
pub fn account_claims(account: &Account) -> Result<AccountClaims, JwtError> {
    let unreadable = |e: serde_json::Error| JwtError::Claims {
        account: account.nkey.clone(),
        said: e.to_string(),
    };
    let mut body: AccountBody = serde_json::from_str(&account.claims).map_err(unreadable)?;
    for key in &account.signing_keys {
        body.signing_keys
            .push(signing_key(key).map_err(unreadable)?);
    }
    let revoked = account.revocations.users();
    body.revocations
        .extend(revoked.map(|(nkey, entry)| (nkey.to_owned(), entry.until)));
    if let Some(all) = account.revocations.all() {
        body.revocations.insert(EVERYBODY.to_owned(), all.until);
    }
    let mut claims = AccountClaims::with_body(&*account.nkey, account.issued_at, body);
    account.title.as_str().clone_into(&mut claims.name);
    Ok(claims)
}

fn signing_key(key: &Signing) -> Result<SigningKey, serde_json::Error> {
    let Some(role) = key.role else {
        return Ok(SigningKey::Plain(key.nkey.to_string()));
    };
    let mut scope = UserScope::new(&*key.nkey, role.as_str());
    if let Some(template) = &key.template {
        scope.template = serde_json::from_str::<UserPermissionLimits>(template)?;
    }
    Ok(SigningKey::scoped(scope))
}

/// The JWT of an account, signed by the operator's signing key that the ledger names.
///
/// # Errors
///
/// As [`account_draft`].
pub fn account_jwt(account: &Account, signer: &NkeySigner) -> Result<String, JwtError> {
    let draft = account_draft(account, signer.public_nkey())?;
    let signature = signer.sign(draft.to_be_signed());
    Ok(draft.finish(&signature))
}

/// The JWT of an account, to be signed by the key with the nkey `issuer`.
///
/// # Errors
///
/// [`JwtError`]; nothing that nats-server would refuse, or take otherwise than it says, is signed.
pub fn account_draft(account: &Account, issuer: &str) -> Result<Draft, JwtError> {
    let claims = account_claims(account)?;
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
    let draft = Draft::new(&claims, issuer).map_err(encode_error(&account.nkey))?;
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
