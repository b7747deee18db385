//! What every custodian promises: one suite, run against each of them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use futures::future::join_all;
use keyledger_custody::{
    CurveKey, Custodian, CustodianError, KeyKind, MadeKey, MaterialContext, NkeyKind, SecretHalf,
    SignError,
};
use keyledger_domain::{Algorithm, Name, Purpose, Purposes, key::Public};

/// Holds a custodian to its promises, one after the other. Its vault, if it has one, is open.
///
/// # Panics
///
/// If a promise is broken.
pub async fn keeps_its_promises(custodian: &dyn Custodian) {
    let mut signs = None;
    for kind in every_kind() {
        if !custodian.makes(kind) {
            let refused = custodian.generate(kind, &context("unable", 1)).await;
            let is_refused = matches!(refused, Err(CustodianError::NotMade { .. }));
            assert!(is_refused, "{kind}: {refused:?}");
            continue;
        }
        let made = makes_a_new_key_each_time(custodian, kind).await;
        if verification(kind.algorithm()).is_some() {
            opens_for_its_own_context(custodian, kind, &made).await;
            signs_while_it_is_open(custodian, kind, &made).await;
            signs_many_at_once(custodian, kind, &made).await;
            moves_to_another_version(custodian, kind, &made).await;
            is_never_delivered(custodian, &made).await;
            signs.get_or_insert((kind, made));
        } else {
            let refused = custodian.open("no-signer", &made.secret, &own(kind)).await;
            let does_not_sign = Err::<(), _>(CustodianError::Sign(SignError::DoesNotSign {
                algorithm: kind.algorithm(),
            }));
            let (refused, expected) = (format!("{refused:?}"), format!("{does_not_sign:?}"));
            assert_eq!(refused, expected, "{kind}");
        }
    }
    let (kind, made) = signs.expect("a custodian makes keys that sign");
    tells_places_apart(custodian, kind, &made).await;
    knows_its_own_form(custodian, kind, &made).await;
}

/// Holds a custodian whose vault was just sealed to its promises: with a key that it made and opened at `place` before.
///
/// # Panics
///
/// If it does anything else than say so.
pub async fn says_sealed(custodian: &dyn Custodian, place: &str, kind: KeyKind, made: &MadeKey) {
    let context = own(kind);
    let secret = &made.secret;
    sealed(custodian.generate(kind, &context).await);
    sealed(custodian.renumber(secret, &context, 2).await);
    sealed(custodian.open(place, secret, &context).await);
    assert!(!custodian.is_open(place), "{place}");
    sealed(custodian.sign(place, b"message").await);
    let receiver = CurveKey::generate().expect("it is made");
    let delivered = custodian.deliver(secret, &context, receiver.public_nkey());
    sealed(delivered.await);
    // Nothing is open, so there is nothing to destroy.
    custodian.destroy(place).await.expect("it succeeds");
}

fn sealed<T: std::fmt::Debug>(outcome: Result<T, CustodianError>) {
    let is_sealed = matches!(outcome, Err(CustodianError::Sealed(_)));
    assert!(is_sealed, "{outcome:?}");
}

/// What a key of a kind belongs to in this suite.
#[must_use]
pub fn own(kind: KeyKind) -> MaterialContext {
    context(&format!("key-{kind}").replace(' ', "-"), 1)
}

fn context(name: &str, version: u32) -> MaterialContext {
    MaterialContext {
        key: Name::new(name).expect("it is a name"),
        version,
        purposes: Purposes::of(&[Purpose::Sign]),
    }
}

fn every_kind() -> impl Iterator<Item = KeyKind> {
    let plain = Algorithm::ALL.into_iter().map(KeyKind::Plain);
    plain.chain(NkeyKind::ALL.into_iter().map(KeyKind::Nkey))
}

async fn makes_a_new_key_each_time(custodian: &dyn Custodian, kind: KeyKind) -> MadeKey {
    let context = own(kind);
    let make = || custodian.generate(kind, &context);
    let made = make().await.expect("it makes one");
    let again = make().await.expect("it makes another");
    assert_ne!(made.public, again.public, "{kind}");
    assert_ne!(made.secret, again.secret, "{kind}");
    let is_nkey = matches!(kind, KeyKind::Nkey(_));
    assert_eq!(made.public.nkey.is_some(), is_nkey, "{kind}");
    let is_symmetric = kind.algorithm() == Algorithm::Aes256;
    assert_eq!(made.public.public_key.is_none(), is_symmetric, "{kind}");
    made
}

