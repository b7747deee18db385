//! Verifying a ledger: an export offline, or the live one event by event.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_domain::verify::{
    Broken, Fault, Options, Report, SignedHead, Verifier,
    export::{ExportError, Line, Reader, parse_line},
};
use serde_json::json;

use super::{
    pages::{self, Lines},
    progress::Progress,
};
use crate::{
    args,
    connect::Connection,
    exit::{Exit, Failure},
    output::{Output, faint, good},
    place,
    table::{Cell, Table},
    when,
};

/// Verify the ledger: chain, CIDs, signatures, revisions without gaps
///
/// With FILE it verifies an export offline, otherwise every event of the live ledger. Exits with 5 and names the first broken event if
/// one was removed, altered, reordered or inserted again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ledger verify
  keyledger ledger verify ledger.jsonl --operator OBPOQPBOUGPR24GLO4AYCRL2WWELXB2XTLWRH6362VQPPD73XADUM37V
  keyledger ledger verify today.jsonl --earlier yesterday.jsonl")]
pub(super) struct Verify {
    /// An export; - reads standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The operator's public nkey, with which the ledger must begin [default: that of the organisation's directory: --dir, or .keyledger
    /// here or above]
    #[arg(long, value_name = "NKEY", value_parser = args::operator_nkey)]
    operator: Option<String>,
    /// An earlier export: the ledger must still begin with its events; may be given several times
    #[arg(long, value_name = "FILE")]
    earlier: Vec<PathBuf>,
}

impl Verify {
    pub(super) async fn run(
        self,
        connection: &Connection,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let mut options = Options {
            expected_operator: self.operator,
            ..Options::default()
        };
        let mut beginnings = Beginnings::default();
        for path in &self.earlier {
            let (head, beginning) = head_of(path)?;
            options.earlier_heads.push(head);
            beginnings.kept.push((path.clone(), beginning));
        }
        let remedy = if self.file.is_some() {
            OF_A_FILE
        } else {
            OF_THE_STREAM
        };
        let mut around = None;
        let (verified, pinned) = if let Some(file) = self.file {
            if let (None, Some(dir)) = (&options.expected_operator, connection.dir_around()) {
                options.expected_operator = Some(place::organisation(&dir)?.operator);
                around = Some(dir);
            }
            let pinned = options.expected_operator.is_some();
            (offline(&file, options, &beginnings)?, pinned)
        } else {
            match online(connection, options, &beginnings).await {
                Ok(verified) => verified,
                Err(error) => return Err(unreadable(error, out)?),
            }
        };
        match (verified, around) {
            (Ok(report), _) => print(&report, pinned, out),
            (Err(error), Some(dir)) if is_of_another(&error) => {
                let remedy = format!(
                    "{} names the expected operator: if this file belongs to another organisation, name that one with --operator or --dir",
                    dir.display()
                );
                Err(broken(&error, &remedy, out)?)
            }
            (Err(error), _) => Err(broken(&error, remedy, out)?),
        }
    }
}

/// True if the ledger begins with another operator than was expected.
const fn is_of_another(error: &ExportError) -> bool {
    matches!(
        error,
        ExportError::Broken(Broken {
            fault: Fault::OtherOperator { .. },
            ..
        })
    )
}

/// What to do about a file that does not verify.
const OF_A_FILE: &str = "keep this file; compare it with another export or with the live ledger";
/// What to do about a stream that does not verify.
const OF_THE_STREAM: &str = "restore the stream's newest storage, or another server's copy of it; an earlier export shows what is missing";

/// Reads an export line by line.
fn offline(
    path: &Path,
    options: Options,
    beginnings: &Beginnings,
) -> anyhow::Result<Result<Report, ExportError>> {
    let mut reader = Reader::new(options);
    let mut progress = Progress::new("verified", None);
    let mut is_checked = false;
    for line in lines(path)? {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        is_checked = is_checked || beginnings.check(&line)?;
        if let Err(error) = reader.take_bytes(&line) {
            return Ok(Err(error));
        }
        progress.step();
    }
    Ok(reader.finish())
}

