//! The control socket of a stack: who tests says what happens to the tokens, and asks for the truth.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use super::virtual_token::VirtualToken;
use super::wire::{Action, Reply, Request};
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
            Err(error) => Reply::Refused(format!("cannot read this: {error}")),
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

fn answer(Request { token, action }: Request, tokens: &[VirtualToken]) -> Reply {
    let Some(token) = tokens.get(token) else {
        return Reply::Refused(format!("there are only {} tokens", tokens.len()));
    };
    match action {
        Action::Insert => {
            token.outside.insert();
            if token.outside.wait_until_seen(PATIENCE) {
                Reply::Done
            } else {
                Reply::Refused(format!("pcscd has not seen it within {PATIENCE:?}"))
            }
        }
        Action::Remove => {
            token.outside.remove();
            Reply::Done
        }
        Action::Touch { touch } => {
            token.outside.set_touch(touch);
            Reply::Done
        }
        Action::Fault { fault } => {
            token.outside.add_fault(fault);
            Reply::Done
        }
        Action::ClearFaults => {
            token.outside.clear_faults();
            Reply::Done
        }
        Action::State => Reply::State(Box::new(token.state())),
        Action::PinIs { value } => Reply::Is(token.kept().piv.pin.is(value.as_bytes())),
        Action::PukIs { value } => Reply::Is(token.kept().piv.puk.is(value.as_bytes())),
        Action::OpenPgpPinIs { value } => Reply::Is(token.kept().openpgp.user.is(value.as_bytes())),
        Action::OpenPgpAdminPinIs { value } => {
            Reply::Is(token.kept().openpgp.admin.is(value.as_bytes()))
        }
        Action::OpenPgpResetCodeIs { value } => {
            Reply::Is(token.kept().openpgp.reset_code.is(value.as_bytes()))
        }
        Action::ManagementKeyIs { value } => {
            match data_encoding::HEXLOWER_PERMISSIVE.decode(value.as_bytes()) {
                Ok(value) => Reply::Is(token.kept().piv.management.value() == value),
                Err(_) => Reply::Refused("the management key is hexadecimal digits".into()),
            }
        }
    }
}
