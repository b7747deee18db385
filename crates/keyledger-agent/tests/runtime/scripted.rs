//! Tokens that are files: a double for the layer below. That layer has tests of its own.
//!
//! `plugged.json` lists what is plugged in; if it holds `panic`, watching panics. `token-SERIAL` lists what has been done to a token, a
//! line for each. A walk does what is missing, as a real walk does. A file `hold-STEP` makes it wait at that step.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

use data_encoding::BASE64;
use keyledger_agent::{
    card::CardError,
    desk::{Desk, DeskError},
    stop::Stop,
    tokens::{Signatory, TokenSeen, TokenSignError, Tokens},
};
use keyledger_custody::{Secret, seal_to};
use keyledger_domain::token::{
    Announcement, Applet, Evidence, Firmware, FormFactor, KeysMade, PinRules, Progress, Prompt,
    Report, SecretsSealed, Serial, Slot, Step, TaskFiled, TaskKind,
};

pub(crate) struct Scripted {
    pub(crate) place: PathBuf,
}

impl Tokens for Scripted {
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), CardError> {
        let mut before = None;
        while !stop.within(Duration::from_millis(20)) {
            let plugged = fs::read_to_string(self.place.join("plugged.json"))
                .map_err(|_| CardError::NoService)?;
            assert_ne!(plugged, "panic", "the test asks for it");
            if before.as_ref() != Some(&plugged)
                && let Ok(seen) = serde_json::from_str::<Vec<TokenSeen>>(&plugged)
            {
                see(&seen);
                before = Some(plugged);
            }
        }
        Ok(())
    }

    fn walk(&self, serial: Serial, task: &TaskFiled, desk: &mut dyn Desk) -> Result<(), DeskError> {
        self.note(serial, "begun");
        let walked = self.steps(serial, task, desk);
        self.note(serial, "left");
        walked
    }

    fn sign(
        &self,
        _: Serial,
        slot: Slot,
        _: &[u8],
        _: &mut dyn Signatory,
    ) -> Result<Vec<u8>, TokenSignError> {
        Err(TokenSignError::Empty(slot)) // it has no keys
    }
}

/// What a token shows before anything was done to it.
fn shows(serial: Serial) -> Announcement {
    Announcement {
        serial,
        firmware: Firmware::new(5, 7, 1),
        form_factor: FormFactor::UsbCKeychain,
        applets: vec![Applet::Piv],
        slots: Vec::new(),
        pin_tries: Some(3),
        puk_tries: Some(3),
        factory_pin: Some(true),
        restrictions: Vec::new(),
    }
}

impl Scripted {
    fn steps(
        &self,
        serial: Serial,
        task: &TaskFiled,
        desk: &mut dyn Desk,
    ) -> Result<(), DeskError> {
        let tell = |desk: &mut dyn Desk, step| {
            let (prompt, at) = (None, None);
            desk.tell(Report::Progressed(Progress {
                serial,
                step,
                prompt,
                at,
            }))
        };
        tell(desk, Step::Taken)?;
        self.hold("taken", serial, desk)?;
        desk.tell(Report::Announced(shows(serial)))?;
        if task.kind == TaskKind::Reset {
            desk.confirm_reset(serial)?;
            self.note(serial, "reset");
        }
        if task.kind == TaskKind::Provision {
            if !self.is_done(serial, "secrets") {
                tell(desk, Step::Secrets)?;
                let puk = match desk.kept("puk")? {
                    Some(puk) => puk,
                    None => {
                        let puk = Secret::random_digits(8).unwrap();
                        desk.keep("puk", &puk)?;
                        puk
                    }
                };
                self.hold("kept", serial, desk)?;
                let sealed = seal_to(&task.seal_to, puk.expose()).unwrap();
                desk.ask(Report::SecretsSealed(SecretsSealed {
                    serial,
                    sender: sealed.sender.into(),
                    sealed: BASE64.encode(&sealed.ciphertext).into(),
                }))?;
                let pin = desk.new_pin(serial, &PinRules::default())?;
                assert_eq!(pin.expose(), b"19283746");
                self.note(serial, "secrets");
            }
            tell(desk, Step::Keys)?;
            self.hold("keys", serial, desk)?;
            desk.show(serial, Prompt::Touch, "slot 9a")?;
            // The report is the same each time, so it is asked again.
            desk.ask(Report::KeysMade(KeysMade {
                serial,
                attester: "AAAA".into(),
                keys: Vec::new(),
                openpgp: Vec::new(),
            }))?;
            self.note(serial, "keys");
        }
        tell(desk, Step::Proof)?;
        self.hold("proof", serial, desk)?;
        desk.ask(Report::Proved(Evidence {
            serial,
            firmware: Firmware::new(5, 7, 1),
            nonce: task.nonce.clone(),
            attester: "AAAA".into(),
            slots: Vec::new(),
            openpgp: Vec::new(),
            factory_pin_refused: true,
            factory_puk_refused: true,
            factory_management_key_refused: true,
        }))?;
        self.note(serial, "proved");
        Ok(())
    }

    fn is_done(&self, serial: Serial, what: &str) -> bool {
        let token = fs::read_to_string(self.place.join(format!("token-{serial}")));
        token.is_ok_and(|done| done.lines().any(|line| line == what))
    }

    fn note(&self, serial: Serial, what: &str) {
        let path = self.place.join(format!("token-{serial}"));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{what}").unwrap();
    }

    /// Waits while the test holds this step.
    fn hold(&self, step: &str, serial: Serial, desk: &mut dyn Desk) -> Result<(), DeskError> {
        let held = self.place.join(format!("hold-{step}"));
        if held.exists() {
            desk.show(serial, Prompt::InsertToken, step)?;
            self.note(serial, &format!("held at {step}"));
        }
        while held.exists() {
            desk.pause(Duration::from_millis(20))?;
        }
        Ok(())
    }
}
