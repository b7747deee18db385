//! Keys made on the token: what they sign verifies, what vouches for them leads up to the root.

use keyledger_testkit::token::VirtualTokens;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::pkcs8::DecodePublicKey as _;
use sha2::{Digest as _, Sha256};
use x509_cert::der::{Decode as _, Encode as _};
use yubikey::piv::{self, AlgorithmId, RetiredSlotId, SlotId};
use yubikey::{PinPolicy, TouchPolicy};

use crate::client::{PIN, open_as_administrator};

#[test]
fn a_key_made_on_the_token_signs_and_is_attested() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        for slot in [
            SlotId::Authentication,
            SlotId::Signature,
            SlotId::KeyManagement,
            SlotId::CardAuthentication,
            SlotId::Retired(RetiredSlotId::R1),
        ] {
            let public = piv::generate(
                &mut client,
                slot,
                AlgorithmId::EccP256,
                PinPolicy::Default,
                TouchPolicy::Default,
            )
            .unwrap();
            let der = public.to_der().unwrap();
            client.verify_pin(PIN).unwrap();
            let digest = Sha256::digest(b"the task's nonce");
            let signature =
                piv::sign_data(&mut client, &digest, AlgorithmId::EccP256, slot).unwrap();
            let verifier = p256::ecdsa::VerifyingKey::from_public_key_der(&der).unwrap();
            let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
            verifier.verify_prehash(&digest, &signature).unwrap();

            let attestation = piv::attest(&mut client, slot).unwrap();
            let attestation = x509_cert::Certificate::from_der(&attestation).unwrap();
            assert_eq!(
                attestation.tbs_certificate().subject_public_key_info(),
                &public
            );
        }
        let state = token.state();
        assert_eq!(state.slots.len(), 5);
        assert!(state.pin_is_factory && state.management_key_is_factory);
    });
}
