//! What the crate `nats-jwt` 0.3 encodes, this one reads.

use keyledger_claims::{AccountBody, UserBody, decode};
use nats_jwt::Token;
use nkeys::KeyPairType::{Account, Operator, User};

use crate::support::{key, public};

#[test]
fn its_accounts() {
    let token = Token::new_account(public(Account, 2))
        .name("theirs")
        .add_signing_key(public(Account, 4))
        .max_connections(100)
        .sign(&key(Operator, 1));
    let claims = decode::<AccountBody>(&token).unwrap();
    assert_eq!(
        (claims.name.as_str(), claims.iss),
        ("theirs", public(Operator, 1))
    );
    assert_eq!(claims.nats.limits.conn, 100);
    assert_eq!(claims.nats.limits.subs, -1);
    assert_eq!(claims.nats.signing_keys[0].key(), public(Account, 4));
    assert!(claims.nats.extra.is_empty(), "{:?}", claims.nats.extra);
}

#[test]
fn its_users() {
    let token = Token::new_user(public(Account, 2), public(User, 3))
        .name("theirs")
        .max_subscriptions(10)
        .max_payload(1024)
        .allow_publish("a.>")
        .deny_subscribe("b")
        .sign(&key(Account, 4));
    let claims = decode::<UserBody>(&token).unwrap();
    let limits = &claims.nats.limits;
    assert_eq!((limits.subs, limits.data, limits.payload), (10, -1, 1024));
    assert_eq!(limits.publish.allow, ["a.>"]);
    assert_eq!(limits.subscribe.deny, ["b"]);
    assert!(!limits.bearer_token);
    assert_eq!(claims.issuer_account(), public(Account, 2));
    assert!(limits.extra.is_empty(), "{:?}", limits.extra);
}
