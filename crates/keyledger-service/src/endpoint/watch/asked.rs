//! What a viewer asks of a consumer, and the consumer that is made of it: pure.

use keyledger_wire::Prefix;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of a request.
const MAX_BYTES: usize = 8_192;
/// The most filters of one watch.
const MAX_FILTERS: usize = 64;
/// The longest name that a client gives a consumer: they are hashes of 8 to 22 characters.
const MAX_NAME: usize = 64;
/// The longest inbox.
const MAX_INBOX: usize = 256;
/// How often the server may say that nothing happens, in nanoseconds; clients ask for 5 s.
const HEARTBEAT_NS: std::ops::RangeInclusive<u64> = 1_000_000_000..=60_000_000_000;
/// How long a watcher may be away until its consumer goes, in nanoseconds: 30 s. Clients then make another one.
const GONE_NS: u64 = 30_000_000_000;

/// Why no consumer is made, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedWish(pub(super) String);

fn refuse<T>(why: impl Into<String>) -> Result<T, RefusedWish> {
    Err(RefusedWish(why.into()))
}

/// A request of JetStream's API, as far as a viewer has a choice. Whatever else stands in it is not looked at: above all
/// flow control, by which a server publishes on a subject of the maker's choice, with the bucket account's authority.
#[derive(Deserialize)]
struct WantedWatch {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    durable_name: String,
    #[serde(default)]
    deliver_group: String,
    #[serde(default)]
    deliver_subject: String,
    deliver_policy: Policy,
    opt_start_seq: Option<u64>,
    opt_start_time: Option<String>,
    #[serde(default)]
    filter_subject: String,
    #[serde(default)]
    filter_subjects: Vec<String>,
    #[serde(default)]
    headers_only: bool,
    #[serde(default)]
    idle_heartbeat: u64,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Policy {
    All,
    Last,
    New,
    ByStartSequence,
    ByStartTime,
    LastPerSubject,
}

/// What the consumers of a user are called, before the name that its client gave.
pub(super) fn names_of(user: &str) -> String {
    format!("{user}_")
}

/// The name of a consumer of `user`, from the one that its client gave.
pub(super) fn name_of(user: &str, given: &str) -> Result<String, RefusedWish> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if given.is_empty() || given.len() > MAX_NAME || !given.chars().all(fits) {
        return refuse("a consumer's name is of letters, digits, `_` and `-`, 64 at most");
    }
    Ok(names_of(user) + given)
}

/// The request for a consumer under `name` that delivers to the sender, and does nothing else.
pub(super) fn consumer(
    prefix: &Prefix,
    (account, user): (&str, &str),
    name: &str,
    payload: &[u8],
) -> Result<Value, RefusedWish> {
    if payload.len() > MAX_BYTES {
        return refuse(format!("a watch is asked for in {MAX_BYTES} bytes at most"));
    }
    let Ok(WantedWatch { config }) = serde_json::from_slice(payload) else {
        return refuse("this is no request for a consumer, as clients of JetStream make it");
    };
    if !config.durable_name.is_empty() || !config.deliver_group.is_empty() {
        return refuse(
            "a watch is neither durable nor shared: leave out durable name and deliver group",
        );
    }
    let own = prefix.deliver(account, user);
    if !is_below(&own, &config.deliver_subject) {
        return refuse(format!(
            "entries are delivered to your own inbox only: connect with the inbox prefix {own}"
        ));
    }
    let heartbeat = config.idle_heartbeat;
    if heartbeat != 0 && !HEARTBEAT_NS.contains(&heartbeat) {
        return refuse("the idle heartbeat is between 1 s and 60 s");
    }
    let mut filters = config.filter_subjects;
    filters.extend(Some(config.filter_subject).filter(|filter| !filter.is_empty()));
    if filters.len() > MAX_FILTERS {
        return refuse(format!("a watch has {MAX_FILTERS} filters at most"));
    }
    let stream = Prefix::bucket_stream(&prefix.inventory_bucket());
    let mut made = json!({
        "name": name,
        "description": "a watch, made by keyledger for the user that its name begins with",
        "deliver_subject": config.deliver_subject,
        "ack_policy": "none",
        "replay_policy": "instant",
        "headers_only": config.headers_only,
        "inactive_threshold": GONE_NS,
        "num_replicas": 1,
        "mem_storage": true,
    });
    if heartbeat != 0 {
        made["idle_heartbeat"] = heartbeat.into();
    }
    match &filters[..] {
        [] => {}
        [one] => made["filter_subject"] = one.as_str().into(),
        several => made["filter_subjects"] = several.into(),
    }
    made["deliver_policy"] = match (
        config.deliver_policy,
        config.opt_start_seq,
        config.opt_start_time,
    ) {
        (Policy::All, ..) => "all",
        (Policy::Last, ..) => "last",
        (Policy::New, ..) => "new",
        (Policy::LastPerSubject, ..) => "last_per_subject",
        (Policy::ByStartSequence, Some(sequence), _) => {
            made["opt_start_seq"] = sequence.into();
            "by_start_sequence"
        }
        (Policy::ByStartTime, _, Some(time)) => {
            made["opt_start_time"] = time.into();
            "by_start_time"
        }
        (Policy::ByStartSequence | Policy::ByStartTime, ..) => {
            return refuse("a watch that begins at a sequence or a time names it");
        }
    }
    .into();
    Ok(json!({ "stream_name": stream, "action": "create", "config": made }))
}

