//! Contexts of the `nats` CLI: JSON files that say where to connect, and as which user.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_wire::{
    Prefix,
    creds::{Holder, MAX_BYTES},
    read_ordinary_text,
};
use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// The fields of a context file that we use. The `nats` CLI writes more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Context {
    /// Server URLs, joined by commas.
    pub(crate) url: String,
    /// The creds file.
    pub(crate) creds: String,
    /// The file of an nkey's seed.
    pub(crate) nkey: String,
    /// The CA that the server's certificate must come from.
    pub(crate) ca: String,
    /// The client's certificate.
    pub(crate) cert: String,
    /// Its key.
    pub(crate) key: String,
    /// True if the server speaks TLS from the first byte.
    pub(crate) tls_first: bool,
    /// The prefix of the JetStream API, if the account imports it.
    pub(crate) jetstream_api_prefix: String,
    /// The prefix of this user's inboxes.
    pub(crate) inbox_prefix: String,
    /// True if nobody said where the server is.
    #[serde(skip)]
    pub(crate) is_guessed: bool,
    /// Ways to log in that Keyledger refuses: it identifies users by their JWT.
    user: String,
    token: String,
    nsc: String,
    user_jwt: String,
}

impl Context {
    /// A context with only a server and a creds file.
    pub(crate) fn new(url: &str, creds: &Path) -> Self {
        Self {
            url: url.to_owned(),
            creds: creds.display().to_string(),
            ..Self::default()
        }
    }

    /// A context with only a server.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..Self::default()
        }
    }

    /// The prefix of all subjects of the organisation, if the context was written for Keyledger: JetStream's API is imported under it.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        let api = self.jetstream_api_prefix.strip_prefix("$JS.")?;
        let prefix: Prefix = api.strip_suffix(".API")?.parse().ok()?;
        (prefix.imported_api() == self.jetstream_api_prefix).then_some(prefix)
    }

    /// The user of the creds, as their JWT says; `None` if they cannot be read.
    pub(crate) fn holder(&self) -> Option<Holder> {
        Holder::of(&read_ordinary_text(self.creds.as_ref(), MAX_BYTES).ok()?)
    }

    /// Reads a context from a file, or by its name in `$XDG_CONFIG_HOME/nats/context/`.
    pub(crate) fn load(name_or_file: &str) -> anyhow::Result<Self> {
        let is_file = name_or_file.contains('/') || Path::new(name_or_file).is_file();
        let path = if is_file {
            PathBuf::from(name_or_file)
        } else {
            named(name_or_file)?
        };
        Self::read(&path)
    }

    /// The context that `nats context select` chose, if there is one.
    pub(crate) fn selected() -> anyhow::Result<Option<Self>> {
        let chosen = config_home()?.join("nats/context.txt");
        let Ok(text) = read_ordinary_text(&chosen, MAX_BYTES) else {
            return Ok(None);
        };
        match text.trim() {
            "" => Ok(None),
            name => Self::load(name).map(Some),
        }
    }

    /// Reads a context file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_ordinary_text(path, MAX_BYTES).map_err(|source| {
            let problem = format!("the context {} cannot be read", path.display());
            Failure::new(Exit::Usage, problem)
                .because(source)
                .remedy("`nats context ls` lists the contexts there are")
        })?;
        let context: Self = serde_json::from_str(&text).with_context(|| {
            format!(
                "the context {} is not what the nats CLI writes",
                path.display()
            )
        })?;
        context.expanded(path)
    }

    /// The context with `~` and variables replaced. It is refused if it logs in without a user's JWT.
    fn expanded(mut self, path: &Path) -> anyhow::Result<Self> {
        for (what, value) in [
            ("user", &self.user),
            ("token", &self.token),
            ("nsc", &self.nsc),
            ("user_jwt", &self.user_jwt),
        ] {
            if !value.is_empty() && self.creds.is_empty() {
                let problem = format!("the context {} logs in by `{what}`", path.display());
                return Err(Failure::new(Exit::Usage, problem)
                    .remedy("use a context with `creds`: Keyledger knows who asks by a JWT")
                    .into());
            }
        }
        for file in [
            &mut self.creds,
            &mut self.nkey,
            &mut self.ca,
            &mut self.cert,
            &mut self.key,
        ] {
            *file = written_out(file).map_err(|unset| {
                let problem = format!("the context {} names a file by a variable", path.display());
                Failure::new(Exit::Usage, problem)
                    .because(unset)
                    .remedy("set it, or write the path out")
            })?;
        }
        Ok(self)
    }
}

/// A variable of the environment that a path names, and that is not set.
#[derive(Debug, thiserror::Error)]
#[error("${0} is not set")]
struct UnsetVariable(String);

