//! Argon2id 1.3 (RFC 9106): the key that a passphrase gives, and what one guess at it costs.

use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{passphrase::Passphrase, secret::Key32};

/// What one guess at the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KdfCost {
    name: KdfName,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KdfName {
    Argon2id,
}

/// Least memory in KiB: the second choice of RFC 9106 §4, 64 MiB with three passes.
const MIN_MEMORY_KIB: u32 = 64 << 10;
/// Most memory in KiB that a file can make us take: 4 GiB.
const MAX_MEMORY_KIB: u32 = 4 << 20;
const PASSES: RangeInclusive<u32> = 3..=64;
const LANES: RangeInclusive<u32> = 1..=64;

/// Why a passphrase gives no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdfError {
    /// The cost of a guess is too low to protect or too high to bear. Choose another; in a stored file, somebody changed it.
    #[error("Argon2id takes 64 MiB to 4 GiB of memory, 3 to 64 passes and 1 to 64 lanes")]
    Cost,
    /// There is not enough free memory: free some.
    #[error("the passphrase needs {memory_kib} KiB of free memory, and there is less")]
    Memory {
        /// How much it needs.
        memory_kib: u32,
    },
}

impl KdfCost {
    /// The usual cost: 256 MiB, three passes, four lanes; about a second.
    pub const USUAL: Self = Self {
        name: KdfName::Argon2id,
        memory_kib: 256 << 10,
        passes: 3,
        lanes: 4,
    };
    /// The least cost that is accepted: 64 MiB, three passes, four lanes (RFC 9106 §4, second choice).
    pub const LEAST: Self = Self {
        memory_kib: MIN_MEMORY_KIB,
        ..Self::USUAL
    };

    /// Another cost: memory in KiB from 64 MiB to 4 GiB, 3 to 64 passes, 1 to 64 lanes.
    ///
    /// # Errors
    ///
    /// [`KdfError::Cost`] if it is outside of that.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KdfError> {
        let cost = Self {
            name: KdfName::Argon2id,
            memory_kib,
            passes,
            lanes,
        };
        cost.params().map(|_| cost)
    }

    fn params(&self) -> Result<Params, KdfError> {
        let memory = (MIN_MEMORY_KIB..=MAX_MEMORY_KIB).contains(&self.memory_kib);
        if !memory || !PASSES.contains(&self.passes) || !LANES.contains(&self.lanes) {
            return Err(KdfError::Cost);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| KdfError::Cost)
    }
}

/// The key that `passphrase` gives with this salt, at this cost.
pub(crate) fn derive(
    passphrase: &Passphrase,
    salt: &[u8; 16],
    cost: &KdfCost,
) -> Result<Key32, KdfError> {
    let params = cost.params()?;
    let mut memory = Zeroizing::new(Vec::new());
    let blocks = params.block_count();
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| KdfError::Memory {
            memory_kib: cost.memory_kib,
        })?;
    memory.resize(blocks, Block::default());
    let mut key = Key32::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.expose(), salt, &mut *key, &mut memory[..])
        .expect("salt and key have fixed lengths, the memory is there, and no passphrase is larger than its file");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{AssociatedData, ParamsBuilder};
    use data_encoding::HEXLOWER;

    #[test]
    fn rfc_9106_section_5_3() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon2
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(
            HEXLOWER.encode(&tag),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }
}
