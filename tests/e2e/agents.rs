//! Agents at the wire: what their permissions let through, what becomes of their reports, what they are given to do.

use std::{sync::Arc, time::Duration};

use async_nats::{ConnectOptions, HeaderMap, jetstream};
use futures::StreamExt as _;
use keyledger_domain::{EventCid, Record, command::MAX_REPORT_BYTES, token::Report};
use keyledger_testkit::Config;
use keyledger_wire::{Prefix, header};
use nkeys::KeyPair;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Admin, World, eventually, send_raw, send_unheard};

/// A workstation's agent: an nkey of its own, and a user under the agents' role.
pub(crate) struct Agent {
    nkey: String,
    nats: async_nats::Client,
}

impl Agent {
    /// Enrols an agent as `keyledger agent enrol` does, and connects as it.
    pub(crate) async fn enrol(world: &World, admin: &Admin, name: &str) -> Self {
        let pair = KeyPair::new_user();
        let nkey = pair.public_key();
        let body = json!({ "account": "agents", "role": "agent", "nkey": nkey });
        let done = admin.send("user.issue", name, body).await.unwrap();
        let jwt = done["jwt"].as_str().unwrap().to_owned();
        Self::connect(world, jwt, pair).await
    }

    /// Connects as the agent whose keys these are.
    pub(crate) async fn connect(world: &World, jwt: String, pair: KeyPair) -> Self {
        let nkey = pair.public_key();
        let pair = Arc::new(pair);
        let nats = ConnectOptions::with_jwt(jwt, move |nonce| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        })
        .custom_inbox_prefix(Prefix::agent_inbox(&nkey))
        .connect(world.server.url())
        .await
        .unwrap();
        Self { nkey, nats }
    }

    /// Its connection.
    pub(crate) const fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    pub(crate) async fn report(&self, task: &str, report: Value) -> Value {
        self.report_as(task, report, Uuid::now_v7()).await
    }

    /// Reports under a message id of its own choice.
    pub(crate) async fn report_as(&self, task: &str, report: Value, id: Uuid) -> Value {
        let subject = Prefix::default().report(&self.nkey, task);
        let payload = serde_json::to_vec(&report).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, id.to_string().as_str());
        send_raw(&self.nats, &subject, headers, payload)
            .await
            .unwrap()
    }

    /// The next task, once there is one.
    pub(crate) async fn task(&self) -> jetstream::Message {
        let api = Prefix::default().imported_api();
        let stream = jetstream::with_prefix(self.nats.clone(), &api)
            .get_stream_no_info(Prefix::default().tasks_stream())
            .await
            .unwrap();
        for _ in 0..100 {
            if let Ok(consumer) = stream
                .get_consumer::<jetstream::consumer::pull::Config>(&self.nkey)
                .await
            {
                let mut messages = consumer
                    .fetch()
                    .max_messages(1)
                    .expires(Duration::from_secs(2))
                    .messages()
                    .await
                    .unwrap();
                if let Some(message) = messages.next().await {
                    return message.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no task came");
    }
}

impl World {
    /// How many of an agent's tasks are acknowledged. Not how many messages the queue holds: the service files a task again that is
    /// acknowledged and not reported.
    pub(crate) async fn acknowledged(&self, agent: &Agent) -> u64 {
        let setup = jetstream::new(self.connect(&self.organisation.creds("setup")).await);
        let stream = setup.get_stream_no_info("KEYS_TASKS").await.unwrap();
        let consumer = stream.get_consumer::<jetstream::consumer::pull::Config>(&agent.nkey);
        let mut consumer = consumer.await.unwrap();
        consumer.info().await.unwrap().ack_floor.consumer_sequence
    }
}

fn announced(serial: u32) -> Value {
    json!({
        "report": "announced", "serial": serial, "firmware": "5.7.1", "form_factor": "usb_a_keychain",
        "applets": ["piv"], "slots": [], "pin_tries": 3, "puk_tries": 3, "factory_pin": true,
    })
}

/// A profile without certificates: no authority is needed.
fn profile() -> Value {
    json!({
        "name": "plain", "about": "one key",
        "piv": { "9a": { "algorithm": "p-256", "pin": "once", "touch": "never" } },
    })
}

/// A token that is enrolled, assigned, and has an open task.
pub(crate) async fn filed(admin: &Admin, agent: &Agent, serial: u32) -> String {
    let serial_name = serial.to_string();
    assert_eq!(
        agent.report("tokens", announced(serial)).await["state"],
        "seen"
    );
    admin
        .send("token.enrol", &serial_name, json!({}))
        .await
        .unwrap();
    let person = json!({ "kind": "person", "title": "Ada" });
    let _ = admin.send("principal.register", "ada", person).await;
    admin
        .send("token.assign", &serial_name, json!({ "principal": "ada" }))
        .await
        .unwrap();
    let body = json!({ "workstation": "desk", "profile": profile() });
    let done = admin
        .send("token.provision", &serial_name, body)
        .await
        .unwrap();
    assert_eq!(done["state"], "provisioning");
    done["command_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_agent_reaches_its_own_tasks_and_reports_and_nothing_else() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let (agent, other) = (
        Agent::enrol(&world, &admin, "desk").await,
        Agent::enrol(&world, &admin, "lab").await,
    );
    let task = filed(&admin, &agent, 1_000_001).await;
    let message = agent.task().await;
    // The other's consumer, the stream, the ledger, commands, other inboxes: the server lets none of it through.
    let prefix = Prefix::default();
    let stream = prefix.tasks_stream();
    for subject in [
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", other.nkey),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{}", prefix.events_stream()),
        format!("$JS.API.CONSUMER.CREATE.{stream}.mine"),
        prefix.report(&other.nkey, "tokens"),
        Prefix::inner(&prefix.command("key", "generate", "mine")),
        prefix.command("key", "generate", "mine"),
        prefix.task("lab", "provision"),
    ] {
        send_unheard(&agent.nats, &subject, HeaderMap::new(), "{}").await;
    }
    assert!(!world.has_key("mine").await);
    // What it was given is the very event, and it may say that it is done.
    let stored = world.stored().await;
    let event = stored
        .iter()
        .find(|e| e.subject.ends_with("1000001.task_filed"))
        .unwrap();
    assert_eq!(event.payload, message.payload);
    let headers = message.headers.as_ref().unwrap();
    let cid = EventCid::of(&message.payload).to_string();
    assert_eq!(headers.get(header::CID).unwrap().as_str(), cid);
    assert_eq!(
        headers.get(header::SIGNATURE).unwrap().as_str(),
        event.headers[header::SIGNATURE]
    );
    let record = Record::read(&message.payload).unwrap();
    assert_eq!(record.ids.command.to_string(), task);
    message.double_ack().await.unwrap();
    service.stop().await;
}

#[tokio::test]
async fn an_agent_acknowledges_its_tasks_in_the_form_without_domain() {
    acknowledges(|config| config, "$JS.ACK.KEYS_TASKS.").await;
}

#[tokio::test]
async fn an_agent_acknowledges_its_tasks_in_the_form_with_domain_and_account() {
    let flag = "feature_flags: { js_ack_fc_v2: true }\njetstream: {";
    acknowledges(|config| config.replace("jetstream: {", flag), "$JS.ACK._.").await;
    let named = format!("{flag}\n    domain: hub");
    acknowledges(
        |config| config.replace("jetstream: {", &named),
        "$JS.ACK.hub.",
    )
    .await;
}

/// On a server that asks for acknowledgements on subjects that begin so, an agent ends its own task, and another agent does not.
async fn acknowledges(change: impl FnOnce(Config) -> Config, begin: &str) {
    let world = World::with_config(change).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let other = Agent::enrol(&world, &admin, "lab").await;
    let _ = filed(&admin, &agent, 1_000_001).await;
    let message = agent.task().await;
    let reply = message.reply.as_ref().unwrap().to_string();
    assert!(reply.starts_with(begin), "{reply}");
    send_unheard(&other.nats, &reply, HeaderMap::new(), "+ACK").await;
    assert_eq!(world.acknowledged(&agent).await, 0);
    message.double_ack().await.unwrap();
    assert_eq!(world.acknowledged(&agent).await, 1);
    service.stop().await;
}

#[tokio::test]
async fn what_a_token_shows_is_written_once() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let first = agent.report("tokens", announced(1_000_001)).await;
    assert_eq!(first["status"], "accepted");
    let before = world.settled(&admin).await;
    assert_eq!(
        agent.report("tokens", announced(1_000_001)).await["state"],
        "seen"
    );
    assert_eq!(world.last().await, before);
    let row = admin.ask("tokens.show.1000001", json!({})).await;
    assert_eq!(row["workstation"], "desk");
    assert_eq!(row["shown"]["factory_pin"], true);
    let history = admin.ask("history.token.1000001", json!({})).await;
    assert_eq!(history[0]["who"]["verified_by"], "subject");
    assert_eq!(history[0]["who"]["role"], "agent");
    service.stop().await;
}

