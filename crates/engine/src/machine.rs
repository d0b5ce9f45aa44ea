//! What the machine has left: one reading of memory, processors, pressure, load and disk, for whoever decides how much
//! may begin. It decides nothing itself.
//!
//! What bounds this process's control group bounds it as the machine's own size does: in a container of 4 GiB, or a
//! service with half a processor, the rest of the machine is nobody's to use. Whatever cannot be read is none, never 0.

mod cgroup;

use std::path::Path;
use std::time::{Duration, Instant};

use cgroup::Group;

/// Over less than this no share is worth saying: the kernel counts in hundredths of a second.
const SHORTEST: Duration = Duration::from_millis(250);

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Memory that can still be taken without swapping, MiB: `MemAvailable`, or what our control group has left of its
    /// limit where that is less.
    pub(crate) available_mib: Option<u64>,
    /// All the memory that there is, MiB: `MemTotal`, or our control group's limit where that is less.
    pub(crate) total_mib: Option<u64>,
    /// Processors that we may use, a quota counted: 1.5 are one and a half.
    pub(crate) cpus: Option<f64>,
    /// How busy all processors together were since the last reading, percent; or how much of our group's quota was used,
    /// where that is more. None in the first reading.
    pub(crate) busy_percent: Option<f64>,
    /// Percent of the last 10 s in which somebody waited for a processor.
    pub(crate) cpu_pressure: Option<f64>,
    /// The same for memory: over a few percent, the machine is swapping or reclaiming.
    pub(crate) memory_pressure: Option<f64>,
    /// Processes that ran or waited to run, mean of the last minute.
    pub(crate) load: Option<f64>,
    /// Room for ordinary users on the disk that was asked about, MiB.
    pub(crate) disk_mib: Option<u64>,
    /// Files that can still be made there. None where the file system counts none.
    pub(crate) inodes: Option<u64>,
}

/// What a reading leaves for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Previous {
    at: Option<Instant>,
    machine: Option<Ticks>,
    group_us: Option<u64>,
    busy_percent: Option<f64>,
}

/// Reads all of it; takes about a fifth of a millisecond.
pub(crate) fn read(previous: &mut Previous, disk: &Path) -> Reading {
    let info = text("/proc/meminfo");
    let group = Group::own();
    let memory = group.memory();
    let quota = group.cpus();
    let (disk_mib, inodes) = room(disk);
    Reading {
        available_mib: least(kib(&info, "MemAvailable:"), memory.map(|memory| memory.left_kib)).map(mib),
        total_mib: least(kib(&info, "MemTotal:"), memory.map(|memory| memory.limit_kib)).map(mib),
        cpus: least(processors(), quota),
        busy_percent: previous.busy(Instant::now(), ticks(&text("/proc/stat")), group.cpu_us(), quota),
        cpu_pressure: pressure(&text("/proc/pressure/cpu")),
        memory_pressure: pressure(&text("/proc/pressure/memory")),
        load: load(&text("/proc/loadavg")),
        disk_mib,
        inodes,
    }
}

impl Previous {
    /// Takes in what all processors and our group have used by `now`, and says what that means for the time since the
    /// last call. A call right after another gets the same answer again.
    fn busy(
        &mut self,
        now: Instant,
        machine: Option<Ticks>,
        group_us: Option<u64>,
        quota: Option<f64>,
    ) -> Option<f64> {
        let since = self.at.map(|at| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < SHORTEST) {
            return self.busy_percent;
        }
        let whole = machine.zip(self.machine).and_then(|(now, before)| now.share_since(before));
        let used = group_us.zip(self.group_us).map(|(now, before)| now.saturating_sub(before));
        let group = since
            .zip(used)
            .zip(quota)
            .map(|((since, used), quota)| used as f64 * 100.0 / (since.as_micros() as f64 * quota).max(1.0));
        self.busy_percent = most(whole, group).map(|percent| percent.clamp(0.0, 100.0));
        (self.at, self.machine, self.group_us) = (Some(now), machine, group_us);
        self.busy_percent
    }
}

/// What all processors did since boot, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Percent. None where no time has passed, or the counters went back (processors that were taken away).
    fn share_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.busy.checked_sub(before.busy)? as f64 * 100.0 / all as f64)
    }
}

/// The first line of `/proc/stat`. Waiting for a disk is idle; time that a hypervisor took away is busy: it is not there
/// to be used. Time of guests is part of the user's already.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> =
        line.split_ascii_whitespace().take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let all: u64 = fields.iter().sum();
    let idle = fields.get(3)? + fields.get(4).unwrap_or(&0);
    Some(Ticks { busy: all - idle, all })
}

