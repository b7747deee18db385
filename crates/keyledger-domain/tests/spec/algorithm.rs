//! Algorithms: none is forgotten, and stored ones keep their numbers.

use keyledger_domain::Algorithm;

#[test]
fn the_numbers_of_algorithms_in_snapshots_never_change() {
    use Algorithm::{Aes256, Ed25519, P256, P384, Rsa2048, Rsa3072, Rsa4096, X25519};
    let stored = [
        Ed25519, X25519, P256, P384, Rsa3072, Aes256, Rsa2048, Rsa4096,
    ];
    // As many as there are, whatever `ALL` names.
    let read = (0..=u8::MAX).map_while(|number| postcard::from_bytes::<Algorithm>(&[number]).ok());
    assert_eq!(read.collect::<Vec<_>>(), stored);
    let mut all = Algorithm::ALL;
    all.sort_unstable();
    assert_eq!(all, stored);
}
