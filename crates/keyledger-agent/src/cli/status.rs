//! `keyledger-agent status`: shows what the running agent is doing.

use keyledger_domain::token::Step;

use crate::{
    clock,
    config::AgentClaims,
    directories::Directories,
    output::{Output, fault, good, warning},
    run::{AgentStatus, ConnectionState, RejectedReport, TaskState, TaskStatus},
};

use super::running;

/// Show what the running agent is doing: connection, tasks, what you must do now
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent status
  keyledger-agent status --json | jq '.tasks[].prompt'")]
pub(crate) struct ShowStatus {}

impl ShowStatus {
    pub(super) fn run(
        &self,
        directories: &Directories,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let status = running::status(directories)?;
        if out.is_json() {
            return Ok(out.json(&status)?);
        }
        Ok(show(&status, out)?)
    }
}

fn show(status: &AgentStatus, out: &mut Output<'_>) -> std::io::Result<()> {
    out.line(format!(
        "agent of {} ({}), version {}, process {}, since {}",
        status.workstation, status.agent, status.version, status.pid, status.started_at
    ))?;
    let connection = &status.connection;
    let (style, state) = match connection.state {
        ConnectionState::Online => (good(), "online"),
        ConnectionState::NoQueue => (warning(), "connected, but there is no queue of tasks yet"),
        ConnectionState::Offline => (
            warning(),
            "offline: reports are kept and delivered when it is back",
        ),
    };
    let (url, since) = (&connection.url, connection.since);
    out.styled(style, format!("{state}, {url}, since {since}"))?;
    if let Some(trouble) = &connection.trouble {
        out.styled(warning(), format!("  {trouble}"))?;
    }
    if let Some(near) = AgentClaims::end_is_near(status.expires_at, clock::now()) {
        out.styled(warning(), near)?;
    }
    if let Some(readers) = &status.readers {
        out.styled(fault(), format!("tokens cannot be seen: {readers}"))?;
    }
    if status.tasks.is_empty() {
        out.line("no task is open here")?;
    }
    for task in &status.tasks {
        show_task(task, out)?;
    }
    for ended in &status.ended {
        let (kind, serial, at) = (&ended.kind, ended.serial, ended.at);
        match &ended.fault {
            None => out.line(format!("{kind} of token {serial} ended at {at}"))?,
            Some(why) => out.styled(
                fault(),
                format!("{kind} of token {serial} ended at {at}: {why}"),
            )?,
        }
    }
    if status.announcements > 0 {
        out.line(format!("to be announced: {} tokens", status.announcements))?;
    }
    for refused in &status.refused {
        out.styled(fault(), refused_in_words(refused))?;
    }
    Ok(())
}

fn refused_in_words(refused: &RejectedReport) -> String {
    let (report, at, reason) = (&refused.report, refused.at, &refused.reason);
    let token = refused
        .serial
        .map_or(String::new(), |serial| format!(" of token {serial}"));
    let task = refused
        .task
        .map_or(String::new(), |task| format!(" (task {task})"));
    match refused.count {
        1 => format!("a report{token}{task} was refused: {report} at {at}: {reason}"),
        count => format!(
            "{count} reports{token}{task} were refused, the last: {report} at {at}: {reason}"
        ),
    }
}

fn show_task(task: &TaskStatus, out: &mut Output<'_>) -> std::io::Result<()> {
    let state = match task.state {
        TaskState::Waiting => "waits",
        TaskState::Walking => "is walked",
        TaskState::Asking => "waits for the service's answer",
    };
    let step = task.step.map_or("", Step::as_str);
    let step = if step.is_empty() {
        String::new()
    } else {
        format!(", step {step}")
    };
    let at = task
        .at
        .as_ref()
        .map_or(String::new(), |at| format!(", {at}"));
    out.line(format!(
        "{} of token {}: {state}{step}{at} (task {})",
        task.kind, task.serial, task.task
    ))?;
    if let Some(prompt) = task.prompt {
        out.styled(warning(), format!("  now: {}", prompt.sentence()))?;
    }
    if let Some(trouble) = &task.trouble {
        out.styled(warning(), format!("  {trouble}"))?;
    }
    if task.undelivered > 0 {
        out.line(format!("  reports to deliver: {}", task.undelivered))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_what_to_do_now() {
        let status: AgentStatus = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "agent": "UAGENT", "workstation": "alice-laptop", "prefix": "keys", "pid": 7,
            "started_at": "2026-11-25T10:00:00.000Z", "expires_at": "2020-01-01T00:00:00.000Z",
            "connection": { "url": "nats://a:4222", "state": "offline", "since": "2026-11-25T10:00:01.000Z", "trouble": "refused" },
            "tasks": [{ "task": "01997c00-0000-7000-8000-000000000001", "kind": "provision", "serial": 31_415_926,
                "state": "walking", "step": "keys", "prompt": "touch", "at": "slot 9a", "trouble": null, "undelivered": 2 }],
            "announcements": 1, "tokens": [], "readers": "pcscd is not there",
            "refused": [{ "task": "01997c00-0000-7000-8000-000000000003", "serial": 1, "message": "01997c00-0000-7000-8000-000000000004",
                "report": "progressed", "reason": "task_not_open: no", "at": "2026-11-25T10:00:03.000Z", "count": 15 }],
            "ended": [{ "task": "01997c00-0000-7000-8000-000000000002", "kind": "verify", "serial": 1,
                "at": "2026-11-25T10:00:02.000Z", "fault": "weaker touch policy" }],
        }))
        .unwrap();
        let mut text = Vec::new();
        show(&status, &mut Output::plain(&mut text)).unwrap();
        let text = String::from_utf8(text).unwrap();
        let expected = "\
agent of alice-laptop (UAGENT), version 0.1.0, process 7, since 2026-11-25T10:00:00.000Z
offline: reports are kept and delivered when it is back, nats://a:4222, since 2026-11-25T10:00:01.000Z
  refused
this agent's JWT expired at 2020-01-01T00:00:00.000Z: enrol under a new name with `keyledger-agent enrol --name NEW-NAME` when no task is open
tokens cannot be seen: pcscd is not there
provision of token 31415926: is walked, step keys, slot 9a (task 01997c00-0000-7000-8000-000000000001)
  now: touch the token while it blinks
  reports to deliver: 2
verify of token 1 ended at 2026-11-25T10:00:02.000Z: weaker touch policy
to be announced: 1 tokens
15 reports of token 1 (task 01997c00-0000-7000-8000-000000000003) were refused, the last: progressed at 2026-11-25T10:00:03.000Z: task_not_open: no
";
        assert_eq!(text, expected);
    }
}
