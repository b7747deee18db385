//! The product and the bare pipeline in turn, and what of the one is left beside the other.

use std::{fmt, time::Duration};

/// What one load showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Commands a second.
    pub(crate) rate: f64,
    /// How long half of them took at most.
    pub(crate) p50: Duration,
    /// How long 99 in 100 of them took at most.
    pub(crate) p99: Duration,
    /// Time on a processor for each command, of this process: the load and the service together.
    pub(crate) here: Duration,
    /// The same of nats-server.
    pub(crate) server: Duration,
}

impl Figure {
    /// Of commands that took so long each, and `elapsed` in all.
    pub(crate) fn new(mut took: Vec<Duration>, elapsed: Duration, spent: Spent) -> Self {
        took.sort_unstable();
        let at = |part: usize| took[took.len() * part / 100];
        let count = u32::try_from(took.len()).unwrap_or(u32::MAX);
        Self {
            rate: f64::from(count) / elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            here: spent.here / count,
            server: spent.server / count,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, processor {} + {} µs",
            self.rate,
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3,
            self.here.as_micros(),
            self.server.as_micros(),
        )
    }
}

/// Time on a processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    here: Duration,
    server: Duration,
}

impl Spent {
    /// So far, by this process and by the nats-server with this process id.
    pub(crate) fn so_far(server: u32) -> anyhow::Result<Self> {
        Ok(Self {
            here: of_process("self")?,
            server: of_process(&server.to_string())?,
        })
    }

    /// Since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            here: self.here - before.here,
            server: self.server - before.server,
        }
    }
}

/// What Linux says of a process, in ticks of which a second has 100.
fn of_process(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The fields behind the program's name, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = fields.split_whitespace().skip(11).take(2);
    let mut next = || -> anyhow::Result<u64> { Ok(ticks.next().unwrap_or_default().parse()?) };
    Ok(Duration::from_millis(10 * (next()? + next()?)))
}

/// Both, as one round after the other showed them.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) product: Vec<Figure>,
    pub(crate) bare: Vec<Figure>,
}

impl Rounds {
    /// Prints medians with the least and the most, and the ratios round by round.
    pub(crate) fn print(&self, what: &str) {
        for (who, figures) in [("product", &self.product), ("bare", &self.bare)] {
            for (round, figure) in (1..).zip(figures) {
                println!("{what}, round {round}, {who}: {figure}");
            }
        }
        let rates = |figures: &[Figure]| figures.iter().map(|f| f.rate).collect();
        let p50s = |figures: &[Figure]| figures.iter().map(|f| f.p50.as_secs_f64() * 1e3).collect();
        let pairs = self.product.iter().zip(&self.bare);
        let ratios = pairs
            .map(|(product, bare)| product.rate / bare.rate)
            .collect();
        println!(
            "{what}: product {}/s, bare pipeline {}/s, ratio {}; p50 {} ms and {} ms",
            Spread(rates(&self.product), 0),
            Spread(rates(&self.bare), 0),
            Spread(ratios, 2),
            Spread(p50s(&self.product), 2),
            Spread(p50s(&self.bare), 2),
        );
    }
}

/// The median of figures with the least and the most, with so many digits behind the point.
struct Spread(Vec<f64>, usize);

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(figures, digits) = self;
        let mut figures = figures.clone();
        figures.sort_unstable_by(f64::total_cmp);
        let (Some(least), Some(most)) = (figures.first(), figures.last()) else {
            return write!(f, "nothing");
        };
        let median = figures[figures.len() / 2];
        write!(f, "{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}
