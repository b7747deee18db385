//! The tokens of this workstation, through PC/SC.

use std::time::Duration;

use keyledger_domain::{
    text::in_full,
    token::{Serial, Slot, TaskFiled},
};

use crate::{
    card::{self, CardError},
    clock,
    desk::{Desk, DeskError},
    stop::Stop,
    tokens::{Signatory, TokenSeen, TokenSignError, Tokens},
    walk::{self, WalkEnd},
};

/// The longest wait for a change before looking whether the agent is to stop.
const PATIENCE: Duration = Duration::from_millis(500);

/// The tokens that are plugged into this workstation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hardware;

impl Tokens for Hardware {
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), CardError> {
        let mut watch = card::ReaderWatch::begin()?;
        while !stop.is_stopping() {
            if watch.changed(PATIENCE)? {
                let seen: Vec<_> = card::readers()?
                    .into_iter()
                    .map(|found| TokenSeen {
                        reader: found.reader,
                        seen_at: Some(clock::ago(found.age)),
                        trouble: found.shows.as_ref().err().map(|error| in_full(error)),
                        shows: found.shows.ok(),
                    })
                    .collect();
                see(&seen);
            }
        }
        Ok(())
    }

    fn walk(&self, serial: Serial, task: &TaskFiled, desk: &mut dyn Desk) -> Result<(), DeskError> {
        let _walked = card::walked(serial);
        match walk::walk(task, serial, desk)? {
            // The service said so, or rejected the last report: for this agent the task is over.
            WalkEnd::Closed { why } => Err(DeskError::TaskOver(why)),
            end @ (WalkEnd::Proved { .. } | WalkEnd::Faulted { .. } | WalkEnd::Failed { .. }) => {
                tracing::info!(task = %task.task, %serial, ?end, "walked");
                Ok(())
            }
        }
    }

    fn sign(
        &self,
        serial: Serial,
        slot: Slot,
        statement: &[u8],
        person: &mut dyn Signatory,
    ) -> Result<Vec<u8>, TokenSignError> {
        let _walked = card::walked(serial); // a wrong PIN costs a try
        walk::sign(serial, slot, statement, person)
    }
}
