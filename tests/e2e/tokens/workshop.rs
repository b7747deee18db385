//! A workstation with virtual tokens and the real agent, in front of a real service.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_nats::ConnectOptions;
use data_encoding::BASE64;
use futures::StreamExt as _;
use keyledger_custody::{CurveKey, Delivery};
use keyledger_domain::token::Profile;
use keyledger_service::{Options, Service};
use keyledger_testkit::{
    Process, run,
    token::{Token, VirtualTokens},
    tools,
};
use keyledger_wire::{Client, Prefix, Sealed};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    agents::Agent,
    world::{Admin, World},
};

/// What the person at the workstation types as new PIN.
pub(crate) const PIN: &str = "58203917";

/// A service that can be lost as if its process were killed.
pub(crate) struct Mortal {
    /// Some until it is dropped.
    runtime: Option<Runtime>,
    _service: Service,
}

impl Mortal {
    async fn start(options: Options) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let started = runtime.spawn(Service::start(options)).await.unwrap();
        Self {
            runtime: Some(runtime),
            _service: started.unwrap(),
        }
    }
}

impl Drop for Mortal {
    /// Every task ends where it stands, and the connections with them.
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// Everything on one machine.
pub(crate) struct Workshop {
    pub(crate) world: World,
    pub(crate) admin: Admin,
    pub(crate) tokens: VirtualTokens,
    service: Option<Mortal>,
    agent: Option<Process>,
    home: PathBuf,
}

impl Workshop {
    /// `count` tokens of the factory, an authority, an agent that is enrolled and runs; nobody's tokens yet.
    pub(crate) async fn open(count: usize) -> Self {
        let tokens = tokio::task::spawn_blocking(move || VirtualTokens::start(count))
            .await
            .unwrap();
        let world = World::new().await;
        fs::write(world.path("root.pem"), tokens.attestation_root_pem()).unwrap();
        let admin = world.administrator().await;
        let home = world.path("home");
        fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        let mut workshop = Self {
            world,
            admin,
            tokens,
            service: None,
            agent: None,
            home,
        };
        workshop.serve().await;
        workshop.authority().await;
        workshop.enrol_agent().await;
        workshop.start_agent();
        workshop
    }

    /// Starts the service.
    pub(crate) async fn serve(&mut self) {
        let mut options = self.world.options();
        options.attestation_test_root = Some(self.world.path("root.pem"));
        self.service = Some(Mortal::start(options).await);
    }

    /// Starts the service, which asks for signatures by tokens.
    pub(crate) async fn serve_requiring(&mut self, verbs: &str) {
        let mut options = self.world.options();
        options.attestation_test_root = Some(self.world.path("root.pem"));
        options.require_token_signature = verbs.parse().unwrap();
        self.service = Some(Mortal::start(options).await);
    }

    /// Loses the service as if its process were killed.
    pub(crate) fn kill_service(&mut self) {
        drop(self.service.take().unwrap());
    }

    /// A root and an authority below it.
    async fn authority(&self) {
        for (name, issuer) in [("root-ca", None), ("issuing-ca", Some("root-ca"))] {
            let mut body =
                json!({ "algorithm": "p-384", "purposes": ["certify"], "activate": true });
            let mut certify = json!({ "subject": name, "days": 400, "path_length": 1 });
            if let Some(issuer) = issuer {
                body["parent"] = issuer.into();
                certify["issuer"] = issuer.into();
                certify["path_length"] = 0.into();
            }
            self.admin.send("key.generate", name, body).await.unwrap();
            self.admin.send("key.certify", name, certify).await.unwrap();
        }
        let person =
            json!({ "kind": "person", "title": "Ada Lovelace", "email": "ada@example.org" });
        self.admin
            .send("principal.register", "ada", person)
            .await
            .unwrap();
    }

    /// Somebody of another role.
    pub(crate) async fn somebody(&self, name: &str, role: &str) -> Admin {
        let pair = Arc::new(KeyPair::new_user());
        let inbox = Prefix::inbox(&pair.public_key());
        let body = json!({ "account": "admin", "role": role, "nkey": pair.public_key() });
        let done = self.admin.send("user.issue", name, body).await.unwrap();
        let jwt = done["jwt"].as_str().unwrap().to_owned();
        let sign = move |nonce: Vec<u8>| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        };
        let nats = ConnectOptions::with_jwt(jwt, sign)
            .custom_inbox_prefix(inbox)
            .connect(self.world.server.url())
            .await
            .unwrap();
        Admin {
            client: Client::new(nats, self.world.organisation.prefix()),
        }
    }

