//! `subjects.md`, generated: what can be sent, what is stored, what can come back.

use std::fmt::Write as _;

use keyledger_domain::{Command, Event, Rejection, token};

use crate::{Prefix, header, questions::QUESTIONS, reply};

/// The text of `subjects.md`.
///
/// # Panics
///
/// Never: writing to a `String` does not fail.
#[must_use]
pub fn subjects_md() -> String {
    let prefix = Prefix::default();
    let mut out = String::from(
        "# Subjects\n\n\
         Generated from `keyledger-wire` by `cargo run -p keyledger -- subjects`; a test holds it equal. The prefix\n\
         `keys` is configurable as a whole (`--prefix acme.security.keys`).\n\n\
         A name is `[a-z0-9][a-z0-9_-]{0,62}`. A command's payload is JSON of at most 65,536 bytes; an unknown field is\n\
         refused. `nats micro info keyledger` shows each endpoint with the JSON Schema of its payload, and `nats micro info\n\
         keyledger-revocations` those of what takes trust away, which have a connection of their own.\n\n\
         ## Commands\n\n| subject | does | who may send it | payload |\n|---|---|---|---|\n",
    );
    for verb in Command::verbs() {
        let subject = prefix.command(verb.aggregate.as_str(), verb.verb, "{name}");
        let payload = fields(&(verb.schema)());
        row(
            &mut out,
            &[
                &format!("`{subject}`"),
                verb.about.trim(),
                verb.senders.as_str(),
                &payload,
            ],
        );
    }
    row(
        &mut out,
        &[
            &format!("`{}`", prefix.command("view", "rebuild", "inventory")),
            "Rebuild the inventory from the ledger, compare it with the live one, and swap",
            "administrator",
            "",
        ],
    );
    out.push_str("\nA field with `*` is required.\n\n## Questions\n\n| subject | answers | who may ask it | payload |\n|---|---|---|---|\n");
    for question in QUESTIONS {
        let subject = prefix.query(question.tail);
        row(
            &mut out,
            &[
                &format!("`{subject}`"),
                question.about,
                question.askers.as_str(),
                &fields(&(question.schema)()),
            ],
        );
    }
    out.push_str("\n## Events\n\nStream `KEYS_EVENTS`, subjects `keys.events.{aggregate}.{name}.{past}`. \
         A subject proves nothing: anyone who\nasks a question may have the answer published there, in its own account. An event counts \
         for `Keyledger-Cid` (of its exact\nbytes) and `Keyledger-Signature` by a key that signs for the ledger; skip what has none.\n\n| type | subject | means |\n|---|---|---|\n");
    for (type_name, about) in Event::types() {
        let aggregate = type_name.split('.').next().unwrap_or_default();
        let past = type_name.rsplit('.').next().unwrap_or_default();
        let subject = format!("`{prefix}.events.{aggregate}.{{name}}.{past}`");
        row(
            &mut out,
            &[&format!("`{type_name}`"), &subject, about.trim()],
        );
    }
    out.push_str(
        "\n## Agents\n\nIn the account `agents`, which imports them; an agent's permissions pin its nkey into the subject.\n\n\
         | subject | carries | payload |\n|---|---|---|\n",
    );
    for (subject, carries, payload) in [
        (
            prefix.task("{workstation}", "{kind}"),
            "a task, to the workstation's agent",
            "the stored event `token.v1.task_filed` with its headers",
        ),
        (
            prefix.report("{agent nkey}", "{task}"),
            "an agent's report; the reply says what became of it",
            "`report`*: `progressed`, `attester_shown`, `secrets_sealed`, `secrets_wanted`, `escrow_wanted`, `keys_made`, `proved`, `failed`",
        ),
        (
            prefix.report("{agent nkey}", token::ANNOUNCEMENTS),
            "a token that is plugged in, and what it shows",
            "`report`*: `announced`",
        ),
        (
            prefix.notice("{serial}"),
            "a step of a task, and what the person must do now; not stored",
            "`serial` `step` `prompt` `at`",
        ),
    ] {
        row(&mut out, &[&format!("`{subject}`"), carries, payload]);
    }
    out.push_str("\n## Streams and buckets\n\n| name | holds |\n|---|---|\n");
    row(
        &mut out,
        &[
            &format!("stream `{}`", prefix.events_stream()),
            "the ledger; file storage, never deleted",
        ],
    );
    row(
        &mut out,
        &[
            &format!("stream `{}`", prefix.tasks_stream()),
            "tasks of workstations' agents, each the very event that filed it; a work queue, a consumer an agent",
        ],
    );
    row(
        &mut out,
        &[
            &format!("bucket `{}`", prefix.material_bucket()),
            "sealed material; file storage, erased on destruction",
        ],
    );
    row(
        &mut out,
        &[
            &format!("bucket `{}`", prefix.inventory_bucket()),
            "the inventory, an entry a key; memory storage, a view",
        ],
    );
    out.push_str("\n## Headers\n\n| header | on | carries |\n|---|---|---|\n");
    for (name, on, about) in HEADERS {
        row(&mut out, &[&format!("`{name}`"), on, about]);
    }
    out.push_str(
        "\nA signed command's signature is over this text, each line ended by a line feed; `sender` is its user's public nkey. P-256 signs\n\
         with ECDSA and SHA-256, P-384 with ECDSA and SHA-384 (both ASN.1 DER), RSA by PKCS#1 v1.5 with SHA-256, Ed25519 as it is.\n\n\
         ```text\nkeyledger signed command v1\n{subject}\n{CIM-Message-Id}\n{sender}\n{SHA-256 of the payload, in hex}\n```\n",
    );
    out.push_str(
        "\n## Rejections\n\nThe caller can fix these; nothing was written. `reason` is stable.\n\n| reason | code | what to do |\n|---|---|---|\n",
    );
    for (reason, code, remedy) in Rejection::TABLE {
        row(
            &mut out,
            &[&format!("`{reason}`"), &code.to_string(), remedy],
        );
    }
    out.push_str("\n## Errors\n\nSomething outside the command failed; trying again under the same `CIM-Message-Id` is safe.\n\n| reason | code | what to do |\n|---|---|---|\n");
    for (reason, code, remedy) in reply::ERRORS {
        row(
            &mut out,
            &[&format!("`{reason}`"), &code.to_string(), remedy],
        );
    }
    out
}

