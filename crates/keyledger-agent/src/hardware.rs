//! The tokens of this machine, as the runtime wants them: PC/SC watched, tasks walked.

use std::time::Duration;

use keyledger_domain::token::{Serial, TaskFiled};

use crate::{
    card::{CardError, Watch, readers},
    desk::{Desk, DeskError},
    run::{self, Stop, TokenSeen, Tokens, WatchError},
    walk::{self, WalkError},
};

/// How long a look at the readers blocks at most: so long does the agent's end wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The tokens that pcscd shows.
#[derive(Debug, Clone, Copy)]
pub struct Hardware;

impl Tokens for Hardware {
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), WatchError> {
        let failed = |error: CardError| WatchError(error.to_string());
        let mut watch = Watch::begin().map_err(failed)?;
        while !stop.is_stopping() {
            if watch.changed(PATIENCE).map_err(failed)? {
                let found = readers().map_err(failed)?.into_iter();
                let seen: Vec<_> = found
                    .map(|found| TokenSeen {
                        reader: found.reader,
                        shows: Some(found.announcement),
                        trouble: None,
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
    ) -> Result<run::WalkEnd, DeskError> {
        match walk::walk(task, serial, desk) {
            Ok(walk::WalkEnd::Closed { why }) => Err(DeskError::Refused(why)),
            Ok(end) => {
                tracing::info!(task = %task.task, %serial, ?end, "walked");
                Ok(run::WalkEnd::Ended)
            }
            Err(WalkError::Desk(error)) => Err(error),
        }
    }
}
