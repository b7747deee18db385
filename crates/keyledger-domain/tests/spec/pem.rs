//! PEM as the world writes it, and what is said of what cannot be read.

use keyledger_domain::{Algorithm, key::spki::normalised, pem};

const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEg/BKLUxOkfTthhlr8Ib1pmEnbLDLrOvFHt/xT7i/mzUS+DksDHnCrJIQ5M0TSh3KJz9YAxS+cUkb5NWBQf2iqA==";
const COMPRESSED: &str =
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACg/BKLUxOkfTthhlr8Ib1pmEnbLDLrOvFHt/xT7i/mzU=";
const SPELT_OUT: &str = "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABIPwSi1MTpH07YYZa/CG9aZhJ2ywy6zrxR7f8U+4v5s1Evg5LAx5wqySEOTNE0odyic/WAMUvnFJG+TVgUH9oqg=";
const PKCS1: &str = "MIIBigKCAYEAqmFhDkbVnPaYz7eilHFo8cbvXpN8jz6j3QT01VrjJAT3p+JkUZqJ/YtVgCnadNu/jBAyCcbmn4tUcggywznossuf+vybf/zj672luAdPFd+PA0ZDvbW7AG2GDZON9d/cXH5nfaM9vUxg2Dx3C5T04kfiRaN0NbGZhTtRLBT3n65XdBfS7VUdGMUJWNaArhKt2tRvRScRZdExzhM4d5HRDfpiTQ0psHjcZQn4xEK3jUEJMShFQafbRKNPMCM+SDqWY5P1y0H2WadhdpwAoRzsZ62W3oA1N8QsoJ2AyenV7L2wP+/B9JUGtStE3znmxeB7ynT/XbJDR9/edkLVmKs6mJQ1Ro8mVAtmyy3q9Np0Xh30eCCP1Us85VYxVnIB0J8eAMJ5kqr3O3kqb8K36Qj8QOoxfQye/8r4ULjnRYqn/VkQGh0bBDrIfFeHD5ZWf3VabzfLRUYK+MXa/7k/Shom9XwX0xGb8xmmczr2pku8rAzRxwv8vRB6YhZMnezwWA4/AgMBAAE=";
const RSA: &str = "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAqmFhDkbVnPaYz7eilHFo8cbvXpN8jz6j3QT01VrjJAT3p+JkUZqJ/YtVgCnadNu/jBAyCcbmn4tUcggywznossuf+vybf/zj672luAdPFd+PA0ZDvbW7AG2GDZON9d/cXH5nfaM9vUxg2Dx3C5T04kfiRaN0NbGZhTtRLBT3n65XdBfS7VUdGMUJWNaArhKt2tRvRScRZdExzhM4d5HRDfpiTQ0psHjcZQn4xEK3jUEJMShFQafbRKNPMCM+SDqWY5P1y0H2WadhdpwAoRzsZ62W3oA1N8QsoJ2AyenV7L2wP+/B9JUGtStE3znmxeB7ynT/XbJDR9/edkLVmKs6mJQ1Ro8mVAtmyy3q9Np0Xh30eCCP1Us85VYxVnIB0J8eAMJ5kqr3O3kqb8K36Qj8QOoxfQye/8r4ULjnRYqn/VkQGh0bBDrIfFeHD5ZWf3VabzfLRUYK+MXa/7k/Shom9XwX0xGb8xmmczr2pku8rAzRxwv8vRB6YhZMnezwWA4/AgMBAAE=";
const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAouXaNkp/y3Ejo5w553LnzGXJMxf7hJi9Wx6uGGyy2os1Ou5/t6pvRpmr/yTEHSQ7mGFid470D6aWouPJMSGGvXZmKK4MegRx6WMeBpoTWEBerjlgIPnGqE6ekoxTa8gq3m0Ewrmw+QhvRl7OqmWGT8VANIF+gTrYwq+J+5rlpconhq3GTtFN8xCODJzclmux89YmzL8B+mzucJkq0DSc+fr+0Yq15r96UgN136FCKN+Kr9WfP4rDSAaZXcOYrtruBvoiEwfF7UvQtHGKbqXEcPRlVxbhQ/nURkoayvT5GyuXuEeBFUKDE6AXD5Q6ATAq2ZXAoQUQOJkGlCLoWQdPjwIDAQAB";
const PKCS1_2048: &str = "MIIBCgKCAQEAouXaNkp/y3Ejo5w553LnzGXJMxf7hJi9Wx6uGGyy2os1Ou5/t6pvRpmr/yTEHSQ7mGFid470D6aWouPJMSGGvXZmKK4MegRx6WMeBpoTWEBerjlgIPnGqE6ekoxTa8gq3m0Ewrmw+QhvRl7OqmWGT8VANIF+gTrYwq+J+5rlpconhq3GTtFN8xCODJzclmux89YmzL8B+mzucJkq0DSc+fr+0Yq15r96UgN136FCKN+Kr9WfP4rDSAaZXcOYrtruBvoiEwfF7UvQtHGKbqXEcPRlVxbhQ/nURkoayvT5GyuXuEeBFUKDE6AXD5Q6ATAq2ZXAoQUQOJkGlCLoWQdPjwIDAQAB";
const RSA_4096: &str = "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAznRNRsDQU9QlHy5tJHopj6I6+NPdGsGkE4YAzWsq4YpHJMughfPys94rPHdAjSYvWGi9nw00vkTPIawuAvdQGGn82YtLdhdpyGzztsmG4LcOQ0tnUazKgdBgYEk0K0kcGvZf/OetQvEl0y8Oidrp9q2tBdV280oliSMid1794v7Nt/gO1zG4qKpvcLtrySG8yOJTD14yiB2k4DYIt+8QXWW8O+mR8JgsUMkMUkNwBRI+T2xOopE3EoNVcj1id6EdWmJ3sCc94IZjBFEyNd2r5PyHQDXhnVJIuqZVc5YQhE3kCbQeInJR2BWhq01JoajaWIu90llwGhbOJyIrOwnBJ5pXX1ketMUDWLHW2yhjjBvgqaqo8ZHvnmI8DGtwBA2FHrvhm+LA4l+0HN6a0nvfLyXEer8NqblIEyv08RYSfru86LmJl2TRKP8NVWSxBzD0JJwDwUBiXGurxlRACTEMaGAZEEpkNJW7gjowfFOrRlx6k87ruhV9lcGbz9QAVFWtl8lrRWr1My8LNNMX4TOAED6UYyFcNy+nRDxSFT5C9LkX5nFsiIhQfVcjAKqKjlgblwpt7XkdVwjIrWStxcjglfibY4ADjxLzVZmDzq8Dx8LY6BP6sZBU2Jyqavw+gtVS8sZXnIakzyfY1ck9WO4NxWDVX6yp/QDqTREyzI3b4o0CAwEAAQ==";
const PKCS1_4096: &str = "MIICCgKCAgEAznRNRsDQU9QlHy5tJHopj6I6+NPdGsGkE4YAzWsq4YpHJMughfPys94rPHdAjSYvWGi9nw00vkTPIawuAvdQGGn82YtLdhdpyGzztsmG4LcOQ0tnUazKgdBgYEk0K0kcGvZf/OetQvEl0y8Oidrp9q2tBdV280oliSMid1794v7Nt/gO1zG4qKpvcLtrySG8yOJTD14yiB2k4DYIt+8QXWW8O+mR8JgsUMkMUkNwBRI+T2xOopE3EoNVcj1id6EdWmJ3sCc94IZjBFEyNd2r5PyHQDXhnVJIuqZVc5YQhE3kCbQeInJR2BWhq01JoajaWIu90llwGhbOJyIrOwnBJ5pXX1ketMUDWLHW2yhjjBvgqaqo8ZHvnmI8DGtwBA2FHrvhm+LA4l+0HN6a0nvfLyXEer8NqblIEyv08RYSfru86LmJl2TRKP8NVWSxBzD0JJwDwUBiXGurxlRACTEMaGAZEEpkNJW7gjowfFOrRlx6k87ruhV9lcGbz9QAVFWtl8lrRWr1My8LNNMX4TOAED6UYyFcNy+nRDxSFT5C9LkX5nFsiIhQfVcjAKqKjlgblwpt7XkdVwjIrWStxcjglfibY4ADjxLzVZmDzq8Dx8LY6BP6sZBU2Jyqavw+gtVS8sZXnIakzyfY1ck9WO4NxWDVX6yp/QDqTREyzI3b4o0CAwEAAQ==";

