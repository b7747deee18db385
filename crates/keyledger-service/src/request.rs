//! A request as it came in, without NATS around it.

use keyledger_domain::{Name, record::Ids};

/// A request: what the endpoint read from a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The subject, as its sender wrote it.
    pub(crate) subject: &'a str,
    pub(crate) payload: &'a [u8],
    /// nats-server's stamp, which says who sent it. `None` if it has none that counts.
    pub(crate) stamp: Option<&'a str>,
}

/// What the headers of a command say.
#[derive(Debug, Clone)]
pub(crate) struct CommandHeaders {
    pub(crate) ids: Ids,
    /// Its signature by a key on the sender's token, if it has one.
    pub(crate) signature: Option<TokenSignature>,
}

/// A signature by a key on a token.
#[derive(Debug, Clone)]
pub(crate) struct TokenSignature {
    /// The key.
    pub(crate) key: Name,
    pub(crate) signature: Vec<u8>,
}
