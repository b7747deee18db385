//! No log holds a PIN or a key, however much is logged.

use std::{
    io,
    sync::{Arc, Mutex},
};

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use keyledger_domain::token::{Profile, TaskKind};
use keyledger_testkit::token::VirtualTokens;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

use crate::desk::{PIN, TestDesk};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Bytes in the forms in which a careless log line would write them.
fn forms(secret: &[u8]) -> [String; 5] {
    let list = |digits: fn(&u8) -> String| secret.iter().map(digits).collect::<Vec<_>>().join(", ");
    [
        HEXLOWER.encode(secret),
        HEXUPPER.encode(secret),
        BASE64.encode(secret),
        list(|byte| byte.to_string()),
        list(|byte| format!("{byte:x}")),
    ]
}

#[test]
fn a_walk_logs_no_secret_at_any_level() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let log = Log::default();
        // Include what other crates write through `log`.
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish()
            .init();
        let mut desk = TestDesk::with_task(TaskKind::Provision, Profile::shipped("person"));
        // Make something happen that is logged.
        token.remove();
        let hand = token.clone();
        desk.while_waiting = Some(Box::new(move || hand.insert()));
        desk.types = "31415926".to_owned();
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Verify);
        desk.walk(&token).unwrap();
        tracing::trace!("the end");

        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("the end") && logged.contains("begins again"));
        let secrets = desk.service.secrets.as_ref().unwrap();
        let admin = secrets.openpgp_admin_pin.as_ref().unwrap();
        let code = secrets.openpgp_reset_code.as_ref().unwrap();
        for secret in [
            PIN.as_bytes(),
            desk.types.as_bytes(),
            secrets.puk.expose(),
            secrets.management_key.expose(),
            admin.expose(),
            code.expose(),
        ] {
            for form in forms(secret) {
                assert!(!logged.contains(&form), "a secret is in the log");
            }
            if let Ok(text) = std::str::from_utf8(secret) {
                assert!(!logged.contains(text), "a secret is in the log");
            }
        }
    });
}
