//! What custody and cryptography make of a token's command or report before it is decided.

use aws_lc_rs::rand;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use keyledger_custody::Delivery;
use keyledger_domain::{
    Name, Rejection, Timestamp,
    ledger::{NewCertificate, ReportFacts},
    token::{KeysMade, OpenTask, Report, Reported, Slot, TaskMade, check_made, check_vouched},
};
use uuid::Uuid;

use super::{attestation_authorities::anchors, escrow, findings};
use crate::{
    openpgp, pki,
    refused::{Refused, custody_failed},
    shared::Shared,
};

/// Makes what a task needs: a nonce, and the public halves of its keys.
pub(crate) fn task(shared: &Shared, id: Uuid) -> Result<TaskMade, Refused> {
    let custody = shared.vault.custody()?;
    let keys = custody.task(&id.to_string()).map_err(custody_failed)?;
    let mut nonce = [0; 32];
    rand::fill(&mut nonce).map_err(custody_failed)?;
    let challenges = keys.challenges().map_err(custody_failed)?;
    Ok(TaskMade {
        task: id,
        nonce: BASE64URL_NOPAD.encode(&nonce).into(),
        seal_to: keys.seal_to().into(),
        challenges: challenges.map(Into::into).to_vec(),
    })
}

/// Looks into a report, and makes what it asks for; gives the entries that were written for it too.
pub(crate) async fn report(
    shared: &Shared,
    token: &Name,
    reported: &Reported,
    now: Timestamp,
) -> Result<(Option<ReportFacts>, Vec<String>), Refused> {
    let open = {
        let ledger = shared.live.ledger.read();
        let open = ledger.token(token).and_then(|t| t.state.task.clone());
        open.filter(|open| {
            Some(open.filed.task) == reported.task && open.filed.agent == reported.agent
        })
    };
    // Without an open task of this agent it is refused anyway, and costs nothing.
    let Some(open) = open else {
        return Ok((None, Vec::new()));
    };
    let id = open.filed.task.to_string();
    let mut facts = ReportFacts::default();
    let mut entries = Vec::new();
    match &reported.report {
        Report::AttesterShown(shown) => {
            facts.findings = findings::of_attester(shown, &anchors(shared), now);
        }
        Report::SecretsSealed(sealed) => {
            let delivery = Delivery {
                sender: sealed.sender.to_string(),
                ciphertext: base64("sealed", &sealed.sealed)?,
            };
            let stored = shared.vault.custody()?.escrow(&id, token, &delivery);
            let stored = stored.map_err(|e| Rejection::BadValue {
                field: "sealed",
                fault: e.to_string(),
            })?;
            let entry = format!("token.{token}.{}", Uuid::now_v7().simple());
            shared.materials.put(&entry, stored).await?;
            facts.entry = Some(entry.as_str().into());
            entries.push(entry);
        }
        Report::EscrowWanted(wanted) => {
            facts.findings = findings::of_wanted(wanted, &open.filed, &anchors(shared), now);
            let profile = open.filed.profile.as_ref();
            let vouched = profile.map(|p| check_vouched(wanted, p, &facts.findings));
            // For who lies, nothing is made; the decision says so.
            if matches!(vouched, Some(Ok(())))
                && let Some(made) = escrow::make(shared, &open, now).await?
            {
                entries.push(made.entry.to_string());
                facts.escrow = Some(made);
            }
        }
        Report::KeysMade(made) => {
            openpgp::check_made(&made.openpgp)?;
            facts.findings = findings::of_made(made, &anchors(shared), now);
            certificates_for(shared, token, &open, made, &mut facts, now).await?;
        }
        Report::Proved(evidence) => {
            let keys = shared.vault.custody()?.task(&id).map_err(custody_failed)?;
            facts.findings =
                findings::of_evidence(evidence, &open.filed, &keys, &anchors(shared), now);
            let ledger = shared.live.ledger.read();
            let state = ledger.token(token).map(|e| &e.state);
            for on_it in state.iter().flat_map(|t| t.all_keys()) {
                let slot = Slot::of_place(&on_it.place);
                let certificate = ledger.key(&on_it.key).and_then(|key| {
                    let newest = key.state.certificates().next_back()?;
                    pki::fingerprint(&newest.certificate)
                });
                if let (Some(slot), Some(certificate)) = (slot, certificate) {
                    facts.findings.certificates.insert(slot, certificate);
                }
            }
        }
        Report::Announced(_)
        | Report::Progressed(_)
        | Report::SecretsWanted(_)
        | Report::Failed(_) => {}
    }
    Ok((Some(facts), entries))
}

/// Signs the certificates for keys that are what they should be, and have none yet.
async fn certificates_for(
    shared: &Shared,
    token: &Name,
    open: &OpenTask,
    made: &KeysMade,
    facts: &mut ReportFacts,
    now: Timestamp,
) -> Result<(), Refused> {
    let (Some(profile), Some(issuer), Some(holder)) =
        (&open.filed.profile, &open.filed.issuer, &open.filed.holder)
    else {
        return Ok(());
    };
    let Ok(attested) = check_made(made.serial, profile, &facts.findings) else {
        return Ok(()); // the decision says what does not fit
    };
    for (slot, attested) in attested {
        let place = slot.place();
        let known = open
            .keys
            .iter()
            .any(|k| *k.place == *place && k.public_key == attested.public_key);
        let plan = &profile.piv[&slot];
        if known || plan.certificate.is_none() {
            continue;
        }
        let spki = base64("attestation", &attested.public_key)?;
        let certified =
            pki::for_slot(shared, issuer, slot, plan, (holder, token), &spki, now).await?;
        let certificate = NewCertificate {
            certified,
            public_key: attested.public_key.clone(),
        };
        facts.certificates.insert(slot, certificate);
    }
    Ok(())
}

fn base64(field: &'static str, text: &str) -> Result<Vec<u8>, Rejection> {
    BASE64
        .decode(text.as_bytes())
        .map_err(|_| Rejection::BadValue {
            field,
            fault: "it is not base64".to_owned(),
        })
}
