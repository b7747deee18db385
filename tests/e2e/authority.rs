//! A root on a machine without a network: what goes out to it, what comes back, what is not believed, and what `openssl`
//! says of the chain.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use data_encoding::BASE64;
use keyledger_custody::authority::AuthorityKey;
use keyledger_domain::Algorithm;
use keyledger_pki::x509::{Certificate, ToBeSigned};
use keyledger_testkit::{Run, run, tools};
use serde_json::{Value, json};

use crate::world::{Admin, World, now};

/// A root whose key only this test has.
pub(crate) struct FarRoot {
    key: AuthorityKey,
    pub(crate) certificate: Certificate,
}

impl FarRoot {
    pub(crate) fn new() -> Self {
        let key = AuthorityKey::generate(Algorithm::P384).unwrap();
        let certificate = key.certify_itself("Far Root", now().plus_days(3_650), now());
        let certificate = certificate.unwrap();
        Self { key, certificate }
    }

    /// The root in the ledger as `name`.
    pub(crate) async fn register(&self, admin: &Admin, name: &str) {
        let register = json!({
            "algorithm": "p-384", "public_key": BASE64.encode(self.key.public_key()),
            "purposes": ["certify"], "activate": true,
        });
        admin.send("key.register", name, register).await.unwrap();
        let install = json!({ "certificate": self.certificate.to_pem() });
        admin.send("key.install", name, install).await.unwrap();
    }

    /// Signs the bytes that the service wants to have signed: base64 of DER.
    pub(crate) fn answer(&self, asked: &Value) -> String {
        let bytes = BASE64.decode(asked["to_be_signed"].as_str().unwrap().as_bytes());
        let public_key = self.key.public_key().to_vec();
        let draft = ToBeSigned::reopen(bytes.unwrap(), public_key).unwrap();
        BASE64.encode(&sign(&self.key, &draft))
    }

    /// An authority in custody below the root `root`.
    pub(crate) async fn vouch(&self, admin: &Admin, root: &str, name: &str) {
        let generate = json!({
            "algorithm": "p-384", "purposes": ["certify"], "parent": root, "activate": true,
        });
        admin.send("key.generate", name, generate).await.unwrap();
        let certify = json!({ "issuer": root, "subject": name, "days": 400, "path_length": 0 });
        let tail = format!("certificates.to_be_signed.{name}");
        let asked = admin.ask(&tail, certify).await;
        let install = json!({ "issuer": root, "certificate": self.answer(&asked) });
        admin.send("key.install", name, install).await.unwrap();
    }
}

fn sign(key: &AuthorityKey, draft: &ToBeSigned) -> Vec<u8> {
    draft.finish(&key.sign(draft.bytes()).unwrap()).unwrap()
}

/// Makes the root known, with its certificate.
const REGISTER: &str = "register root-ca --certificate root-ca.pem";

/// A directory with a passphrase, in which programs run.
pub(crate) struct Desk<'a> {
    world: &'a World,
    folder: PathBuf,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let folder = world.path("desk");
        fs::create_dir(&folder).unwrap();
        let passphrase = folder.join("passphrase");
        fs::write(&passphrase, "correct horse battery staple\n").unwrap();
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
        Self { world, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A root of its own, on the machine without a network.
    async fn make_root(&self) {
        let init = "ca-init --subject Root --out root-ca.key --passphrase-file passphrase";
        let _ = self.offline(init).await.expect_success();
    }

    /// On the machine without a network: no server is named.
    async fn offline(&self, arguments: &str) -> Run {
        self.program(&tools::keyledger(), &format!("offline {arguments}"))
            .await
    }

    /// At the desk of an administrator.
    pub(crate) async fn ca(&self, arguments: &str) -> Run {
        let (url, creds) = (
            self.world.server.url(),
            self.world.organisation.creds("admin"),
        );
        let connection = format!("--server {url} --creds {}", creds.display());
        let program = tools::keyledger();
        self.program(&program, &format!("ca {arguments} {connection}"))
            .await
    }

    /// The same of several lines, one after the other, all of which succeed: what the last one said.
    pub(crate) async fn done<L: AsRef<str>>(&self, lines: impl IntoIterator<Item = L>) -> String {
        let mut said = String::new();
        for line in lines {
            said = self.ca(line.as_ref()).await.expect_success();
        }
        said
    }

    pub(crate) async fn openssl(&self, arguments: &str) -> Run {
        self.program(Path::new("openssl"), arguments).await
    }

    async fn program(&self, program: &Path, arguments: &str) -> Run {
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .env("HOME", &self.folder);
        run(command, b"", Duration::from_secs(60)).await
    }

    /// A request signed on the other machine.
    async fn signed(&self, name: &str) {
        let sign = format!(
            "sign {name}.request --key root-ca.key --out {name}.response --passphrase-file passphrase --yes"
        );
        let _ = self.offline(&sign).await.expect_success();
    }
}

