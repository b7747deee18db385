//! The state of a user: the fold of its events.

use serde::{Deserialize, Serialize};

use crate::{name::Name, stamp::Role, text::Reason, time::Timestamp, word::states};

/// What a user's JWT has besides its name, keys and subjects, as JSON: header, ids, times, limits and signature.
const FRAME_BYTES: usize = 740;

states! {
    /// The states of a user.
    State {
        /// Its JWT was issued.
        Issued => "issued",
        /// It is refused.
        Revoked => "revoked",
    }
}

/// A user as its history left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account it belongs to.
    pub account: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
    /// True if the seed was generated here and sealed to the requester.
    pub generated: bool,
    /// Its role.
    pub role: Option<Role>,
    /// The account's signing key that signed its JWT.
    pub issuer: Box<str>,
    /// The principal it stands for.
    pub principal: Option<Name>,
    /// The `iat` of its JWT.
    pub issued_at: i64,
    /// The `exp` of its JWT; 0 if never.
    pub expires_at: i64,
    /// Keys it may command besides its namesake.
    pub keys: Vec<Name>,
    /// Subjects it may publish to.
    pub publish: Option<Vec<Box<str>>>,
    /// Subjects it may subscribe to.
    pub subscribe: Option<Vec<Box<str>>>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked, in the words of who did it.
    pub revoked_why: Option<Reason>,
    /// Milliseconds from its revocation until the last server refused it.
    pub revocation_took_ms: Option<u64>,
}

impl User {
    /// The length of its JWT, in bytes: never less than it is, and little more.
    #[must_use]
    pub fn jwt_bytes(&self, name: &Name) -> usize {
        let texts = |list: &Option<Vec<Box<str>>>| {
            let subjects = list.iter().flatten();
            subjects.map(|subject| subject.len() + 3).sum::<usize>()
        };
        // Each key is a tag: `"key:…",`.
        let keys = self.keys.iter().map(|key| key.as_str().len() + 7);
        let keys = keys.chain(self.role.map(|role| role.as_str().len() + 8)); // `"role:…",`
        let grants = keys.sum::<usize>() + texts(&self.publish) + texts(&self.subscribe);
        // Base64 makes four bytes of three.
        (FRAME_BYTES + name.as_str().len() + grants) * 4 / 3
    }

    /// When its JWT ends; the last moment there is if it never does.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        match self.expires_at {
            0 => Timestamp::from_ms(i64::MAX),
            seconds => Timestamp::from_seconds(seconds),
        }
    }

    /// True if it may connect at `now`, as far as the ledger knows.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && (self.expires_at == 0 || now.seconds() < self.expires_at)
    }
}
