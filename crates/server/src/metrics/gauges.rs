//! How things stand at the moment of a scrape.

use std::collections::BTreeMap;

use gadugi_core::needs::NeedKind;
use gadugi_core::{Hold, Timestamp};
use gadugi_engine::Handle;
use gadugi_engine::handle::{MachineView, RateLimit};
use gadugi_engine::protocol::{Failure, Reply, Request, RunView};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry, Result};

/// Runs that are looked at: those that are not over, and the latest.
const RUNS: usize = 32;

/// States of tasks that are there from the beginning, so that a graph of them begins at none.
const STATES: [&str; 17] = [
    "waiting",
    "preparing",
    "ready",
    "starting",
    "running",
    "collecting",
    "suspended",
    "queued",
    "merging",
    "verifying",
    "advancing",
    "succeeded",
    "failed",
    "timed-out",
    "cancelled",
    "skipped",
    "lost",
];

/// How everything stands.
#[derive(Debug, Default)]
pub(super) struct Now {
    pub(super) machine: MachineView,
    pub(super) limits: Vec<RateLimit>,
    pub(super) views: Vec<RunView>,
    pub(super) sockets: usize,
    pub(super) at: Timestamp,
}

/// Asks the engine.
pub(super) async fn look(handle: &Handle, sockets: usize) -> std::result::Result<Now, Failure> {
    let machine = handle.machine().await?;
    let Reply::Runs { runs } = handle.ask(Request::Runs).await? else {
        return Ok(Now { machine, sockets, ..Now::default() });
    };
    let wanted = runs.iter().enumerate().filter(|(place, line)| *place == 0 || line.finished_at.is_none());
    let mut views = Vec::new();
    for (_, line) in wanted.take(RUNS) {
        // A run whose record is damaged, or that somebody just put away, is none.
        if let Ok(Reply::Run(view)) = handle.ask(Request::Status { run: Some(line.run.to_string()) }).await {
            views.push(*view);
        }
    }
    Ok(Now { machine, limits: handle.limits(), views, sockets, at: gadugi_sys::clock::now() })
}

/// All gauges, made anew for each scrape: what is gone leaves no value behind.
pub(super) fn families(now: &Now, seq: u64, began: Timestamp) -> Result<Vec<MetricFamily>> {
    let gauges = Gauges(Registry::new());
    gauges.engine(now, seq, began)?;
    gauges.runs(&now.views)?;
    gauges.machine(&now.machine, now.at)?;
    gauges.limits(&now.limits)?;
    Ok(gauges.0.gather())
}

struct Gauges(Registry);

impl Gauges {
    fn engine(&self, now: &Now, seq: u64, began: Timestamp) -> Result<()> {
        let version = [env!("CARGO_PKG_VERSION")];
        self.counts(
            "gadugi_build_info",
            "What engine this is: always 1.",
            &["version"],
            [(version.map(str::to_owned).to_vec(), 1)],
        )?;
        let began = began.0 as f64 / 1000.0;
        self.one("gadugi_engine_start_time_seconds", "When this engine began, Unix time.", Some(began))?;
        let seq = Some(seq as f64);
        self.one("gadugi_event_log_last_sequence", "The number of the last event in the log.", seq)?;
        let sockets = Some(now.sockets as f64);
        self.one("gadugi_websocket_clients", "WebSockets that are open.", sockets)?;
        self.one("gadugi_slots", "Attempts that may run at a time.", Some(slots(now)))?;
        let steps = Some(f64::from(now.machine.steps));
        self.one("gadugi_running_steps", "Steps that run.", steps)
    }

    fn runs(&self, views: &[RunView]) -> Result<()> {
        let tasks = || views.iter().flat_map(|view| &view.tasks);
        let statuses = views.iter().map(|view| view.status.as_str());
        self.tally(
            "gadugi_runs",
            "Runs that are not over, and the latest, by how they stand.",
            "status",
            ["active", "paused", "ending", "finished"],
            statuses,
        )?;
        let states = tasks().map(|task| task.state.as_str());
        self.tally(
            "gadugi_tasks",
            "Tasks of runs that are not over, and of the latest, by how they stand.",
            "state",
            STATES,
            states,
        )?;
        let holds = views.iter().flat_map(|view| view.holds.iter().map(String::as_str));
        self.tally(
            "gadugi_dispatch_holds",
            "Runs that begin less than their slots would let them, by why.",
            "reason",
            Hold::ALL.map(Hold::word),
            holds,
        )?;
        let needs = views.iter().flat_map(|view| view.needs.iter().map(|need| need.kind.as_str()));
        self.tally(
            "gadugi_needs_person",
            "What wants a person, by kind.",
            "kind",
            NeedKind::ALL.map(NeedKind::word),
            needs,
        )?;
        let queued = views.iter().map(|view| view.queue.len()).sum::<usize>();
        self.one("gadugi_merge_queue_length", "Tasks that wait for their merge.", Some(queued as f64))?;
        let suspected = tasks().filter(|task| task.suspected_ms.is_some()).count();
        self.one(
            "gadugi_suspected_steps",
            "Steps that give no sign of life, and may hang.",
            Some(suspected as f64),
        )
    }

