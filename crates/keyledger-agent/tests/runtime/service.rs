//! Plays the service: files tasks as the ledger does, and answers reports.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_nats::{Client, HeaderMap, Message};
use data_encoding::BASE64URL_NOPAD;
use futures::StreamExt as _;
use keyledger_custody::CurveKey;
use keyledger_domain::{EventCid, token::Report};
use keyledger_testkit::PATIENCE;
use keyledger_wire::{Prefix, Refusal, ReportReply, Status, header};
use nkeys::KeyPair;
use serde_json::{Value, json};
use uuid::Uuid;

/// A report, as the service received it.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) message: Uuid,
    pub(crate) correlation: String,
    pub(crate) agent: String,
    /// The last token of its subject.
    pub(crate) task: String,
    pub(crate) report: Report,
}

/// How a report is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Reply(ReportReply),
    Refuse(u16),
    /// The task is not open any more.
    Gone,
    Silence,
}

type Rule = Box<dyn FnMut(&Got) -> Answer + Send>;

pub(crate) struct Service {
    pub(crate) nats: Client,
    /// The key that signs for the ledger.
    pub(crate) signer: KeyPair,
    /// The key to which the secrets of tasks are sealed.
    pub(crate) curve: CurveKey,
    got: Arc<Mutex<Vec<Got>>>,
    rule: Arc<Mutex<Rule>>,
}

pub(crate) fn taken(task_open: bool) -> Answer {
    Answer::Reply(ReportReply {
        status: Status::Accepted,
        state: if task_open {
            "provisioning"
        } else {
            "provisioned"
        }
        .to_owned(),
        task_open,
        fault: None,
        certificates: Vec::new(),
        secrets: None,
        doubtful_secrets: Vec::new(),
        escrowed: None,
    })
}

/// The answer of a service that is content with the report.
pub(crate) fn content(got: &Got) -> Answer {
    taken(!matches!(got.report, Report::Proved(_) | Report::Failed(_)))
}

impl Service {
    pub(crate) fn new(nats: Client) -> Self {
        Self {
            nats,
            signer: KeyPair::new_account(),
            curve: CurveKey::generate().unwrap(),
            got: Arc::default(),
            rule: Arc::new(Mutex::new(Box::new(content))),
        }
    }

    /// Answers reports from now on, and keeps them in `got`.
    pub(crate) async fn serve(&self) -> tokio::task::AbortHandle {
        let mut reports = self.nats.subscribe("keys.reports.*.*").await.unwrap();
        self.nats.flush().await.unwrap();
        let (nats, got, rule) = (
            self.nats.clone(),
            Arc::clone(&self.got),
            Arc::clone(&self.rule),
        );
        let serving = tokio::spawn(async move {
            while let Some(message) = reports.next().await {
                let report = read(&message);
                let answer = (rule.lock().unwrap())(&report);
                got.lock().unwrap().push(report);
                let reply = message.reply.unwrap();
                let (headers, payload) = match answer {
                    Answer::Silence => continue,
                    Answer::Reply(reply) => (HeaderMap::new(), serde_json::to_vec(&reply)),
                    Answer::Refuse(code) => (error(code), serde_json::to_vec(&refusal(code))),
                    Answer::Gone => {
                        let refusal = Refusal {
                            reason: "task_not_open".to_owned(),
                            ..refusal(410)
                        };
                        (error(410), serde_json::to_vec(&refusal))
                    }
                };
                let payload = payload.unwrap().into();
                nats.publish_with_headers(reply, headers, payload)
                    .await
                    .unwrap();
            }
        });
        serving.abort_handle()
    }

    pub(crate) fn rule(&self, rule: impl FnMut(&Got) -> Answer + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The reports of a task.
    pub(crate) fn of(&self, task: Uuid) -> Vec<Got> {
        let mut got = self.got();
        got.retain(|got| got.task == task.to_string());
        got
    }

    /// Waits until `is` is true of the reports that came.
    pub(crate) async fn wait(&self, what: &str, is: impl Fn(&[Got]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(&self.got()) {
            assert!(
                Instant::now() < deadline,
                "{what} did not happen: {:#?}",
                self.got()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The record of a task, and the headers that prove it.
    pub(crate) fn task(
        &self,
        agent: &str,
        kind: &str,
        serial: u32,
        change: impl FnOnce(&mut Value),
    ) -> (Uuid, String, HeaderMap) {
        let task = Uuid::now_v7();
        let mut record = json!({
            "id": Uuid::now_v7(), "type": "token.v1.task_filed", "aggregate": "token",
            "aggregate_id": serial.to_string(), "revision": 2,
            "prev": EventCid::of(b"revision 1"), "occurred_at": "2026-11-25T10:00:00.000Z",
            "command_id": task, "correlation_id": task, "causation_id": task,
            "principal": { "account": "A", "user": "U", "verified_by": "request_info" },
            "data": {
                "task": task, "kind": kind, "workstation": "alice-laptop", "agent": agent,
                "nonce": "bm9uY2U", "seal_to": self.curve.public_nkey(), "challenges": [],
            },
        });
        change(&mut record);
        let record = record.to_string();
        let headers = self.sign(&record, &self.signer);
        (task, record, headers)
    }

    /// The headers of a record that `signer` signs.
    pub(crate) fn sign(&self, record: &str, signer: &KeyPair) -> HeaderMap {
        let cid = EventCid::of(record.as_bytes());
        let signature = signer.sign(&cid.to_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::CID, cid.to_string());
        headers.insert(header::SIGNER, signer.public_key());
        headers.insert(header::SIGNATURE, BASE64URL_NOPAD.encode(&signature));
        headers
    }

    pub(crate) async fn publish(&self, kind: &str, record: String, headers: HeaderMap) {
        let jetstream = async_nats::jetstream::new(self.nats.clone());
        let subject = Prefix::default().task("alice-laptop", kind);
        let publish = jetstream.publish_with_headers(subject, headers, record.into());
        publish.await.unwrap().await.unwrap();
    }

    /// Files a task as the service does.
    pub(crate) async fn file(&self, agent: &str, kind: &str, serial: u32) -> Uuid {
        let (task, record, headers) = self.task(agent, kind, serial, |_| {});
        self.publish(kind, record, headers).await;
        task
    }
}

fn error(code: u16) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::SERVICE_ERROR_CODE, code.to_string());
    headers.insert(header::SERVICE_ERROR, "no");
    headers
}

fn read(message: &Message) -> Got {
    let header = |name| {
        let headers = message.headers.as_ref().unwrap();
        headers.get(name).unwrap().to_string()
    };
    let prefix = Prefix::default();
    let (agent, task) = prefix.split_report(message.subject.as_str()).unwrap();
    Got {
        message: header(header::MESSAGE_ID).parse().unwrap(),
        correlation: header(header::CORRELATION_ID),
        agent: agent.to_owned(),
        task: task.to_owned(),
        report: serde_json::from_slice(&message.payload).unwrap(),
    }
}

fn refusal(code: u16) -> Refusal {
    let reason = if code < 500 {
        "not_allowed"
    } else {
        "not_ready"
    };
    Refusal {
        status: Status::Rejected,
        command_id: None,
        correlation_id: None,
        reason: reason.to_owned(),
        message: "no".to_owned(),
        code,
        retry_after_ms: None,
    }
}
