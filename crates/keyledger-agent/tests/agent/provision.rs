//! Provisioning without any trouble.

use std::{collections::BTreeMap, process::Command};

use keyledger_domain::{
    Algorithm,
    command::MAX_REPORT_BYTES,
    token::{MAX_SLOTS, Profile, Prompt, Report, Slot, Step, TaskKind},
};
use keyledger_testkit::token::{Firmware, VirtualTokens};

use crate::{
    desk::{PIN, TestDesk},
    end::assert_provisioned,
};

#[test]
fn a_service_is_provisioned_and_proved_without_a_touch() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert_eq!(desk.prompts, [Prompt::ChoosePin]);
        assert_eq!(desk.resets_confirmed, 0, "nobody had anything to lose");
        assert_eq!(token.state().touches, 0);
        let steps = desk.reports.iter().filter_map(|report| match report {
            Report::Progressed(progress) => Some(progress.step),
            _ => None,
        });
        let mut steps: Vec<Step> = steps.collect();
        steps.dedup();
        assert_eq!(
            steps,
            [
                Step::Taken,
                Step::Reset,
                Step::Secrets,
                Step::Keys,
                Step::Certificates,
                Step::Proof
            ]
        );
    });
}

#[test]
fn a_person_is_told_to_touch_and_the_certificates_lie_in_their_slots() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        // 9c and 9e ask for a touch for the request and for the proof.
        let touches = desk.prompts.iter().filter(|p| **p == Prompt::Touch);
        assert_eq!(touches.count(), 4);
        assert_eq!(
            token.state().objects,
            [0x5fc101, 0x5fc102, 0x5fc105, 0x5fc10a, 0x5fc10b]
        );
    });
}

#[test]
fn every_algorithm_of_firmware_5_7_makes_its_key_its_request_and_its_proof() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let profile = Profile::read(
            r#"
            name = "all"
            about = "A key of each algorithm"
            [pin]
            retries = 3
            puk_retries = 4
            [piv.9a]
            algorithm = "ed25519"
            pin = "once"
            touch = "never"
            certificate = { usages = ["client_auth"], days = 10 }
            [piv.9c]
            algorithm = "rsa-3072"
            pin = "always"
            touch = "never"
            certificate = { usages = ["client_auth"], days = 10 }
            [piv.9d]
            algorithm = "x25519"
            pin = "once"
            touch = "always"
            [piv.82]
            algorithm = "p-384"
            pin = "always"
            touch = "always"
            certificate = { usages = ["client_auth"], days = 10 }
            [piv.83]
            algorithm = "rsa-4096"
            pin = "once"
            touch = "never"
            certificate = { usages = ["client_auth"], days = 10 }
            "#,
        )
        .unwrap();
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert_all_slots_fit_a_report(&desk, "83".parse().unwrap());
    });
}

/// The service would accept the reports about a token with keys like this slot's in all 24 slots. That matters: the reports are filed when
/// the old keys are gone already.
fn assert_all_slots_fit_a_report(desk: &TestDesk, slot: Slot) {
    let mut made = desk.service.keys_made.last().unwrap().clone();
    let key = made.keys.iter().find(|key| key.slot == slot).unwrap();
    made.keys = vec![key.clone(); MAX_SLOTS];
    let mut evidence = desk.service.evidence.clone().unwrap();
    let proof = evidence.slots.iter().find(|proof| proof.slot == slot);
    evidence.slots = vec![proof.unwrap().clone(); MAX_SLOTS];
    for report in [Report::KeysMade(made), Report::Proved(evidence)] {
        let bytes = serde_json::to_vec(&report).unwrap().len();
        // Beside them are three OpenPGP keys, and a title and an attester that are longer.
        assert!(bytes + 24 * 1_024 < MAX_REPORT_BYTES, "{bytes} bytes");
    }
}