#[tokio::test]
async fn an_agent_cannot_fill_the_ledger_with_what_a_token_shows() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let before = world.settled(&admin).await;
    let mut refused = 0;
    for turn in 0..200 {
        let mut shown = announced(1_000_001);
        shown["pin_tries"] = json!(turn % 2 + 1);
        let reply = agent.report("tokens", shown).await;
        refused += u64::from(reply["reason"] == "too_many_reports");
    }
    let written = world.settled(&admin).await - before;
    assert!((120..150).contains(&written), "{written} were written");
    assert!(refused >= 25, "{refused} were refused");
    // What is as before costs nothing.
    let row = admin.ask("tokens.show.1000001", json!({})).await;
    let mut same = announced(1_000_001);
    same["pin_tries"] = row["shown"]["pin_tries"].clone();
    assert_eq!(agent.report("tokens", same).await["status"], "accepted");
    service.stop().await;
}

/// nats-server checks where an agent publishes to, and not where it wants the answer.
#[tokio::test]
async fn an_answer_is_no_command_wherever_an_agent_wants_it() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let honest = Agent::enrol(&world, &admin, "desk").await;
    let evil = Agent::enrol(&world, &admin, "evil").await;
    let _ = filed(&admin, &honest, 1_000_001).await;
    assert_eq!(evil.report("tokens", announced(2)).await["state"], "seen");
    let setup = jetstream::new(world.connect(&world.organisation.creds("setup")).await);
    let seen = || async {
        let mut seen = Vec::new();
        for stream in ["KEYS_EVENTS", "KV_KEYS_MATERIAL", "KEYS_TASKS"] {
            let mut stream = setup.get_stream(stream).await.unwrap();
            let state = stream.info().await.unwrap().state.clone();
            seen.push((state.messages, state.last_sequence));
        }
        seen
    };
    eventually("both queues are there", || async {
        let mut stream = setup.get_stream("KEYS_TASKS").await.unwrap();
        stream.info().await.unwrap().state.consumer_count == 2
    })
    .await;
    // The service writes its reserve beside what it serves.
    eventually("the reserve is there", || async {
        let status = admin.ask("status", json!({})).await;
        status["reserve"][0] == status["reserve"][1] && status["reserve"][1] != json!(0)
    })
    .await;
    world.settled(&admin).await;
    let task = honest.task().await;
    let before = seen().await;
    let (own, other) = (&evil.nkey, &honest.nkey);
    let api = Prefix::default().imported_api();
    let asked = [
        (
            format!("{api}.CONSUMER.MSG.NEXT.KEYS_TASKS.{own}"),
            r#"{"batch":1,"no_wait":true}"#.to_owned(),
        ),
        (
            format!("{api}.CONSUMER.INFO.KEYS_TASKS.{own}"),
            String::new(),
        ),
        (
            Prefix::default().report(own, "tokens"),
            announced(2).to_string(),
        ),
    ];
    let answered_to = [
        "$JS.API.STREAM.DELETE.KEYS_EVENTS".to_owned(),
        "$JS.API.STREAM.DELETE.KV_KEYS_MATERIAL".to_owned(),
        "$JS.API.STREAM.PURGE.KEYS_TASKS".to_owned(),
        "$KV.KEYS_MATERIAL.ledger-signing.1".to_owned(),
        "keys.events.key.evil.generated".to_owned(),
        "keys.tasks.desk.provision".to_owned(),
        "svc.keys.commands.view.rebuild.inventory".to_owned(),
        Prefix::default().report(other, "tokens"),
        format!("{api}.CONSUMER.MSG.NEXT.KEYS_TASKS.{other}"),
        task.reply.as_ref().unwrap().to_string(),
        format!("_INBOX.agent.{other}.x"),
    ];
    for (subject, payload) in &asked {
        for reply in &answered_to {
            let (subject, reply) = (subject.clone(), reply.clone());
            let sent = evil
                .nats
                .publish_with_reply(subject, reply, payload.clone().into());
            sent.await.unwrap();
        }
    }
    // Whatever was to come of them has come by the time that another is answered.
    evil.nats.flush().await.unwrap();
    assert_eq!(evil.report("tokens", announced(2)).await["state"], "seen");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(seen().await, before);
    // The other's task is still the other's to end.
    task.double_ack().await.unwrap();
    eventually("it is gone", || async {
        let [.., tasks] = seen().await[..] else {
            return false;
        };
        tasks.0 == 0
    })
    .await;
    let _ = world.verify(&admin).await;
    service.stop().await;
}

