//! Tells the service what is plugged in: of each token only the newest announcement.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use keyledger_domain::{
    text::in_full,
    token::{ANNOUNCEMENTS, Announcement, Report, Serial},
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    board::Board,
    courier::{Courier, Sent},
    journal::RejectedReport,
    pauses::Pauses,
};
use crate::{
    clock,
    stop::Stop,
    tokens::{TokenSeen, Tokens},
};

/// The pause before readers are watched again.
const PAUSE: Duration = Duration::from_secs(3);

/// Watches the tokens, and announces to the service what they show.
pub(crate) struct Announcer {
    board: Arc<Board>,
    stop: Stop,
    state: Mutex<Announcements>,
    changed: Notify,
}

#[derive(Default)]
struct Announcements {
    /// The last announcement of each token that is plugged in.
    plugged: HashMap<Serial, Announcement>,
    /// The announcements to deliver, with their message ids.
    pending: BTreeMap<Serial, (Uuid, Announcement)>,
}

impl Announcer {
    pub(crate) fn new(board: Arc<Board>, stop: Stop) -> Self {
        Self {
            board,
            stop,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Watches the tokens until the agent stops. Blocks.
    pub(crate) fn watch(&self, tokens: &dyn Tokens) {
        while !self.stop.is_stopping() {
            let watched = tokens.watch(&self.stop, &mut |seen| self.see(seen));
            let why = match watched {
                Ok(()) => continue,
                Err(error) => in_full(&error),
            };
            {
                let mut status = self.board.lock();
                if status.readers.as_deref() != Some(&*why) {
                    tracing::warn!("tokens cannot be watched: {why}");
                }
                status.readers = Some(why);
                status.tokens.clear();
            }
            if self.stop.within(PAUSE) {
                return;
            }
        }
    }

    /// Notes what is plugged in now.
    fn see(&self, seen: &[TokenSeen]) {
        {
            let mut status = self.board.lock();
            status.readers = None;
            status.tokens = seen.to_vec();
        }
        let mut state = self.state();
        // A token that another program holds cannot be read now, but is still plugged in.
        if seen.iter().all(|token| token.shows.is_some()) {
            let is_there = |serial: &Serial| {
                let mut shown = seen.iter().filter_map(|token| token.shows.as_ref());
                shown.any(|shows| shows.serial == *serial)
            };
            state.plugged.retain(|serial, _| is_there(serial));
        }
        drop(state);
        for shows in seen.iter().filter_map(|token| token.shows.as_ref()) {
            self.announce(shows);
        }
    }

    /// Announces what a token shows now, unless it was announced already since the token was plugged in.
    pub(crate) fn announce(&self, shows: &Announcement) {
        let mut state = self.state();
        let before = state.plugged.insert(shows.serial, shows.clone());
        if before.as_ref() == Some(shows) {
            return;
        }
        tracing::info!(serial = %shows.serial, firmware = %shows.firmware, "a token is plugged in, or shows something new");
        let pending = (Uuid::now_v7(), shows.clone());
        state.pending.insert(shows.serial, pending);
        self.board.lock().announcements = state.pending.len();
        self.changed.notify_one();
    }

    /// Delivers announcements until the agent stops.
    pub(crate) async fn deliver(&self, courier: &Courier) {
        let mut pauses = Pauses::new();
        loop {
            // Wait for the connection first: the announcement chosen afterwards is the newest.
            tokio::select! {
                _ = courier.link.up() => {}
                () = self.stop.stopped() => return,
            }
            let next = {
                let state = self.state();
                let next = state.pending.iter().next();
                next.map(|(serial, (message, shows))| (*serial, *message, shows.clone()))
            };
            let Some((serial, message, shows)) = next else {
                tokio::select! {
                    () = self.changed.notified() => continue,
                    () = self.stop.stopped() => return,
                }
            };
            let report = Report::Announced(shows);
            let sent = tokio::select! {
                sent = courier.send(ANNOUNCEMENTS, message, message, &report) => sent,
                () = self.stop.stopped() => return,
            };
            match sent {
                Sent::Taken(_) => {
                    self.settle(serial, message);
                    pauses = Pauses::new();
                }
                Sent::Rejected(refusal) => {
                    tracing::warn!(%serial, "its announcement is rejected: {refusal}");
                    self.settle(serial, message);
                    self.board.announcement_refused(RejectedReport {
                        task: None,
                        serial: Some(serial),
                        count: 1,
                        message,
                        report: report.name().to_owned(),
                        reason: refusal.to_string(),
                        at: clock::now(),
                    });
                }
                Sent::Later(error) => {
                    tracing::info!(%serial, "not announced yet: {}", in_full(&error));
                    if courier.link.pause(pauses.next(), &self.stop).await {
                        return;
                    }
                }
            }
        }
    }

    /// Forgets an announcement that was delivered or rejected, unless a newer one has replaced it.
    fn settle(&self, serial: Serial, message: Uuid) {
        let mut state = self.state();
        if state.pending.get(&serial).is_some_and(|p| p.0 == message) {
            state.pending.remove(&serial);
        }
        self.board.lock().announcements = state.pending.len();
    }

    fn state(&self) -> MutexGuard<'_, Announcements> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
