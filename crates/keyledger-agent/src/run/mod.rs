//! The running agent: everything between the service, the tokens and the person.
//!
//! ```text
//!  KEYS_TASKS ──► queue ──► walks ──► Tokens (a thread a token)
//!                   │         │ desk
//!                   ▼         ▼
//!                 journal ◄─ office ──► delivery ──► courier ──► keys.reports.{agent}.{task}
//! ```
//!
//! *Invariant:* a task that was taken, a secret that was kept and a report that was filed are on disk before they count. A report keeps
//! one message id for ever.

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
mod readers;
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

/// The longest wait for walks when the agent stops. What a token was doing then is read from the token later.
const FAREWELL: Duration = Duration::from_secs(5);

/// Everything that a run needs.
#[expect(
    missing_debug_implementations,
    reason = "it holds the identity, which is secret"
)]
pub struct Agent {
    /// The servers to connect to, and the credentials.
    pub address: Address,
    /// The prefix of all subjects.
    pub prefix: Prefix,
    /// This workstation.
    pub workstation: Name,
    /// When the JWT expires.
    pub expires_at: Option<Timestamp>,
    /// The public nkeys that sign for the ledger.
    pub signers: Vec<String>,
    /// The agent's keys.
    pub identity: Arc<dyn Identity>,
    /// The directory of the journal and the lock, of mode 0700.
    pub state: PathBuf,
    /// The directory of the agent's socket, of mode 0700.
    pub runtime: PathBuf,
    /// The tokens of this workstation.
    pub tokens: Arc<dyn Tokens>,
    /// The person at the workstation.
    pub person: Arc<Person>,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another agent runs, or the state directory cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be used: the source says why.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The connection's settings are wrong: check `tls_ca` in agent.toml.
    #[error(transparent)]
    NatsLink(#[from] LinkError),
    /// The socket for other programs cannot be opened.
    #[error("the agent's socket in {} cannot be opened", directory.display())]
    Socket {
        /// The directory of the socket.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread: it is short of memory or of processes.
    #[error("the system gives no thread to watch the readers")]
    Thread(#[source] io::Error),
    /// The thread that watches the readers panicked: what it printed says why. An agent that sees no token would wait for tokens that
    /// are plugged in.
    #[error("the thread that watches the readers has ended: see the log, and report it")]
    ReadersEnded,
}

impl Agent {
    /// Runs until `stop` is signalled. Walks that are under way then continue when the agent runs again.
    ///
    /// # Errors
    ///
    /// [`RunError`]. Being offline is no error.
    ///
    /// # Panics
    ///
    /// If the delivery of a report panicked: the task would not be delivered again.
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
        let readers = self.watch(&office)?;
        let announcing = office.announcer.deliver(&courier);
        let delivering = delivery::deliver(&courier, &office);
        let ended = tokio::select! {
            ((), (), ()) = async { tokio::join!(queue.run(), announcing, delivering) } => Ok(()),
            () = socket.serve(&board, &signing) => Ok(()),
            () = stop.stopped() => Ok(()),
            ended = readers.ended(&stop) => ended,
        };
        stop.stop(); // the walks do not know yet that the readers' thread has ended
        farewell(&walks).await;
        drop(tokio::time::timeout(FAREWELL, link.client.drain()).await);
        ended
    }

    fn watch(&self, office: &Arc<office::Office>) -> Result<readers::ReadersThread, RunError> {
        let (tokens, office) = (Arc::clone(&self.tokens), Arc::clone(office));
        let watch = move || office.announcer.watch(&*tokens);
        readers::ReadersThread::begin(watch).map_err(RunError::Thread)
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

/// Continues the tasks that an earlier run took.
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
            // The agent was enrolled anew under another name, so the service has ended the task as well.
            Err(why) => {
                tracing::error!(task = %id, "{}: {why}", FailureCode::Untrusted.as_str());
                if let Err(error) = office.end(id) {
                    tracing::error!(task = %id, error = &error as &dyn std::error::Error, "its end cannot be noted");
                }
            }
        }
    }
}

/// Waits until the walks have noticed that the agent stops.
async fn farewell(walks: &walks::Walks) {
    let until = Instant::now() + FAREWELL;
    while walks.are_under_way() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
