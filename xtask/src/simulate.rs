//! `cargo xtask simulate`: plays seeds of the core's simulator, in the release profile, for as long as it is told.

use anyhow::{Result, bail};
use clap::Args;

use crate::{names, shell};

/// The package of the simulator, and the binary that plays it.
const PACKAGE: &str = "gadugi-testkit";
const BINARY: &str = "gadugi-simulate";

/// Which seeds.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Simulate {
    /// How many seeds; else as many as time allows, or 20000
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// The most tasks that a plan may have
    #[arg(long, value_name = "MAX")]
    tasks: Option<u64>,
    /// Begin no further seed after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
}

impl Simulate {
    fn arguments(&self) -> Vec<String> {
        let named = [
            ("--seeds", self.seeds),
            ("--from", Some(self.from)),
            ("--tasks", self.tasks),
            ("--minutes", self.minutes),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
        given.flatten().collect()
    }
}

/// Builds the simulator and plays; an error where an invariant did not hold: the simulator has told which, and why.
pub(crate) fn run(wish: Simulate) -> Result<()> {
    shell::run(shell::cargo(["build", "--release", "--locked", "--package", PACKAGE, "--bin", BINARY]))?;
    let mut play = std::process::Command::new(names::target()?.join("release").join(BINARY));
    play.args(wish.arguments());
    if shell::run(play).is_err() {
        bail!("the simulator found something");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_left_to_the_simulator() {
        assert_eq!(Simulate::default().arguments(), ["--from", "0"]);
        let soak = Simulate { from: 20_000, minutes: Some(5), ..Simulate::default() };
        assert_eq!(soak.arguments(), ["--from", "20000", "--minutes", "5"]);
    }
}