#[tokio::test]
async fn a_history_larger_than_a_message_is_read_page_by_page() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let slot = |number: u8| {
        json!({
            "slot": format!("{number:02x}"), "generated": true, "pin": "once", "touch": "never",
            "public_key": "A".repeat(1_024),
        })
    };
    let slots: Vec<_> = (0x82..=0x95).map(slot).collect();
    for turn in 0..40 {
        let mut shown = announced(1_000_001);
        (shown["slots"], shown["pin_tries"]) = (json!(slots), json!(turn % 2 + 1));
        assert_eq!(agent.report("tokens", shown).await["status"], "accepted");
    }
    let (mut revisions, mut pages, mut question) = (Vec::new(), 0, json!({}));
    loop {
        let page = admin.ask("history.token.1000001", question).await;
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        question = json!({ "after": last["revision"] });
        revisions.extend(page.iter().map(|entry| entry["revision"].as_u64().unwrap()));
        pages += 1;
    }
    assert_eq!(revisions, (1..=40).collect::<Vec<_>>());
    assert!(pages > 1);
    let two = json!({ "after": 7, "limit": 2 });
    let two = admin.ask("history.token.1000001", two).await;
    assert_eq!(two.as_array().unwrap().len(), 2);
    assert_eq!(two[0]["revision"], 8);
    service.stop().await;
}

