//! Signing a command for the person at the workstation, who is shown what it is.

use std::sync::{
    Arc, Mutex, TryLockError,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use keyledger_custody::Secret;
use keyledger_domain::{
    command::MAX_COMMAND_BYTES,
    signed::{SIGNING_SLOTS, command_statement},
    text::plain,
    token::Prompt,
};
use keyledger_wire::{
    Prefix,
    local::{Sign, Word},
};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::{SignError, Signatory, Tokens, board::Board};
use crate::person::Person;

/// So much of a payload is shown, in bytes: pinentry takes a thousand in all.
const MAX_SHOWN_BYTES: usize = 400;

/// What it takes to sign.
pub(crate) struct Signing {
    tokens: Arc<dyn Tokens>,
    person: Arc<Person>,
    board: Arc<Board>,
    prefix: Prefix,
    /// One at a time: nobody can tell windows apart that lie on each other.
    desk: Mutex<()>,
}

impl Signing {
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

    /// Signs, and says how it went; blocks. `waits` turns false when who asked is gone.
    pub(crate) fn sign(&self, sign: &Sign, say: &UnboundedSender<Word>, waits: &AtomicBool) {
        let last = match self.signed(sign, say, waits) {
            Ok(signature) => {
                tracing::info!(serial = %sign.serial, slot = %sign.slot, verb = %sign.verb, aggregate = %sign.aggregate, name = %sign.name, id = %sign.id, "signed a command");
                let signature = BASE64URL_NOPAD.encode(&signature);
                Word::Signed { signature }
            }
            Err(why) => {
                tracing::warn!(serial = %sign.serial, slot = %sign.slot, "no command was signed: {why}");
                Word::Refused { why }
            }
        };
        drop(say.send(last)); // who asked may be gone
    }

    fn signed(
        &self,
        sign: &Sign,
        say: &UnboundedSender<Word>,
        waits: &AtomicBool,
    ) -> Result<Vec<u8>, String> {
        let _alone = match self.desk.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err("the person is being asked for another signature: wait".to_owned());
            }
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
        };
        let statement = self.statement(sign)?;
        let tasks = self.board.read().tasks;
        if let Some(task) = tasks.iter().find(|task| task.serial == sign.serial) {
            return Err(format!(
                "a task ({}) of token {} is under way: wait for its end, see `keyledger-agent status`",
                task.kind, sign.serial
            ));
        }
        let mut there = There {
            text: shown(sign),
            person: &self.person,
            say,
            waits,
        };
        let signed = self
            .tokens
            .sign(sign.serial, sign.slot, &statement, &mut there);
        signed.map_err(|error| error.to_string())
    }

    /// The statement, made here of what the person is shown.
    fn statement(&self, sign: &Sign) -> Result<Vec<u8>, String> {
        if !SIGNING_SLOTS.contains(&sign.slot) {
            return Err(format!(
                "commands are signed in slots 9c and 9a, not in {}",
                sign.slot
            ));
        }
        if sign.prefix != self.prefix.as_str() {
            return Err(format!(
                "this agent serves an organisation under prefix {}, and the command is for {}",
                self.prefix, sign.prefix
            ));
        }
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !is_token(&sign.verb) || !is_token(&sign.user) || sign.payload.len() > MAX_COMMAND_BYTES
        {
            return Err("that is no command".to_owned());
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
    text: String,
    person: &'a Person,
    say: &'a UnboundedSender<Word>,
    waits: &'a AtomicBool,
}

impl There<'_> {
    fn now(&self, prompt: String) {
        drop(self.say.send(Word::Now { prompt }));
    }
}

impl Signatory for There<'_> {
    fn pin(&mut self, tries: u8) -> Result<Secret, SignError> {
        self.now(
            "look at the agent's window: it shows what is to be signed, and asks for the PIN"
                .to_owned(),
        );
        Ok(self.person.pin_to_sign(&self.text, tries)?)
    }

    fn touch(&mut self) {
        self.now(Prompt::Touch.sentence().to_owned());
    }

    fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}

/// A command in words.
fn shown(sign: &Sign) -> String {
    let Sign {
        serial,
        slot,
        aggregate,
        verb,
        name,
        user,
        payload,
        ..
    } = sign;
    format!(
        "Sign a command with token {serial}, slot {slot}?\n\n{verb} {aggregate} {name}\n{}\nas user {user}",
        fields(payload)
    )
}

/// The fields of a payload, a line each, cut to what a window holds.
fn fields(payload: &str) -> String {
    let mut lines = String::new();
    match serde_json::from_str(payload) {
        Ok(Value::Object(fields)) => {
            for (field, value) in fields {
                let value = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                lines.push_str(&format!("{field}: {}\n", value.replace(['\n', '\t'], " ")));
            }
        }
        _ => lines.push_str(payload),
    }
    // What turns the direction of writing round could make a person read something else.
    let turns = |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let lines = plain(&lines.replace(turns, "\u{fffd}"));
    if lines.len() <= MAX_SHOWN_BYTES {
        return lines;
    }
    let mut end = MAX_SHOWN_BYTES;
    while !lines.is_char_boundary(end) {
        end -= 1;
    }
    format!(
        "{}…\n(shortened: it has {} bytes)\n",
        &lines[..end],
        payload.len()
    )
}

#[cfg(test)]
mod tests {
    use keyledger_domain::{
        Name,
        name::Aggregate,
        token::{Serial, Slot},
    };
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
        let text = shown(&sign(
            r#"{"revocation_reason":"key_compromise","reason":"laptop\nstolen\u202e"}"#,
        ));
        let expected = "Sign a command with token 1000001, slot 9c?\n\nrevoke key orders-db\n\
                        reason: laptop stolen\u{fffd}\nrevocation_reason: key_compromise\n\nas user UANN";
        let mut found: Vec<_> = text.lines().collect();
        let mut lines: Vec<_> = expected.lines().collect();
        found.sort_unstable(); // the order of fields is the payload's or the alphabet's
        lines.sort_unstable();
        assert_eq!(found, lines);
    }

    #[test]
    fn what_is_long_is_cut_and_said_to_be() {
        let payload = format!(r#"{{"reason":"{}"}}"#, "ä".repeat(2_000));
        let text = shown(&sign(&payload));
        assert!(text.len() < 700, "{}", text.len());
        assert!(text.contains("shortened: it has 4013 bytes"), "{text}");
    }
}
