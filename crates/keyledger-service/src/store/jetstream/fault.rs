//! What JetStream says no with, and what that means to who asked.

use std::fmt;

use serde::Deserialize;

/// What makes a full store take writes again.
pub(crate) const ROOM: &str = "make room (or raise `max_file_store`), then restart nats-server: it takes no writes until then";

/// The codes for a compare-and-set that failed: it says what stands there instead, or, in a cluster, that something is on its
/// way there.
const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];
/// The codes for a store that is full: of an account or a server, memory, disk, a stream's limits.
const FULL: [u64; 5] = [10_002, 10_023, 10_028, 10_047, 10_122];
/// The code for a write that failed, which says why in words.
const STORE_FAILED: u64 = 10_077;
/// The same message is on its way already: it was sent before, and is not stored yet, perhaps for want of a quorum.
const DUPLICATE_IN_PROCESS: u64 = 10_158;
/// The words of those that fail for want of room.
pub(crate) const FULL_WORDS: [&str; 3] = ["no space", "exceeded", "insufficient"];
/// The codes for a message that is not there (any more).
const NO_MESSAGE: [u64; 3] = [10_037, 10_043, 10_057];

/// JetStream's answer where it does not do what was asked.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ApiFault {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Somebody else wrote first: look again.
    Conflict,
    /// Nothing was stored, and nothing will be until there is room.
    Full,
    /// It is not there.
    Missing,
    /// The server failed on its way, or is not ready: done or not, nobody knows. Try again.
    Passing,
    /// It will say the same again.
    Lasting,
}

impl ApiFault {
    pub(crate) fn kind(&self) -> FaultKind {
        match self.err_code {
            code if WRONG_LAST_SEQUENCE.contains(&code) => FaultKind::Conflict,
            code if FULL.contains(&code) => FaultKind::Full,
            STORE_FAILED if FULL_WORDS.iter().any(|w| self.description.contains(w)) => {
                FaultKind::Full
            }
            code if NO_MESSAGE.contains(&code) => FaultKind::Missing,
            _ if self.code == 404 => FaultKind::Missing,
            DUPLICATE_IN_PROCESS => FaultKind::Passing,
            _ if self.code >= 500 => FaultKind::Passing,
            _ => FaultKind::Lasting,
        }
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.description, self.err_code)
    }
}

/// Says that nobody takes writes for a stream: in a cluster nobody listens on its subjects while it has no leader.
pub(crate) fn no_leader(stream: &str) -> String {
    format!("JetStream has no leader for {stream}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, err_code: u64, description: &str) -> FaultKind {
        let fault = serde_json::json!({
            "code": code, "err_code": err_code, "description": description,
        });
        serde_json::from_value::<ApiFault>(fault).unwrap().kind()
    }

    #[test]
    fn a_full_store_is_told_from_one_that_changes_its_leader() {
        assert_eq!(kind(503, 10_023, "insufficient resources"), FaultKind::Full);
        let no_space = "write /js/1.blk: no space left on device";
        assert_eq!(kind(503, 10_077, no_space), FaultKind::Full);
        assert_eq!(kind(503, 10_077, "store is closed"), FaultKind::Passing);
        let away = "JetStream system temporarily unavailable";
        assert_eq!(kind(503, 10_008, away), FaultKind::Passing);
        assert_eq!(kind(400, 10_164, "in process"), FaultKind::Conflict);
        assert_eq!(kind(404, 10_037, "no message found"), FaultKind::Missing);
        assert_eq!(kind(400, 10_109, "stream sealed"), FaultKind::Lasting);
    }
}