#[tokio::test]
async fn a_root_without_a_network_vouches_for_an_authority_that_has_one() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    desk.make_root().await;
    let _ = desk.ca(REGISTER).await.expect_success();

    let create = "create issuing-ca --subject Issuing --issuer root-ca";
    let refused = desk.ca(create).await.expect_failure();
    assert!(
        refused.contains("write a request with --request FILE"),
        "{refused}"
    );
    assert!(!world.has_key("issuing-ca").await);
    let request = format!("{create} --request issuing.request");
    let _ = desk.ca(&request).await.expect_success();
    // As after a kill between the key and its request: the same command goes on, and another one does not.
    std::fs::remove_file(desk.path("issuing.request")).unwrap();
    let other = desk.ca(&format!("{request} --algorithm p-256")).await;
    let other = other.expect_failure();
    assert!(other.contains("name_taken"), "{other}");
    let said = desk.ca(&request).await.expect_success();
    assert!(
        said.contains("keyledger ca accept issuing.response\n"),
        "{said}"
    );
    desk.signed("issuing").await;
    let _ = desk.ca("accept issuing.response").await.expect_success();
    let again = desk.ca(&format!("{create} --request again.request")).await;
    let again = again.expect_failure();
    assert!(again.contains("name_taken"), "{again}");
    // Its certificate is renewed in the same way.
    let renew = "certify issuing-ca --issuer root-ca --subject Issuing --path-length 0 --days 2000d --request renewal.request";
    let _ = desk.ca(renew).await.expect_success();
    desk.signed("renewal").await;
    let _ = desk.ca("accept renewal.response").await.expect_success();
    // Once is enough, and twice no harm.
    let last = world.settled(&admin).await;
    let _ = desk.ca("accept issuing.response").await.expect_success();
    assert_eq!(world.last().await, last);

    let body = json!({ "algorithm": "p-256", "activate": true });
    admin.send("key.generate", "web-1", body).await.unwrap();
    let certify = "certify web-1 --issuer issuing-ca --subject www.example.org --usage server_auth --dns www.example.org --days 90";
    let _ = desk.ca(certify).await.expect_success();
    for line in [
        "chain web-1 --leaf --out web.pem",
        "chain issuing-ca --leaf --out issuing.pem",
    ] {
        let _ = desk.ca(line).await.expect_success();
    }
    let verify =
        "verify -x509_strict -purpose sslserver -CAfile root-ca.pem -untrusted issuing.pem web.pem";
    let _ = desk.openssl(verify).await.expect_success();
    // So is the root's own: what it vouched for goes on under the new one.
    let said = desk.done(["renew root-ca --request root.request"]).await;
    assert!(said.contains("ca accept root.response"), "{said}");
    desk.signed("root").await;
    let _ = desk.done(["accept root.response --out renewed.pem"]).await;
    let renewed = admin.ask("certificates.root-ca", json!({})).await;
    assert_eq!(renewed["certificates"].as_array().unwrap().len(), 2);
    let verify = verify.replace("root-ca.pem", "renewed.pem");
    let _ = desk.openssl(&verify).await.expect_success();
    let _ = world.verify(&admin).await;
}

#[tokio::test]
async fn a_list_of_a_root_without_a_network_ends_what_it_vouched_for() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    desk.make_root().await;
    for (line, signs) in [
        (REGISTER, None),
        (
            "create issuing-ca --subject Issuing --issuer root-ca --request issuing.request",
            Some("issuing"),
        ),
        ("accept issuing.response", None),
        ("chain issuing-ca --leaf --out issuing.pem", None),
        ("crl root-ca --request before.request", Some("before")),
        ("accept before.response --out root-ca.crl", None),
    ] {
        let _ = desk.ca(line).await.expect_success();
        if let Some(name) = signs {
            desk.signed(name).await;
        }
    }
    let verify =
        "verify -x509_strict -crl_check -CAfile root-ca.pem -CRLfile root-ca.crl issuing.pem";
    let _ = desk.openssl(verify).await.expect_success();
    let refused = desk.ca("crl root-ca").await.expect_failure();
    assert!(
        refused.contains("write a request with `--request FILE`"),
        "{refused}"
    );

    let revoke = json!({ "revocation_reason": "key_compromise", "reason": "the server was taken" });
    admin
        .send("key.revoke", "issuing-ca", revoke)
        .await
        .unwrap();
    let request = "crl root-ca --request after.request --days 30";
    let _ = desk.ca(request).await.expect_success();
    desk.signed("after").await;
    // The older response does not pass for the newer one.
    fs::copy(desk.path("before.response"), desk.path("replayed.response")).unwrap();
    let replay = "accept replayed.response --request after.request --out root-ca.crl";
    let refused = desk.ca(replay).await.expect_failure();
    assert!(refused.contains("answers another request"), "{refused}");
    let accept = "accept after.response --out root-ca.crl";
    let _ = desk.ca(accept).await.expect_success();
    let refused = desk.openssl(verify).await.expect_failure();
    assert!(refused.contains("certificate revoked"), "{refused}");
}

