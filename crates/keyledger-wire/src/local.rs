//! What a program asks the agent that runs for the same user on the same machine, over the agent's own socket.
//!
//! A request is one line of JSON, and so is each [`AgentReply`]; the last reply says how the request ended. A program that closes its
//! half of the connection without a request gets the agent's status.

use std::{ffi::OsString, path::PathBuf};

use keyledger_domain::{
    Name,
    name::Aggregate,
    token::{Serial, Slot},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The agent's directory in the user's runtime or state directory.
pub const DIRECTORY: &str = "keyledger-agent";
/// The socket in it, of mode 0600.
pub const SOCKET: &str = "agent.sock";
/// The longest request, in bytes: the largest payload of a command, escaped.
pub const MAX_REQUEST_BYTES: u64 = 512 * 1024;

/// The socket of the agent of this user: in `$XDG_RUNTIME_DIR`, else in `$XDG_STATE_HOME`, else below `$HOME`; nothing if the environment
/// names none of them.
pub fn socket_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| {
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let base = set("XDG_RUNTIME_DIR").or_else(|| set("XDG_STATE_HOME"));
    let base = base.or_else(|| set("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join(DIRECTORY).join(SOCKET))
}

/// A request to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum AgentRequest {
    /// What the agent is doing.
    Status,
    /// Which tokens are plugged in.
    Tokens,
    /// Sign a command, with the person's consent.
    Sign(Box<Sign>),
}

/// A command to be signed. The agent shows it to the person and writes the statement to be signed itself, so that no program can have
/// anything else signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The token.
    pub serial: Serial,
    /// The slot of its key.
    pub slot: Slot,
    /// The kind of aggregate.
    pub aggregate: Aggregate,
    /// The verb.
    pub verb: String,
    /// The name of the aggregate that it changes.
    pub name: Name,
    /// What all subjects begin with: the agent's own organisation's.
    pub prefix: String,
    /// The command's id.
    pub id: Uuid,
    /// The sender's public nkey.
    pub user: String,
    /// The exact payload.
    pub payload: String,
}

/// One line of the agent's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum AgentReply {
    /// What the person must do now: more follows.
    Now {
        /// In a sentence.
        prompt: String,
    },
    /// The tokens that are plugged in.
    Tokens {
        /// Their serial numbers.
        serials: Vec<Serial>,
    },
    /// The command is signed.
    Signed {
        /// Base64url without padding.
        signature: String,
    },
    /// The command is not signed.
    Refused {
        /// Why, and what to do, in a sentence.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_where_the_environment_says() {
        let of = |set: &[(&str, &str)]| {
            socket_path(|name| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).into())
            })
        };
        let path = |path: &str| Some(PathBuf::from(path));
        let home = ("HOME", "/home/ada");
        assert_eq!(
            of(&[home, ("XDG_RUNTIME_DIR", "/run/user/7")]),
            path("/run/user/7/keyledger-agent/agent.sock")
        );
        assert_eq!(
            of(&[home, ("XDG_STATE_HOME", "/s")]),
            path("/s/keyledger-agent/agent.sock")
        );
        assert_eq!(
            of(&[home, ("XDG_RUNTIME_DIR", "not/absolute")]),
            path("/home/ada/.local/state/keyledger-agent/agent.sock")
        );
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_request_is_one_line() {
        let sign = Sign {
            serial: Serial::new(1_000_001).unwrap(),
            slot: Slot::SIGNATURE,
            aggregate: Aggregate::Key,
            verb: "revoke".to_owned(),
            name: Name::new("k").unwrap(),
            prefix: "keys".to_owned(),
            id: Uuid::nil(),
            user: "UANN".to_owned(),
            payload: "{\n}".to_owned(),
        };
        let request = AgentRequest::Sign(Box::new(sign));
        let line = serde_json::to_string(&request).unwrap();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(
            serde_json::from_str::<AgentRequest>(&line).unwrap(),
            request
        );
    }
}
