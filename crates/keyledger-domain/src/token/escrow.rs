//! The key that decrypts, where it is made in custody and imported: how an agent asks for it, and that it was given.

use super::{
    EscrowWanted, EvidenceFault, Findings, OpenTask, OpenpgpRole, Profile, Slot, SlotPlan,
    TaskKind, evidence::check_slot,
};
use crate::algorithm::Algorithm;

/// What stands for the place in the statement by which a token's key vouches for a receiver.
#[must_use]
pub fn vouched_place(seal_to: &str) -> String {
    format!("escrow:{seal_to}")
}

/// Checks what was found about the key that vouches for who asks for a key of custody.
///
/// # Errors
///
/// The first [`EvidenceFault`].
pub fn check_vouched(
    wanted: &EscrowWanted,
    profile: &Profile,
    findings: &Findings,
) -> Result<(), EvidenceFault> {
    let slot = wanted.slot;
    let fault = |why| Err(EvidenceFault::Slots { slot, why });
    let Some(plan) = profile.piv.get(&slot) else {
        return fault("the profile has no such slot");
    };
    if !plan.signs() {
        return fault("its key does not sign, and cannot vouch for anybody");
    }
    let Some(finding) = findings.slots.get(&slot) else {
        return fault("there is no evidence of it");
    };
    check_slot(wanted.serial, slot, plan, findings)?;
    if finding.proved == Some(true) {
        Ok(())
    } else {
        Err(EvidenceFault::Proof { slot })
    }
}

impl Profile {
    /// True if its key that decrypts is made in custody and imported.
    #[must_use]
    pub fn escrows(&self) -> bool {
        let plan = self.openpgp.as_ref();
        plan.is_some_and(|plan| plan.subkey(OpenpgpRole::Encrypt).escrow)
    }

    /// The slot whose key vouches for who asks for a key of custody: the one that asks for the fewest touches. None if no key of a slot
    /// signs.
    #[must_use]
    pub fn vouches(&self) -> Option<(Slot, &SlotPlan)> {
        let signing = self.piv.iter().filter(|(_, plan)| plan.signs());
        let easiest = signing.min_by_key(|(_, plan)| plan.touch);
        easiest.map(|(slot, plan)| (*slot, plan))
    }
}

impl SlotPlan {
    /// True of a key that signs, and does not only agree.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.algorithm != Algorithm::X25519
    }
}

impl OpenTask {
    /// True if its agent is given a key of custody to import.
    #[must_use]
    pub fn imports(&self) -> bool {
        let profile = self.filed.profile.as_ref();
        self.filed.kind == TaskKind::Provision && profile.is_some_and(Profile::escrows)
    }
}
