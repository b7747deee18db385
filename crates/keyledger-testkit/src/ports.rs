//! Ports that are free, and stay so for the test that was given them.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::Arc,
};

/// Below the ephemeral range (32,768 on Linux): an outgoing connection never takes one of these between two starts
/// of the same server.
const RANGE: std::ops::Range<u64> = 10_000..32_000;

/// A loopback port for TCP that no other test is given while this lives, though a server that is down does not listen on it.
#[derive(Debug, Clone)]
pub struct FreePort {
    number: u16,
    /// Whoever is given a port holds the UDP port of the same number.
    _held: Arc<UdpSocket>,
}

impl FreePort {
    /// One that nobody listens on.
    ///
    /// A program that is no test may still take it: whoever starts a server starts again with another then.
    ///
    /// # Panics
    ///
    /// Never: the range ends below 65,536.
    #[must_use]
    pub fn find() -> Self {
        loop {
            // The standard library's only source of randomness, good enough to keep test processes apart.
            let random = RandomState::new().hash_one(0);
            let number = u16::try_from(RANGE.start + random % (RANGE.end - RANGE.start))
                .expect("the range ends below 65,536");
            let place = (Ipv4Addr::LOCALHOST, number);
            if let Ok(held) = UdpSocket::bind(place)
                && TcpListener::bind(place).is_ok()
            {
                let _held = Arc::new(held);
                return Self { number, _held };
            }
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for FreePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}
