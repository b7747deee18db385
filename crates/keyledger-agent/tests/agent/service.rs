//! Plays the service, as far as a walk can tell.

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, X25519, agree},
    digest::{SHA256, digest},
    encoding::AsDer,
    hmac,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
    },
};
use data_encoding::{BASE64, HEXLOWER};
use keyledger_custody::{CurveKey, Delivery, Secret, TokenSecrets, openpgp::EscrowedKey, seal_to};
use keyledger_domain::{
    Algorithm, Timestamp,
    text::Title,
    token::{
        EscrowWanted, Evidence, Failure, Holder, KeysMade, OpenpgpRole, Profile, Report,
        SecretsSealed, TaskFiled, TaskKind, statement, vouched_place,
    },
};
use keyledger_wire::{ReportReply, Sealed, SlotCertificate, Status};
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
    request::CertReq,
};

/// A service with one task.
pub(crate) struct Service {
    pub(crate) task: TaskFiled,
    curve: CurveKey,
    challenge: PrivateKey,
    challenge_p256: PrivateKey,
    issuer: Issuer<'static, KeyPair>,
    /// The secrets that custody has for the token: those that were sealed last.
    pub(crate) secrets: Option<TokenSecrets>,
    /// Older secrets, the oldest first: those that were last proved to open the token, and those that were sealed since.
    pub(crate) before: Vec<TokenSecrets>,
    /// If set, the service does not trust the token's attester, and rejects with this reason and sentence.
    pub(crate) refuses_attester: Option<(&'static str, &'static str)>,
    /// False if the service gives no secrets, because the token is not at its workstation.
    pub(crate) gives_secrets: bool,
    /// If set, a rule rejects the request for the secrets, with this reason and sentence.
    pub(crate) refuses_secrets: Option<(&'static str, &'static str)>,
    /// The key that custody has for the holder.
    pub(crate) escrowed: EscrowedKey,
    /// How often that key was given.
    pub(crate) given: usize,
    /// The reports of keys, in order.
    pub(crate) keys_made: Vec<KeysMade>,
    /// The certificates for the keys of the last report.
    pub(crate) certificates: Vec<SlotCertificate>,
    /// The evidence that was accepted.
    pub(crate) evidence: Option<Evidence>,
    /// The failure that was reported.
    pub(crate) failure: Option<Failure>,
}

