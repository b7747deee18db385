//! Connecting: flags, environment, contexts of the `nats` CLI, and the directory of `keyledger up`.

use std::{io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use keyledger_domain::token::Serial;
use keyledger_wire::{
    Client, Dropped, Prefix, check_ordinary_file, creds::MAX_BYTES, read_ordinary_text,
};
use tokio::sync::watch;

use crate::{
    context::Context,
    denied::{Denied, Retries},
    exit::{Exit, Failure},
    place,
    session::Session,
    signing::{CommandSigner, SigningSlot},
    when,
};

/// Where nats-server is, unless something else is given.
const USUAL_URL: &str = "nats://127.0.0.1:4222";
/// After this many refusals in a row the command gives up: async-nats would try for ever.
const MAX_RECONNECTS: usize = 3;
/// How long an answer is waited for, unless something else is given; as `--timeout` says.
const USUAL_TIMEOUT: Duration = Duration::from_secs(15);
/// A reachable server answers within this time.
const CONNECT: Duration = Duration::from_secs(5);

/// Where to connect, and as which user.
///
/// Without --context, --server or --creds, the command uses the administrator's context in the directory of `keyledger up`, or else
/// the context that `nats context select` chose.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// A context of the nats CLI, by name or file
    #[arg(long, global = true, value_name = "NAME|FILE")]
    context: Option<String>,
    /// Servers, joined by commas
    #[arg(long, global = true, value_name = "URL", env = "NATS_URL")]
    server: Option<String>,
    /// The creds file to connect with
    #[arg(long, global = true, value_name = "FILE", env = "NATS_CREDS")]
    creds: Option<PathBuf>,
    /// The CA that the server's certificate must come from
    #[arg(long, global = true, value_name = "FILE", env = "NATS_CA")]
    tlsca: Option<PathBuf>,
    /// The client's certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "NATS_CERT",
        requires = "tlskey"
    )]
    tlscert: Option<PathBuf>,
    /// The key of the client's certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "NATS_KEY",
        requires = "tlscert"
    )]
    tlskey: Option<PathBuf>,
    /// The prefix of all subjects [default: that of --dir, else keys]
    #[arg(long, global = true, value_name = "PREFIX", env = "KEYLEDGER_PREFIX")]
    prefix: Option<Prefix>,
    /// How long to wait for an answer
    #[arg(long, global = true, value_name = "DURATION", default_value = "15s", value_parser = when::parse_duration)]
    timeout: Duration,
    /// The directory of `keyledger up` or `keyledger init` [default: .keyledger here or in a directory above]
    #[arg(long, global = true, value_name = "DIR", env = "KEYLEDGER_DIR")]
    dir: Option<PathBuf>,
    /// Sign the command with the key in this slot of your own token: piv:9c or piv:9a
    ///
    /// The keyledger-agent on this machine shows the command, and asks for PIN and touch. The ledger records it as `verified_by:
    /// token_signature`.
    #[arg(long, global = true, value_name = "SLOT")]
    sign_with: Option<SigningSlot>,
    /// The serial number of the token to sign with, if several are plugged in
    #[arg(
        long = "token",
        id = "signing_token",
        global = true,
        value_name = "SERIAL",
        requires = "sign_with"
    )]
    signing_token: Option<Serial>,
}

impl Connection {
    /// The administrator's connection to the organisation in a directory.
    pub(crate) const fn of(dir: PathBuf) -> Self {
        Self {
            context: None,
            server: None,
            creds: None,
            tlsca: None,
            tlscert: None,
            tlskey: None,
            prefix: None,
            timeout: USUAL_TIMEOUT,
            dir: Some(dir),
            sign_with: None,
            signing_token: None,
        }
    }

    /// Connects.
    pub(crate) async fn open(&self) -> anyhow::Result<Session> {
        let dir = self.dir();
        let context = self.resolve(dir.as_deref())?;
        let prefix = match (&self.prefix, &dir) {
            (Some(prefix), _) => prefix.clone(),
            (None, Some(dir)) => place::organisation(dir)?.prefix(),
            // A context that was written for Keyledger contains the prefix.
            (None, None) => context.prefix().unwrap_or_default(),
        };
        let (told, denied) = watch::channel(None);
        let nats = connect(&context, Arc::new(told), &denied, self.timeout.min(CONNECT)).await?;
        Ok(Session::new(
            Client::new(nats, prefix).with_timeout(self.timeout),
            denied,
            self.timeout,
            dir,
            context.holder().map(|holder| holder.name),
            context.url.clone(),
        )
        .signed_by(self.signer(&context)?))
    }