const HEADERS: &[(&str, &str, &str)] = &[
    (
        header::MESSAGE_ID,
        "commands",
        "the command's id, a UUID; a retry under it is harmless for ever",
    ),
    (
        header::CORRELATION_ID,
        "commands, events",
        "the conversation, a UUID",
    ),
    (
        header::CAUSATION_ID,
        "commands, events",
        "what caused it, a UUID",
    ),
    (
        header::TOKEN_KEY,
        "signed commands",
        "the key on the sender's token that signed: `1000001-9c-2`",
    ),
    (
        header::TOKEN_SIGNATURE,
        "signed commands",
        "its signature, base64url without padding; `CIM-Message-Id` is then a UUIDv7 of the last 10 minutes",
    ),
    (header::NATS_MSG_ID, "events", "the event's id, a UUIDv7"),
    (header::EVENT_TYPE, "events", "the versioned type"),
    (header::AGGREGATE_ID, "events", "the aggregate's name"),
    (
        header::SCHEMA_VERSION,
        "events",
        "the version of the record's form",
    ),
    (
        header::CID,
        "events",
        "CIDv1, raw, BLAKE3-256, of the exact stored bytes",
    ),
    (
        header::SIGNATURE,
        "events",
        "Ed25519 over the CID's 36 bytes, base64url without padding",
    ),
    (header::SIGNER, "events", "the public nkey that signed"),
    (header::SERVICE_ERROR, "refusals", "a sentence"),
    (
        header::SERVICE_ERROR_CODE,
        "refusals",
        "400–499 a rejection, 500–599 an error",
    ),
];

fn row(out: &mut String, cells: &[&str]) {
    for cell in cells {
        write!(out, "| {} ", cell.replace('|', "\\|")).expect("a String takes everything");
    }
    out.push_str("|\n");
}

/// The fields of a schema, the required ones marked.
fn fields(schema: &schemars::Schema) -> String {
    let required: Vec<_> = schema
        .get("required")
        .and_then(|r| r.as_array())
        .map(|r| r.iter().filter_map(|f| f.as_str()).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else {
        return String::new();
    };
    let name = |field: &String| {
        let mark = if required.contains(&field.as_str()) {
            "*"
        } else {
            ""
        };
        format!("`{field}`{mark}")
    };
    properties.keys().map(name).collect::<Vec<_>>().join(" ")
}
