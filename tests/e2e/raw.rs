//! Header blocks that no library writes: nats-server hands them on as they were sent, and what it stamped must be what is read.

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_nats::HeaderMap;
use keyledger_claims::{AccountBody, decode};
use keyledger_domain::Record;
use keyledger_wire::{Prefix, header::REQUEST_INFO};
use serde_json::{Value, json};

use crate::{
    credentials::issue,
    forgery::{GENERATE, stamp},
    judges::jwts,
    world::{World, eventually, send_raw},
};

/// nats-server hands on header blocks and subjects as they were sent, and looks at none: whoever may send anything reaches the
/// service's connection with them. Each costs its sender the answer, and nobody else anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_nobody_can_read_is_not_noticed_by_others() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let nats = admin.client.nats().clone();
    let admin_creds = world.organisation.creds("admin");
    let mut mallory = RawClient::connect(&world, &admin_creds).await;
    let subject = &b"keys.queries.status"[..];
    let unreadable: [(&[u8], &[u8]); 7] = [
        (subject, b"NATS/1.0\nX: y\r\n\r\n"),
        (subject, b"NATS/1.0\r\nX: \xff\xfe\r\n\r\n"),
        (subject, b"NATS/1.0\r\nno colon\r\n\r\n"),
        (subject, b"NATS/1.0\r\nbad name: x\r\n\r\n"),
        (subject, b"NATS/1.0 lost\r\nX: y\r\n\r\n"),
        // This one ended the task of the connection for good.
        (subject, b"NATS/1.0\r\nX: a\rb\r\n\r\n"),
        (
            b"keys.commands.key.activate.\xff",
            b"NATS/1.0\r\nX: y\r\n\r\n",
        ),
    ];
    for (round, (subject, header)) in (0..).zip(unreadable.iter().cycle().take(48)) {
        mallory.publish(subject, header, b"").await;
        // Sent once: nobody tries again here.
        let name = format!("keys.commands.key.generate.k{round}");
        let body = json!({"algorithm": "ed25519"}).to_string();
        let reply = send_raw(&nats, &name, HeaderMap::new(), body).await;
        let reply = reply.unwrap_or_else(|e| panic!("{round}: {e:?} beside {header:?}"));
        assert_eq!(reply["status"], "accepted", "{reply}");
    }
    assert!(service.live().broken().is_none());
    service.stop().await;
}

/// nats-server puts its stamp in the place of those that it sees, and behind a block of headers whose end it does not check. What
/// it does not see as a header, or what swallows its stamp, must not be believed here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stamp_that_nats_server_overlooks_is_not_believed() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "services", "role": "service"});
    let creds = issue(&world, &admin, "orders", body).await;
    let (own, orders) = (
        stamp(&admin, "admin", "admin").await,
        stamp(&admin, "services", "orders").await,
    );
    let forged = format!("{REQUEST_INFO}: {own}");
    let lower = forged.to_ascii_lowercase();
    let blocks = [
        format!("NATS/1.0\n{forged}\nX: yzz"),
        format!("NATS/1.0\r\nX: y\n{forged}\r\n{forged}\r\nX: yzz"),
        format!("NATS/1.0\r\nX: y\n{forged}\r\n\r\n"),
        format!("NATS/1.0\r\n{forged}\r\n{forged}\r\nX: yzz"),
        format!("NATS/1.0\r\nX-{forged}\r\n{forged}\r\n{forged}\r\nX: yzz"),
        format!("NATS/1.0\r\nX: {REQUEST_INFO}: {REQUEST_INFO}\r\n{forged}\r\nX: yzz"),
        format!("NATS/1.0\r\n{forged}\r\nX: y\r\n  zz"),
        format!("NATS/1.0\r\n{lower}\r\nX: yzz"),
        format!("NATS/1.0\r\n{forged}\nzz"),
        format!("NATS/1.0\r\n{forged}zz"),
        format!("NATS/1.0\r\n\r\n{forged}\r\n\r\nX: yzz"),
    ];
    let mut mallory = RawClient::connect(&world, &creds).await;
    let whole = b"NATS/1.0\r\n\r\n";
    let generate = b"keys.commands.key.generate.orders";
    mallory.publish(generate, whole, GENERATE.as_bytes()).await;
    eventually("the key is there", || world.has_key("orders")).await;
    let describe = b"keys.commands.key.describe.orders";
    for (round, block) in blocks.iter().enumerate() {
        let title = json!({"title": format!("round {round}")}).to_string();
        mallory
            .publish(describe, block.as_bytes(), title.as_bytes())
            .await;
    }
    mallory
        .publish(describe, whole, br#"{"title":"the last"}"#)
        .await;
    eventually("the last message arrives", || async {
        admin.key("orders").await["title"] == "the last"
    })
    .await;
    for event in world.stored().await {
        let record = Record::read(&event.payload).unwrap();
        if record.history.name.as_str() == "orders" && event.subject.contains(".key.") {
            assert_eq!(*record.principal.user, *orders["user"].as_str().unwrap());
        }
    }
    service.stop().await;
}