#[tokio::test]
async fn a_report_that_is_none_names_what_is_wrong() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let before = world.settled(&admin).await;
    for (task, report, reason, word) in [
        ("tokens", json!({}), "malformed", "report"),
        (
            "tokens",
            json!({ "report": "announced" }),
            "malformed",
            "serial",
        ),
        (
            "tokens",
            json!({ "report": "announced", "serial": 0 }),
            "malformed",
            "serial",
        ),
        ("nonsense", announced(1), "bad_name", "task"),
        (
            &Uuid::now_v7().to_string(),
            announced(1),
            "bad_name",
            "tokens",
        ),
        (
            &Uuid::now_v7().to_string(),
            json!({ "report": "progressed", "serial": 1, "step": "keys" }),
            "task_not_open",
            "token 1",
        ),
    ] {
        let refusal = agent.report(task, report.clone()).await;
        assert_eq!(refusal["reason"], reason, "{report}: {refusal}");
        let said = refusal["message"].as_str().unwrap();
        assert!(said.contains(word), "{report}: {said}");
    }
    assert_eq!(world.last().await, before);
    service.stop().await;
}

/// RSA-4096 keys in all slots, with attestations and requests, are more than a command may hold.
#[tokio::test]
async fn a_report_may_be_larger_than_a_command() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let subject = Prefix::default().report(&agent.nkey, "tokens");
    let report = async |bytes: usize| {
        let mut payload = announced(1_000_001).to_string().into_bytes();
        payload.resize(bytes, b' ');
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, Uuid::now_v7().to_string().as_str());
        let answer = send_raw(&agent.nats, &subject, headers, payload).await;
        answer.unwrap()
    };
    assert_eq!(report(MAX_REPORT_BYTES).await["state"], "seen");
    let refusal = report(MAX_REPORT_BYTES + 1).await;
    assert_eq!(refusal["reason"], "payload_too_large", "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("114688"));
    service.stop().await;
}

#[tokio::test]
async fn a_revoked_agent_is_heard_no_more_and_its_queue_is_gone() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let _ = filed(&admin, &agent, 1_000_001).await;
    let setup = jetstream::new(world.connect(&world.organisation.creds("setup")).await);
    let tasks = || async {
        let mut stream = setup.get_stream("KEYS_TASKS").await.unwrap();
        let state = stream.info().await.unwrap().state.clone();
        (state.consumer_count, state.messages)
    };
    eventually("the task is in the queue", || async {
        tasks().await == (1, 1)
    })
    .await;
    admin
        .send("user.revoke", "desk", json!({ "reason": "stolen laptop" }))
        .await
        .unwrap();
    eventually("nothing is left of it", || async {
        tasks().await == (0, 0)
    })
    .await;
    let row = admin.ask("tokens.show.1000001", json!({})).await;
    assert_eq!(row["state"], "enrolled", "its task was cancelled: {row:#}");
    let refusal = admin
        .send(
            "token.reset",
            "1000001",
            json!({ "workstation": "desk", "reason": "x" }),
        )
        .await;
    assert_eq!(refusal.unwrap_err()["reason"], "bad_value");
    service.stop().await;
}

