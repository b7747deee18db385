//! Distinguished names and serial numbers, as people write them.

use proptest::prelude::*;

use crate::{
    visible,
    x509::{DistinguishedName, NotAName, SerialNumber},
};

fn name(text: &str) -> DistinguishedName {
    text.parse().unwrap()
}

#[test]
fn names_are_read_as_rfc_4514_writes_them() {
    for good in [
        "CN=Ada Lovelace,OU=Keys,O=Example\\, Inc.,C=GB",
        "CN=Ädä,DC=example,DC=org",
        "UID=ada,L=London,ST=England,O=Example",
    ] {
        assert_eq!(name(good).to_string(), good);
    }
    assert_eq!(name("cn=\\c3\\84da\\20x"), name("CN=Äda x"));
    for bad in [
        "",
        "Ada",
        "CN=",
        "CN= Ada",
        "CN=Ada\\ ",
        "C=GBR",
        "C=é1",
        "CN=a\\00b",
        "O=\u{202e}elpmaxE",
        "CN=a\\",
        "CN=a\\x",
        "CN=a\\ff",
        "CN=a+O=b",
        "CN=\"a\"",
        "1.2.3.4=#0c0161",
        "CN=#300030",
        "CN=a,,O=b",
        "CN=a,",
        "CN=a, O=b",
        "description=x",
        "emailAddress=ä@example.org",
        &format!("CN={}", "a".repeat(65)),
        &"CN=a,".repeat(300),
    ] {
        assert!(bad.parse::<DistinguishedName>().is_err(), "{bad:?}");
    }
}

#[test]
fn every_attribute_survives_writing_and_reading() {
    let all = "CN=a,SN=b,serialNumber=c,C=GB,L=d,ST=e,O=f,OU=g,title=h,givenName=i,UID=j,DC=k,emailAddress=l@m";
    let written = name(all).to_string();
    assert_eq!(written.parse(), Ok(name(all)), "{written}");
}

#[test]
fn a_value_smuggles_in_no_part() {
    let tricky = "a\\,O=Example";
    let named = DistinguishedName::from_parts([("CN", tricky)]).unwrap();
    let written = named.to_string();
    assert_eq!(written, "CN=a\\\\\\,O=Example");
    assert_eq!(written.parse(), Ok(named));
}

#[test]
fn a_name_has_sixteen_parts_at_most() {
    let parts = |count| std::iter::repeat_n(("OU", "a"), count);
    assert!(DistinguishedName::from_parts(parts(16)).is_ok());
    assert_eq!(
        DistinguishedName::from_parts(parts(17)),
        Err(NotAName::TooLong)
    );
    let long = "a".repeat(256);
    let long = std::iter::repeat_n(("UID", long.as_str()), 5);
    assert_eq!(DistinguishedName::from_parts(long), Err(NotAName::TooLong));
    assert_eq!(
        DistinguishedName::from_parts(parts(0)),
        Err(NotAName::Syntax)
    );
}

#[test]
fn serial_numbers_are_positive_and_short() {
    let full = SerialNumber::from_random([0xff; 16]);
    assert_eq!(full.octets().len(), 16);
    assert!(full.octets()[0] < 0x80);
    assert_eq!(SerialNumber::from_random([0; 16]).octets()[0], 0x40);
    assert_eq!("00ab".parse::<SerialNumber>().unwrap().to_string(), "ab");
    assert_eq!(full.to_string().parse::<SerialNumber>(), Ok(full));
    for bad in [
        "",
        "0",
        "00",
        "-1",
        "xy",
        &"7f".repeat(21),
        &"ff".repeat(20),
    ] {
        assert!(bad.parse::<SerialNumber>().is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn names_survive_writing_and_reading(common in "[ -~äöü]{1,40}", unit in "\\PC{1,20}") {
        match DistinguishedName::from_parts([("CN", &*common), ("OU", &*unit)]) {
            Ok(name) => prop_assert_eq!(name.to_string().parse(), Ok(name)),
            Err(_) => prop_assert!(
                common.trim() != common || unit.trim() != unit || visible(&unit) != unit
            ),
        }
    }
}
