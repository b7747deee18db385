//! Chains of imports: an account that passes requests on does not borrow the authority of those who ask it.

use keyledger_claims::{
    AccountBody, AccountClaims, ActivationClaims, SigningKey,
    account::{Export, ExportType, Import},
    decode, encode,
};
use keyledger_wire::Prefix;
use nkeys::KeyPair;
use serde_json::Value;

use crate::{
    permissions::{ask, stolen},
    resolver::serve,
    support::{World, now},
};

/// What the administrator asks for in good faith: within what its role may publish.
const INNOCENT: &str = "$JS.keys.API.innocent";
/// What the tenant makes of it.
const COMMAND: &str = "keys.commands.key.generate.chained";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_another_account_passed_on_is_refused() {
    let world = World::set_up().await;
    let service = serve(&world.organisation, world.server.url()).await;
    let organisation = &world.organisation;
    let (at, tenant) = (now().seconds(), KeyPair::new_account().public_key());
    let operator = stolen(organisation, "nats-operator-signing-1");
    let keys = stolen(organisation, "nats-account-keys-signing-1");
    let inner = Prefix::inner(&Prefix::default().commands());
    // A tenant that may import commands, and offers one of them as something harmless.
    let mut activation = ActivationClaims::new(&tenant, &inner, ExportType::Service, at);
    organisation
        .service_account
        .clone_into(&mut activation.nats.issuer_account);
    let mut claims = AccountClaims::new(&tenant, at);
    let signing = KeyPair::new_account().public_key();
    claims.nats.signing_keys = vec![SigningKey::Plain(signing)];
    claims.nats.imports = vec![Import {
        subject: inner,
        local_subject: Prefix::default().commands(),
        account: organisation.service_account.clone(),
        kind: ExportType::Service,
        share: true,
        token: encode(&activation, &keys).unwrap(),
        ..Import::default()
    }];
    claims.nats.exports = vec![Export {
        subject: COMMAND.to_owned(),
        kind: ExportType::Service,
        ..Export::default()
    }];
    // The administrators' account imports that, and says who asks.
    let jwt = std::fs::read_to_string(organisation.directory().join("jwt/admin.jwt")).unwrap();
    let mut admin = decode::<AccountBody>(jwt.trim()).unwrap();
    admin.iat = at + 1;
    admin.nats.imports.push(Import {
        subject: COMMAND.to_owned(),
        local_subject: INNOCENT.to_owned(),
        account: tenant,
        kind: ExportType::Service,
        share: true,
        ..Import::default()
    });
    let system = world.connect("system").await;
    for jwt in [
        encode(&claims, &operator).unwrap(),
        encode(&admin, &operator).unwrap(),
    ] {
        let pushed = ask(&system, "$SYS.REQ.CLAIMS.UPDATE", &jwt).await.unwrap();
        assert!(pushed.contains("\"code\":200"), "{pushed}");
    }
    let administrator = world.connect("admin").await;
    let reply = ask(&administrator, INNOCENT, r#"{"algorithm":"ed25519"}"#).await;
    let reply: Value = serde_json::from_str(&reply.expect("the service is reached")).unwrap();
    assert_eq!(reply["reason"], "unauthorised", "{reply}");
    assert!(
        reply["message"].as_str().unwrap().contains("passed it on"),
        "{reply}"
    );
    let key = "chained".parse().unwrap();
    assert!(service.live().ledger.read().key(&key).is_none());
    service.stop().await;
}
