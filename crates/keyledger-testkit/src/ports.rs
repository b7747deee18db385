//! Ports that are free now and likely to stay so until a server takes them.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the ephemeral range (32,768 on Linux): an outgoing connection never takes one of these between two starts
/// of the same server.
const RANGE: std::ops::Range<u64> = 10_000..32_000;

/// A loopback port nobody listens on.
///
/// Two tests may still be given the same one; whoever starts a server starts again with another then.
pub(crate) fn free() -> u16 {
    loop {
        // The standard library's only source of randomness, good enough to keep test processes apart.
        let random = RandomState::new().build_hasher().finish();
        let port = u16::try_from(RANGE.start + random % (RANGE.end - RANGE.start))
            .expect("the range ends below 65,536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
