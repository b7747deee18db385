//! What an administrator sees: `keyledger up`, then commands typed into a shell, with all they print.
//!
//! Each `*.scenario` beside this file is such a session, and says in [`script`]'s form what was typed and printed. With
//! `UPDATE_SCENARIOS=1` in the environment the files are written anew from what happens; read the difference then.
#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

mod docs;
mod examples;
mod normalise;
mod script;
mod world;

/// A test for each file, and none for a file that is not there.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                script::play(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_file_is_played() {
            let mut files = script::files();
            files.sort();
            let mut played = [$(stringify!($name)),*];
            played.sort_unstable();
            assert_eq!(files, played);
        }
    };
}

scenarios! {
    doctor
    first_steps
    inventory
    key_life
    ledger
    nats_cli
    principals_and_offboarding
    rejections
    restart
    tokens
    users
}
