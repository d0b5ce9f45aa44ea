//! The core against the simulated world. A failing seed prints its story, shrunk; `cargo xtask simulate --from SEED
//! --seeds 1` tells it again.

use gadugi_testkit::simulator::{LARGEST, Shape, Simulator, Summary};

fn play(simulator: &Simulator, seeds: std::ops::Range<u64>) -> Summary {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    simulator.play(seeds, workers, &|_| true).unwrap_or_else(|failure| {
        let story = simulator.explain(failure.seed);
        panic!(
            "\n{failure}\n{}",
            story.map_or("and not when it is told".to_owned(), |story| story.to_string())
        )
    })
}

#[test]
fn twenty_thousand_worlds_keep_every_invariant() {
    let sum = play(&Simulator::mixed(LARGEST), 0..20_000);
    // The worlds are rough enough to mean something, and not so rough that nothing ever comes off.
    let Summary { tasks, succeeded, .. } = sum;
    assert_eq!(sum.seeds, 20_000);
    assert_eq!(sum.check(), Ok(()));
    assert!(sum.crashes > 20_000, "too few crashes");
    assert!(sum.lost_reports > 2_000, "too few lost reports");
    assert!(sum.commands > 100_000, "too few commands");
    assert!(succeeded * 10 > tasks * 3, "{succeeded} of {tasks} tasks succeeded");
    assert!(succeeded * 10 < tasks * 9, "{succeeded} of {tasks} tasks succeeded");
}

#[test]
fn a_seed_tells_one_story() {
    let simulator = Simulator::shaped(Shape::small());
    for seed in 0..50 {
        let once = simulator.run(seed).expect("a good end");
        assert_eq!(once, simulator.run(seed).expect("a good end"), "seed {seed}");
    }
}
