//! The agent as a process: this test binary, started again to run only the agent.

use std::{env, fs, path::PathBuf, sync::Arc};

use keyledger_agent::{
    identity::FileIdentity,
    person::{NewPin, Person, Pinentry, Prompter, Terminal},
    run::{Address, Agent},
    stop::Stop,
};
use serde::{Deserialize, Serialize};

use crate::scripted::Scripted;

/// The variable that names the process's directory.
pub(crate) const PLACE: &str = "KEYLEDGER_TEST_AGENT";

/// The variable that is set if the agent asks for PINs on its terminal.
pub(crate) const TERMINAL: &str = "KEYLEDGER_TEST_TERMINAL";

/// The settings of the agent.
#[derive(Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) jwt: String,
    pub(crate) signers: Vec<String>,
}

#[test]
#[ignore = "it is the agent that the other tests start, as a process of its own"]
fn agent() {
    let place: PathBuf = env::var_os(PLACE)
        .expect("the other tests start this, and say where")
        .into();
    let settings = fs::read(place.join("settings.json")).unwrap();
    let settings: Settings = serde_json::from_slice(&settings).unwrap();
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let stop = Stop::default();
    let pinentry = place.join("pinentry").display().to_string();
    let prompter: Box<dyn Prompter> = if env::var_os(TERMINAL).is_some() {
        Box::new(Terminal)
    } else {
        Box::new(Pinentry::new(&pinentry))
    };
    let person = Person::new(prompter, NewPin::Ask, stop.clone());
    let agent = Agent {
        address: Address {
            servers: vec![settings.url.parse().unwrap()],
            url: settings.url,
            jwt: settings.jwt,
            tls_ca: None,
        },
        prefix: keyledger_wire::Prefix::default(),
        workstation: "alice-laptop".parse().unwrap(),
        expires_at: None,
        signers: settings.signers,
        identity: Arc::new(FileIdentity::open(&place.join("config")).unwrap()),
        state: place.join("state"),
        runtime: place.join("run"),
        tokens: Arc::new(Scripted {
            place: place.clone(),
        }),
        person: Arc::new(person),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let told = stop.clone();
        tokio::spawn(async move {
            terminate.recv().await;
            told.stop();
        });
        agent.run(stop).await
    });
    if let Err(error) = ended {
        eprintln!("{:#}", anyhow::Error::from(error));
        std::process::exit(1);
    }
}
