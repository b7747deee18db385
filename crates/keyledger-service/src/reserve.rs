//! The reserve: room in the store that is freed for what takes trust away, when everybody else has filled it.
//!
//! It lies as entries in the material bucket, where the service may write and delete. A full store takes writes again as soon
//! as one is gone, where it is full by `max_file_store`; a cluster elects no leader while it is full, so there the limits of
//! accounts must keep it from that.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{
    durability::Durability,
    material::{MaterialError, Materials},
};

/// What the names of its entries begin with.
const NAME: &str = "reserve";
/// How many entries there are at most.
const MAX_SLICES: usize = 64;
/// The bytes of each: some twenty events.
const SLICE_BYTES: u64 = 32 * 1024;
/// Which part of the store all of them may take, in percent.
const MAX_PERCENT: u64 = 5;
/// Up to which part of the store, in percent, it is filled again.
const FILL_BELOW_PERCENT: u64 = 85;
/// How often it is looked whether it can be filled again.
const EVERY: Duration = Duration::from_secs(60);

/// The reserve.
#[derive(Clone)]
pub struct Reserve {
    materials: Arc<dyn Materials>,
    durability: Durability,
    /// The slices that are there, as far as is known.
    held: Arc<Mutex<Vec<usize>>>,
}

impl std::fmt::Debug for Reserve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}

impl Reserve {
    /// A reserve among `materials`, as large as what `durability` knows of the store permits; nothing is held until it is filled.
    #[must_use]
    pub fn new(materials: Arc<dyn Materials>, durability: Durability) -> Self {
        Self {
            materials,
            durability,
            held: Arc::default(),
        }
    }

    /// Frees a slice; false if there is none.
    ///
    /// # Errors
    ///
    /// [`MaterialError`] if it was not erased.
    pub async fn free(&self) -> Result<bool, MaterialError> {
        loop {
            let Some(slice) = self.held.lock().pop() else {
                return Ok(false);
            };
            let entry = entry(slice);
            // Another instance may have freed it.
            if self.materials.read(&entry).await?.is_some() {
                self.materials.erase(&entry).await?;
                tracing::warn!(slice, "the store is full: a part of the reserve was freed");
                return Ok(true);
            }
        }
    }

    /// Writes the slices that are not there.
    ///
    /// # Errors
    ///
    /// [`MaterialError`], as if the store is full.
    pub async fn fill(&self) -> Result<(), MaterialError> {
        for slice in 0..self.wanted() {
            if self.held.lock().contains(&slice) {
                continue;
            }
            let entry = entry(slice);
            if self.materials.read(&entry).await?.is_none() {
                self.materials
                    .put(&entry, vec![0; SLICE_BYTES as usize])
                    .await?;
            }
            let mut held = self.held.lock();
            if !held.contains(&slice) {
                held.push(slice);
            }
        }
        Ok(())
    }

    /// How many slices are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.lock().len()
    }

    /// How many there should be.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let disk = self.durability.least_room().map_or(0, |(disk, _)| disk);
        let slices = disk / 100 * MAX_PERCENT / SLICE_BYTES;
        usize::try_from(slices).map_or(MAX_SLICES, |slices| slices.min(MAX_SLICES))
    }

    /// Keeps it filled while there is room, for ever.
    pub(crate) async fn keep(self) {
        loop {
            let there_is_room = self.durability.used_percent() < FILL_BELOW_PERCENT;
            if self.held() < self.wanted()
                && there_is_room
                && let Err(error) = self.fill().await
            {
                tracing::warn!(%error, "the reserve is not whole");
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Whether an entry of the material bucket is of the reserve.
pub(crate) fn is_reserve(entry: &str) -> bool {
    entry.split_once('.').is_some_and(|(name, _)| name == NAME)
}

fn entry(slice: usize) -> String {
    format!("{NAME}.{slice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::material::MemoryMaterials;

    #[test]
    fn it_takes_a_small_part_of_a_small_store() {
        let of = |bytes| {
            let materials = Arc::new(MemoryMaterials::default());
            Reserve::new(materials, Durability::with_room(bytes)).wanted()
        };
        assert_eq!(of(512 * 1024), 0);
        assert_eq!(of(4 * 1024 * 1024), 6);
        assert_eq!(of(10 * 1024 * 1024 * 1024), MAX_SLICES);
    }

    #[tokio::test]
    async fn a_slice_is_freed_once_and_filled_again() {
        let materials: Arc<dyn Materials> = Arc::new(MemoryMaterials::default());
        let durability = Durability::with_room(10 * 1024 * 1024 * 1024);
        let one = Reserve::new(Arc::clone(&materials), durability.clone());
        let other = Reserve::new(materials, durability);
        assert!(!one.free().await.unwrap(), "nothing is held yet");
        one.fill().await.unwrap();
        other.fill().await.unwrap();
        // Two instances free what is there, not twice as much.
        let mut freed = 0;
        while one.free().await.unwrap() || other.free().await.unwrap() {
            freed += 1;
        }
        assert_eq!(freed, MAX_SLICES);
        one.fill().await.unwrap();
        assert_eq!(one.held(), MAX_SLICES);
        assert!(is_reserve(&entry(3)) && !is_reserve("reserves.1.x"));
    }
}
