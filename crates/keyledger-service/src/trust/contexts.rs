//! Contexts of the `nats` CLI: files that say where to connect, as whom, and where answers come to.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use keyledger_custody::{Existing, Readers, SecretFileError, write_output};
use keyledger_domain::Role;
use keyledger_wire::{
    Prefix,
    creds::{Holder, MAX_BYTES},
    read_ordinary_file, read_ordinary_text,
};
use serde_json::{Value, json};

use super::files::{Organisation, file};

/// Whom an organisation's directory has contexts for.
const WITH_CONTEXT: [&str; 2] = [FIRST_ADMINISTRATOR, "system"];
/// The administrator that `init` issues; names are never used again.
const FIRST_ADMINISTRATOR: &str = "admin";

/// Why contexts were not written anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A file cannot be read: the source says why.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// A creds file holds no user's JWT: issue others.
    #[error("{} is no creds file", path.display())]
    NoCreds {
        /// The file.
        path: PathBuf,
    },
    /// A context was not written: the source says why.
    #[error(transparent)]
    Write(#[from] SecretFileError),
}

/// What makes a context fit a user of Keyledger: creds, and the user's own inboxes: a user may listen on no others.
///
/// A role that sees everything has inboxes besides, to which the inventory is delivered, and JetStream's API as it is imported.
/// Others may not listen there, and have a JetStream of their own or none.
pub fn fit(context: &mut Value, creds: &Path, holder: &Holder, prefix: &Prefix) {
    context["creds"] = creds.display().to_string().into();
    match holder.role {
        Some(Role::Administrator | Role::Approver | Role::Auditor) => {
            context["jetstream_api_prefix"] = prefix.imported_api().into();
            context["inbox_prefix"] = prefix.deliver(&holder.account, &holder.nkey).into();
        }
        Some(Role::Service | Role::Agent) | None => {
            context["inbox_prefix"] = holder.inbox().into();
        }
    }
}

impl Organisation {
    /// Where the context of `user` looks for creds, if there is one, and that is not this directory: it was moved or copied.
    #[must_use]
    pub fn context_looks_elsewhere(&self, user: &str) -> Option<String> {
        let text = read_ordinary_file(&self.context(user), MAX_BYTES).ok()?;
        let context: Value = serde_json::from_slice(&text).ok()?;
        let creds = context["creds"].as_str()?;
        (Path::new(creds) != self.creds(user)).then(|| creds.to_owned())
    }

    /// The holder with the role that a JWT of an earlier version does not name, where it is the first administrator's.
    #[must_use]
    pub fn with_role(&self, holder: Holder) -> Holder {
        let is_first = holder.account == self.admin_account && holder.name == FIRST_ADMINISTRATOR;
        Holder {
            role: holder.role.or(is_first.then_some(Role::Administrator)),
            ..holder
        }
    }

    /// Writes the contexts anew, for where the directory is now; gives their files. Servers, certificates and whatever else
    /// was put into them stays.
    ///
    /// # Errors
    ///
    /// [`ContextError`].
    pub fn write_contexts(&self) -> Result<Vec<PathBuf>, ContextError> {
        let mut written = Vec::new();
        for user in WITH_CONTEXT {
            let creds = self.creds(user);
            let read = |path: &Path| match read_ordinary_text(path, MAX_BYTES) {
                Ok(text) => Ok(Some(text)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(ContextError::Read {
                    path: path.to_owned(),
                    source,
                }),
            };
            // They may have been given to their user, and taken away from here.
            let Some(text) = read(&creds)? else { continue };
            let Some(holder) = Holder::of(&text) else {
                return Err(ContextError::NoCreds { path: creds });
            };
            let holder = self.with_role(holder);
            let path = self.context(user);
            let mut context = read(&path)?
                .and_then(|text| serde_json::from_str(&text).ok())
                .filter(Value::is_object)
                .unwrap_or_else(|| json!({ "description": self.title, "url": self.url }));
            if user == "system" {
                context["creds"] = creds.display().to_string().into();
                context["inbox_prefix"] = holder.inbox().into();
            } else {
                fit(&mut context, &creds, &holder, &self.prefix());
            }
            let folder = path.parent().unwrap_or(self.directory());
            fs::create_dir_all(folder).map_err(|source| ContextError::Read {
                path: folder.to_owned(),
                source,
            })?;
            let text = format!("{context:#}\n");
            write_output(&path, text.as_bytes(), Readers::Owner, Existing::Replaced)?;
            written.push(path);
        }
        let readme = super::readme::text(self);
        let path = self.directory().join(file::README);
        write_output(&path, readme.as_bytes(), Readers::Owner, Existing::Replaced)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_names_inboxes_that_the_role_may_listen_on() {
        let prefix = Prefix::default();
        let fitted = |role| {
            let holder = Holder {
                name: "orders".to_owned(),
                nkey: "UORDERS".to_owned(),
                account: "AAPPS".to_owned(),
                role,
                expires_at: None,
            };
            let mut context = json!({});
            fit(&mut context, Path::new("/x.creds"), &holder, &prefix);
            context
        };
        for role in [Role::Administrator, Role::Approver, Role::Auditor] {
            let context = fitted(Some(role));
            assert_eq!(context["inbox_prefix"], "deliver.keys.AAPPS.UORDERS");
            assert_eq!(context["jetstream_api_prefix"], "$JS.keys.API");
        }
        // No template lets them listen elsewhere, and their JetStream is their own account's.
        for role in [Some(Role::Service), Some(Role::Agent), None] {
            let context = fitted(role);
            assert_eq!(context["inbox_prefix"], "_INBOX.UORDERS");
            assert_eq!(context["jetstream_api_prefix"], Value::Null);
        }
    }
}
