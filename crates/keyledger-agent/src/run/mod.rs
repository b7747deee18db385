//! The agent at work: everything between the service, the tokens and the person.
//!
//! ```text
//!  KEYS_TASKS ──► queue ──► walks ──► Tokens (a thread a token)
//!                   │         │ desk
//!                   ▼         ▼
//!                 journal ◄─ office ──► delivery ──► courier ──► keys.reports.{agent}.{task}
//! ```
//!
//! *Invariant:* what was taken, kept or is to be reported is on disk before it counts; a report has one message id for ever.

mod announcer;
mod board;
mod courier;
mod delivery;
mod desk;
mod journal;
mod link;
mod lock;
mod office;
mod pauses;
mod queue;
mod shown;
mod signing;
mod socket;
mod trust;
mod walks;

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use keyledger_domain::{Name, Timestamp, token::FailureCode};
use keyledger_wire::Prefix;
use tokio::sync::mpsc;

pub use board::{AgentStatus, ConnectionState, ConnectionStatus, EndedTask, TaskState, TaskStatus};
pub use journal::{FILE as JOURNAL_FILE, Journal, JournalError, JournalLineError, RejectedReport};
pub use link::{Address, LinkError};
pub use lock::{Lock, LockError};
pub use trust::{SignedTask, TaskRejection, TaskTrust, TrustedTask};

use crate::{clock, identity::Identity, person::Person, stop::Stop, tokens::Tokens};

/// How long walks are waited for when the agent stops: what a token is doing then is found out from the token later.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a run needs.
#[expect(
    missing_debug_implementations,
    reason = "it holds the identity, which is secret"
)]
pub struct Agent {
    /// Where to connect, and as whom.
    pub address: Address,
    /// What all subjects begin with.
    pub prefix: Prefix,
    /// This workstation.
    pub workstation: Name,
    /// When the JWT expires.
    pub expires_at: Option<Timestamp>,
    /// Who signs for the ledger.
    pub signers: Vec<String>,
    /// Who this agent is.
    pub identity: Arc<dyn Identity>,
    /// Where the journal and the lock are, of mode 0700.
    pub state: PathBuf,
    /// Where the status socket is, of mode 0700.
    pub runtime: PathBuf,
    /// The hardware.
    pub tokens: Arc<dyn Tokens>,
    /// The person at the workstation.
    pub person: Arc<Person>,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another agent runs, or the state cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be used: the message says what to do.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The connection's settings are wrong: look at `tls_ca` in agent.toml.
    #[error(transparent)]
    NatsLink(#[from] LinkError),
    /// Nobody can ask it for its status.
    #[error("the status socket in {}", directory.display())]
    Socket {
        /// Where.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread to watch the readers")]
    Thread(#[source] io::Error),
}

impl Agent {
    /// Runs until `stop` says so. Walks that are under way then go on when it runs again.
    ///
    /// # Errors
    ///
    /// [`RunError`]; being offline is none.
    pub async fn run(self, stop: Stop) -> Result<(), RunError> {
        let _lock = Lock::take(&self.state)?;
        let journal = Journal::open(&self.state, Arc::clone(&self.identity))?;
        let board = Arc::new(board::Board::new(self.status(&journal)));
        let socket = socket::Socket::listen(&self.runtime).map_err(|source| RunError::Socket {
            directory: self.runtime.clone(),
            source,
        })?;
        let signing = Arc::new(signing::CommandSigning::new(
            Arc::clone(&self.tokens),
            Arc::clone(&self.person),
            Arc::clone(&board),
            self.prefix.clone(),
        ));
        let office = Arc::new(office::Office::new(
            journal,
            Arc::clone(&board),
            stop.clone(),
        ));
        let trust = self.trust();
        let (told, ended) = mpsc::unbounded_channel();
        let walks = walks::Walks::new(
            Arc::clone(&office),
            Arc::clone(&self.tokens),
            Arc::clone(&self.person),
            told,
        );
        resume(&office, &trust, &walks);
        let link = link::NatsLink::begin(
            &self.address,
            Arc::clone(&self.identity),
            Arc::clone(&board),
        )
        .await?;
        let courier = courier::Courier {
            link: link.clone(),
            prefix: self.prefix.clone(),
            agent: self.identity.public_nkey().into(),
        };
        let queue = queue::TaskQueue {
            courier: courier.clone(),
            office: Arc::clone(&office),
            walks: walks.clone(),
            trust,
            stream: self.prefix.tasks_stream(),
            api: self.prefix.imported_api(),
            ended,
            held: std::collections::HashMap::new(),
        };
        self.watch(&office)?;
        let announcing = office.announcer.deliver(&courier);
        let delivering = delivery::deliver(&courier, &office);
        tokio::select! {
            ((), (), ()) = async { tokio::join!(queue.run(), announcing, delivering) } => {}
            () = socket.serve(&board, &signing) => {}
            () = stop.stopped() => {}
        }
        farewell(&walks).await;
        drop(tokio::time::timeout(FAREWELL, link.client.drain()).await);
        Ok(())
    }

    fn watch(&self, office: &Arc<office::Office>) -> Result<(), RunError> {
        let (tokens, office) = (Arc::clone(&self.tokens), Arc::clone(office));
        let watch = move || office.announcer.watch(&*tokens);
        let thread = std::thread::Builder::new().name("readers".to_owned());
        thread.spawn(watch).map_err(RunError::Thread)?;
        Ok(())
    }

    fn trust(&self) -> TaskTrust {
        TaskTrust {
            signers: self.signers.clone(),
            workstation: self.workstation.clone(),
            agent: self.identity.public_nkey().to_owned(),
        }
    }

    fn status(&self, journal: &Journal) -> AgentStatus {
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent: self.identity.public_nkey().to_owned(),
            workstation: self.workstation.to_string(),
            prefix: self.prefix.to_string(),
            pid: std::process::id(),
            started_at: clock::now(),
            expires_at: self.expires_at,
            connection: ConnectionStatus {
                url: self.address.url.clone(),
                state: ConnectionState::Offline,
                since: clock::now(),
                trouble: None,
            },
            tasks: Vec::new(),
            announcements: 0,
            ended: Vec::new(),
            refused: journal.refused(),
            tokens: Vec::new(),
            readers: None,
        }
    }
}

/// Goes on with what a run before this one took.
fn resume(office: &Arc<office::Office>, trust: &TaskTrust, walks: &walks::Walks) {
    let taken: Vec<_> = {
        let journal = office.journal();
        let tasks = journal.book().tasks.iter();
        tasks.map(|open| (open.task, open.signed.clone())).collect()
    };
    for (id, signed) in taken {
        match queue::resumed(trust, &signed) {
            Ok(task) => {
                tracing::info!(task = %id, serial = %task.serial, kind = task.filed.kind.as_str(), "resumed");
                walks.begin(task);
            }
            // The agent was enrolled anew under another name: the service has given up on it as well.
            Err(why) => {
                tracing::error!(task = %id, "{}: {why}", FailureCode::Untrusted.as_str());
                if let Err(error) = office.end(id) {
                    tracing::error!(task = %id, error = &error as &dyn std::error::Error, "its end cannot be noted");
                }
            }
        }
    }
}

/// Waits for walks to find out that the agent stops.
async fn farewell(walks: &walks::Walks) {
    let until = Instant::now() + FAREWELL;
    while walks.are_under_way() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