    fn agent_command(&self) -> Command {
        let mut command = Command::new(tools::keyledger_agent());
        let home = &self.home;
        command
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_RUNTIME_DIR", home)
            .env("RUST_LOG", "info")
            .envs([self.tokens.env()]);
        command
    }

    async fn enrol_agent(&self) {
        let mut first = self.agent_command();
        first.args(["enrol", "--name", "desk", "--json"]);
        let said: Value = serde_json::from_str(
            &run(first, b"", Duration::from_secs(60))
                .await
                .expect_success(),
        )
        .unwrap();
        let nkey = said["nkey"].as_str().unwrap();
        let body = json!({ "account": "agents", "role": "agent", "nkey": nkey });
        let done = self.admin.send("user.issue", "desk", body).await.unwrap();
        let signing = self.admin.key("ledger-signing").await;
        let enrolment = json!({
            "version": 1, "workstation": "desk", "url": self.world.server.url(), "prefix": "keys",
            "jwt": done["jwt"], "signers": [signing["nkey"]], "operator": self.world.organisation.operator,
        });
        let file = self.world.path("desk.enrolment");
        fs::write(&file, enrolment.to_string()).unwrap();
        let mut second = self.agent_command();
        second.args(["enrol", "--accept"]).arg(&file);
        let _ = run(second, b"", Duration::from_secs(60))
            .await
            .expect_success();
        let config = self.home.join("config/keyledger-agent/agent.toml");
        let text = fs::read_to_string(&config).unwrap();
        let person = self.person();
        let text = text.replace("pinentry = \"pinentry\"", &format!("pinentry = {person:?}"));
        fs::write(&config, text).unwrap();
    }

