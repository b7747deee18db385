//! The PIV management key, and the cryptography by which both sides prove that they have it.

use aes::{
    Aes192,
    cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use des::TdesEde3;
use keyledger_custody::{ManagementKeyAlgorithm, Secret, TokenManagementKey, TokenSecrets};
use zeroize::Zeroizing;

/// A PIV management key of 24 bytes. It is wiped when this is dropped.
pub(crate) struct ManagementKey {
    algorithm: ManagementKeyAlgorithm,
    bytes: Zeroizing<[u8; 24]>,
}

/// The factory's key on every token: 0102…08, three times.
const FACTORY: [u8; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
];

impl ManagementKey {
    /// The factory's key, for this algorithm.
    pub(crate) fn factory(algorithm: ManagementKeyAlgorithm) -> Self {
        Self {
            algorithm,
            bytes: Zeroizing::new(FACTORY),
        }
    }

    /// The management key among a token's secrets.
    pub(crate) fn of(secrets: &TokenSecrets) -> Self {
        Self::new(&secrets.management_key, secrets.management_key_algorithm)
    }

    fn new(key: &Secret, algorithm: ManagementKeyAlgorithm) -> Self {
        let mut bytes = Zeroizing::new([0; 24]);
        // Custody neither makes nor reads another length.
        bytes.copy_from_slice(key.expose().first_chunk::<24>().expect("24 bytes"));
        Self { algorithm, bytes }
    }

    /// The number of its algorithm (NIST SP 800-78-4 table 6-2, and Yubico's).
    pub(crate) const fn number(&self) -> u8 {
        number(self.algorithm)
    }

    pub(crate) fn bytes(&self) -> &[u8; 24] {
        &self.bytes
    }

    /// The length of a challenge in bytes: a block of the cipher.
    pub(crate) const fn challenge_bytes(&self) -> usize {
        match self.algorithm {
            ManagementKeyAlgorithm::TripleDes => 8,
            ManagementKeyAlgorithm::Aes192 => 16,
        }
    }

    /// Decrypts the witness that the token encrypted; nothing if it is not one block.
    pub(crate) fn decrypt(&self, witness: &[u8]) -> Option<Vec<u8>> {
        let mut block = witness.to_vec();
        let key = <&Array<u8, _>>::from(&*self.bytes);
        match self.algorithm {
            ManagementKeyAlgorithm::TripleDes => {
                TdesEde3::new(key).decrypt_block((&mut block[..]).try_into().ok()?);
            }
            ManagementKeyAlgorithm::Aes192 => {
                Aes192::new(key).decrypt_block((&mut block[..]).try_into().ok()?);
            }
        }
        Some(block)
    }

    /// The answer that the token must give to our challenge; nothing if the challenge is not one block.
    pub(crate) fn encrypt(&self, challenge: &[u8]) -> Option<Vec<u8>> {
        let mut block = challenge.to_vec();
        let key = <&Array<u8, _>>::from(&*self.bytes);
        match self.algorithm {
            ManagementKeyAlgorithm::TripleDes => {
                TdesEde3::new(key).encrypt_block((&mut block[..]).try_into().ok()?);
            }
            ManagementKeyAlgorithm::Aes192 => {
                Aes192::new(key).encrypt_block((&mut block[..]).try_into().ok()?);
            }
        }
        Some(block)
    }
}

impl From<&TokenManagementKey> for ManagementKey {
    fn from(given: &TokenManagementKey) -> Self {
        Self::new(&given.key, given.algorithm)
    }
}

/// The number of an algorithm.
pub(crate) const fn number(algorithm: ManagementKeyAlgorithm) -> u8 {
    match algorithm {
        ManagementKeyAlgorithm::TripleDes => 0x03,
        ManagementKeyAlgorithm::Aes192 => 0x0a,
    }
}

/// The algorithm with this number; nothing for AES with keys of 128 or 256 bits, which this version does not make.
pub(crate) const fn algorithm_of(number: u8) -> Option<ManagementKeyAlgorithm> {
    match number {
        0x03 => Some(ManagementKeyAlgorithm::TripleDes),
        0x0a => Some(ManagementKeyAlgorithm::Aes192),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_opened_by_the_key_that_closed_it_and_by_no_other() {
        for algorithm in [
            ManagementKeyAlgorithm::TripleDes,
            ManagementKeyAlgorithm::Aes192,
        ] {
            let factory = ManagementKey::factory(algorithm);
            let other = ManagementKey::of(&TokenSecrets::generate(algorithm, false).unwrap());
            let challenge = vec![5; factory.challenge_bytes()];
            let closed = factory.encrypt(&challenge).unwrap();
            assert_eq!(factory.decrypt(&closed).unwrap(), challenge);
            assert_ne!(other.decrypt(&closed).unwrap(), challenge);
            assert_eq!(factory.decrypt(&closed[1..]), None);
        }
    }
}
