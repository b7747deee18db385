//! What a nats-server of a test is started with.

use std::fs;
use std::path::Path;

use crate::ports::FreePort;

/// The server configuration that `keyledger up` uses.
pub const KEYLEDGER_CONF: &str = include_str!("../../../nats-config/keyledger.conf");

/// The same for one server of a cluster.
pub const CLUSTER_CONF: &str = include_str!("../../../nats-config/cluster.conf");

/// The configuration of one server, or of each server of a cluster; ports and directories come when it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Files in the server's directory; the first is the one it is started with.
    files: Vec<(&'static str, String)>,
    shipped: bool,
}

impl Config {
    /// User and password of the system account in [`Config::simple_jetstream`].
    pub const SYSTEM_LOGIN: (&str, &str) = ("sys", "sys");

    /// JetStream without authentication, for what only stores. `sync_always: false` is the server's lazy default.
    ///
    /// Whoever connects without credentials is in the account `APP`; [`Config::SYSTEM_LOGIN`] opens the system account.
    #[must_use]
    pub fn simple_jetstream(sync_always: bool) -> Self {
        let sync = if sync_always { "always" } else { "2m" };
        let (user, password) = Self::SYSTEM_LOGIN;
        Self::text(&format!(
            "jetstream {{ sync_interval: {sync}, max_memory_store: 256MB, max_file_store: 10GB }}\n\
             accounts {{\n  \
               APP {{ jetstream: enabled, users: [ {{ user: app, password: app }} ] }}\n  \
               SYS {{ users: [ {{ user: {user}, password: {password} }} ] }}\n\
             }}\n\
             system_account: SYS\n\
             no_auth_user: app\n"
        ))
    }

    /// Any configuration. Leave out the listen address, server name, store directory and, in a cluster, the cluster
    /// block: the harness adds them.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            files: vec![("server.conf", text.to_owned())],
            shipped: false,
        }
    }

    /// Operator mode with the shipped `nats-config/keyledger.conf` and the `trust.conf` in `directory`, which
    /// `keyledger init` writes.
    ///
    /// # Panics
    ///
    /// If `directory` holds no `trust.conf`.
    #[must_use]
    pub fn operator_mode(directory: &Path) -> Self {
        let path = directory.join("trust.conf");
        let trust = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Self {
            files: vec![
                ("keyledger.conf", KEYLEDGER_CONF.to_owned()),
                ("cluster.conf", CLUSTER_CONF.to_owned()),
                ("trust.conf", trust),
            ],
            shipped: true,
        }
    }

    /// The same with `from` replaced by `to`, for a test of what a wrong setting does.
    ///
    /// # Panics
    ///
    /// If `from` occurs nowhere: the test would prove nothing.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(
            self.files.iter().any(|(_, text)| text.contains(from)),
            "the configuration nowhere says {from:?}"
        );
        for (_, text) in &mut self.files {
            *text = text.replace(from, to);
        }
        self
    }

    /// Writes the files for `place` into `directory` and returns the arguments that start a server with them.
    pub(crate) fn write(&self, directory: &Path, place: &Place) -> Vec<String> {
        for (name, text) in &self.files {
            put(directory, name, text);
        }
        let mut arguments = if self.shipped {
            put(directory, "local.conf", &place.variables(directory));
            let main = if place.routes.is_some() {
                "cluster.conf"
            } else {
                "keyledger.conf"
            };
            vec!["-c".into(), directory.join(main).display().to_string()]
        } else {
            let main = self.files.first().expect("every configuration has a file");
            put(
                directory,
                main.0,
                &(main.1.clone() + &place.cluster_block()),
            );
            vec![
                "-c".into(),
                directory.join(main.0).display().to_string(),
                "--addr".into(),
                "127.0.0.1".into(),
                "--port".into(),
                place.port.to_string(),
                "--name".into(),
                place.name.clone(),
                "--store_dir".into(),
                directory.display().to_string(),
            ]
        };
        // Not in any configuration we ship: only so can a test ask after a server's health without credentials.
        arguments.extend(["--http_port".into(), place.monitor_port.to_string()]);
        arguments
    }
}

/// Name and ports of one server; they stay the same when it is started again.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) port: FreePort,
    pub(crate) monitor_port: FreePort,
    pub(crate) routes: Option<Routes>,
}

/// The port of this server's routes, and where it reaches the other servers.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    pub(crate) own_port: FreePort,
    pub(crate) ports: Vec<u16>,
}

impl Routes {
    fn urls(&self) -> String {
        let urls: Vec<_> = self
            .ports
            .iter()
            .map(|port| format!("\"nats://route:{ROUTE_PASSWORD}@127.0.0.1:{port}\""))
            .collect();
        urls.join(", ")
    }
}

const ROUTE_PASSWORD: &str = "of-a-test";

impl Place {
    fn variables(&self, directory: &Path) -> String {
        let directory = directory.display();
        let mut text = format!(
            "KEYLEDGER_SERVER_NAME: \"{}\"\n\
             KEYLEDGER_LISTEN: \"127.0.0.1:{}\"\n\
             KEYLEDGER_RESOLVER_DIR: \"{directory}/resolver\"\n\
             KEYLEDGER_JETSTREAM_DIR: \"{directory}\"\n\
             KEYLEDGER_MAX_FILE_STORE: 10GB\n",
            self.name, self.port
        );
        if let Some(routes) = &self.routes {
            text += &format!(
                "KEYLEDGER_CLUSTER_LISTEN: \"127.0.0.1:{}\"\n\
                 KEYLEDGER_CLUSTER_PASSWORD: \"{ROUTE_PASSWORD}\"\n\
                 KEYLEDGER_CLUSTER_ROUTES: [{}]\n",
                routes.own_port,
                routes.urls()
            );
        }
        text
    }

    fn cluster_block(&self) -> String {
        let Some(routes) = &self.routes else {
            return String::new();
        };
        format!(
            "\ncluster {{\n  name: test\n  listen: \"127.0.0.1:{}\"\n  \
               authorization {{ user: route, password: {ROUTE_PASSWORD} }}\n  \
               routes: [{}]\n}}\n",
            routes.own_port,
            routes.urls()
        )
    }
}

fn put(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("the server's directory is writable");
}
