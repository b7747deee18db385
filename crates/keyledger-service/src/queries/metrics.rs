//! What this instance counts about itself.

use keyledger_wire::{
    query::{Nothing, ServiceMetrics},
    questions::Metrics,
};

use super::{Answering, Asking};
use crate::{metrics_text::text, refused::Refused};

impl Answering for Metrics {
    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<ServiceMetrics, Refused> {
        Ok(ServiceMetrics {
            instance: on.shared.instance.get().cloned().unwrap_or_default(),
            text: text(on.shared),
        })
    }
}