/// A path as the `nats` CLI reads it: with `~` and variables (`$HOME`, `${HOME}`) replaced.
///
/// # Errors
///
/// [`UnsetVariable`].
fn written_out(path: &str) -> Result<String, UnsetVariable> {
    let value = |name: &str| {
        let value = set(name).and_then(|value| value.into_string().ok());
        value.ok_or_else(|| UnsetVariable(name.to_owned()))
    };
    let mut out = String::new();
    let mut rest = path;
    if rest == "~" || rest.starts_with("~/") {
        out.push_str(&value("HOME")?);
        rest = &rest[1..];
    }
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let braced = after
            .strip_prefix('{')
            .and_then(|tail| tail.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let end = after.find(|c| !is_of_name(c)).unwrap_or(after.len());
            after.split_at(end)
        });
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&value(name)?);
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn named(name: &str) -> anyhow::Result<PathBuf> {
    Ok(config_home()?
        .join("nats/context")
        .join(format!("{name}.json")))
}

fn config_home() -> anyhow::Result<PathBuf> {
    match set("XDG_CONFIG_HOME") {
        Some(path) => Ok(path.into()),
        None => Ok(home()?.join(".config")),
    }
}

fn home() -> anyhow::Result<PathBuf> {
    let home = set("HOME").ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no $HOME to look for contexts in")
            .remedy("name the context's file: --context FILE")
    })?;
    Ok(home.into())
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_context_of_the_nats_cli_is_read() {
        // As `nats context save` 0.3 writes it.
        let file = write(
            r#"{ "description": "test", "url": "nats://a:4222,nats://b:4222", "socks_proxy": "",
                 "token": "", "user": "", "password": "", "creds": "/x/ada.creds", "nkey": "", "cert": "/x/c.pem",
                 "key": "/x/k.pem", "ca": "/x/ca.pem", "nsc": "", "jetstream_domain": "",
                 "jetstream_api_prefix": "JS.keys.API", "jetstream_event_prefix": "", "inbox_prefix": "_INBOX.ada",
                 "user_jwt": "", "color_scheme": "", "tls_first": false }"#,
        );
        let context = Context::load(file.path().to_str().unwrap()).unwrap();
        let expected = Context {
            url: "nats://a:4222,nats://b:4222".to_owned(),
            creds: "/x/ada.creds".to_owned(),
            ca: "/x/ca.pem".to_owned(),
            cert: "/x/c.pem".to_owned(),
            key: "/x/k.pem".to_owned(),
            jetstream_api_prefix: "JS.keys.API".to_owned(),
            inbox_prefix: "_INBOX.ada".to_owned(),
            ..Context::default()
        };
        assert_eq!(context, expected);
    }

    #[test]
    fn a_context_for_keyledger_says_the_prefix() {
        let prefix = |api: &str| {
            let context = Context {
                jetstream_api_prefix: api.to_owned(),
                ..Context::default()
            };
            context.prefix().map(|prefix| prefix.to_string())
        };
        assert_eq!(prefix("$JS.acme.keys.API").as_deref(), Some("acme.keys"));
        for other in ["", "$JS.API", "JS.keys.API", "$JS.a b.API"] {
            assert_eq!(prefix(other), None, "{other}");
        }
    }

    #[test]
    fn a_home_is_written_out() {
        for creds in ["~/ada.creds", "$HOME/ada.creds", "${HOME}/ada.creds"] {
            let text = serde_json::json!({ "creds": creds }).to_string();
            let context = Context::read(write(&text).path()).unwrap();
            let expected = home().unwrap().join("ada.creds");
            assert_eq!(Path::new(&context.creds), expected, "{creds}");
        }
        for (path, expected) in [
            ("/a/$/b$", "/a/$/b$"),
            ("a~/b", "a~/b"),
            ("/x${HOME}y", &format!("/x{}y", home().unwrap().display())),
        ] {
            assert_eq!(written_out(path).unwrap(), expected, "{path}");
        }
        let unset = write(r#"{"creds": "$KEYLEDGER_NO_SUCH_VARIABLE/a"}"#);
        let error = Context::read(unset.path()).unwrap_err();
        assert!(
            format!("{error:#}").contains("$KEYLEDGER_NO_SUCH_VARIABLE is not set"),
            "{error:#}"
        );
    }

    #[test]
    fn a_login_that_names_nobody_is_refused() {
        let error = Context::read(write(r#"{"url": "", "user": "ada"}"#).path()).unwrap_err();
        assert!(error.to_string().contains("logs in by `user`"), "{error}");
    }

    #[test]
    fn a_missing_or_broken_context_says_so() {
        let error = Context::load("/nowhere/ada.json").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("/nowhere/ada.json cannot be read"),
            "{error}"
        );
        assert!(Context::read(write("url: x").path()).is_err());
    }
}