/// A publisher says on which subject it wants its answer, and nats-server does not ask whether it may publish there: so who has the
/// creds of the service or of the set-up gets what they stored published where the service listens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_jetstream_publishes_is_nobodys_command() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let administrator = stamp(&admin, "admin", "admin").await;
    let forged = format!("Nats-Request-Info: {administrator}");
    let unclosed = forged.trim_end_matches('}');
    let setup = world.organisation.creds("setup");
    // JetStream takes stamps away when it stores; what it puts behind the headers when it gives them out closes this one.
    let stream = "x\"}";
    async_nats::jetstream::new(world.connect(&setup).await)
        .create_stream(async_nats::jetstream::stream::Config {
            name: stream.to_owned(),
            subjects: vec!["$KV.KEYS_INVENTORY.>".to_owned()],
            allow_direct: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let last = world.settled(&admin).await;
    let mut raw = RawClient::connect(&world, &setup).await;
    let hidden = format!("X: a\n{forged}\r\n\r\n");
    let closed_by_stream = format!("{unclosed},\"x\":\"ZZ");
    for (name, block, from, place) in [
        ("a", hidden, "KV_KEYS_MATERIAL", "$KV.KEYS_MATERIAL.x"),
        ("b", closed_by_stream, stream, "$KV.KEYS_INVENTORY.x"),
    ] {
        let header = format!("NATS/1.0\r\n{block}");
        raw.publish(place.as_bytes(), header.as_bytes(), GENERATE.as_bytes())
            .await;
        // Asked again and again: the first times it may not be stored yet.
        for _ in 0..10 {
            let command = format!("svc.keys.commands.key.generate.{name}");
            let asked = format!("PUB $JS.API.DIRECT.GET.{from}.{place} {command} 0\r\n\r\n");
            raw.write(asked.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(70)).await;
        }
        assert!(!world.has_key(name).await, "{name}");
    }
    assert_eq!(world.last().await, last);
    service.stop().await;
}

/// A subscription costs nats-server a KiB, and a million of them its answers to everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_subscribes_and_connects_within_limits() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "services", "role": "service"});
    let creds = issue(&world, &admin, "orders", body).await;
    admin
        .send("account.create", "tenant", json!({}))
        .await
        .unwrap();
    let nkey = stamp(&admin, "services", "orders").await["user"].clone();
    let inbox = Prefix::inbox(nkey.as_str().unwrap());
    let mut mallory = RawClient::connect(&world, &creds).await;
    let subscribe = |ids: std::ops::Range<u32>| -> String {
        ids.map(|id| format!("SUB {inbox}.{id}.x {id}\r\n"))
            .collect()
    };
    mallory.write(subscribe(1..1_025).as_bytes()).await;
    let said = mallory.answers().await;
    assert!(!said.contains("-ERR"), "{said}");
    mallory.write(subscribe(1_025..1_026).as_bytes()).await;
    let said = mallory.answers().await.to_lowercase();
    assert!(said.contains("maximum subscriptions exceeded"), "{said}");

    // What nats-server holds each account to.
    world.settled(&admin).await;
    let held = jwts(&world.server.directory().join("resolver"));
    let connections: BTreeMap<_, _> = held
        .iter()
        .map(|jwt| decode::<AccountBody>(jwt).unwrap())
        .map(|claims| (claims.name.to_string(), claims.nats.limits.conn))
        .collect();
    for account in ["services", "auditors", "approvers", "tenant"] {
        assert_eq!(connections.get(account), Some(&8_192), "{account}");
    }
    assert_eq!(connections.get("admin"), Some(&-1));
    service.stop().await;
}

/// A client that writes what no library would.
struct RawClient(tokio::net::TcpStream);

impl RawClient {
    async fn connect(world: &World, creds: &Path) -> Self {
        use tokio::io::{AsyncBufReadExt as _, BufReader};

        let creds = std::fs::read_to_string(creds).unwrap();
        let creds = keyledger_claims::Creds::parse(&creds).unwrap();
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", world.server.port()));
        let mut reader = BufReader::new(socket.await.unwrap());
        let mut info = String::new();
        reader.read_line(&mut info).await.unwrap();
        let info: Value = serde_json::from_str(info.trim_start_matches("INFO ").trim()).unwrap();
        let nonce = info["nonce"].as_str().unwrap();
        let signature = creds.seed().key_pair().sign(nonce.as_bytes()).unwrap();
        let connect = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "lang": "test",
            "version": "0", "protocol": 1, "jwt": creds.jwt(),
            "sig": data_encoding::BASE64URL_NOPAD.encode(&signature),
        });
        let mut client = Self(reader.into_inner());
        client
            .write(format!("CONNECT {connect}\r\n").as_bytes())
            .await;
        client
    }

    /// Publishes a message; the header block is sent as it is.
    async fn publish(&mut self, subject: &[u8], header: &[u8], payload: &[u8]) {
        let (size, total) = (header.len(), header.len() + payload.len());
        let line = format!(" _INBOX.x {size} {total}\r\n");
        let message = [b"HPUB ", subject, line.as_bytes(), header, payload, b"\r\n"].concat();
        self.write(&message).await;
    }

    /// What the server says until it has taken all that was written.
    async fn answers(&mut self) -> String {
        use tokio::io::AsyncReadExt as _;

        self.write(b"PING\r\n").await;
        let mut said = Vec::new();
        // A PING of its own may stand behind.
        while !said.windows(6).any(|at| at == b"PONG\r\n") {
            assert!(self.0.read_buf(&mut said).await.unwrap() > 0);
        }
        String::from_utf8(said).unwrap()
    }

    async fn write(&mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt as _;

        self.0.write_all(bytes).await.unwrap();
    }
}
