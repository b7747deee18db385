//! The control socket of a stack: who tests says what happens to the tokens, and asks for the truth.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use super::virtual_token::VirtualToken;
use super::wire::{ControlAction, ControlReply, ControlRequest};
use crate::process::PATIENCE;

/// Answers on `listener` as long as the process lives.
pub(crate) fn serve(listener: &UnixListener, tokens: &Arc<[VirtualToken]>) -> io::Result<()> {
    for client in listener.incoming() {
        let (client, tokens) = (client?, Arc::clone(tokens));
        std::thread::spawn(move || {
            // A client that goes away is no matter.
            let _ = converse(client, &tokens);
        });
    }
    Ok(())
}

/// Sends one line to the control socket and returns the one that comes back.
pub(crate) fn tell(socket: &Path, line: &str) -> io::Result<String> {
    let mut control = UnixStream::connect(socket)?;
    writeln!(control, "{line}")?;
    let mut answer = String::new();
    BufReader::new(control).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn converse(client: UnixStream, tokens: &[VirtualToken]) -> io::Result<()> {
    let mut out = client.try_clone()?;
    for line in BufReader::new(client).lines() {
        let reply = match serde_json::from_str(&line?) {
            Ok(request) => answer(request, tokens),
            Err(error) => ControlReply::Refused(format!("cannot read this: {error}")),
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

fn answer(
    ControlRequest { token, action }: ControlRequest,
    tokens: &[VirtualToken],
) -> ControlReply {
    let Some(token) = tokens.get(token) else {
        return ControlReply::Refused(format!("there are only {} tokens", tokens.len()));
    };
    match action {
        ControlAction::Insert => {
            token.outside.insert();
            if token.outside.wait_until_seen(PATIENCE) {
                ControlReply::Done
            } else {
                ControlReply::Refused(format!("pcscd has not seen it within {PATIENCE:?}"))
            }
        }
        ControlAction::Remove => {
            token.outside.remove();
            ControlReply::Done
        }
        ControlAction::Touch { touch } => {
            token.outside.set_touch(touch);
            ControlReply::Done
        }
        ControlAction::Fault { fault } => {
            token.outside.add_fault(fault);
            ControlReply::Done
        }
        ControlAction::ClearFaults => {
            token.outside.clear_faults();
            ControlReply::Done
        }
        ControlAction::State => ControlReply::State(Box::new(token.state())),
        ControlAction::PinIs { value } => {
            ControlReply::Is(token.kept().piv.pin.is(value.as_bytes()))
        }
        ControlAction::PukIs { value } => {
            ControlReply::Is(token.kept().piv.puk.is(value.as_bytes()))
        }
        ControlAction::OpenPgpPinIs { value } => {
            ControlReply::Is(token.kept().openpgp.user.is(value.as_bytes()))
        }
        ControlAction::OpenPgpAdminPinIs { value } => {
            ControlReply::Is(token.kept().openpgp.admin.is(value.as_bytes()))
        }
        ControlAction::OpenPgpResetCodeIs { value } => {
            ControlReply::Is(token.kept().openpgp.reset_code.is(value.as_bytes()))
        }
        ControlAction::ManagementKeyIs { value } => {
            match data_encoding::HEXLOWER_PERMISSIVE.decode(value.as_bytes()) {
                Ok(value) => ControlReply::Is(token.kept().piv.management.value() == value),
                Err(_) => ControlReply::Refused("the management key is hexadecimal digits".into()),
            }
        }
    }
}
