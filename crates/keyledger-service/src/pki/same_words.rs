//! `keyledger-pki` knows nothing of the domain, and says with words of its own which hosts, attributes and characters there are.
//! What the domain takes, it must take too.

use keyledger_domain::{address::HostName, text, token::SubjectAttribute};
use keyledger_pki::{is_host, visible, x509::DistinguishedName};

#[test]
fn both_replace_the_same_characters() {
    let every: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
    assert!(text::visible(&every) == visible(&every));
}

#[test]
fn both_take_the_same_hosts() {
    for host in [
        "",
        "www.example.org",
        "*.example.org",
        "*",
        "a.*.org",
        "x_y.org",
        "-a.org",
        "a-.org",
        "a..org",
        "1.2.3.4",
        "127.1",
        "0x7f000001",
        "a.0XAB",
        "localhost",
        "ä.org",
        "a b.org",
        &"x".repeat(63),
        &"x".repeat(64),
        &"x.".repeat(127),
    ] {
        let ours = host.parse::<HostName>().is_ok();
        assert_eq!(is_host(host), ours, "{host}");
    }
}

#[test]
fn both_take_the_same_subjects() {
    for attribute in SubjectAttribute::ALL {
        let name = attribute.as_str();
        let most = "x".repeat(attribute.most());
        let more = "x".repeat(attribute.most() + 1);
        for value in [
            "",
            "x",
            "GB",
            "Ada Lovelace",
            " x",
            "x ",
            "a_b",
            "ä",
            "a@b",
            "x\u{202e}",
            &most,
            &more,
        ] {
            let taken = DistinguishedName::from_parts([(name, value)]).is_ok();
            assert_eq!(taken, attribute.fits(value), "{name}={value:?}");
        }
    }
    assert!(SubjectAttribute::parse("description").is_none());
    assert!(DistinguishedName::from_parts([("description", "x")]).is_err());
}
