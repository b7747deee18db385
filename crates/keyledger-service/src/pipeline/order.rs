//! Has a command decided and written, and erases material that was made for nothing.

use crate::{
    handler::{Done, Failure, Order},
    shared::Shared,
    verbs::Beside,
};

/// Has the handler decide a command and write its events. Material that no event names is erased again.
///
/// # Errors
///
/// [`Failure`].
pub(super) async fn order(shared: &Shared, order: Order, beside: &Beside) -> Result<Done, Failure> {
    match shared.handler.order(order).await {
        Ok(done) => {
            if !done.fresh {
                beside.discard(shared).await;
            }
            Ok(done)
        }
        Err(failure) => {
            beside.forget(shared, &failure).await;
            Err(failure)
        }
    }
}
