//! What each version of the templates makes of an organisation, held against files that stay as they are.
//!
//! A version that was released never changes: organisations stand on it. Where a file of an older version differs, ask the version for
//! what is different. `KEYLEDGER_BLESS=1` writes the files anew; it is meant for a version that no release had.
//!
//! With `KEYLEDGER_JUDGE_DIR` the tokens are written there, for `go run . judge DIR` beside the golden files of keyledger-claims.

use std::{fs, path::Path};

use keyledger_claims::{KeyPairSigner, encode};
use keyledger_domain::template::TemplateVersion;
use keyledger_wire::Prefix;
use nkeys::{KeyPair, KeyPairType};

use crate::trust::fixture::Fixture;

#[test]
fn every_version_says_what_it_always_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trust/templates/versions");
    let operator = KeyPair::new_from_raw(KeyPairType::Operator, [1; 32]).unwrap();
    let operator = KeyPairSigner::new(operator);
    let mut differ = Vec::new();
    for version in TemplateVersion::ALL {
        let fixture = Fixture::new(&Prefix::default(), version);
        for account in fixture.names() {
            let name = format!("account-v{version}-{account}");
            let claims = fixture.claims(account);
            let text = serde_json::to_string_pretty(&claims).unwrap() + "\n";
            let file = folder.join(format!("{name}.json"));
            if let Ok(judge) = std::env::var("KEYLEDGER_JUDGE_DIR") {
                let token = encode(&claims, &operator).unwrap();
                fs::write(Path::new(&judge).join(format!("{name}.jwt")), token).unwrap();
            }
            if std::env::var_os("KEYLEDGER_BLESS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            if fs::read_to_string(&file).unwrap_or_default() != text {
                differ.push(name);
            }
        }
    }
    assert!(
        differ.is_empty(),
        "these accounts would change without an upgrade: {differ:?}; make it a new version of the templates"
    );
}
