//! `keyledger openpgp accept`: the response from the offline machine.

use std::path::PathBuf;

use keyledger_custody::openpgp::offline::{MAX_BYTES, Request, Response};

use super::{change, files};
use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// Accept the response from the offline machine, if it is the old certificate with the requested changes and nothing else
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger openpgp accept response.json --request request.json --certificate alice.asc")]
pub(super) struct Accept {
    /// The response
    #[arg(value_name = "FILE")]
    response: PathBuf,
    /// The request that it answers
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// The certificate; it is replaced
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

impl Accept {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let request = Request::parse(&files::read(&self.request, MAX_BYTES)?)
            .map_err(|error| files::refused(&self.request, error))?;
        let response = Response::parse(&files::read(&self.response, MAX_BYTES)?)
            .map_err(|error| files::refused(&self.response, error))?;
        let changed = response
            .accept(&request)
            .map_err(|error| files::refused(&self.response, error))?;
        let here = files::certificate(&self.certificate)?;
        if !changed.holds(&here) {
            let problem = format!(
                "{} has changed since the request was made, and nothing was written",
                self.certificate.display()
            );
            return Err(Failure::new(Exit::Rejected, problem)
                .remedy("make the request again from the current certificate")
                .into());
        }
        files::replace(&self.certificate, changed.to_armored().as_bytes())?;
        change::written(&self.certificate, &changed, out)
    }
}