impl Service {
    /// A service that has filed a task.
    pub(crate) fn with_task(kind: TaskKind, profile: Option<Profile>) -> Self {
        let curve = CurveKey::generate().unwrap();
        let challenge = PrivateKey::generate(&X25519).unwrap();
        let x25519 = challenge.compute_public_key().unwrap();
        let x25519 = AsDer::as_der(&x25519).unwrap();
        let challenge_p256 = PrivateKey::generate(&ECDH_P256).unwrap();
        let p256 = challenge_p256.compute_public_key().unwrap();
        let p256 = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&p256).unwrap();
        let challenges = [p256.as_ref(), x25519.as_ref()];
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self {
            task: TaskFiled {
                task: uuid::Uuid::now_v7(),
                kind,
                workstation: "desk-1".parse().unwrap(),
                agent: "UAGENT".into(),
                holder: Some(Holder {
                    principal: "ada".parse().unwrap(),
                    title: Title::new("Ada Lovelace").unwrap(),
                    email: None,
                    openpgp: None,
                }),
                profile,
                issuer: None,
                nonce: "bm9uY2Ugb2YgYSB0ZXN0".into(),
                seal_to: curve.public_nkey().into(),
                challenges: challenges
                    .iter()
                    .map(|der| BASE64.encode(der).into())
                    .collect(),
            },
            curve,
            challenge,
            challenge_p256,
            issuer: Issuer::new(authority, key),
            secrets: None,
            before: Vec::new(),
            refuses_attester: None,
            gives_secrets: true,
            refuses_secrets: None,
            escrowed: EscrowedKey::generate(Timestamp::from_seconds(1_790_000_000)).unwrap(),
            given: 0,
            keys_made: Vec::new(),
            certificates: Vec::new(),
            evidence: None,
            failure: None,
        }
    }

    /// Files another task for the same token.
    pub(crate) fn file(&mut self, kind: TaskKind) {
        self.task.task = uuid::Uuid::now_v7();
        self.task.kind = kind;
        self.evidence = None;
        self.failure = None;
    }

    /// Takes a report, and answers.
    pub(crate) fn take(&mut self, report: Report) -> ReportReply {
        let mut reply = ReportReply {
            status: Status::Accepted,
            state: "provisioning".to_owned(),
            task_open: true,
            fault: None,
            certificates: Vec::new(),
            secrets: None,
            doubtful_secrets: Vec::new(),
            escrowed: None,
        };
        match report {
            Report::Announced(_) | Report::Progressed(_) | Report::AttesterShown(_) => {}
            Report::SecretsSealed(sealed) => {
                let new = self.open(&sealed);
                self.before.extend(self.secrets.replace(new));
            }
            Report::SecretsWanted(wanted) => {
                let known = self.before.iter().chain(&self.secrets);
                let known = known.filter(|_| self.gives_secrets);
                let mut known = known.map(|secrets| {
                    let json = match self.task.kind {
                        TaskKind::Verify => secrets.management_key_to_secret(),
                        _ => secrets.to_secret(),
                    };
                    let sealed = seal_to(&wanted.seal_to, json.expose()).unwrap();
                    Sealed {
                        sender: sealed.sender,
                        sealed: BASE64.encode(&sealed.ciphertext),
                    }
                });
                reply.secrets = known.next();
                reply.doubtful_secrets = known.rev().collect();
            }
            Report::EscrowWanted(wanted) => {
                self.check_vouched(&wanted);
                let sealed = self.escrowed.seal_to(&wanted.seal_to).unwrap();
                reply.escrowed = Some(Sealed {
                    sender: sealed.sender,
                    sealed: BASE64.encode(&sealed.ciphertext),
                });
                self.given += 1;
            }
            Report::KeysMade(made) => {
                self.certificates = self.certify(&made);
                reply.certificates.clone_from(&self.certificates);
                self.keys_made.push(made);
            }
            Report::Proved(evidence) => {
                self.check(&evidence);
                self.evidence = Some(evidence);
                if self.task.kind != TaskKind::Unblock {
                    self.before.clear();
                }
                reply.state = "provisioned".to_owned();
                reply.task_open = false;
            }
            Report::Failed(failure) => {
                self.failure = Some(failure);
                reply.task_open = false;
            }
        }
        reply
    }

    fn open(&self, sealed: &SecretsSealed) -> TokenSecrets {
        let opened = self.curve.open(&Delivery {
            sender: sealed.sender.to_string(),
            ciphertext: BASE64.decode(sealed.sealed.as_bytes()).unwrap(),
        });
        let json: Secret = opened.unwrap();
        TokenSecrets::from_secret(&json).unwrap()
    }

    fn certify(&self, made: &KeysMade) -> Vec<SlotCertificate> {
        let asked = made.keys.iter().filter_map(|key| {
            let der = BASE64.decode(key.request.as_ref()?.as_bytes()).unwrap();
            let attested = attested_key(&key.attestation);
            let request = CertReq::from_der(&der).unwrap();
            assert_eq!(request.info.public_key.to_der().unwrap(), attested);
            assert_eq!(request.info.subject.to_string(), "CN=Ada Lovelace");
            let plan = &self.task.profile.as_ref().unwrap().piv[&key.slot];
            verify(
                plan.algorithm,
                &attested,
                &request.info.to_der().unwrap(),
                request.signature.raw_bytes(),
            );
            let params = CertificateSigningRequestParams::from_der(&der.into()).unwrap();
            let certificate = params.signed_by(&self.issuer).unwrap();
            Some(SlotCertificate {
                slot: key.slot,
                certificate: BASE64.encode(certificate.der()),
            })
        });
        asked.collect()
    }

    /// Checks that a key of the token signed the request, for this receiver.
    fn check_vouched(&self, wanted: &EscrowWanted) {
        let plan = &self.task.profile.as_ref().unwrap().piv[&wanted.slot];
        let (task, place) = (self.task.task.to_string(), vouched_place(&wanted.seal_to));
        let statement = statement(&task, &self.task.nonce, wanted.serial, &place);
        let signature = BASE64.decode(wanted.proof.as_bytes()).unwrap();
        let key = attested_key(&wanted.attestation);
        verify(plan.algorithm, &key, &statement, &signature);
        assert!(!wanted.attester.is_empty());
    }

    /// Checks that every proof is by the attested key, over this task's nonce.
    fn check(&self, evidence: &Evidence) {
        let Some(profile) = &self.task.profile else {
            return;
        };
        if self.task.kind == TaskKind::Reset {
            assert!(evidence.slots.is_empty());
            return;
        }
        assert_eq!(evidence.nonce, self.task.nonce);
        assert!(evidence.factory_pin_refused);
        assert!(evidence.factory_puk_refused);
        assert!(evidence.factory_management_key_refused);
        self.check_openpgp(evidence);
        assert_eq!(evidence.slots.len(), profile.piv.len());
        for proof in &evidence.slots {
            let plan = &profile.piv[&proof.slot];
            let place = format!("piv.{}", proof.slot);
            let task = self.task.task.to_string();
            let statement = statement(&task, &self.task.nonce, evidence.serial, &place);
            let signature = BASE64.decode(proof.proof.as_bytes()).unwrap();
            let key = attested_key(&proof.attestation);
            if plan.algorithm == Algorithm::X25519 {
                self.agrees(&key, &statement, &signature);
            } else {
                verify(plan.algorithm, &key, &statement, &signature);
            }
            let issued = self.certificates.iter().find(|c| c.slot == proof.slot);
            let issued = issued.map(|c| BASE64.decode(c.certificate.as_bytes()).unwrap());
            let issued = issued.map(|der| sha256(&der));
            assert_eq!(proof.certificate_sha256.as_deref(), issued.as_deref());
        }
    }

    /// Signatures of OpenPGP keys are over the SHA-256 of the statement.
    fn check_openpgp(&self, evidence: &Evidence) {
        let Some(plan) = self.task.profile.as_ref().and_then(|p| p.openpgp.as_ref()) else {
            assert!(evidence.openpgp.is_empty());
            return;
        };
        assert_eq!(evidence.openpgp.len(), 3);
        for (proof, (place, subkey)) in evidence.openpgp.iter().zip(plan.subkeys()) {
            assert_eq!(place, format!("openpgp.{}", proof.role.as_str()));
            assert_eq!(proof.touch, subkey.touch);
            let task = self.task.task.to_string();
            let statement = statement(&task, &self.task.nonce, evidence.serial, place);
            let tag = BASE64.decode(proof.proof.as_bytes()).unwrap();
            let key = BASE64.decode(proof.public_key.as_bytes()).unwrap();
            match (proof.role, subkey.algorithm) {
                (OpenpgpRole::Encrypt, Algorithm::X25519) => self.agrees(&key, &statement, &tag),
                (OpenpgpRole::Encrypt, _) => self.agrees_p256(&key, &statement, &tag),
                (_, Algorithm::P256) => verify(Algorithm::P256, &key, &statement, &tag),
                (_, algorithm) => {
                    let hash = digest(&SHA256, &statement);
                    verify(algorithm, &key, hash.as_ref(), &tag);
                }
            }
            if let Some(made) = self.keys_made.last() {
                let made = made.openpgp.iter().find(|made| made.role == proof.role);
                let made = made.unwrap();
                assert_eq!(made.fingerprint, proof.fingerprint);
                assert_eq!(made.public_key, proof.public_key);
                assert!(made.created_at > 1_700_000_000);
            }
        }
    }

    fn agrees_p256(&self, spki: &[u8], statement: &[u8], tag: &[u8]) {
        let point = &spki[spki.len() - 65..];
        let theirs = UnparsedPublicKey::new(&ECDH_P256, point);
        agree(&self.challenge_p256, theirs, (), |secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::verify(&key, statement, tag).map_err(drop)
        })
        .expect("the key that agrees knows the secret");
    }

    fn agrees(&self, spki: &[u8], statement: &[u8], tag: &[u8]) {
        let point = spki.last_chunk::<32>().unwrap();
        let theirs = UnparsedPublicKey::new(&X25519, point);
        agree(&self.challenge, theirs, (), |secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::verify(&key, statement, tag).map_err(drop)
        })
        .expect("the key that agrees knows the secret");
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// The DER `SubjectPublicKeyInfo` that an attestation is about.
pub(crate) fn attested_key(attestation: &str) -> Vec<u8> {
    let der = BASE64.decode(attestation.as_bytes()).unwrap();
    let certificate = Certificate::from_der(&der).unwrap();
    let key = certificate.tbs_certificate().subject_public_key_info();
    key.to_der().unwrap()
}

fn verify(algorithm: Algorithm, spki: &[u8], message: &[u8], signature: &[u8]) {
    let by: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        Algorithm::Ed25519 => &ED25519,
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => &RSA_PKCS1_2048_8192_SHA256,
        other => panic!("{other} does not sign"),
    };
    let key = ParsedPublicKey::new(by, spki).unwrap();
    key.verify_sig(message, signature)
        .unwrap_or_else(|_| panic!("the {algorithm} signature is not the key's"));
}
