//! The revocation list of an account: what stands on it, what may leave it, and how large it makes the JWT.
//!
//! nats-server refuses a JWT above 1 MiB, and a revocation that does not fit is one that nobody enforces. So the list is
//! kept small, and what would not fit is refused before it is acknowledged:
//!
//! - An entry leaves once the last JWT that it refuses has expired on every server's clock.
//! - Entries of JWTs that are older than everybody's who stays become one entry, NATS's `*`: it refuses all that was
//!   issued until a moment, and nobody who stays notices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest an account's JWT may become, in bytes: nine tenths of the megabyte at which nats-server refuses it. Some
/// 9,000 revoked users fit.
pub const MAX_JWT_BYTES: usize = 943_718;
/// How much longer it may become where the oldest users of all are revoked: that is what gives a full list room again.
pub const RESERVED_JWT_BYTES: usize = 76_282;
/// From this length on a JWT is made smaller where that costs nobody anything: every revocation sends it to every server.
pub const AMPLE_JWT_BYTES: usize = MAX_JWT_BYTES / 2;
/// How long an entry stays after the last JWT that it refuses has expired, in seconds: far more than clocks of servers
/// are apart.
pub const KEEP_EXPIRED_SECONDS: i64 = 3_600;

/// An entry's bytes in a JWT's JSON: `"U…56":1793232000,`.
const ENTRY_BYTES: usize = 70;
/// What a JWT has besides limits, signing keys, templates and revocations: header, ids, times, title and signature.
const FRAME_BYTES: usize = 2_048;

/// Why JWTs of a user are refused, as the list has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// JWTs issued until this second are refused.
    pub until: i64,
    /// When the newest JWT that it refuses was issued, in seconds; `until` where that was not written down.
    pub jwt_issued_at: i64,
    /// When the last JWT that it refuses expires, in seconds; 0 if never.
    pub expires_at: i64,
}

/// Everything that was issued until a moment is refused: the list's `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllUntil {
    /// JWTs issued until this second are refused.
    pub until: i64,
    /// When the last JWT of a revoked user that it refuses expires, in seconds; 0 if never.
    pub expires_at: i64,
}

/// Whom an account refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    users: BTreeMap<Box<str>, Revocation>,
    all: Option<AllUntil>,
}

impl Revocations {
    /// Refuses one user more.
    pub(super) fn add(&mut self, nkey: &str, new: Revocation) {
        if let Some(all) = &mut self.all
            && new.jwt_issued_at <= all.until
        {
            all.expires_at = later_end(all.expires_at, new.expires_at);
            return;
        }
        let entry = self.users.entry(nkey.into()).or_insert(new);
        entry.until = entry.until.max(new.until);
        entry.jwt_issued_at = entry.jwt_issued_at.max(new.jwt_issued_at);
        entry.expires_at = later_end(entry.expires_at, new.expires_at);
    }

    /// Drops what refuses only JWTs that expired before `moment`, in seconds.
    pub(super) fn drop_expired(&mut self, moment: i64) {
        let ended = |expires_at: i64| expires_at != 0 && expires_at < moment;
        self.users.retain(|_, entry| !ended(entry.expires_at));
        self.all = self.all.filter(|all| !ended(all.expires_at));
    }

    /// Refuses everything that was issued until `moment`, in seconds, by one entry.
    pub(super) fn collapse(&mut self, moment: i64) {
        let until = self.all.map_or(moment, |all| all.until.max(moment));
        let mut expires_at = self.all.map(|all| all.expires_at);
        self.users.retain(|_, entry| {
            let stays = entry.jwt_issued_at > until;
            if !stays {
                let end = entry.expires_at;
                expires_at = Some(expires_at.map_or(end, |before| later_end(before, end)));
            }
            stays
        });
        // Where it takes nobody in, nothing it refuses is left to be kept out.
        self.all = expires_at.map(|expires_at| AllUntil { until, expires_at });
    }

    /// True if a JWT of `nkey`, issued at `issued_at`, is refused.
    #[must_use]
    pub fn refuses(&self, nkey: &str, issued_at: i64) -> bool {
        self.all.is_some_and(|all| issued_at <= all.until)
            || self
                .users
                .get(nkey)
                .is_some_and(|entry| issued_at <= entry.until)
    }

    /// The users refused by an entry of their own, with it.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Revocation)> {
        self.users.iter().map(|(nkey, entry)| (&**nkey, entry))
    }

    /// Until when all JWTs are refused, whosever they are.
    #[must_use]
    pub const fn all(&self) -> Option<AllUntil> {
        self.all
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len() + usize::from(self.all.is_some())
    }

    /// True if nobody is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries refuse only JWTs that expired before `moment`, in seconds.
    #[must_use]
    pub fn expired(&self, moment: i64) -> usize {
        let ends = self.users.values().map(|entry| entry.expires_at);
        ends.chain(self.all.map(|all| all.expires_at))
            .filter(|end| *end != 0 && *end < moment)
            .count()
    }

    /// The end of the entry that can leave first, in seconds; nothing if none ever can.
    #[must_use]
    pub fn first_end(&self) -> Option<i64> {
        let ends = self.users.values().map(|entry| entry.expires_at);
        ends.filter(|end| *end != 0).min()
    }
}

/// The later of two ends, of which 0 is never.
fn later_end(a: i64, b: i64) -> i64 {
    if a == 0 || b == 0 { 0 } else { a.max(b) }
}

/// The length of a JWT whose claims have so many bytes of JSON and so many revocations, in bytes: never less than it is.
pub(super) const fn jwt_bytes(claims: usize, revocations: usize) -> usize {
    // Base64 makes four bytes of three.
    (claims + FRAME_BYTES + revocations * ENTRY_BYTES) * 4 / 3
}
