//! A nats-server that speaks TLS only, and asks clients for a certificate.

use std::path::{Path, PathBuf};

use keyledger_service::StartError;
use keyledger_wire::Client;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::world::{Admin, World};

/// A certificate authority with a certificate for the server and one for clients, in files.
struct Authority {
    ca: PathBuf,
    server: (PathBuf, PathBuf),
    client: (PathBuf, PathBuf),
}

impl Authority {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let leaf = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let certificate = CertificateParams::new(names)
                .unwrap()
                .signed_by(&key, &issuer)
                .unwrap();
            (
                write(&format!("{name}.pem"), certificate.pem()),
                write(&format!("{name}.key"), key.serialize_pem()),
            )
        };
        Self {
            server: leaf("server"),
            client: leaf("client"),
            ca: write("ca.pem", issuer.pem()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_over_tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\nmax_payload: 1MB",
        authority.server.0, authority.server.1, authority.ca
    );
    let world = World::bare("keys", |config| config.replace("max_payload: 1MB", &tls)).await;
    let connect = async |user: &str| {
        let options = keyledger_wire::creds::options(&world.organisation.creds(user)).await;
        options
            .unwrap()
            .add_root_certificates(authority.ca.clone())
            .add_client_certificate(authority.client.0.clone(), authority.client.1.clone())
            .require_tls(true)
            .connect(world.server.url())
            .await
    };
    let setup = connect("setup").await.unwrap();
    keyledger_service::trust::setup(&setup, &world.organisation, 1)
        .await
        .unwrap();

    let mut options = world.options();
    options.tls_ca = Some(authority.ca.clone());
    options.tls_client = Some(authority.client.clone());
    let service = keyledger_service::Service::start(options).await.unwrap();
    let admin = Admin {
        client: Client::new(connect("admin").await.unwrap(), world.organisation.prefix()),
    };
    let done = admin
        .send("key.generate", "k", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    assert_eq!(done["durable"], true, "{done}");
    let head = admin.head().await;
    assert!(head.events > 20, "{}", head.events);
    service.stop().await;

    // Another authority's server is nobody's; a client without a certificate is nobody either.
    let other = tempfile::tempdir().unwrap();
    let mut options = world.options();
    options.tls_ca = Some(Authority::new(other.path()).ca);
    options.tls_client = Some(authority.client.clone());
    let refused = keyledger_service::Service::start(options)
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::Connect { .. }), "{refused}");
    let mut options = world.options();
    options.tls_ca = Some(authority.ca.clone());
    let refused = keyledger_service::Service::start(options)
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::Connect { .. }), "{refused}");
}
