//! `keyledger contexts`: contexts of the nats CLI, for a directory that was moved and for a user's creds.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::support::Shell;

fn read(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn a_directory_that_was_moved_gets_contexts_of_its_new_place() {
    let shell = Shell::new();
    let dir = shell.organisation("acme");
    let context = |dir: &Path| dir.join("contexts/nats/context/keyledger-admin.json");
    let mut changed = read(&context(&dir));
    let inbox = changed["inbox_prefix"].clone();
    changed["url"] = "tls://elsewhere:4222".into();
    fs::write(context(&dir), changed.to_string()).unwrap();
    let moved = dir.with_file_name("it's acme");
    fs::rename(&dir, &moved).unwrap();

    let dir = moved.to_str().unwrap();
    let run = shell.run(["contexts", "--dir", dir]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // What is to be copied is one word of a shell.
    assert!(
        run.stdout.contains(r"it'\''s acme/contexts'"),
        "{}",
        run.stdout
    );
    let written = read(&context(&moved));
    let creds = moved.canonicalize().unwrap().join("creds/admin.creds");
    assert_eq!(Path::new(written["creds"].as_str().unwrap()), creds);
    assert_eq!(written["inbox_prefix"], inbox);
    // What somebody put into it stays.
    assert_eq!(written["url"], "tls://elsewhere:4222");
    let readme = fs::read_to_string(moved.join("README.txt")).unwrap();
    assert!(readme.contains(r"it'\''s acme/contexts'"), "{readme}");
}

#[test]
fn creds_get_a_context_with_inboxes_of_their_own() {
    let shell = Shell::new();
    let dir = shell.organisation("acme");
    let line = "contexts --dir acme --creds acme/creds/admin.creds --out admin.json";
    let run = shell.line(line);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let file = shell.home.path().join("admin.json");
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let (written, of_init) = (
        read(&file),
        read(&dir.join("contexts/nats/context/keyledger-admin.json")),
    );
    for field in ["inbox_prefix", "jetstream_api_prefix", "url"] {
        assert_eq!(written[field], of_init[field], "{field}");
    }
    assert!(Path::new(written["creds"].as_str().unwrap()).is_absolute());
    // Nothing is written over, and a context for creds needs a file.
    assert_eq!(shell.line(line).code, 2);
    let run = shell.line("contexts --dir acme --creds acme/creds/admin.creds");
    assert_eq!(run.code, 2, "{}", run.stderr);
    let run = shell.line("contexts --dir acme --creds acme/keyledger.json --out other.json");
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn outputs_go_through_no_link() {
    let shell = Shell::new();
    let _ = shell.organisation("acme");
    let victim = shell.home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for planted in ["admin.json", "admin.json.part", ".admin.json.part"] {
        std::os::unix::fs::symlink(&victim, shell.home.path().join(planted)).unwrap();
    }
    let line = "contexts --dir acme --creds acme/creds/admin.creds --out admin.json";
    assert_eq!(shell.line(line).code, 2);
    fs::remove_file(shell.home.path().join("admin.json")).unwrap();
    assert_eq!(shell.line(line).code, 0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_context_is_written_from_below_the_directory_too() {
    let shell = Shell::new();
    let dir = shell.organisation(".keyledger");
    let below = shell.home.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let creds = dir.join("creds/admin.creds");
    let arguments = ["contexts", "--out", "x.json", "--creds"].map(std::ffi::OsStr::new);
    let mut command = shell.command(arguments);
    let output = command.arg(&creds).current_dir(&below).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let of_init = read(&dir.join("contexts/nats/context/keyledger-admin.json"));
    assert_eq!(read(&below.join("x.json"))["url"], of_init["url"]);
}