#[tokio::test]
async fn keys_that_nobody_attests_put_the_token_into_quarantine() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let task = filed(&admin, &agent, 1_000_001).await;
    let made = json!({
        "report": "keys_made", "serial": 1_000_001, "attester": "AAAA",
        "keys": [{ "slot": "9a", "attestation": "AAAA" }],
    });
    let _: Report = serde_json::from_value(made.clone()).unwrap();
    let reply = agent.report(&task, made).await;
    assert_eq!(reply["state"], "quarantined", "{reply}");
    assert_eq!(reply["task_open"], false);
    let fault = reply["fault"].as_str().unwrap();
    assert!(
        fault.contains("slot 9a") && fault.contains("attestation"),
        "{fault}"
    );
    let row = admin.ask("tokens.show.1000001", json!({})).await;
    assert_eq!(row["keys"], Value::Null);
    // A retry after the end is told so.
    let progress = json!({ "report": "progressed", "serial": 1_000_001, "step": "proof" });
    assert_eq!(
        agent.report(&task, progress).await["reason"],
        "task_not_open"
    );
    let _ = world.verify(&admin).await;
    service.stop().await;
}

/// Who has the creds of the set-up can edit an agent's consumer, so that the agent hears of no task any more.
#[tokio::test]
async fn a_consumer_that_somebody_changed_is_put_right() {
    use jetstream::consumer::pull;
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let setup = jetstream::new(setup);
    let tasks = setup.get_stream(Prefix::default().tasks_stream()).await;
    let tasks = tasks.unwrap();
    let is = async || {
        let info = tasks.consumer_info(&agent.nkey).await.ok()?;
        let mut config = info.config;
        config.metadata.clear(); // nats-server's own
        Some(config)
    };
    eventually("there is a consumer", || async { is().await.is_some() }).await;
    let made = is().await.unwrap();
    let put_right = async || {
        tokio::time::timeout(Duration::from_secs(90), async {
            while is().await.as_ref() != Some(&made) {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
        .await
        .expect("it is put right");
    };
    let edited = pull::Config {
        durable_name: Some(agent.nkey.clone()),
        filter_subject: "keys.tasks.nobody.>".to_owned(),
        ack_policy: made.ack_policy,
        ack_wait: Duration::from_secs(86_400),
        max_deliver: 1,
        headers_only: true,
        ..Default::default()
    };
    let edited = tasks.create_consumer(edited).await.unwrap();
    assert_eq!(edited.cached_info().config.max_deliver, 1);
    put_right().await;
    // What JetStream edits in no consumer: it is made anew.
    let other = pull::Config {
        durable_name: Some(agent.nkey.clone()),
        filter_subject: made.filter_subject.clone(),
        ack_policy: made.ack_policy,
        max_waiting: 7,
        ..Default::default()
    };
    // The service may make it anew in between, and then this one is refused.
    eventually("another one is there", || async {
        drop(tasks.delete_consumer(&agent.nkey).await);
        tasks.create_consumer(other.clone()).await.is_ok()
    })
    .await;
    put_right().await;
    let task = filed(&admin, &agent, 1_000_001).await;
    let message = agent.task().await;
    let record = Record::read(&message.payload).unwrap();
    assert_eq!(record.ids.command.to_string(), task);
    service.stop().await;
}

/// Who has the creds of the set-up, or puts back older storage, takes queues away behind the service's back.
#[tokio::test]
async fn a_queue_that_somebody_took_away_comes_back_with_its_tasks() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let task = filed(&admin, &agent, 1_000_001).await;
    let stream = Prefix::default().tasks_stream();
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let setup = jetstream::new(setup);
    eventually("the task is in the queue", || async {
        let info = setup.get_stream(&stream).await.unwrap();
        info.cached_info().state.messages == 1 && info.cached_info().state.consumer_count == 1
    })
    .await;
    let config = setup.get_stream(&stream).await.unwrap();
    let config = config.cached_info().config.clone();
    setup.delete_stream(&stream).await.unwrap();
    setup.create_stream(config).await.unwrap();
    let is_back = async || {
        let info = setup.get_stream(&stream).await.unwrap();
        info.cached_info().state.messages == 1 && info.cached_info().state.consumer_count == 1
    };
    tokio::time::timeout(Duration::from_secs(90), async {
        while !is_back().await {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .expect("it comes back");
    let message = agent.task().await;
    let record = Record::read(&message.payload).unwrap();
    assert_eq!(record.ids.command.to_string(), task);
    service.stop().await;
}