/// Reads and verifies every event; also returns whether the operator was known from elsewhere.
async fn online(
    connection: &Connection,
    mut options: Options,
    beginnings: &Beginnings,
) -> anyhow::Result<(Result<Report, ExportError>, bool)> {
    let session = connection.open().await?;
    if let (None, Some(dir)) = (&options.expected_operator, session.dir()) {
        options.expected_operator = Some(place::organisation(dir)?.operator);
    }
    let pinned = options.expected_operator.is_some();
    let head = pages::head(&session).await?;
    options.prefix = Some(session.client().prefix().to_string());
    let mut progress = Progress::new("verified", Some(head.events));
    let mut verifier = Verifier::new(options);
    let mut lines = Lines::covered_by(&head, &session);
    let mut is_checked = false;
    while let Some(line) = lines.next().await? {
        is_checked = is_checked || beginnings.check(line.as_bytes())?;
        let Line::Event(stored) = parse_line(&line).context("an event cannot be read")? else {
            anyhow::bail!("the service's answer is no event");
        };
        if let Err(broken) = verifier.take(&stored) {
            return Ok((Err(broken.into()), pinned));
        }
        progress.step();
    }
    Ok((verifier.finish(Some(&head)).map_err(Into::into), pinned))
}

/// The longest line of an export: an event is a message of at most 1 MiB, and an escaped character takes two bytes.
const MAX_LINE_BYTES: u64 = 8 * 1_024 * 1_024;