#[test]
fn an_older_token_is_provisioned_too_and_makes_the_rsa_key_that_it_can() {
    VirtualTokens::in_front_of_firmware(1, Firmware(5, 4, 3), |tokens| {
        let token = tokens.token(0);
        let mut profile = Profile::shipped("service").unwrap();
        let plan = profile
            .piv
            .values_mut()
            .find(|plan| plan.certificate.is_some());
        plan.unwrap().algorithm = Algorithm::Rsa2048;
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn a_used_token_is_reset_only_after_the_person_typed_its_number() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let before = token.state().slots;

        let mut again = TestDesk::provision("person");
        again.declines = true;
        let end = again.walk(&token).unwrap();
        assert!(
            matches!(&end, keyledger_agent::walk::WalkEnd::Failed { code, .. }
                if *code == keyledger_domain::token::FailureCode::Declined),
            "{end:?}"
        );
        assert_eq!(token.state().slots, before, "nothing was touched");
        assert!(token.pin_is(PIN));

        let mut again = TestDesk::provision("person");
        again.walk_to_proof(&token);
        assert_eq!(again.resets_confirmed, 1);
        assert_provisioned(&again, &token);
    });
}

#[test]
fn six_persons_tokens_are_provisioned_at_once() {
    VirtualTokens::in_front_of(6, |tokens| {
        let walks = [0, 1, 2, 3, 4, 5].map(|index| {
            let token = tokens.token(index);
            std::thread::spawn(move || {
                let person = Profile::shipped("person");
                let mut desk = TestDesk::with_task(TaskKind::Provision, person);
                desk.walk_to_proof(&token);
                assert_provisioned(&desk, &token);
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}

/// OpenSC looks into as many retired slots as the key history names, from the first.
#[test]
fn opensc_sees_retired_slots_with_certificates_because_of_the_key_history() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&token);
        assert!(
            !token.state().objects.contains(&0x005f_c10c),
            "none is retired"
        );
        assert_eq!(seen_by_opensc(tokens), [[false; 2]; 2]);

        let mut profile = crate::desk::piv_part("person");
        let plan = profile.piv.values().find(|plan| plan.certificate.is_some());
        let plan = plan.unwrap().clone();
        let slots = ["82", "84"].map(|slot| (slot.parse().unwrap(), plan.clone()));
        profile.piv = BTreeMap::from(slots);
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        assert!(token.state().objects.contains(&0x005f_c10c));
        assert_eq!(seen_by_opensc(tokens), [[true; 2]; 2]);

        // Only the key history makes the difference: the same token, with a history that names one slot.
        let file = tokens.directory().join("history");
        std::fs::write(&file, [0xc1, 1, 1, 0xc2, 1, 0, 0xf3, 0, 0xfe, 0]).unwrap();
        let secrets = desk.service.secrets.as_ref().unwrap();
        let key = data_encoding::HEXLOWER.encode(secrets.management_key.expose());
        let mut ykman = tokens.ykman(&token);
        ykman.args(["piv", "objects", "import", "-m", &key, "0x5fc10c"]);
        let done = ykman.arg(&file).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(seen_by_opensc(tokens), [[true; 2], [false; 2]]);
    });
}

/// For the retired slots 82 and 84: whether OpenSC lists a certificate, and a key.
fn seen_by_opensc(tokens: &VirtualTokens) -> [[bool; 2]; 2] {
    let list = |what: &str| {
        let mut tool = Command::new("pkcs15-tool");
        let done = tool.arg(what).envs([tokens.env()]).output();
        let done = done.expect("pkcs15-tool should run (Debian: apt-get install opensc)");
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{what}: {said}");
        said
    };
    let (certificates, keys) = (list("--list-certificates"), list("--list-keys"));
    [("1", "(0x82)"), ("3", "(0x84)")].map(|(nth, slot)| {
        let certificate = format!("[Retired Certificate for Key Management {nth}]");
        [certificates.contains(&certificate), keys.contains(slot)]
    })
}
