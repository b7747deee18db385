//! Random digits: PINs and PUKs.

use zeroize::Zeroizing;

use crate::{ProviderFailure, secret::Secret};

impl Secret {
    /// `length` random digits, each equally likely.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn random_digits(length: usize) -> Result<Self, ProviderFailure> {
        let mut digits = Zeroizing::new(Vec::with_capacity(length));
        while digits.len() < length {
            let random = Self::random(length)?;
            let missing = length - digits.len();
            // 250 is a multiple of ten: the bytes above it would favour the small digits.
            let fair = random.expose().iter().filter(|byte| **byte < 250);
            digits.extend(fair.map(|byte| b'0' + byte % 10).take(missing));
        }
        Ok(Self::new(std::mem::take(&mut *digits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digit_is_about_as_likely() {
        let digits = Secret::random_digits(100_000).unwrap();
        assert_eq!(digits.expose().len(), 100_000);
        for digit in b'0'..=b'9' {
            let count = digits.expose().iter().filter(|d| **d == digit).count();
            // 10,000 expected, a standard deviation of 95.
            assert!((9_300..10_700).contains(&count), "{digit}: {count}");
        }
    }
}
