//! The one place where an account's JWT is made of its intent, the templates, and whom it refuses. Pure.
//!
//! What needs a secret is left to the caller: the leave to import, an activation for each import, is signed when the JWT is.

use keyledger_claims::{
    AccountClaims, ActivationClaims, SigningKey as ClaimsSigningKey, UserScope,
    account::{ExportType, Import as ClaimsImport},
};

use super::{
    Account, SigningKey,
    intent::{Export, Exporter, Import, Limit, Scope},
};
use crate::{name::Name, stamp::Role};

/// Whom an entry of a revocation list refuses that names no nkey.
const EVERYBODY: &str = "*";

/// What a version of the templates says of an account of some purpose, and of the roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// How many connections it may have, unless its intent says so.
    pub connections: Limit,
    /// How many leaf nodes, likewise.
    pub leaf_nodes: Limit,
    /// What it exports.
    pub exports: Vec<Export>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What the users of each role may do, for the roles of its signing keys.
    pub roles: Vec<(Role, Scope)>,
}

/// The accounts that others import from.
pub trait Exporters {
    /// The account of this name.
    fn exporter(&self, name: &Name) -> Option<&Account>;
}

/// An account's claims, apart from what must be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    claims: AccountClaims,
    leave: Vec<Leave>,
}

/// Leave to import, to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Which import it is for.
    import: usize,
    /// The activation.
    pub claims: ActivationClaims,
    /// The key that signs it: one of the exporter's.
    pub key: Name,
    /// That key's public nkey.
    pub signer: Box<str>,
}

/// Why an account has no claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It imports from an account that is not in the ledger.
    #[error("it imports from account {0}, which is not in the ledger")]
    NoExporter(Name),
    /// It imports from an account that can give no leave: it has no signing key without a role.
    #[error(
        "it imports from account {0}, which has no signing key without a role to give it leave"
    )]
    NoSigner(Name),
    /// One of its signing keys has a role that the templates do not know.
    #[error("its template says nothing of the role {0}")]
    NoRole(Role),
}

/// The claims of an account.
///
/// `template` must be of the version that the account stands on. The same arguments give the same claims, on every instance.
///
/// # Errors
///
/// [`RenderError`]: nothing less than what the intent says is rendered.
pub fn render(
    account: &Account,
    template: &Template,
    exporters: &impl Exporters,
) -> Result<Rendered, RenderError> {
    let intent = &account.intent;
    let mut body = intent.claims(template.connections, template.leaf_nodes);
    let exports = template.exports.iter().map(Into::into);
    body.exports.splice(0..0, exports);
    let mut leave = Vec::new();
    for import in template.imports.iter().chain(&intent.imports) {
        let at = body.imports.len();
        let (import, granted) = imported(account, import, at, exporters)?;
        leave.extend(granted);
        body.imports.push(import);
    }
    for key in &account.signing_keys {
        body.signing_keys.push(signing_key(key, template)?);
    }
    let revoked = account.revocations.users();
    body.revocations
        .extend(revoked.map(|(nkey, entry)| (nkey.to_owned(), entry.until)));
    if let Some(all) = account.revocations.all() {
        body.revocations.insert(EVERYBODY.to_owned(), all.until);
    }
    let mut claims = AccountClaims::with_body(&*account.nkey, account.issued_at, body);
    account.title.as_str().clone_into(&mut claims.name);
    Ok(Rendered { claims, leave })
}

impl Rendered {
    /// The claims while the leave to import is not signed: each import lacks its token.
    #[must_use]
    pub const fn unsigned(&self) -> &AccountClaims {
        &self.claims
    }

    /// The leave to import that must be signed.
    #[must_use]
    pub fn leave(&self) -> &[Leave] {
        &self.leave
    }

    /// The claims with the leave to import, each signed by `sign`.
    ///
    /// # Errors
    ///
    /// The first one of `sign`.
    pub fn signed<E>(
        self,
        mut sign: impl FnMut(&Leave) -> Result<String, E>,
    ) -> Result<AccountClaims, E> {
        let mut claims = self.claims;
        for leave in &self.leave {
            if let Some(import) = claims.nats.imports.get_mut(leave.import) {
                import.token = sign(leave)?;
            }
        }
        Ok(claims)
    }
}

/// The import that stands at place `at`, with the leave that the exporter's key must sign for it.
fn imported(
    account: &Account,
    import: &Import,
    at: usize,
    exporters: &impl Exporters,
) -> Result<(ClaimsImport, Option<Leave>), RenderError> {
    let kind = ExportType::from(import.shared);
    let name = import.name.as_deref().unwrap_or_default();
    let local = import.local_subject.as_deref().unwrap_or_default();
    let rendered = ClaimsImport {
        name: name.to_owned(),
        subject: import.subject.to_string(),
        local_subject: local.to_owned(),
        kind,
        share: import.tells_sender,
        allow_trace: import.traceable,
        ..ClaimsImport::default()
    };
    Ok(match &import.from {
        Exporter::Stranger { nkey, activation } => {
            let import = ClaimsImport {
                account: nkey.to_string(),
                token: activation.as_deref().unwrap_or_default().to_owned(),
                ..rendered
            };
            (import, None)
        }
        Exporter::Account(from) => {
            let exporter = exporters.exporter(from);
            let exporter = exporter.ok_or_else(|| RenderError::NoExporter(from.clone()))?;
            let signer = exporter.signing_key(None);
            let signer = signer.ok_or_else(|| RenderError::NoSigner(from.clone()))?;
            let (subject, issued_at) = (&*import.subject, account.intended_at);
            let mut claims = ActivationClaims::new(&*account.nkey, subject, kind, issued_at);
            name.clone_into(&mut claims.name);
            claims.nats.issuer_account = exporter.nkey.to_string();
            let import = ClaimsImport {
                account: exporter.nkey.to_string(),
                ..rendered
            };
            let leave = Leave {
                import: at,
                claims,
                key: signer.key.clone(),
                signer: signer.nkey.clone(),
            };
            (import, Some(leave))
        }
    })
}

fn signing_key(key: &SigningKey, template: &Template) -> Result<ClaimsSigningKey, RenderError> {
    let scope = match (&key.scope, key.role) {
        (Some(scope), _) => &**scope,
        (None, None) => return Ok(ClaimsSigningKey::Plain(key.nkey.to_string())),
        (None, Some(role)) => {
            let mut roles = template.roles.iter();
            let found = roles.find(|(of, _)| *of == role);
            &found.ok_or(RenderError::NoRole(role))?.1
        }
    };
    let mut rendered = UserScope::new(&*key.nkey, &*scope.name);
    rendered.template = scope.into();
    rendered.description = scope.description.as_deref().unwrap_or_default().to_owned();
    Ok(ClaimsSigningKey::scoped(rendered))
}
