//! Signing commands with a key on the person's token, through the agent that runs for the same user: only agents talk to tokens.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    str::FromStr,
};

use anyhow::Context as _;
use keyledger_domain::{
    Name,
    name::Aggregate,
    signed::SIGNING_SLOTS,
    text::plain,
    token::{Serial, Slot},
    views::TokenRow,
};
use keyledger_wire::{
    Prefix, TokenSignature,
    local::{AgentReply, AgentRequest, Sign, socket_path},
};
use uuid::Uuid;

use crate::exit::{Exit, Failure};

/// A slot whose key signs commands, as `piv:9c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SigningSlot(Slot);

impl FromStr for SigningSlot {
    type Err = NotASigningSlot;

    fn from_str(text: &str) -> Result<Self, NotASigningSlot> {
        let slot = text.strip_prefix("piv:").and_then(|slot| slot.parse().ok());
        slot.filter(|slot| SIGNING_SLOTS.contains(slot))
            .map(Self)
            .ok_or(NotASigningSlot)
    }
}

/// A text that names no slot for signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("commands are signed with piv:9c or piv:9a")]
pub(crate) struct NotASigningSlot;

/// What signs the commands of a session.
#[derive(Debug, Clone)]
pub(crate) struct CommandSigner {
    slot: Slot,
    token: Option<Serial>,
    user: String,
}

/// A command to be signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnsignedCommand<'a> {
    pub(crate) aggregate: Aggregate,
    pub(crate) verb: &'a str,
    pub(crate) name: &'a Name,
    pub(crate) id: Uuid,
    pub(crate) payload: &'a [u8],
}

impl CommandSigner {
    /// Signs the commands of `user`, a public nkey, with a key on `token`, or on the only token that is plugged in.
    pub(crate) const fn new(slot: SigningSlot, token: Option<Serial>, user: String) -> Self {
        Self {
            slot: slot.0,
            token,
            user,
        }
    }

    /// The token to sign with: the one that was named, else the only one that is plugged in.
    pub(crate) async fn token(&self) -> anyhow::Result<Serial> {
        if let Some(serial) = self.token {
            return Ok(serial);
        }
        let serials = match asked(AgentRequest::Tokens).await? {
            AgentReply::Tokens { serials } => serials,
            other => return Err(unexpected(other)),
        };
        match serials[..] {
            [serial] => Ok(serial),
            [] => Err(Failure::new(Exit::Error, "no token is plugged in here")
                .remedy("plug yours in, and repeat the command; `keyledger-agent tokens` shows what the agent sees")
                .into()),
            _ => {
                let serials: Vec<_> = serials.iter().map(Serial::to_string).collect();
                let problem = format!("several tokens are plugged in: {}", serials.join(", "));
                Err(Failure::new(Exit::Usage, problem).remedy("say which one signs: --token SERIAL").into())
            }
        }
    }

    /// Has a command signed with the key that the ledger knows in the slot of `token`.
    pub(crate) async fn sign(
        &self,
        serial: Serial,
        token: &TokenRow,
        prefix: &Prefix,
        command: UnsignedCommand<'_>,
    ) -> anyhow::Result<TokenSignature> {
        let key = self.key(token)?;
        let payload = String::from_utf8(command.payload.to_vec());
        let request = AgentRequest::Sign(Box::new(Sign {
            serial,
            slot: self.slot,
            aggregate: command.aggregate,
            verb: command.verb.to_owned(),
            name: command.name.clone(),
            prefix: prefix.to_string(),
            id: command.id,
            user: self.user.clone(),
            payload: payload.context("a command is text")?,
        }));
        match asked(request).await? {
            AgentReply::Signed { signature } => Ok(TokenSignature { key, signature }),
            other => Err(unexpected(other)),
        }
    }

    /// The key in the slot, as the ledger names it.
    fn key(&self, token: &TokenRow) -> anyhow::Result<Name> {
        let place = self.slot.place();
        let found = token.keys.iter().find(|key| key.place == place);
        found.map(|on_it| on_it.key.clone()).ok_or_else(|| {
            let problem = format!(
                "the ledger knows no key in slot {} of token {}, which is {}",
                self.slot, token.name, token.state
            );
            Failure::new(Exit::Rejected, problem)
                .remedy("sign with a token that was provisioned for you: `keyledger token list`")
                .into()
        })
    }
}

/// Asks the agent, and prints what the person must do meanwhile; returns the last reply.
async fn asked(request: AgentRequest) -> anyhow::Result<AgentReply> {
    tokio::task::spawn_blocking(move || ask(&request))
        .await
        .context("asking the agent")?
}

fn ask(request: &AgentRequest) -> anyhow::Result<AgentReply> {
    let none = || {
        Failure::new(
            Exit::Unreachable,
            "no keyledger-agent is running for this user, and only an agent can talk to tokens",
        )
        .remedy("start it with `systemctl --user start keyledger-agent`, or `keyledger-agent run`")
    };
    let path = socket_path(|name| env::var_os(name)).ok_or_else(none)?;
    let mut socket = UnixStream::connect(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => none().into(),
        _ => anyhow::Error::from(error).context(format!("asking at {}", path.display())),
    })?;
    let mut line = serde_json::to_vec(request).context("the request")?;
    line.push(b'\n');
    socket.write_all(&line).context("asking the agent")?;
    for line in BufReader::new(&socket).lines() {
        let line = line.context("the agent does not answer")?;
        let word = serde_json::from_str(&line)
            .context("the running agent has another version: restart it")?;
        match word {
            AgentReply::Now { prompt } => eprintln!("{}", plain(&prompt)),
            last => return Ok(last),
        }
    }
    Err(Failure::new(
        Exit::Error,
        "the agent stopped before it answered: nothing was sent",
    )
    .into())
}

fn unexpected(word: AgentReply) -> anyhow::Error {
    match word {
        AgentReply::Refused { why } => Failure::new(
            Exit::Rejected,
            format!("not signed, and nothing was sent: {}", plain(&why)),
        )
        .into(),
        _ => Failure::new(
            Exit::Error,
            "the running agent has another version: restart it",
        )
        .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slots_sign() {
        assert_eq!("piv:9c".parse(), Ok(SigningSlot(Slot::SIGNATURE)));
        assert_eq!("piv:9a".parse(), Ok(SigningSlot(Slot::AUTHENTICATION)));
        for wrong in ["9c", "piv:9d", "piv:", "openpgp:sign"] {
            assert!(wrong.parse::<SigningSlot>().is_err(), "{wrong}");
        }
    }
}