    fn machine(&self, machine: &MachineView, at: Timestamp) -> Result<()> {
        let bytes = |mib: Option<u64>| mib.map(|mib| mib as f64 * f64::from(1 << 20));
        let age = machine.heartbeat.map(|beat| at.since(beat).as_seconds());
        let all = [
            (
                "gadugi_heartbeat_age_seconds",
                "Since the running step that was seen to live longest ago was seen to live.",
                age,
            ),
            (
                "gadugi_machine_cpu_usage_ratio",
                "How busy all processors are, 0 to 1.",
                machine.cpu_percent.map(|percent| percent / 100.0),
            ),
            ("gadugi_machine_cpus", "Processors that the engine may use.", Some(machine.cpus)),
            ("gadugi_machine_load1", "Processes that ran or waited to run, mean of a minute.", machine.load),
            (
                "gadugi_machine_memory_available_bytes",
                "Memory that could be had without swapping.",
                bytes(machine.memory_available_mib),
            ),
            (
                "gadugi_machine_memory_size_bytes",
                "All the memory that there is for the engine.",
                bytes(machine.memory_total_mib),
            ),
            (
                "gadugi_machine_disk_free_bytes",
                "Room on the disk of state or worktrees, whichever has less.",
                bytes(machine.disk_free_mib),
            ),
            (
                "gadugi_steps_memory_bytes",
                "Memory of everything that running steps started.",
                Some(machine.agents_memory_mib * f64::from(1 << 20)),
            ),
        ];
        all.into_iter().try_for_each(|(name, help, value)| self.one(name, help, value))
    }

    fn limits(&self, limits: &[RateLimit]) -> Result<()> {
        type Get = fn(&RateLimit) -> Option<f64>;
        let all: [(&str, &str, Get); 5] = [
            ("gadugi_rate_limit", "How many requests or tokens an account has in a window.", |limit| {
                limit.limit.map(|limit| limit as f64)
            }),
            ("gadugi_rate_limit_remaining", "How many of them are left, as was last said.", |limit| {
                limit.remaining.map(|left| left as f64)
            }),
            ("gadugi_rate_limit_used_ratio", "What is used of a limit, as was last said.", |limit| {
                let left =
                    |limit: &RateLimit| Some((limit.remaining?, limit.limit.filter(|most| *most > 0)?));
                let share = |(left, most): (u64, u64)| 1.0 - left as f64 / most as f64;
                limit.used.or_else(|| left(limit).map(share))
            }),
            (
                "gadugi_rate_limit_reset_timestamp_seconds",
                "When a limit is whole again, Unix time.",
                |limit| limit.resets_at.map(|at| at.0 as f64 / 1000.0),
            ),
            ("gadugi_rate_limit_rejected", "Whether a limit is reached: 1, else 0.", |limit| {
                limit.status.as_ref().map(|status| f64::from(u8::from(status == "rejected")))
            }),
        ];
        for (name, help, get) in all {
            let family = GaugeVec::new(Opts::new(name, help), &["account", "limit"])?;
            for limit in limits {
                if let Some(value) = get(limit) {
                    family.with_label_values(&[&limit.account, &limit.kind]).set(value);
                }
            }
            self.0.register(Box::new(family))?;
        }
        Ok(())
    }

    /// How many there are of each; those that are known are there with none.
    fn tally<'a, const N: usize>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        known: [&'a str; N],
        found: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let mut counts: BTreeMap<&str, i64> = known.into_iter().map(|word| (word, 0)).collect();
        for word in found {
            // What nobody knows of here is still one of a closed set of the core's.
            *counts.entry(word).or_default() += 1;
        }
        let counts = counts.into_iter().map(|(word, count)| (vec![word.to_owned()], count));
        self.counts(name, help, &[label], counts)
    }

    fn counts(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<String>, i64)>,
    ) -> Result<()> {
        let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
        for (labels, value) in values {
            family.with_label_values(&labels).set(value);
        }
        self.0.register(Box::new(family))
    }

    /// A single value; what cannot be seen is not there.
    fn one(&self, name: &str, help: &str, value: Option<f64>) -> Result<()> {
        let family = GaugeVec::new(Opts::new(name, help), &[])?;
        if let Some(value) = value {
            family.with_label_values::<&str>(&[]).set(value);
        }
        self.0.register(Box::new(family))
    }
}

/// What runs that are under way may have at a time, by number where one was named.
fn slots(now: &Now) -> f64 {
    let named = now.views.iter().filter(|view| view.finished_at.is_none()).map(|view| view.slots).max();
    f64::from(named.unwrap_or(now.machine.slots))
}
