//! How figures are said.

use std::time::Duration;

/// The median, the 99th percentile and the worst of what was measured.
pub(crate) fn spread(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |part: f64| {
        let place = (took.len() as f64 * part) as usize;
        took.get(place.min(took.len().saturating_sub(1)))
            .map_or(0.0, |d| d.as_secs_f64() * 1e3)
    };
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms (n = {})",
        at(0.5),
        at(0.99),
        at(1.0),
        took.len()
    )
}
