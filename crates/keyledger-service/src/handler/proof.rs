//! Whether the stream was held against what is folded since the connection came about.

use std::collections::VecDeque;

use futures::future::BoxFuture;

use super::{hold::NotHeld, tail::Tailed, work::Written};
use crate::store::Standing;

/// Whether the stream was held against what is folded, and what waits for it.
pub(super) struct Proof {
    /// The number of the connection over which it was.
    pub(super) connection: Option<u64>,
    /// Why the last question was not answered, if it was not.
    pub(super) unanswered: Option<String>,
    /// The question under way.
    pub(super) asking: Option<BoxFuture<'static, Proven>>,
    /// What was answered over a connection that is not proven.
    pub(super) answered: Vec<Written>,
    /// What came over one.
    pub(super) came: VecDeque<Tailed>,
}

/// What the store said over the connection of this number.
pub(super) type Proven = (u64, Result<Standing, NotHeld>);

impl Proof {
    /// Proven over this connection.
    pub(super) const fn of(connection: u64) -> Self {
        Self {
            connection: Some(connection),
            unanswered: None,
            asking: None,
            answered: Vec::new(),
            came: VecDeque::new(),
        }
    }

    /// Why nothing is proven yet.
    pub(super) fn why(&self) -> String {
        let unknown = || "it is asked again where the ledger stands".to_owned();
        self.unanswered.clone().unwrap_or_else(unknown)
    }

    /// The store gave an answer that contradicts: it is proven anew.
    pub(super) const fn doubt(&mut self) {
        self.connection = None;
    }
}
