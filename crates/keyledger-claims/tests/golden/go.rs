//! Tokens that Go wrote: read, compared value for value, and written again byte for byte.

use keyledger_claims::{
    AccountBody, ActivationBody, Body, Claims, GenericBody, KeyPairSigner, OperatorBody,
    SigningKey, UserBody, decode, encode,
};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::support::{Replay, payload, reading, token};

/// Go's token is read as Go reads it, and written again as the very same token, `jti` included.
fn same_bytes<B: Body>(name: &str) -> Claims<B> {
    let token = token(name);
    let claims = decode::<B>(&token).unwrap();
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        reading(name),
        "{name}"
    );
    let again = encode(&claims, &Replay::of(&token, &claims.iss)).unwrap();
    assert_eq!(payload(&again), payload(&token), "{name}");
    assert_eq!(again, token, "{name}");
    claims
}

#[test]
fn operators() {
    same_bytes::<OperatorBody>("operator-least");
    let full = same_bytes::<OperatorBody>("operator-full");
    assert_eq!(full.name, "O & <co>");
    assert_eq!(full.nats.signing_keys.len(), 1);
    assert!(full.nats.strict_signing_key_usage);
}

#[test]
fn accounts() {
    let least = same_bytes::<AccountBody>("account-least");
    assert_eq!(least.nats, AccountBody::new());
    let full = same_bytes::<AccountBody>("account-full");
    assert_eq!(full.nats.exports.len(), 3);
    assert!(
        full.nats
            .signing_keys
            .iter()
            .any(|key| key.scope().is_some())
    );
    let tiered = same_bytes::<AccountBody>("account-tiered");
    assert_eq!(tiered.nats.limits.tiered_limits["R1"].disk_storage, 2048);
    let own = same_bytes::<AccountBody>("account-self-signed");
    assert_eq!(own.iss, own.sub);
}

#[test]
fn users() {
    let least = same_bytes::<UserBody>("user-least");
    assert!(!least.nats.limits.bearer_token);
    let full = same_bytes::<UserBody>("user-full");
    assert!(full.nats.limits.bearer_token);
    assert_ne!(full.iss, full.issuer_account());
}

/// Go writes `"pub":{},"sub":{}` for a scoped user too; we leave them out. Go reads both alike.
#[test]
fn a_scoped_user_differs_by_empty_permissions_only() {
    let token = token("user-scoped");
    let claims = decode::<UserBody>(&token).unwrap();
    let mut expected = reading("user-scoped");
    for part in ["pub", "sub"] {
        let left_out = expected["nats"].as_object_mut().unwrap().remove(part);
        assert_eq!(left_out, Some(json!({})));
    }
    assert_eq!(serde_json::to_value(&claims).unwrap(), expected);
    let again = encode(&claims, &Replay::of(&token, &claims.iss)).unwrap();
    assert_eq!(
        payload(&again),
        payload(&token).replace(r#""pub":{},"sub":{},"#, "")
    );
}

#[test]
fn activations() {
    same_bytes::<ActivationBody>("activation-identity");
    same_bytes::<ActivationBody>("activation-signing-key");
}

#[test]
fn generic_claims() {
    let delete = same_bytes::<GenericBody>("generic-delete");
    assert_eq!(delete.iss, delete.sub);
    assert_eq!(delete.nats.data["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn null_is_zero() {
    let claims = decode::<AccountBody>(&token("odd-account-nulls")).unwrap();
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        reading("odd-account-nulls")
    );
}

#[test]
fn a_template_without_limits_is_unlimited() {
    let claims = decode::<AccountBody>(&token("odd-account-template")).unwrap();
    let [SigningKey::Scoped(scope)] = claims.nats.signing_keys.as_slice() else {
        panic!("one scoped key");
    };
    let limits = &scope.template;
    assert_eq!((limits.subs, limits.data, limits.payload), (-1, 0, -1));
    // Go leaves the 0 out, and reads what it wrote as unlimited.
    let mut reading = reading("odd-account-template");
    reading["nats"]["signing_keys"][0]["template"]["data"] = 0.into();
    assert_eq!(serde_json::to_value(&claims).unwrap(), reading);
}

#[test]
fn a_template_s_limit_of_zero_stays_one() {
    let claims = decode::<AccountBody>(&token("odd-account-template")).unwrap();
    let operator = KeyPairSigner::new(KeyPair::new_operator());
    let again = decode::<AccountBody>(&encode(&claims, &operator).unwrap()).unwrap();
    assert_eq!(again.nats, claims.nats);
}

#[test]
fn networks_may_be_one_string() {
    let claims = decode::<UserBody>(&token("odd-user-networks")).unwrap();
    assert_eq!(claims.nats.limits.src, ["10.0.0.0/8", "fd00::/8"]);
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        reading("odd-user-networks")
    );
}

/// Go drops them; we keep them.
#[test]
fn unknown_fields_are_kept() {
    let claims = decode::<UserBody>(&token("odd-user-unknown")).unwrap();
    let written: Value = serde_json::to_value(&claims).unwrap();
    assert_eq!(written["nats"]["future"], json!({"a": [1, null]}));
    assert_eq!(written["nats"]["pub"]["rate"], 5);
    let mut without = claims;
    without.nats.limits.extra.clear();
    without.nats.limits.publish.extra.clear();
    assert_eq!(
        serde_json::to_value(&without).unwrap(),
        reading("odd-user-unknown")
    );
}