    /// What signs the commands of the session, if they are signed.
    fn signer(&self, context: &Context) -> anyhow::Result<Option<CommandSigner>> {
        let Some(slot) = self.sign_with else {
            return Ok(None);
        };
        let user = context.holder().map(|holder| holder.nkey).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "a signed command names its sender, and this connection has no creds",
            )
            .remedy("give a creds file: --creds, or a context that names one")
        })?;
        Ok(Some(CommandSigner::new(slot, self.signing_token, user)))
    }

    /// The organisation's directory, which says where its server is. It is the one that was named, or the one found here or above unless
    /// the server was named otherwise. Creds alone do not name a server.
    fn dir(&self) -> Option<PathBuf> {
        let elsewhere = self.context.is_some() || self.server.is_some();
        let around = || self.dir_around().filter(|_| !elsewhere);
        self.dir.clone().or_else(around)
    }

    /// The directory that was named, or else the one found here or above, if there is one.
    pub(crate) fn dir_around(&self) -> Option<PathBuf> {
        let around = || place::found_from(&std::env::current_dir().ok()?);
        self.dir.clone().or_else(around)
    }

    /// The creds file that was named, if one was.
    pub(crate) fn named_creds(&self) -> Option<&std::path::Path> {
        self.creds.as_deref()
    }

    /// The directory that was named, or else found, or else the default one.
    pub(crate) fn dir_or_default(&self) -> PathBuf {
        self.dir_around()
            .unwrap_or_else(|| place::DEFAULT_DIR.into())
    }

    /// The prefix of all subjects.
    pub(crate) fn prefix(&self) -> anyhow::Result<Prefix> {
        match (&self.prefix, self.dir_around()) {
            (Some(prefix), _) => Ok(prefix.clone()),
            (None, Some(dir)) => Ok(place::organisation(&dir)?.prefix()),
            (None, None) => Ok(Prefix::default()),
        }
    }

    /// What the flags say about the server, in the form of a context of the `nats` CLI.
    pub(crate) fn as_context(&self) -> anyhow::Result<serde_json::Value> {
        let url = match (&self.server, self.dir_around()) {
            (Some(server), _) => server.clone(),
            (None, Some(dir)) => place::organisation(&dir)?.url,
            (None, None) => {
                let problem = "no server was given";
                return Err(Failure::new(Exit::Usage, problem)
                    .remedy("give --server URL")
                    .into());
            }
        };
        let mut context = serde_json::json!({ "url": url });
        for (name, file) in [
            ("ca", &self.tlsca),
            ("cert", &self.tlscert),
            ("key", &self.tlskey),
        ] {
            if let Some(file) = file {
                context[name] = std::path::absolute(file)?.display().to_string().into();
            }
        }
        Ok(context)
    }

    /// The context to start from, changed by the flags.
    fn resolve(&self, dir: Option<&std::path::Path>) -> anyhow::Result<Context> {
        let mut context = match (&self.context, dir) {
            (Some(name), _) => Context::load(name)?,
            // The administrator's context may be missing, because it was given to its user. Other creds do not need it.
            (None, Some(dir)) if self.creds.is_some() => {
                let url = place::organisation(dir)?.url;
                place::administrator_context(dir).unwrap_or_else(|_| Context::at(&url))
            }
            (None, Some(dir)) => place::administrator_context(dir)?,
            (None, None) if self.server.is_none() && self.creds.is_none() => {
                Context::selected()?.unwrap_or_default()
            }
            (None, None) => Context::default(),
        };
        if let Some(server) = &self.server {
            context.url.clone_from(server);
        }
        if self.creds.is_some() {
            // These belong to another user, and the server would refuse them.
            context.inbox_prefix.clear();
            context.jetstream_api_prefix.clear();
        }
        for (flag, field) in [
            (&self.creds, &mut context.creds),
            (&self.tlsca, &mut context.ca),
            (&self.tlscert, &mut context.cert),
            (&self.tlskey, &mut context.key),
        ] {
            if let Some(path) = flag {
                *field = path.display().to_string();
            }
        }
        if context.url.is_empty() {
            context.url = USUAL_URL.to_owned();
            context.is_guessed = true;
        }
        Ok(context)
    }
}

/// Connects as `context` says, for a caller who need not know what the server forbids.
pub(crate) async fn plain(
    context: &Context,
    within: Duration,
) -> anyhow::Result<async_nats::Client> {
    let (told, denied) = watch::channel(None);
    connect(context, Arc::new(told), &denied, within).await
}

