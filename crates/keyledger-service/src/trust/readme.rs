//! `README.txt`: what lies in an organisation's directory.

use keyledger_domain::text::shell_word;

use super::files::{Organisation, RootKind};

/// The text for this organisation.
pub(super) fn text(organisation: &Organisation) -> String {
    let Organisation {
        title,
        operator,
        url,
        ..
    } = organisation;
    let (root, advice) = match organisation.root {
        RootKind::Passphrase => (
            "sealed/root.sealed   the root key, sealed under the passphrase",
            "Keep the passphrase and a copy of sealed/ apart from each other: without both every key is lost.",
        ),
        RootKind::LocalFile => (
            "sealed/root.key      the root key IN CLEAR",
            "DEVELOPMENT ONLY: whoever reads sealed/root.key has every key.",
        ),
    };
    let word = |path: &std::path::Path| shell_word(&path.display().to_string());
    let contexts = organisation.contexts();
    let context = organisation.context("admin");
    format!(
        "{title}: the NATS trust of an organisation, made by `keyledger init`.\n\
         \n\
         {advice}\n\
         \n\
         keyledger.json       what `keyledger serve`, `up` and `setup` read: names and public nkeys, nothing secret;\n\
         \x20                    sealed under the root key, so not to be edited: servers that moved are named with --url\n\
         genesis.jsonl        the first entries of the ledger, signed by the operator; `keyledger ledger verify` reads it\n\
         set-up.json          comes with `keyledger setup`: the genesis events were written to a server\n\
         \n\
         server/trust.conf    operator, system account and account JWTs: a server's configuration includes it\n\
         jwt/                 the JWTs, one a file; public\n\
         \n\
         {root}\n\
         material/            sealed keys; `keyledger setup` uploads them to the material bucket\n\
         offline/operator-identity.sealed\n\
         \x20                    the operator's identity, sealed under the root key. Nothing online needs it:\n\
         \x20                    MOVE IT to a medium that you lock away\n\
         \n\
         creds/service.creds  SECRET  the running service, in account `keys`\n\
         creds/system.creds   SECRET  the running service, in account `sys`: pushes account JWTs. Root of your NATS\n\
         creds/setup.creds    SECRET  makes streams; for `setup` only: keep it away from the service\n\
         creds/admin.creds    SECRET  the first administrator; expires after 365 days: issue others before\n\
         \n\
         contexts/            the `nats` CLI's contexts: export XDG_CONFIG_HOME={}\n\
         \x20                    nats --context keyledger-admin req {}.queries.status ''\n\
         \x20                    or, without the variable: nats --context {} …\n\
         \x20                    this directory was moved or copied? `keyledger contexts --dir DIR` writes them anew\n\
         \n\
         Clients connect to {url}. Write this down somewhere else, to verify the ledger against it one day:\n\
         operator {operator}\n\
         first event {}\n",
        word(&contexts),
        organisation.prefix(),
        word(&context),
        organisation.genesis,
    )
}
