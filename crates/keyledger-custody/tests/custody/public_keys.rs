//! Public keys that others send: only those that can be keys.

use data_encoding::HEXLOWER;
use keyledger_custody::{CheckPublicError, check_public};
use keyledger_domain::Algorithm;

const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const P384: &str = "3076301006072a8648ce3d020106052b8104002203620004";
const ED25519: &str = "302a300506032b6570032100";
const X25519: &str = "302a300506032b656e032100";
const RSA: &str = "308201a2300d06092a864886f70d01010105000382018f003082018a0282018100";
/// The base point of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3).
const P256_G: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                      4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn check(algorithm: Algorithm, hex: &str) -> Result<(), CheckPublicError> {
    check_public(algorithm, &HEXLOWER.decode(hex.as_bytes()).unwrap())
}

#[test]
fn a_point_off_its_curve_is_no_key() {
    let algorithm = Algorithm::P256;
    check(algorithm, &format!("{P256}{P256_G}")).unwrap();
    let off = P256_G.replace("51f5", "51f4");
    let refused = Err(CheckPublicError::NotAKey { algorithm });
    assert_eq!(check(algorithm, &format!("{P256}{off}")), refused);
    assert_eq!(
        check(algorithm, &format!("{P256}{}", "00".repeat(64))),
        refused
    );
    assert_eq!(
        check(algorithm, &format!("{P256}{}", "ff".repeat(64))),
        refused
    );
    let algorithm = Algorithm::P384;
    let refused = Err(CheckPublicError::NotAKey { algorithm });
    assert_eq!(
        check(algorithm, &format!("{P384}{}", "01".repeat(96))),
        refused
    );
}

#[test]
fn an_ed25519_point_of_low_order_is_no_key() {
    let algorithm = Algorithm::Ed25519;
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000", // order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
        "0000000000000000000000000000000000000000000000000000000000000000", // order 4
        "0000000000000000000000000000000000000000000000000000000000000080", // order 4
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
    ] {
        assert_eq!(
            check(algorithm, &format!("{ED25519}{point}")),
            Err(CheckPublicError::LowOrder { algorithm }),
            "{point}"
        );
    }
    // RFC 8032 §7.1, test 1; and a y without an x.
    let rfc = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    check(algorithm, &format!("{ED25519}{rfc}")).unwrap();
    let none = format!("{ED25519}02{}", "00".repeat(31));
    assert_eq!(
        check(algorithm, &none),
        Err(CheckPublicError::NotAKey { algorithm })
    );
}

#[test]
fn an_x25519_point_of_low_order_is_no_key() {
    let algorithm = Algorithm::X25519;
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        assert_eq!(
            check(algorithm, &format!("{X25519}{point}")),
            Err(CheckPublicError::LowOrder { algorithm }),
            "{point}"
        );
    }
    // Two of them written in a second way.
    for low in ["ed", "ee"] {
        let point = format!("{low}{}7f", "ff".repeat(30));
        assert_eq!(
            check(algorithm, &format!("{X25519}{point}")),
            Err(CheckPublicError::NotAKey { algorithm }),
            "{point}"
        );
    }
    // RFC 7748 §6.1, Alice's.
    let alice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    check(algorithm, &format!("{X25519}{alice}")).unwrap();
}

/// RFC 7748 §5: the highest bit is ignored, so that one key could be written in two ways, and the second not be known again.
#[test]
fn a_point_that_is_written_in_a_second_way_is_no_key() {
    let alice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let masked = alice.replace("4e6a", "4eea");
    // 18 + p, and p + 9.
    let points = [
        (Algorithm::X25519, format!("{X25519}{masked}")),
        (
            Algorithm::X25519,
            format!("{X25519}f6{}7f", "ff".repeat(30)),
        ),
        (Algorithm::Ed25519, format!("{ED25519}{}", "ff".repeat(32))),
    ];
    for (algorithm, key) in points {
        let refused = Err(CheckPublicError::NotAKey { algorithm });
        assert_eq!(check(algorithm, &key), refused, "{key}");
    }
}

#[test]
fn an_rsa_modulus_that_cannot_be_one_is_no_key() {
    let algorithm = Algorithm::Rsa3072;
    let refused = Err(CheckPublicError::NotAKey { algorithm });
    let key = |modulus: String| format!("{RSA}{modulus}0203010001");
    let even = format!("{}00", "ff".repeat(383));
    assert_eq!(check(algorithm, &key(even)), refused);
    let short = format!("00{}01", "ff".repeat(382));
    assert_eq!(check(algorithm, &key(short)), refused);
    assert_eq!(check(algorithm, &key("00".repeat(384))), refused);
}

#[test]
fn another_form_is_another_form() {
    for algorithm in Algorithm::ALL {
        let refused = Err(CheckPublicError::OtherForm { algorithm });
        assert_eq!(check(algorithm, ""), refused);
        assert_eq!(check(algorithm, "302a"), refused);
        let longer = format!("{P256}{P256_G}00");
        assert_eq!(check(algorithm, &longer), refused);
    }
}
