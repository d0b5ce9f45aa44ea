//! The estimator of the user's own: what tasks will take.

use gadugi_core::{CommitId, Estimate};
use serde::{Deserialize, Serialize};

use super::{Ask, ExternalError, Opinions};

/// The longest that a task can be expected to take: thirty days.
const MOST_SECONDS: f64 = 30.0 * 24.0 * 3600.0;
/// The widest spread: a factor of a hundred says that nothing is known.
const MOST_SPREAD: f64 = 100.0;
/// Processors, at most.
const MOST_CPU: f64 = 1024.0;
/// Memory and disk, at most, in MiB: 4 TiB.
const MOST_MIB: u64 = 4 << 20;
/// What the estimate says of where it comes from.
const SOURCE: &str = "external";

/// A task as the estimator is asked about it.
#[derive(Clone, Copy, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AskedTask<'a> {
    /// Its id.
    pub id: &'a str,
    /// The path of its prompt.
    pub prompt: &'a str,
    /// What sort of work it is: `test-coverage`, `bug-fix`, `feature`, `refactoring`, `documentation` or `configuration`.
    pub kind: &'a str,
    /// How much: `low`, `medium`, `high` or `critical`.
    pub complexity: &'a str,
    /// Who will do it.
    pub agent: &'a str,
    /// With which model, where one is named.
    pub model: Option<&'a str>,
    /// Bytes of its prompt.
    pub prompt_bytes: u64,
    /// How many files it is expected to write.
    pub targets: u32,
}

/// What the estimator says of a task. What is left out is as the built-in one has it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Said {
    /// Its id, as it was asked.
    #[expect(dead_code, reason = "it was looked at before the rest was read")]
    id: String,
    /// Wall time in seconds: half of such tasks take less. More than 0, at most 30 days.
    #[schemars(range(min = 0, max = 2_592_000))]
    seconds: f64,
    /// How far off that may be, as a factor: two of three such tasks take between `seconds / spread` and
    /// `seconds * spread`.
    #[schemars(range(min = 1, max = 100))]
    spread: Option<f64>,
    /// Processors.
    #[schemars(range(min = 0, max = 1024))]
    cpu: Option<f64>,
    /// Memory in MiB.
    #[schemars(range(max = 4_194_304))]
    memory_mb: Option<u64>,
    /// Disk in MiB.
    #[schemars(range(max = 4_194_304))]
    disk_mb: Option<u64>,
}

/// Asks the estimator about all tasks, and puts what it says in place of what was estimated; `estimates` are in the order
/// of `tasks`. Gives warnings.
pub(crate) fn consult(
    ask: Ask<'_>,
    base: &CommitId,
    tasks: &[AskedTask<'_>],
    estimates: &mut [Estimate],
    fallback: bool,
) -> Result<Vec<String>, ExternalError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = tasks.iter().map(|task| task.id).collect();
    let question = super::question("estimate", base.as_str(), tasks.to_vec())?;
    let asked = ask(&question).map_err(ExternalError::NoAnswer);
    let Opinions { of_task, problems } =
        super::consult("estimator", asked, &ids, fallback, |_, said: Said| checked(said))?;
    for (estimate, said) in estimates.iter_mut().zip(of_task) {
        if let Some(said) = said {
            estimate.seconds = said.seconds;
            // A spread of somebody else's guess says nothing of this one.
            estimate.spread = said.spread.unwrap_or(Estimate::UNMEASURED_SPREAD);
            estimate.cpu = said.cpu.unwrap_or(estimate.cpu);
            estimate.memory_mb = said.memory_mb.unwrap_or(estimate.memory_mb);
            estimate.disk_mb = said.disk_mb.unwrap_or(estimate.disk_mb);
            SOURCE.clone_into(&mut estimate.source);
        }
    }
    Ok(problems)
}

fn checked(said: Said) -> Result<Said, String> {
    let within = |what: &str, number: f64, least: f64, most: f64| {
        let fits = number >= least && number <= most;
        if fits { Ok(()) } else { Err(format!("{what} is {number}, not between {least} and {most}")) }
    };
    if said.seconds <= 0.0 {
        return Err(format!("seconds is {}, not more than 0", said.seconds));
    }
    within("seconds", said.seconds, 0.0, MOST_SECONDS)?;
    within("spread", said.spread.unwrap_or(1.0), 1.0, MOST_SPREAD)?;
    within("cpu", said.cpu.unwrap_or(1.0), 0.0, MOST_CPU)?;
    for (what, mib) in [("memory_mb", said.memory_mb), ("disk_mb", said.disk_mb)] {
        if mib.is_some_and(|mib| mib > MOST_MIB) {
            return Err(format!("{what} is more than {MOST_MIB}"));
        }
    }
    Ok(said)
}
