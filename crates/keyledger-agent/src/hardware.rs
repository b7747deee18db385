//! The tokens of this workstation, as the runtime wants them: through PC/SC.

use std::time::Duration;

use keyledger_domain::token::{Serial, Slot, TaskFiled};

use crate::{
    card::{self, CardError},
    clock,
    desk::{Desk, DeskError},
    stop::Stop,
    tokens::{Signatory, TokenSeen, TokenSignError, Tokens, WalkEnd, WatchError},
    walk::{self, WalkError},
};

/// How long a change is waited for before the end is looked for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is plugged in here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hardware;

impl Tokens for Hardware {
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), WatchError> {
        let mut watch = card::ReaderWatch::begin().map_err(unwatched)?;
        while !stop.is_stopping() {
            if watch.changed(PATIENCE).map_err(unwatched)? {
                let seen: Vec<_> = card::readers()
                    .map_err(unwatched)?
                    .into_iter()
                    .map(|found| TokenSeen {
                        reader: found.reader,
                        seen_at: Some(clock::ago(found.age)),
                        trouble: found.shows.as_ref().err().map(CardError::to_string),
                        shows: found.shows.ok(),
                    })
                    .collect();
                see(&seen);
            }
        }
        Ok(())
    }

    fn walk(
        &self,
        serial: Serial,
        task: &TaskFiled,
        desk: &mut dyn Desk,
    ) -> Result<WalkEnd, DeskError> {
        let _walked = card::walked(serial);
        match walk::walk(task, serial, desk) {
            // Whether the service said so or refused a report: for this agent it is over.
            Ok(walk::WalkEnd::Closed { why }) => Err(DeskError::Refused(why)),
            Ok(end) => {
                tracing::info!(task = %task.task, %serial, ?end, "walked");
                Ok(WalkEnd::Ended)
            }
            Err(WalkError::Desk(error)) => Err(error),
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

fn unwatched(error: CardError) -> WatchError {
    let error: &dyn std::error::Error = &error;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    WatchError(text)
}
