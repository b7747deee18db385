//! Signs a command with a token, after the person at the workstation was shown the command.

use std::sync::{
    Arc, Mutex, TryLockError,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use keyledger_custody::Secret;
use keyledger_domain::{
    Command, Rejection,
    signed::{SIGNING_SLOTS, command_statement},
    text::in_full,
    token::{Prompt, Serial, Slot},
};
use keyledger_wire::{
    Prefix,
    local::{AgentReply, Sign},
};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    board::Board,
    shown::{NotShown, shown},
};
use crate::{
    desk::PinTries,
    person::{Person, Window},
    tokens::{Signatory, TokenSignError, Tokens},
};

/// The length of a public nkey, in bytes.
const NKEY_BYTES: usize = 56;

/// Why a command is not signed.
#[derive(Debug, thiserror::Error)]
enum CommandSigningError {
    #[error("the person is being asked for another signature: wait")]
    AnotherIsAsked,
    #[error(
        "a task ({kind}) of token {serial} is under way: wait for its end, see `keyledger-agent status`"
    )]
    TaskUnderWay { kind: String, serial: Serial },
    #[error("commands are signed in slots 9c and 9a, not in {0}")]
    Slot(Slot),
    #[error(
        "this agent serves an organisation under prefix {ours}, and the command is for {theirs}"
    )]
    OtherOrganisation { ours: Prefix, theirs: String },
    #[error("that is no command: its verb or its sender is not a word")]
    NotAWord,
    #[error("that is no command ({})", .0.reason())]
    NoCommand(#[source] Box<Rejection>),
    #[error("that is no command: its payload is no JSON object")]
    NoObject(#[source] serde_json::Error),
    #[error(transparent)]
    NotShown(#[from] NotShown),
    #[error(transparent)]
    Token(#[from] TokenSignError),
}

/// Everything that signing a command needs.
pub(crate) struct CommandSigning {
    tokens: Arc<dyn Tokens>,
    person: Arc<Person>,
    board: Arc<Board>,
    prefix: Prefix,
    /// Held while a person is asked: one signature at a time, because nobody can tell overlapping windows apart.
    desk: Mutex<()>,
}

impl CommandSigning {
    pub(crate) const fn new(
        tokens: Arc<dyn Tokens>,
        person: Arc<Person>,
        board: Arc<Board>,
        prefix: Prefix,
    ) -> Self {
        Self {
            tokens,
            person,
            board,
            prefix,
            desk: Mutex::new(()),
        }
    }

    /// Signs a command, and sends the outcome to `say`. Blocks. `waits` turns false when the program that asked is gone.
    pub(crate) fn sign(&self, sign: &Sign, say: &UnboundedSender<AgentReply>, waits: &AtomicBool) {
        let last = match self.signed(sign, say, waits) {
            Ok(signature) => {
                tracing::info!(serial = %sign.serial, slot = %sign.slot, verb = %sign.verb, aggregate = %sign.aggregate, name = %sign.name, id = %sign.id, "signed a command");
                let signature = BASE64URL_NOPAD.encode(&signature);
                AgentReply::Signed { signature }
            }
            Err(error) => {
                let why = in_full(&error);
                tracing::warn!(serial = %sign.serial, slot = %sign.slot, "no command was signed: {why}");
                AgentReply::Refused { why }
            }
        };
        drop(say.send(last)); // the program that asked may be gone
    }

    fn signed(
        &self,
        sign: &Sign,
        say: &UnboundedSender<AgentReply>,
        waits: &AtomicBool,
    ) -> Result<Vec<u8>, CommandSigningError> {
        let _alone = match self.desk.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(CommandSigningError::AnotherIsAsked);
            }
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
        };
        let statement = self.statement(sign)?;
        let text = shown(sign, &payload_of(sign)?)?;
        let tasks = self.board.read().tasks;
        if let Some(task) = tasks.into_iter().find(|task| task.serial == sign.serial) {
            return Err(CommandSigningError::TaskUnderWay {
                kind: task.kind,
                serial: sign.serial,
            });
        }
        let mut there = There {
            serial: sign.serial,
            text,
            person: &self.person,
            say,
            waits,
            window: None,
        };
        let signed = self
            .tokens
            .sign(sign.serial, sign.slot, &statement, &mut there);
        Ok(signed?)
    }

    /// The statement to sign. It is made here, from what the person is shown.
    fn statement(&self, sign: &Sign) -> Result<Vec<u8>, CommandSigningError> {
        if !SIGNING_SLOTS.contains(&sign.slot) {
            return Err(CommandSigningError::Slot(sign.slot));
        }
        if sign.prefix != self.prefix.as_str() {
            return Err(CommandSigningError::OtherOrganisation {
                ours: self.prefix.clone(),
                theirs: sign.prefix.clone(),
            });
        }
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !is_token(&sign.verb) || !is_token(&sign.user) || sign.user.len() > NKEY_BYTES {
            return Err(CommandSigningError::NotAWord);
        }
        let subject = self
            .prefix
            .command(sign.aggregate.as_str(), &sign.verb, sign.name.as_str());
        let mut payload = [0; 32];
        payload.copy_from_slice(digest(&SHA256, sign.payload.as_bytes()).as_ref());
        Ok(command_statement(&subject, sign.id, &sign.user, &payload))
    }
}

/// The person, while a command is signed.
struct There<'a> {
    serial: Serial,
    text: String,
    person: &'a Person,
    say: &'a UnboundedSender<AgentReply>,
    waits: &'a AtomicBool,
    /// The window that asks for a touch.
    window: Option<Window>,
}