/// Connects as `context` says. What the server forbids is sent to `told`.
async fn connect(
    context: &Context,
    told: Arc<watch::Sender<Option<Denied>>>,
    denied: &watch::Receiver<Option<Denied>>,
    within: Duration,
) -> anyhow::Result<async_nats::Client> {
    let (dropped, retries) = (Dropped::default(), Arc::new(Retries::default()));
    let mut options = ConnectOptions::new()
        .name("keyledger")
        .connection_timeout(within)
        .max_reconnects(MAX_RECONNECTS)
        .event_callback(move |event| {
            let (told, retries) = (Arc::clone(&told), Arc::clone(&retries));
            let dropped = dropped.clone();
            async move {
                let given_up = retries.ended_by(&event);
                if let Some(denied) = Denied::of(&event).or(given_up) {
                    // The first event says why. Later ones, such as refused reconnects, do not.
                    told.send_if_modified(|said| {
                        let is_first = said.is_none();
                        said.get_or_insert(denied);
                        is_first
                    });
                }
                match event {
                    Event::SlowConsumer(_) => dropped.one_more(|count| {
                        tracing::debug!(
                            count,
                            "messages were dropped: they came faster than they were read"
                        );
                    }),
                    event => tracing::debug!(%event, "connection"),
                }
            }
        });
    if !context.creds.is_empty() {
        if place::is_open(context.creds.as_ref()) {
            // If the terminal is gone, nobody can read this.
            drop(writeln!(
                std::io::stderr(),
                "warning: {} can be read by others than its owner: chmod go= it",
                context.creds
            ));
        }
        options = read_ordinary_text(context.creds.as_ref(), MAX_BYTES)
            .and_then(|text| options.credentials(&text))
            .map_err(|source| {
                let problem = format!("the creds file {} cannot be read", context.creds);
                Failure::new(Exit::Error, problem).because(source)
            })?;
    } else if !context.nkey.is_empty() {
        let seed = read_ordinary_text(context.nkey.as_ref(), MAX_BYTES);
        let seed = seed.with_context(|| format!("the nkey file {}", context.nkey))?;
        options = options.nkey(seed.trim().to_owned());
    }
    for file in [&context.ca, &context.cert, &context.key] {
        if !file.is_empty() {
            check_ordinary_file(file.as_ref(), MAX_BYTES).map_err(|source| {
                Failure::new(Exit::Error, format!("the file {file} cannot be read")).because(source)
            })?;
        }
    }
    if !context.ca.is_empty() {
        options = options.add_root_certificates(context.ca.clone().into());
    }
    if !context.cert.is_empty() {
        options =
            options.add_client_certificate(context.cert.clone().into(), context.key.clone().into());
    }
    // The server lets a user listen only on its own inboxes.
    if !context.inbox_prefix.is_empty() {
        options = options.custom_inbox_prefix(&context.inbox_prefix);
    } else if let Some(holder) = context.holder() {
        options = options.custom_inbox_prefix(holder.inbox());
    }
    if context.tls_first {
        options = options.tls_first();
    }
    let servers = addresses(&context.url)?;
    options
        .connect(servers)
        .await
        .map_err(|source| unconnected(context, &source, denied).into())
}

fn addresses(urls: &str) -> anyhow::Result<Vec<ServerAddr>> {
    let parse = |url: &str| {
        let url = url.trim();
        url.parse::<ServerAddr>().map_err(|source| {
            Failure::new(Exit::Usage, format!("{url:?} is no server's URL"))
                .because(source)
                .remedy("write nats://host:4222 or tls://host:4222")
        })
    };
    Ok(urls.split(',').map(parse).collect::<Result<_, _>>()?)
}

fn unconnected(
    context: &Context,
    source: &async_nats::ConnectError,
    denied: &watch::Receiver<Option<Denied>>,
) -> Failure {
    let refused = matches!(
        source.kind(),
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
    );
    let guessed = if context.is_guessed {
        " (the usual address: --server, --context and --dir were not given, and there is no .keyledger directory here or above)"
    } else {
        ""
    };
    let url = format!("{}{guessed}", context.url);
    let is_named = !context.creds.is_empty() || !context.nkey.is_empty();
    if (refused || denied.borrow().is_some()) && !is_named {
        return Failure::new(
            Exit::Rejected,
            format!("{url} wants credentials, and none were given"),
        )
        .remedy("name them with --dir (what `keyledger up` or `init` made), --creds or --context");
    }
    if refused || denied.borrow().is_some() {
        return Failure::new(Exit::Rejected, format!("{url} refuses these credentials"))
            .remedy("they may be revoked, expired or another organisation's; name others with --creds, --context or --dir");
    }
    // async-nats repeats the source of its errors in their text, so the text alone is shown.
    let failure = Failure::new(
        Exit::Unreachable,
        format!("{url} cannot be reached: {source}"),
    );
    match source.kind() {
        ConnectErrorKind::Tls => failure.remedy("give the CA with --tlsca, a client certificate with --tlscert and --tlskey"),
        _ => failure.remedy("is nats-server up there? `keyledger up` starts one; --server, --context and --dir name another"),
    }
}
