//! JWTs as a view: claims folded from events, signed by the key that the events name.
//!
//! A JWT is a function of the ledger: every instance makes the very same bytes.

use keyledger_claims::{
    AccountBody, AccountClaims, EncodeError, Issue, SignError, Signer, SigningKey, UserClaims,
    UserPermissionLimits, UserScope, encode,
};
use keyledger_custody::NkeySigner;
use keyledger_domain::{
    Name,
    account::{Account, Signing},
    user::User,
};

/// Why no JWT was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// What the ledger holds of the account is not NATS's JSON: it was written by something else.
    #[error("the claims in the ledger are not NATS's: {0}")]
    Claims(#[from] serde_json::Error),
    /// nats-server would refuse the account with all its users. It was not pushed.
    #[error("the account is invalid and was not pushed: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Issue>),
    /// It was not signed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The claims of an account's newest JWT.
///
/// # Errors
///
/// [`JwtError::Claims`] or [`JwtError::Invalid`].
pub fn account_claims(account: &Account) -> Result<AccountClaims, JwtError> {
    let mut body: AccountBody = serde_json::from_str(&account.claims)?;
    for key in &account.signing_keys {
        body.signing_keys.push(signing_key(key)?);
    }
    for (nkey, until) in &account.revocations {
        body.revocations.insert(nkey.to_string(), *until);
    }
    let mut claims = AccountClaims::with_body(&*account.nkey, account.issued_at, body);
    claims.name = account.title.to_string();
    let blocking: Vec<_> =
        claims.validate().into_iter().filter(Issue::is_blocking).collect();
    if blocking.is_empty() { Ok(claims) } else { Err(JwtError::Invalid(blocking)) }
}

/// An account's newest JWT.
///
/// # Errors
///
/// [`JwtError`].
pub fn account_jwt(account: &Account, signer: &NkeySigner) -> Result<String, JwtError> {
    Ok(encode(&account_claims(account)?, &ByCustody(signer))?)
}

/// The claims of a user's JWT.
#[must_use]
pub fn user_claims(name: &Name, user: &User, account: &Account) -> UserClaims {
    let mut claims = if user.role.is_some() {
        UserClaims::scoped(&*user.nkey, &*account.nkey, user.issued_at)
    } else {
        let mut claims = UserClaims::new(&*user.nkey, user.issued_at);
        claims.nats.issuer_account = account.nkey.to_string();
        let list = |subjects: &[Box<str>]| subjects.iter().map(ToString::to_string).collect();
        if let Some(publish) = &user.publish {
            claims.nats.limits.publish.allow = list(publish);
        }
        if let Some(subscribe) = &user.subscribe {
            claims.nats.limits.subscribe.allow = list(subscribe);
        }
        claims
    };
    claims.name = name.to_string();
    claims.exp = user.expires_at;
    claims.nats.tags = user.keys.iter().map(|key| format!("key:{key}")).collect();
    claims
}

/// A user's JWT.
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
    Ok(encode(&user_claims(name, user, account), &ByCustody(signer))?)
}

fn signing_key(key: &Signing) -> Result<SigningKey, JwtError> {
    let Some(role) = key.role else {
        return Ok(SigningKey::Plain(key.nkey.to_string()));
    };
    let mut scope = UserScope::new(&*key.nkey, role.as_str());
    if let Some(template) = &key.template {
        scope.template = serde_json::from_str::<UserPermissionLimits>(template)?;
    }
    Ok(SigningKey::scoped(scope))
}

/// A key that custody holds, as the codec asks for one.
#[derive(Debug)]
pub struct ByCustody<'a>(pub &'a NkeySigner);

impl Signer for ByCustody<'_> {
    fn public_nkey(&self) -> &str {
        self.0.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message))
    }
}