/// The lines as bytes: a damaged file may contain other bytes than text, and must be reported as damaged. The first line that is too
/// long is cut, so that it is no valid line, and is the last one.
fn lines(path: &Path) -> anyhow::Result<Box<dyn Iterator<Item = io::Result<Vec<u8>>>>> {
    fn split(file: impl BufRead + 'static) -> Box<dyn Iterator<Item = io::Result<Vec<u8>>>> {
        Box::new(Cut(Some(file)))
    }
    if path == Path::new("-") {
        return Ok(split(BufReader::new(io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(split(BufReader::new(file)))
}

/// Splits at line feeds, as [`lines`] says.
struct Cut<R>(Option<R>);

impl<R: BufRead> Iterator for Cut<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let file = self.0.as_mut()?;
        if let Err(error) = file.take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            self.0 = None;
            return Some(Err(error));
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            self.0 = None;
            return (!line.is_empty()).then_some(Ok(line));
        }
        line.pop_if(|last| *last == b'\r');
        Some(Ok(line))
    }
}

/// The first events of earlier exports. No two ledgers have the same first event.
#[derive(Default)]
struct Beginnings {
    kept: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Beginnings {
    /// Compares the first event of the verified ledger with them; false if the line is no event.
    fn check(&self, line: &[u8]) -> anyhow::Result<bool> {
        let Some(first) = event(line) else {
            return Ok(false);
        };
        for (path, kept) in &self.kept {
            if kept.as_ref().is_some_and(|kept| *kept != first) {
                let problem = format!(
                    "{} is an export of another ledger: its first event differs",
                    path.display()
                );
                return Err(Failure::new(Exit::Unverified, problem)
                    .remedy("give an earlier export of this organisation's ledger; if this is one, the ledger was replaced since then")
                    .into());
            }
        }
        Ok(true)
    }
}

/// The bytes of the event on a line, if one is there.
fn event(line: &[u8]) -> Option<Vec<u8>> {
    match parse_line(std::str::from_utf8(line).ok()?) {
        Ok(Line::Event(stored)) => Some(stored.payload),
        _ => None,
    }
}

/// The signed head at the end of an export, and its first event.
fn head_of(path: &Path) -> anyhow::Result<(SignedHead, Option<Vec<u8>>)> {
    let (mut first, mut last) = (None, None);
    for line in lines(path)? {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        first = first.or_else(|| event(&line));
        last = Some(line);
    }
    let text = last.and_then(|line| String::from_utf8(line).ok());
    match text.as_deref().map(parse_line) {
        Some(Ok(Line::Head(head))) => Ok((head, first)),
        _ => {
            let problem = format!("{} does not end with a signed head", path.display());
            Err(Failure::new(Exit::Usage, problem)
                .remedy("give a whole export")
                .into())
        }
    }
}

fn print(report: &Report, pinned: bool, out: &mut Output<'_>) -> anyhow::Result<()> {
    if out.is_json() {
        let mut value = serde_json::to_value(report)?;
        value["verified"] = json!(true);
        value["operator_pinned"] = json!(pinned);
        out.json(&value)?;
        return Ok(());
    }
    let Report {
        events, histories, ..
    } = report;
    out.styled(
        good(),
        &format!("verified {events} events in {histories} histories"),
    )?;
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, text: String| table.row([Cell::styled(what, faint()), text.into()]);
    if let (Some(first), Some(last)) = (report.first_at, report.last_at) {
        line(
            "from",
            format!("{} to {}", when::moment(first), when::moment(last)),
        );
    }
    let known = if pinned {
        "as expected"
    } else {
        "as the ledger itself says: compare it, or give --operator"
    };
    line("operator", format!("{}  ({known})", report.operator));
    for (signer, count) in &report.signers {
        line("signer", format!("{signer}  {count} events"));
    }
    line("digest", report.digest.clone());
    line(
        "end",
        "a signed head proves that nothing is missing".to_owned(),
    );
    out.table(&table)?;
    Ok(())
}

/// Prints what is broken for programs, and makes the failure for people.
fn broken(
    error: &ExportError,
    remedy: &str,
    out: &mut Output<'_>,
) -> anyhow::Result<anyhow::Error> {
    if out.is_json() {
        let value = match error {
            ExportError::Broken(Broken {
                sequence,
                subject,
                cid,
                fault,
            }) => json!({
                "verified": false, "fault": fault.reason(), "message": fault.to_string(),
                "sequence": sequence, "subject": subject, "cid": cid,
            }),
            ExportError::Line { line, .. }
            | ExportError::Order { line, .. }
            | ExportError::Unfinished { line } => json!({
                "verified": false, "fault": "not_an_export", "message": said(error), "line": line,
            }),
        };
        out.json(&value)?;
    }
    if let ExportError::Broken(Broken {
        fault: fault @ Fault::Swapped { .. },
        ..
    }) = error
    {
        return Ok(Failure::new(Exit::Unverified, fault.to_string())
            .remedy(
                "give the newer one first: `keyledger ledger verify NEWER --earlier OLDER`; if it is the newest there is, events are missing at its end",
            )
            .into());
    }
    let problem = match error {
        ExportError::Broken(broken) => format!("the ledger is broken at {broken}"),
        other => format!("this is no whole export: {}", said(other)),
    };
    Ok(Failure::new(Exit::Unverified, problem)
        .remedy(remedy)
        .into())
}

/// If the service itself cannot read an event, the ledger is broken there. Other errors are failures of the request.
fn unreadable(error: anyhow::Error, out: &mut Output<'_>) -> anyhow::Result<anyhow::Error> {
    let Some(said) = pages::broken(&error) else {
        return Ok(error);
    };
    if out.is_json() {
        out.json(&json!({ "verified": false, "fault": "unreadable", "message": said }))?;
    }
    let problem = format!("the ledger is broken: {said}");
    Ok(Failure::new(Exit::Unverified, problem)
        .remedy(OF_THE_STREAM)
        .into())
}

fn said(error: &ExportError) -> String {
    format!("{:#}", anyhow::Error::from(error.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_cut_and_is_the_last() {
        let mut lines = Cut(Some(BufReader::new(io::repeat(b'{'))));
        let line = lines.next().unwrap().unwrap();
        assert_eq!(line.len() as u64, MAX_LINE_BYTES);
        assert!(lines.next().is_none());
    }

    #[test]
    fn lines_are_taken_as_they_are() {
        let read = |text: &'static [u8]| {
            let lines: io::Result<Vec<_>> = Cut(Some(text)).collect();
            lines.unwrap()
        };
        assert_eq!(read(b"a\r\n\nb"), [&b"a"[..], b"", b"b"]);
        assert_eq!(read(b"a\n"), [b"a"]);
        assert!(read(b"").is_empty());
    }
}
