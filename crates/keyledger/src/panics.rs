//! Panics: a program that cannot go on says why and ends, so that its supervisor starts it again.
//!
//! A task alone that ended would leave a service that takes commands and does half of what they ask for. What was acknowledged is
//! durable, and the next start goes on from there.

use std::{panic, process};

use crate::exit::Exit;

/// From now on a panic, in whatever task or thread, ends the process.
pub(crate) fn end_the_process() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        say(info);
        // Beside the line for people, where logs are read by programs.
        tracing::error!(reason = %info, "an error in the program: it ends, and must be started again");
        process::exit(Exit::Panicked as i32);
    }));
}
