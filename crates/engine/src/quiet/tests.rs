use gadugi_core::{AttemptId, RunId, TaskId};

use super::*;

/// As the engine looks.
const EVERY: Duration = Duration::from_secs(2);

/// One step, a clock, and files that the test changes.
struct Scene {
    watch: Watch,
    now: Instant,
    step: StepId,
    pulse: Pulse,
    cpu_ms: u64,
    output: u64,
    files: u64,
    walks: u32,
}

struct Seen<'a> {
    output: u64,
    files: u64,
    walks: &'a mut u32,
}

impl Files for Seen<'_> {
    fn output(&mut self, _dir: &Path) -> u64 {
        self.output
    }

    fn workspace(&mut self, _path: &Path) -> u64 {
        *self.walks += 1;
        self.files
    }
}

impl Scene {
    fn new() -> Self {
        let attempt = AttemptId { run: RunId::new("run"), task: TaskId::new("task"), attempt: 1 };
        let mut scene = Self {
            watch: Watch::default(),
            now: Instant::now(),
            step: StepId { attempt, step: 1 },
            pulse: Pulse::default(),
            cpu_ms: 600,
            output: 7,
            files: 100,
            walks: 0,
        };
        assert_eq!(scene.look(), Quiet { length: Millis(0), after_result: false });
        scene
    }

    fn look(&mut self) -> Quiet {
        let running = Running {
            step: &self.step,
            pulse: &self.pulse,
            cpu: Some(Millis(self.cpu_ms)),
            dir: Path::new("/step"),
            workspace: Path::new("/work"),
        };
        let mut files = Seen { output: self.output, files: self.files, walks: &mut self.walks };
        self.watch.look(self.now, &[running], &mut files)[0]
    }

    /// Goes on for so long, with `each` between looks, which is told the number of the second; gives the longest quiet.
    fn go(&mut self, length: Duration, mut each: impl FnMut(&mut Self, u64)) -> Millis {
        let mut longest = Millis(0);
        for look in 1..=length.as_secs() / EVERY.as_secs() {
            self.now += EVERY;
            each(self, look * EVERY.as_secs());
            longest = longest.max(self.look().length);
        }
        longest
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// 120 ms a minute, as measured, with a burst of 250 ms every five minutes for another try.
fn idle(scene: &mut Scene, second: u64) {
    scene.cpu_ms += if second.is_multiple_of(300) { 250 } else { 4 };
}

#[test]
fn an_idle_agent_is_quiet_from_its_last_sign_on() {
    let mut scene = Scene::new();
    assert_eq!(scene.go(minutes(30), idle), Millis::seconds(30 * 60));
    assert!((14..=15).contains(&scene.walks), "every other minute: {}", scene.walks);
    scene.pulse.line(false);
    scene.now += EVERY;
    assert_eq!(scene.look().length, Millis(0));
    assert_eq!(scene.go(minutes(1), idle), Millis::seconds(60));
}

#[test]
fn twenty_minutes_of_compiling_are_signs_of_life() {
    // A compiler that waits for a disk most of the time: a tenth of a core.
    let mut scene = Scene::new();
    let longest = scene.go(minutes(20), |scene, _| scene.cpu_ms += 200);
    assert!(longest <= Millis::seconds(12), "{longest:?}");
    assert_eq!(scene.walks, 0);
    // And the weakest that counts, in one go every minute.
    let longest = scene.go(minutes(20), |scene, second| {
        scene.cpu_ms += if second.is_multiple_of(60) { 1100 } else { 0 };
    });
    assert!(longest <= Millis::seconds(120), "{longest:?}");
}

#[test]
fn twenty_minutes_of_thinking_are_signs_of_life() {
    // Claude Code writes a line for each piece of a thought.
    let mut scene = Scene::new();
    let longest = scene.go(minutes(20), |scene, second| {
        idle(scene, second);
        if second.is_multiple_of(30) {
            scene.pulse.line(false);
        }
    });
    assert!(longest <= Millis::seconds(30), "{longest:?}");
}

#[test]
fn twenty_minutes_of_writing_files_are_signs_of_life() {
    // A download, say: no words, hardly any processor, a file that grows.
    let mut scene = Scene::new();
    let longest = scene.go(minutes(20), |scene, second| {
        idle(scene, second);
        scene.files += 1;
    });
    assert!(longest <= Millis::seconds(240), "{longest:?}");
    // Output without a newline, or standard error: seen at once.
    let longest = scene.go(minutes(20), |scene, second| {
        idle(scene, second);
        scene.output += u64::from(second.is_multiple_of(10));
    });
    assert!(longest <= Millis::seconds(130), "the first of it within the quiet before: {longest:?}");
}

#[test]
fn files_that_moved_before_the_quiet_are_no_sign_in_it() {
    let mut scene = Scene::new();
    scene.go(minutes(3), idle);
    scene.pulse.line(false);
    scene.go(minutes(1), |scene, _| scene.files += 1);
    assert_eq!(scene.go(minutes(10), idle), Millis::seconds(11 * 60 - 2));
}

#[test]
fn after_the_result_only_words_count() {
    let mut scene = Scene::new();
    scene.pulse.line(false);
    scene.pulse.line(true);
    scene.now += EVERY;
    assert_eq!(scene.look(), Quiet { length: Millis(0), after_result: true });
    let longest = scene.go(minutes(5), |scene, _| {
        scene.files += 1;
        scene.output += 1;
        scene.cpu_ms += 1000;
    });
    assert_eq!((longest, scene.walks), (Millis::seconds(300), 0));
    // Another turn in the same process.
    scene.pulse.line(false);
    scene.now += EVERY;
    assert_eq!(scene.look(), Quiet { length: Millis(0), after_result: false });
    scene.pulse.line(true);
    scene.pulse.line(true);
    assert!(scene.look().after_result);
}

#[test]
fn time_in_which_nobody_looked_is_not_counted() {
    // The machine slept with a clock that does not, or the engine was frozen, for two hours.
    let mut scene = Scene::new();
    scene.go(minutes(1), idle);
    scene.now += minutes(120);
    assert_eq!(scene.look().length, Millis::seconds(90));
}

#[test]
fn steps_that_end_are_forgotten_and_new_ones_begin_afresh() {
    let mut scene = Scene::new();
    scene.go(minutes(10), idle);
    let mut walks = 0;
    scene.watch.look(scene.now, &[], &mut Seen { output: 0, files: 0, walks: &mut walks });
    assert!(scene.watch.steps.is_empty());
    assert_eq!(scene.look().length, Millis(0));
}

#[test]
fn a_tree_that_cannot_be_seen_has_not_worked() {
    let mut scene = Scene::new();
    let mut look = |cpu| {
        scene.now += EVERY;
        let path = Path::new("/");
        let one = Running { step: &scene.step, pulse: &scene.pulse, cpu, dir: path, workspace: path };
        let mut files = Seen { output: 7, files: 100, walks: &mut scene.walks };
        scene.watch.look(scene.now, &[one], &mut files)[0].length
    };
    for second in 1..=300 {
        assert_eq!(look(None), Millis::seconds(2 * second));
    }
    // Seen again: when it used that, nobody knows.
    assert_eq!(look(Some(Millis(90_000))), Millis::seconds(602));
    assert_eq!(look(Some(Millis(90_900))), Millis::seconds(604));
    assert_eq!(look(Some(Millis(91_000))), Millis(0));
}
