//! NATS JWTs and creds files.

use keyledger_claims::{
    AccountBody, ActivationBody, Creds, GenericBody, KeyPairSigner, OperatorBody, Signer, UserBody,
    claims::Body, decode, encode,
};
use nkeys::{KeyPair, KeyPairType};
use serde_json::Value;

use super::text;

/// A token; or, where it is JSON, the claims of a token that a known key signs.
pub(crate) fn jwt(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    let operator = signer(KeyPairType::Operator);
    let account = signer(KeyPairType::Account);
    [
        claims::<OperatorBody>(text, &operator),
        claims::<AccountBody>(text, &operator),
        claims::<UserBody>(text, &account),
        claims::<ActivationBody>(text, &account),
        claims::<GenericBody>(text, &account),
    ]
    .contains(&true)
}

fn claims<B: Body>(text: &str, signer: &KeyPairSigner) -> bool {
    let token = match serde_json::from_str(text) {
        Ok(json) => signed(json, signer),
        Err(_) => text.to_owned(),
    };
    let Ok(claims) = decode::<B>(&token) else {
        return false;
    };
    // What was read can be signed again, if this key may sign it. From then on nothing changes: the first time, imports are sorted.
    if let Ok(token) = encode(&claims, signer) {
        let again = decode::<B>(&token).expect("what is encoded can be decoded");
        assert_eq!(encode(&again, signer).ok(), Some(token));
    }
    true
}

fn signer(kind: KeyPairType) -> KeyPairSigner {
    KeyPairSigner::new(KeyPair::new_from_raw(kind, [7; 32]).expect("32 bytes are a seed"))
}

fn signed(mut claims: Value, signer: &KeyPairSigner) -> String {
    if let Value::Object(fields) = &mut claims {
        fields.insert("iss".to_owned(), signer.public_nkey().into());
    }
    let base64 = data_encoding::BASE64URL_NOPAD;
    let header = base64.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let token = format!("{header}.{}", base64.encode(claims.to_string().as_bytes()));
    let signature = signer.sign(token.as_bytes());
    format!(
        "{token}.{}",
        base64.encode(&signature.expect("it has a seed"))
    )
}

/// A file with a user's token and its seed.
pub(crate) fn creds(bytes: &[u8]) -> bool {
    let Some(creds) = text(bytes).and_then(|text| Creds::parse(text).ok()) else {
        return false;
    };
    let again = Creds::parse(&creds.format()).expect("what is written can be read");
    assert_eq!(again.jwt(), creds.jwt());
    assert_eq!(again.seed().public_nkey(), creds.seed().public_nkey());
    true
}