    /// A pinentry that plays the person: types the PIN, and the serial number where that is asked for.
    fn person(&self) -> PathBuf {
        let script = self.home.join("pinentry");
        let asked = self.home.join("asked");
        let asked = asked.display();
        let text = format!(
            "#!/bin/bash\necho OK\nwhile read -r line; do case \"$line\" in\n\
             SETDESC*) said=\"$line\"; printf '%b\\n' \"${{line//\\%/\\\\x}}\" >>{asked}; echo OK;;\n\
             GETPIN*) case \"$said\" in *serial*) echo \"D $(grep -oE '[0-9]{{7,}}' <<<\"$said\" | head -1)\";; *) echo \"D {PIN}\";; esac; echo OK;;\n\
             BYE*) echo OK; exit;;\n*) echo OK;;\nesac; done\n"
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        script
    }

    /// Starts the agent.
    pub(crate) fn start_agent(&mut self) {
        let mut command = self.agent_command();
        command.arg("run");
        self.agent = Some(Process::spawn(command));
    }

    /// Kills the agent with `-9`.
    pub(crate) fn kill_agent(&mut self) {
        self.agent.take().unwrap().kill9();
    }

    /// What the agent said so far.
    pub(crate) fn agent_log(&self) -> String {
        self.agent.as_ref().map(Process::stderr).unwrap_or_default()
    }

    /// Where the agent keeps everything.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A token, by its place.
    pub(crate) fn token(&self, index: usize) -> Token {
        self.tokens.token(index)
    }

    /// Its serial number, as a name.
    pub(crate) fn name(&self, index: usize) -> String {
        self.token(index).serial().to_string()
    }

    /// Enrols a token that the agent has announced, and gives it to Ada.
    pub(crate) async fn adopt(&self, index: usize) {
        let name = self.name(index);
        self.until(index, "the token is announced", |row| {
            row["shown"].is_object()
        })
        .await;
        self.admin
            .send("token.enrol", &name, json!({}))
            .await
            .unwrap();
        let ada = json!({ "principal": "ada" });
        self.admin.send("token.assign", &name, ada).await.unwrap();
    }

    /// Files the provisioning of a token.
    pub(crate) async fn provision(&self, index: usize, profile: &str) {
        self.provision_with(index, Profile::shipped(profile).unwrap(), None)
            .await;
    }

    /// Files the task of a profile of one's own, under an authority where one is named.
    pub(crate) async fn provision_with(
        &self,
        index: usize,
        profile: Profile,
        issuer: Option<&str>,
    ) {
        let mut body = json!({ "workstation": "desk", "profile": profile });
        if let Some(issuer) = issuer {
            body["issuer"] = issuer.into();
        }
        let name = self.name(index);
        self.admin
            .send("token.provision", &name, body)
            .await
            .unwrap();
    }

    /// A token as the ledger knows it; nothing if it does not.
    pub(crate) async fn row(&self, index: usize) -> Value {
        let tail = format!("tokens.show.{}", self.name(index));
        let asked: Result<Value, _> = self.admin.client.query(&tail, &json!({})).await;
        asked.unwrap_or_default()
    }

    /// Waits until a token's row is so; up to two minutes, since other tests run beside.
    pub(crate) async fn until(
        &self,
        index: usize,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut row = Value::Null;
        for _ in 0..1_200 {
            row = self.row(index).await;
            if is_so(&row) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "it did not come to pass: {what}\n{row:#}\n{}",
            self.agent_log()
        );
    }

    /// The agent's place, taken by whoever has its files.
    pub(crate) async fn as_agent(&self) -> Agent {
        let config = self.home.join("config/keyledger-agent");
        let jwt = fs::read_to_string(config.join("agent.jwt")).unwrap();
        let seed = fs::read_to_string(config.join("agent.nk")).unwrap();
        let pair = KeyPair::from_seed(seed.trim()).unwrap();
        Agent::connect(&self.world, jwt.trim().to_owned(), pair).await
    }

    /// Waits until no task of the token is open.
    pub(crate) async fn until_ended(&self, index: usize) -> Value {
        self.until(index, "its task ends", |row| {
            row["task"].is_null() && row["last_task"].is_object()
        })
        .await
    }

    /// Waits until a step of a token's task begins.
    pub(crate) async fn until_step(&self, notices: &mut async_nats::Subscriber, step: &str) {
        let reached = async {
            while let Some(message) = notices.next().await {
                let notice: Value = serde_json::from_slice(&message.payload).unwrap();
                if notice["step"] == step {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(120), reached).await;
        assert!(
            waited.is_ok(),
            "step {step} was not reached\n{}",
            self.agent_log()
        );
    }

    /// Listens to what is shown of a token's task.
    pub(crate) async fn notices(&self, index: usize) -> async_nats::Subscriber {
        let subject = Prefix::default().notice(&self.name(index));
        let nats = self.admin.client.nats();
        let subscriber = nats.subscribe(subject).await.unwrap();
        nats.flush().await.unwrap();
        subscriber
    }

    /// What a token must be when it is provisioned: nothing of the factory's, and the very keys that the ledger names, active,
    /// each once.
    pub(crate) async fn is_provisioned(&self, index: usize) {
        let row = self.row(index).await;
        assert_eq!(row["state"], "provisioned", "{row:#}\n{}", self.agent_log());
        let truth = self.token(index).state();
        assert!(!truth.pin_is_factory && !truth.puk_is_factory && !truth.management_key_is_factory);
        assert_eq!(truth.pin_tries_left, truth.pin_tries);
        assert_eq!(truth.puk_tries_left, truth.puk_tries);
        assert!(self.token(index).pin_is(PIN));
        let keys = row["keys"].as_array().unwrap();
        let piv: Vec<_> = keys
            .iter()
            .filter(|k| k["place"].as_str().unwrap().starts_with("piv."))
            .collect();
        assert_eq!(piv.len(), truth.slots.len(), "{row:#}");
        for key in piv {
            assert_eq!(key["state"], "active", "{row:#}");
            let place = key["place"].as_str().unwrap();
            let slot = u8::from_str_radix(&place[4..], 16).unwrap();
            let public_key = data_encoding::BASE64.encode(&truth.slots[&slot].public_key);
            assert_eq!(key["public_key"], public_key, "{place}");
        }
        // Nothing else of this token is alive in the ledger.
        let all = self
            .admin
            .ask(
                "inventory.locate",
                json!({ "custodian": "token", "limit": 500 }),
            )
            .await;
        let prefix = format!("{}-", self.name(index));
        let alive = all["rows"].as_array().unwrap().iter().filter(|key| {
            let of_this = key["name"].as_str().unwrap().starts_with(&prefix);
            of_this && !key["state"].as_str().unwrap().starts_with("destroyed")
        });
        // One of custody is on several tokens, and in none's name.
        let own = keys
            .iter()
            .filter(|key| key["key"].as_str().unwrap().starts_with(&prefix));
        assert_eq!(alive.count(), own.count());
    }
}

/// A token's secrets, opened by who asked for them.
pub(crate) fn opened(curve: &CurveKey, done: &Value) -> Value {
    let sealed: Vec<Sealed> = serde_json::from_value(done["secrets"].clone()).unwrap();
    let delivery = Delivery {
        sender: sealed[0].sender.clone(),
        ciphertext: BASE64.decode(sealed[0].sealed.as_bytes()).unwrap(),
    };
    serde_json::from_slice(curve.open(&delivery).unwrap().expose()).unwrap()
}