async fn opens_for_its_own_context(custodian: &dyn Custodian, kind: KeyKind, made: &MadeKey) {
    let (place, own) = (format!("{kind}.own"), own(kind));
    let public = custodian.open(&place, &made.secret, &own).await;
    assert_eq!(public.expect("it opens"), made.public, "{kind}");
    let others = [
        MaterialContext {
            key: Name::new("another").expect("it is a name"),
            ..own.clone()
        },
        MaterialContext {
            version: 2,
            ..own.clone()
        },
        MaterialContext {
            purposes: Purposes::of(&[Purpose::Certify]),
            ..own.clone()
        },
    ];
    for other in others {
        let opened = custodian.open("other", &made.secret, &other).await;
        assert!(opened.is_err(), "{kind} opened as {other:?}");
        not_open(custodian.sign("other", b"message").await, "other");
    }
}

async fn signs_while_it_is_open(custodian: &dyn Custodian, kind: KeyKind, made: &MadeKey) {
    let place = format!("{kind}.signs");
    not_open(custodian.sign(&place, b"message").await, &place);
    assert!(!custodian.is_open(&place), "{kind}");
    let opened = custodian.open(&place, &made.secret, &own(kind)).await;
    opened.expect("it opens");
    let signature = custodian.sign(&place, b"message").await;
    verify(kind, &made.public, &signature.expect("it signs"));
    assert!(custodian.is_open(&place), "{kind}");
    custodian.destroy(&place).await.expect("it is destroyed");
    not_open(custodian.sign(&place, b"message").await, &place);
    custodian.destroy(&place).await.expect("twice is once");
}

async fn signs_many_at_once(custodian: &dyn Custodian, kind: KeyKind, made: &MadeKey) {
    let place = format!("{kind}.many");
    let opened = custodian.open(&place, &made.secret, &own(kind)).await;
    opened.expect("it opens");
    let many = (0..16).map(|_| custodian.sign(&place, b"message"));
    for signature in join_all(many).await {
        verify(kind, &made.public, &signature.expect("it signs"));
    }
}

async fn moves_to_another_version(custodian: &dyn Custodian, kind: KeyKind, made: &MadeKey) {
    let (place, own) = (format!("{kind}.moved"), own(kind));
    let moved = custodian.renumber(&made.secret, &own, 7).await;
    let moved = moved.expect("it is moved");
    assert!(custodian.open(&place, &moved, &own).await.is_err());
    let seventh = MaterialContext { version: 7, ..own };
    let public = custodian.open(&place, &moved, &seventh).await;
    assert_eq!(public.expect("it opens"), made.public, "{kind}");
}

/// A key that signs is nobody's but its custodian's.
async fn is_never_delivered(custodian: &dyn Custodian, made: &MadeKey) {
    let receiver = CurveKey::generate().expect("it is made");
    let context = context("anybody", 1);
    let delivered = custodian.deliver(&made.secret, &context, receiver.public_nkey());
    let delivered = delivered.await;
    assert!(delivered.is_err(), "{delivered:?}");
}

async fn tells_places_apart(custodian: &dyn Custodian, kind: KeyKind, one: &MadeKey) {
    let own = own(kind);
    let other = custodian.generate(kind, &own).await.expect("it makes one");
    for (place, made) in [("one", one), ("other", &other)] {
        let opened = custodian.open(place, &made.secret, &own).await;
        opened.expect("it opens");
    }
    custodian.destroy("one").await.expect("it is destroyed");
    not_open(custodian.sign("one", b"message").await, "one");
    let signature = custodian.sign("other", b"message").await;
    verify(kind, &other.public, &signature.expect("it signs"));
}

/// What another kind of custodian keeps is no key of this one.
async fn knows_its_own_form(custodian: &dyn Custodian, kind: KeyKind, made: &MadeKey) {
    let foreign = match made.secret {
        SecretHalf::Sealed(_) => SecretHalf::Handle("pkcs11:token=elsewhere".into()),
        SecretHalf::Handle(_) => SecretHalf::Sealed(vec![0; 200]),
    };
    let own = own(kind);
    let opened = custodian.open("foreign", &foreign, &own).await;
    let is_refused = matches!(opened, Err(CustodianError::NotKept));
    assert!(is_refused, "{opened:?}");
    let moved = custodian.renumber(&foreign, &own, 2).await;
    let is_refused = matches!(moved, Err(CustodianError::NotKept));
    assert!(is_refused, "{moved:?}");
}

fn not_open(outcome: Result<Vec<u8>, CustodianError>, place: &str) {
    match outcome {
        Err(CustodianError::NotOpen { place: said }) => assert_eq!(&*said, place),
        other => panic!("{place} is not open: {other:?}"),
    }
}

fn verification(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::Ed25519 => &ED25519,
        Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::X25519 | Algorithm::Aes256 => return None,
    })
}

fn verify(kind: KeyKind, public: &Public, signature: &[u8]) {
    let verification = verification(kind.algorithm()).expect("it signs");
    let spki = public.public_key.as_deref().expect("it is asymmetric");
    let spki = BASE64.decode(spki.as_bytes()).expect("it is base64");
    UnparsedPublicKey::new(verification, spki)
        .verify(b"message", signature)
        .unwrap_or_else(|_| panic!("{kind}: the signature is not over the message"));
}