#[tokio::test]
async fn a_response_or_request_that_was_changed_on_its_way_is_refused() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let desk = Desk::new(&world);
    desk.make_root().await;
    let _ = desk.ca(REGISTER).await.expect_success();
    let _ = desk
        .ca("crl root-ca --request crl.request")
        .await
        .expect_success();
    desk.signed("crl").await;
    let change = |file: &str, field: &str, value: Value| {
        let mut json: Value = serde_json::from_slice(&fs::read(desk.path(file)).unwrap()).unwrap();
        *json.pointer_mut(field).unwrap() = value;
        fs::write(desk.path(&format!("changed-{file}")), json.to_string()).unwrap();
    };
    change("crl.response", "/answer/signature", json!("MGQCMA=="));
    let accept = "accept changed-crl.response --request crl.request";
    let refused = desk.ca(accept).await.expect_failure();
    assert!(refused.contains("signature"), "{refused}");
    change("crl.request", "/made_at", json!("2026-01-01T00:00:00Z"));
    let accept = "accept crl.response --request changed-crl.request";
    let refused = desk.ca(accept).await.expect_failure();
    assert!(refused.contains("answers another request"), "{refused}");

    // A list of somebody else's root, whole in itself, is not the root's that the ledger knows.
    fs::rename(desk.path("root-ca.key"), desk.path("honest.key")).unwrap();
    fs::rename(desk.path("root-ca.pem"), desk.path("honest.pem")).unwrap();
    desk.make_root().await;
    let _ = desk
        .ca("register other-ca --certificate root-ca.pem")
        .await
        .expect_success();
    let _ = desk
        .ca("crl other-ca --request other.request")
        .await
        .expect_success();
    change("other.request", "/asked/issuer", json!("root-ca"));
    fs::rename(
        desk.path("changed-other.request"),
        desk.path("forged.request"),
    )
    .unwrap();
    desk.signed("forged").await;
    let refused = desk.ca("accept forged.response").await.expect_failure();
    assert!(
        refused.contains("does not fit root-ca as the ledger knows it"),
        "{refused}"
    );
    let _ = world.verify(&admin).await;
}

#[tokio::test]
async fn nothing_is_installed_that_the_issuer_did_not_sign_over_this_very_key() {
    let world = World::new().await;
    let _service = world.serve().await;
    let admin = world.administrator().await;
    let (root, namesake) = (FarRoot::new(), FarRoot::new());
    root.register(&admin, "far-root").await;
    root.vouch(&admin, "far-root", "issuing-ca").await;
    for key in ["orders", "bills"] {
        let body = json!({ "algorithm": "p-256", "activate": true });
        admin.send("key.generate", key, body).await.unwrap();
    }
    let certify = json!({ "issuer": "far-root", "subject": "Orders", "days": 30 });
    let asked = admin.ask("certificates.to_be_signed.orders", certify).await;
    let honest = root.answer(&asked);
    let last = world.settled(&admin).await;

    let other_root = namesake.certificate.to_pem();
    let mut changed = BASE64.decode(honest.as_bytes()).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    let long = "A".repeat(60_000);
    for (key, issuer, certificate, words) in [
        (
            "bills",
            "far-root",
            honest.as_str(),
            "it is over another public key",
        ),
        (
            "orders",
            "issuing-ca",
            &honest,
            "its issuer is CN=Far Root, and should be",
        ),
        (
            "orders",
            "far-root",
            &BASE64.encode(&changed),
            "not signed by its issuer",
        ),
        (
            "orders",
            "far-root",
            &other_root,
            "it is over another public key",
        ),
        (
            "orders",
            "far-root",
            "-----BEGIN PRIVATE KEY-----",
            "PRIVATE key (PKCS#8), and nothing was sent",
        ),
        (
            "orders",
            "far-root",
            "no certificate",
            "neither base64 of DER nor PEM",
        ),
        (
            "orders",
            "far-root",
            &long,
            "bytes are more than a certificate has",
        ),
        ("orders", "bills", &honest, "it is no authority"),
        ("orders", "nobody", &honest, "there is no key nobody"),
        ("nobody", "far-root", &honest, "there is no key nobody"),
    ] {
        let install = json!({ "issuer": issuer, "certificate": certificate });
        let refused = admin.send("key.install", key, install).await.unwrap_err();
        // What the client refuses itself comes as a sentence.
        let said = refused["message"].as_str().or(refused.as_str()).unwrap();
        assert!(said.contains(words), "{words}: {said}");
    }
    // Another's root does not become this one's certificate, nor a leaf a root's.
    let own = json!({ "certificate": other_root });
    let refused = admin
        .send("key.install", "far-root", own)
        .await
        .unwrap_err();
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("another public key")
    );
    assert_eq!(world.last().await, last, "nothing was written");

    let install = json!({ "issuer": "far-root", "certificate": honest });
    admin.send("key.install", "orders", install).await.unwrap();
    let found = admin.ask("certificates.orders", json!({})).await;
    assert_eq!(found["certificates"][0]["certificate"], honest);
    assert_eq!(found["chain"][0]["issuer"], "far-root");
    let _ = world.verify(&admin).await;
}
