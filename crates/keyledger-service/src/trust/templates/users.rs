//! What the organisation's own users may do.

use keyledger_wire::{
    Prefix,
    subject::{REPLIES_OVER_IMPORTS, system},
};

use super::sharing::DISCOVERY;

/// Subjects to publish and to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// To publish to.
    pub publish: Vec<String>,
    /// To subscribe to.
    pub subscribe: Vec<String>,
}

/// What the running service may do, whose public nkey is `user`. It may not ask JetStream to create, change, delete or purge the ledger's
/// stream, nor to delete a message of it.
///
/// That holds for the service, and not for whoever has stolen its creds: nats-server asks nobody's leave for the subject of an answer. Who
/// stores a request in the material bucket and asks for it with `$JS.API.STREAM.DELETE.…` as the subject of the answer has JetStream
/// itself send the request. A deleted or changed stream is noticed within 15 s, and no command is acknowledged.
///
/// Answers inside its account are allowed besides, one a request. Those that go back over an import are allowed as such:
/// the server would keep book of each.
#[must_use]
pub fn service_grants(prefix: &Prefix, user: &str) -> Grants {
    let events = prefix.events_stream();
    let material = Prefix::bucket_stream(&prefix.material_bucket());
    let inventory = Prefix::bucket_stream(&prefix.inventory_bucket());
    let tasks = prefix.tasks_stream();
    let api = prefix.imported_api();
    let mut publish = vec![
        prefix.events(),
        Prefix::bucket_entry(&prefix.material_bucket(), ">"),
        Prefix::bucket_entry(&prefix.inventory_bucket(), ">"),
        prefix.tasks(),
        prefix.notices(),
        REPLIES_OVER_IMPORTS.to_owned(),
        // Of the ledger: reading, by consumers that vanish with their reader.
        format!("$JS.API.CONSUMER.CREATE.{events}"),
        format!("$JS.API.CONSUMER.CREATE.{events}.>"),
        format!("$JS.API.CONSUMER.DELETE.{events}.*"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{events}.*"),
        format!("$JS.API.CONSUMER.INFO.{events}.*"),
        // Of the tasks: a consumer for each agent, and what it left when it is gone.
        format!("$JS.API.CONSUMER.CREATE.{tasks}.>"),
        format!("$JS.API.CONSUMER.DELETE.{tasks}.*"),
        format!("$JS.API.CONSUMER.NAMES.{tasks}"),
        format!("$JS.API.STREAM.INFO.{tasks}"),
        format!("$JS.API.STREAM.PURGE.{tasks}"),
        // Of the material: erasing one entry, which is what destroying a key means.
        format!("$JS.API.STREAM.MSG.DELETE.{material}"),
        // Of the inventory: a view in memory, lost with the server and made anew.
        format!("{api}.STREAM.CREATE.{inventory}"),
        format!("{api}.STREAM.PURGE.{inventory}"),
        format!("{api}.STREAM.INFO.{inventory}"),
        format!("{api}.DIRECT.GET.{inventory}.>"),
        // Consumers on it, for those who watch.
        format!("{api}.CONSUMER.CREATE.{inventory}.*"),
        format!("{api}.CONSUMER.DELETE.{inventory}.*"),
        format!("{api}.CONSUMER.NAMES.{inventory}"),
    ];
    for stream in [&events, &material] {
        publish.push(format!("$JS.API.STREAM.INFO.{stream}"));
        publish.push(format!("$JS.API.STREAM.MSG.GET.{stream}"));
        publish.push(format!("$JS.API.DIRECT.GET.{stream}"));
        publish.push(format!("$JS.API.DIRECT.GET.{stream}.>"));
    }
    let subscribe = vec![
        format!("{}.>", Prefix::inner(prefix.as_str())),
        DISCOVERY.to_owned(),
        inboxes(user),
    ];
    Grants { publish, subscribe }
}

/// What `keyledger setup` may do: everything with streams. Kept away from the running service.
#[must_use]
pub fn setup_grants(prefix: &Prefix, user: &str) -> Grants {
    let publish = vec![
        prefix.events(),
        Prefix::bucket_entry(&prefix.material_bucket(), ">"),
        Prefix::bucket_entry(&prefix.inventory_bucket(), ">"),
        "$JS.API.>".to_owned(),
        // Parts of a backup and of what is restored from it: what nats-server does not set back is mended so.
        "$JS.SNAPSHOT.>".to_owned(),
        format!("{}.>", prefix.imported_api()),
    ];
    Grants {
        publish,
        subscribe: vec![inboxes(user)],
    }
}

/// What the service may do in the system account: push and look up account JWTs, ask servers for their figures.
/// Whoever has this is root of the organisation's NATS.
#[must_use]
pub fn system_grants(user: &str) -> Grants {
    let publish = [
        system::CLAIMS_UPDATE,
        "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.*",
        "$SYS.REQ.SERVER.*.VARZ",
        "$SYS.REQ.SERVER.*.JSZ",
    ];
    // What others push is heard, and answered at once.
    let [update, update_of_account, _] = system::CLAIMS_UPDATES;
    let subscribe = ["$SYS.SERVER.>", "$SYS.ACCOUNT.>", update, update_of_account];
    Grants {
        publish: publish.map(str::to_owned).to_vec(),
        subscribe: subscribe
            .map(str::to_owned)
            .into_iter()
            .chain([inboxes(user)])
            .collect(),
    }
}

/// Its own inboxes: what the service asks is answered to the service alone.
fn inboxes(user: &str) -> String {
    format!("{}.>", Prefix::inbox(user))
}