impl There<'_> {
    fn now(&self, prompt: String) {
        drop(self.say.send(AgentReply::Now { prompt }));
    }
}

impl Signatory for There<'_> {
    fn pin(&mut self, tries: PinTries) -> Result<Secret, TokenSignError> {
        self.now(
            "look at the agent's window: it shows what is to be signed, and asks for the PIN"
                .to_owned(),
        );
        Ok(self.person.pin_to_sign(self.serial, &self.text, tries)?)
    }

    fn touch(&mut self) {
        self.now(Prompt::Touch.sentence().to_owned());
        self.window = self.person.ask_for_touch(self.serial, "for this signature");
    }

    fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}

/// The payload, if it fits the command. A payload that the service would reject is not shown to be signed.
fn payload_of(sign: &Sign) -> Result<Map<String, Value>, CommandSigningError> {
    let read = Command::parse(sign.aggregate, &sign.verb, sign.payload.as_bytes());
    read.map_err(|rejection| CommandSigningError::NoCommand(Box::new(rejection)))?;
    if sign.payload.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&sign.payload).map_err(CommandSigningError::NoObject)
}

#[cfg(test)]
mod tests {
    use keyledger_domain::{Name, name::Aggregate};
    use uuid::Uuid;

    use super::*;

    fn sign(payload: &str) -> Sign {
        Sign {
            serial: Serial::new(1_000_001).unwrap(),
            slot: Slot::SIGNATURE,
            aggregate: Aggregate::Key,
            verb: "revoke".to_owned(),
            name: Name::new("orders-db").unwrap(),
            prefix: "keys".to_owned(),
            id: Uuid::nil(),
            user: "UANN".to_owned(),
            payload: payload.to_owned(),
        }
    }

    #[test]
    fn a_person_sees_what_is_signed() {
        let sign = sign(r#"{"reason":"laptop stolen","revocation_reason":"key_compromise"}"#);
        let text = shown(&sign, &payload_of(&sign).unwrap()).unwrap();
        let expected = "Sign a command with token 1000001, slot 9c?\n\nrevoke key orders-db\n2 fields:\n\
                        reason: laptop stolen\nrevocation_reason: key_compromise\n\nas user UANN";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_the_service_would_not_take_is_not_shown_to_be_signed() {
        for payload in [
            "reason: laptop stolen",
            "[]",
            r#"{"revocation_reason":"key_compromise"}"#,
            r#"{"reason":"a","revocation_reason":"key_compromise","role":"administrator"}"#,
            r#"{"reason":"a","reason":"b","revocation_reason":"key_compromise"}"#,
            r#"{"reason":"a\nb","revocation_reason":"key_compromise"}"#,
        ] {
            let refused = payload_of(&sign(payload)).unwrap_err().to_string();
            assert!(
                refused.starts_with("that is no command"),
                "{payload}: {refused}"
            );
        }
    }
}