/// True of a subject without wildcards that goes on below `prefix`.
fn is_below(prefix: &str, subject: &str) -> bool {
    let tail = subject
        .strip_prefix(prefix)
        .and_then(|tail| tail.strip_prefix('.'));
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '*' | '>'))
    };
    subject.len() <= MAX_INBOX && tail.is_some_and(|tail| tail.split('.').all(is_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: (&str, &str) = ("AACCOUNT", "UUSER");

    fn made(config: &Value) -> Result<Value, RefusedWish> {
        let request = json!({ "stream_name": "KV_KEYS_INVENTORY", "config": config });
        consumer(
            &Prefix::default(),
            SENDER,
            "UUSER_x",
            request.to_string().as_bytes(),
        )
    }

    /// As `nats kv watch` asks for it.
    fn asked() -> Value {
        json!({
            "deliver_policy": "last_per_subject", "ack_policy": "none", "ack_wait": 79_200_000_000_000_u64,
            "max_deliver": 1, "filter_subject": "$KV.KEYS_INVENTORY.>", "replay_policy": "instant",
            "flow_control": true, "idle_heartbeat": 5_000_000_000_u64, "num_replicas": 1, "mem_storage": true,
            "deliver_subject": "deliver.keys.AACCOUNT.UUSER.abc",
        })
    }

    #[test]
    fn a_watch_as_clients_ask_for_it_is_made_without_flow_control() {
        let made = made(&asked()).unwrap();
        assert_eq!(made["action"], "create");
        let config = &made["config"];
        assert_eq!(config["name"], "UUSER_x");
        assert_eq!(config["deliver_subject"], "deliver.keys.AACCOUNT.UUSER.abc");
        assert_eq!(config["deliver_policy"], "last_per_subject");
        assert_eq!(config["filter_subject"], "$KV.KEYS_INVENTORY.>");
        assert_eq!(config["idle_heartbeat"], 5_000_000_000_u64);
        assert!(config.get("flow_control").is_none(), "{config}");
    }

    #[test]
    fn nothing_else_that_is_asked_for_gets_into_the_consumer() {
        let mut config = asked();
        for (field, value) in [
            ("backoff", json!([1])),
            ("rate_limit_bps", json!(1)),
            ("sample_freq", json!("100")),
            ("metadata", json!({"a": "b"})),
            ("pause_until", json!("2099-01-01T00:00:00Z")),
            ("inactive_threshold", json!(u64::MAX)),
            ("max_ack_pending", json!(5)),
            ("priority_policy", json!("pinned_client")),
        ] {
            config[field] = value;
        }
        assert_eq!(made(&config), made(&asked()));
    }

    #[test]
    fn entries_are_delivered_to_nobody_but_the_sender() {
        for elsewhere in [
            "",
            "deliver.keys.AACCOUNT.UUSER",
            "deliver.keys.AACCOUNT.UUSER.",
            "deliver.keys.AACCOUNT.UUSER.*",
            "deliver.keys.AACCOUNT.UUSER.a.>",
            "deliver.keys.AACCOUNT.UUSER.a b",
            "deliver.keys.AACCOUNT.UUSER2.a",
            "deliver.keys.AACCOUNT.UOTHER.a",
            "deliver.keys.AOTHER.UUSER.a",
            "$JS.API.STREAM.DELETE.KV_KEYS_INVENTORY",
            "_INBOX.UUSER.a",
        ] {
            let mut config = asked();
            config["deliver_subject"] = elsewhere.into();
            let refused = made(&config).unwrap_err();
            assert!(
                refused.0.contains("your own inbox"),
                "{elsewhere}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_watch_is_neither_durable_nor_shared_nor_noisy() {
        for (field, value) in [
            ("durable_name", json!("for-ever")),
            ("deliver_group", json!("group")),
            ("idle_heartbeat", json!(1)),
            ("idle_heartbeat", json!(3_600_000_000_000_u64)),
            ("filter_subjects", json!(vec!["$KV.KEYS_INVENTORY.x"; 65])),
            ("deliver_policy", json!("by_start_sequence")),
            ("deliver_policy", json!("sideways")),
        ] {
            let mut config = asked();
            config[field] = value;
            assert!(made(&config).is_err(), "{field}");
        }
    }

    #[test]
    fn a_consumers_name_begins_with_its_users_nkey() {
        assert_eq!(name_of("UUSER", "hG3n-x_1").unwrap(), "UUSER_hG3n-x_1");
        for bad in ["", "a.b", "a*", "a b", ">", &"x".repeat(65)] {
            assert!(name_of("UUSER", bad).is_err(), "{bad}");
        }
    }
}