/// A line of `/proc/meminfo`, KiB.
fn kib(info: &str, name: &str) -> Option<u64> {
    let rest = info.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `some avg10` of a file in `/proc/pressure`, percent.
fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

/// The first of the three means in `/proc/loadavg`.
fn load(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Processors that this process may run on.
fn processors() -> Option<f64> {
    std::thread::available_parallelism().ok().map(|count| count.get() as f64)
}

/// Room (MiB) and files left below a path.
fn room(path: &Path) -> (Option<u64>, Option<u64>) {
    let Ok(disk) = rustix::fs::statvfs(path) else { return (None, None) };
    let mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    (Some(mib), (disk.f_files > 0).then_some(disk.f_favail))
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn mib(kib: u64) -> u64 {
    kib / 1024
}

/// The lesser, where both are known; else the one that is.
fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18, 4 processors, an idle moment.
    const STAT: &str = "cpu  10132153 290696 3084719 46828483 16683 0 25195 1200 175628 0\n\
                        cpu0 1393280 32966 572056 13343292 6130 0 17875 0 23933 0\nintr 1\n";
    const MEMINFO: &str = "MemTotal:       24683520 kB\nMemFree:        19555632 kB\nMemAvailable:   23884484 kB\n\
                           Buffers:          102400 kB\nSwapTotal:             0 kB\n";
    const PRESSURE: &str = "some avg10=1.34 avg60=0.33 avg300=0.75 total=357110093\n\
                            full avg10=1.18 avg60=0.27 avg300=0.53 total=211082794\n";

    #[test]
    fn recorded_texts_are_understood() {
        let ticks = ticks(STAT).unwrap();
        assert_eq!(ticks.all - ticks.busy, 46_828_483 + 16_683);
        assert_eq!(ticks.busy, 10_132_153 + 290_696 + 3_084_719 + 25_195 + 1200);
        assert_eq!(kib(MEMINFO, "MemAvailable:"), Some(23_884_484));
        assert_eq!(pressure(PRESSURE), Some(1.34));
        assert_eq!(pressure("some avg10=99.00 avg60=0.31 avg300=1.18 total=1\n"), Some(99.0));
        assert_eq!(load("0.52 0.58 0.59 3/912 12345\n"), Some(0.52));
    }

    #[test]
    fn what_is_missing_or_torn_is_none() {
        for torn in ["", "cpu", "cpu  1 2", "cpu  1 2 x 4 5 6 7 8", "intr 1 2 3"] {
            assert_eq!(ticks(torn), None, "{torn:?}");
        }
        assert_eq!(kib("MemTotal: 1 kB\n", "MemAvailable:"), None, "kernels before 3.14");
        assert_eq!(kib("MemAvailable: x kB\n", "MemAvailable:"), None);
        assert_eq!(pressure(""), None, "kernels without it");
        assert_eq!(pressure("full avg10=1.18\nsome avg60=1\n"), None);
        assert_eq!(load(""), None);
        assert_eq!(room(Path::new("/no/such/place")), (None, None));
    }

    #[test]
    fn busy_is_what_was_used_between_two_readings() {
        let mut previous = Previous::default();
        let begun = Instant::now();
        let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let ticks = |busy, all| Some(Ticks { busy, all });
        assert_eq!(previous.busy(at(0.0), ticks(100, 1000), None, None), None, "the first says nothing");
        assert_eq!(previous.busy(at(1.0), ticks(400, 1400), None, None), Some(75.0));
        assert_eq!(
            previous.busy(at(1.1), ticks(440, 1440), None, None),
            Some(75.0),
            "too soon for another answer"
        );
        assert_eq!(previous.busy(at(2.0), ticks(420, 1800), None, None), Some(5.0));
        assert_eq!(previous.busy(at(3.0), ticks(1, 2), None, None), None, "the counters went back");
        assert_eq!(previous.busy(at(4.0), None, None, None), None);
    }

    #[test]
    fn a_group_that_has_used_up_its_quota_is_busy_on_an_idle_machine() {
        let mut previous = Previous::default();
        let begun = Instant::now();
        let ticks = |busy, all| Some(Ticks { busy, all });
        previous.busy(begun, ticks(0, 0), Some(0), Some(0.5));
        let second = begun + Duration::from_secs(1);
        assert_eq!(previous.busy(second, ticks(50, 6400), Some(495_000), Some(0.5)), Some(99.0));
        let third = begun + Duration::from_secs(2);
        let busy = previous.busy(third, ticks(6400, 12_800), Some(500_000), Some(0.5)).unwrap();
        assert!((busy - 99.218_75).abs() < 1e-6, "the machine's share, where that is more: {busy}");
    }

    #[test]
    fn this_machine_can_be_read_and_it_costs_next_to_nothing() {
        let mut previous = Previous::default();
        let first = read(&mut previous, Path::new("/"));
        assert!(first.available_mib.unwrap() > 0 && first.available_mib <= first.total_mib);
        assert!(first.cpus.unwrap() > 0.0);
        assert_eq!(first.busy_percent, None);
        assert!(first.disk_mib.is_some() && first.load.is_some());
        let times = (0..50).map(|_| {
            let begun = Instant::now();
            read(&mut previous, Path::new("/"));
            begun.elapsed()
        });
        // The quickest: what else the machine does is not what is measured.
        let quickest = times.min().unwrap();
        assert!(quickest < Duration::from_millis(1), "{quickest:?}");
    }
}
