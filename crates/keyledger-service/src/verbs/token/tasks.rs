//! The verbs that file a task: a nonce, and the public halves of its keys.

use keyledger_domain::token::{FilesTask, TaskMade};

use crate::{
    refused::Refused,
    tokens,
    verbs::{MakeFor, Making, Ready},
};

impl<V: FilesTask> MakeFor<V> for Option<TaskMade> {
    async fn make<'a>(verb: &'a V, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        // For what would be rejected, custody makes no keys.
        let placeholder = TaskMade {
            task: on.id,
            nonce: Box::default(),
            seal_to: Box::default(),
            challenges: Vec::new(),
        };
        on.try_out(verb, &Some(placeholder))?;
        Ok(Ready::of(Some(tokens::task(on.shared, on.id)?)))
    }
}