fn block(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn a_block_is_read_however_it_is_laid_out() {
    let lines = |width: usize, end: &str| {
        let lines = KEY.as_bytes().chunks(width);
        let lines: Vec<_> = lines
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        block("PUBLIC KEY", &lines.join(end))
    };
    let usual = lines(64, "\n");
    for (what, text) in [
        ("as openssl writes it", usual.clone()),
        (
            "text before and after",
            format!("Bag Attributes: partner\n{usual}the end: now\n"),
        ),
        ("a byte order mark", format!("\u{feff}{usual}")),
        ("lines of 76", lines(76, "\n")),
        ("lines of 20", lines(20, "\n")),
        ("CRLF", usual.replace('\n', "\r\n")),
        ("indentation", usual.replace('\n', "\n    ")),
        ("spaces at the ends of lines", usual.replace('\n', "  \n")),
        ("one line", usual.replace('\n', " ")),
        ("base64 alone", format!("\u{feff} {KEY}\r\n")),
    ] {
        assert_eq!(
            normalised(Algorithm::P256, &text).as_deref(),
            Ok(KEY),
            "{what}"
        );
    }
}

#[test]
fn a_file_in_utf_16_is_read_as_one_in_utf_8() {
    let text = block("PUBLIC KEY", KEY);
    let le = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let be = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let marked = format!("\u{feff}{text}");
    for (what, file) in [
        ("UTF-8", text.clone().into_bytes()),
        ("UTF-16, little-endian, marked", le(&marked)),
        ("UTF-16, big-endian, marked", be(&marked)),
        ("UTF-16, little-endian", le(&text)),
        ("UTF-16, big-endian", be(&text)),
        (
            "text of Latin-1 before",
            [b"f\xfcr\n", text.as_bytes()].concat(),
        ),
    ] {
        let read = pem::text_of(&file);
        let read = normalised(Algorithm::P256, &read);
        assert_eq!(read.as_deref(), Ok(KEY), "{what}");
    }
    // One byte too many, or no text at all, is no reason to fall over.
    assert_eq!(pem::text_of(&[0xff, 0xfe, b'a']), "\u{feff}");
    assert_eq!(pem::text_of(&[]), "");
}

#[test]
fn an_rsa_key_is_read_in_pkcs_1_too() {
    for (algorithm, spki, pkcs1) in [
        (Algorithm::Rsa2048, RSA_2048, PKCS1_2048),
        (Algorithm::Rsa3072, RSA, PKCS1),
        (Algorithm::Rsa4096, RSA_4096, PKCS1_4096),
    ] {
        for text in [block("PUBLIC KEY", spki), block("RSA PUBLIC KEY", pkcs1)] {
            assert_eq!(normalised(algorithm, &text).as_deref(), Ok(spki));
            for other in Algorithm::ALL
                .into_iter()
                .filter(|other| *other != algorithm)
            {
                assert!(normalised(other, &text).is_err(), "{algorithm} as {other}");
            }
        }
    }
}

#[test]
fn what_is_not_read_is_refused_with_how_to_convert_it() {
    for (text, words) in [
        (block("PUBLIC KEY", COMPRESSED), "-conv_form uncompressed"),
        (block("PUBLIC KEY", SPELT_OUT), "-param_enc named_curve"),
        (block("CERTIFICATE", KEY), "openssl x509 -in FILE -pubkey"),
        (block("PUBLIC KEY", KEY).repeat(2), "2 blocks"),
        (
            block("PGP PUBLIC KEY BLOCK", KEY),
            "it holds a PGP PUBLIC KEY BLOCK",
        ),
        (block("PUBLIC KEY", "!"), "neither base64 of DER nor PEM"),
        (
            "-----BEGIN PUBLIC KEY-----\nMFkw".to_owned(),
            "neither base64 of DER nor PEM",
        ),
    ] {
        let said = normalised(Algorithm::P256, &text).unwrap_err().to_string();
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn one_that_is_cut_off_does_not_swallow_the_next() {
    let text = format!(
        "-----BEGIN PUBLIC KEY-----\nMFkw\n{}",
        block("PUBLIC KEY", KEY)
    );
    assert_eq!(pem::blocks(&text).count(), 1);
    assert!(pem::one(&text, "PUBLIC KEY").is_ok());
}
