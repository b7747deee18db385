//! What the service manager is told that started the program: systemd, for a unit of `Type=notify`.
//!
//! Where none did, `NOTIFY_SOCKET` is not set and nothing is sent.

use keyledger_domain::text::visible;
use sd_notify::NotifyState;

/// The ledger is being read: commands are not taken yet.
pub(super) fn starting() {
    tell(&[NotifyState::Status("reading the ledger")]);
}

/// Commands are taken. `status` is what `systemctl status` shows.
pub(super) fn ready(status: &str) {
    // A line break would begin another message.
    tell(&[NotifyState::Ready, NotifyState::Status(&visible(status))]);
}

/// Commands under way are finished, and no others are taken.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("finishing the commands under way"),
    ]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told: it may end this program because it seems not to start");
    }
}
