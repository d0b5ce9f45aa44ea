//! The machine that agents run on, as it is looked at now and then.

use gadugi_core::Reading;

use super::rng::Rng;

/// One that lacks nothing.
pub(super) fn good(rng: &mut Rng) -> Reading {
    Reading {
        cpus: rng.small(1..=16),
        available_mib: rng.chance(900).then(|| rng.between(8_000..=64_000)),
        agents_mib: 0,
        cpu_percent: rng.chance(900).then(|| rng.small(0..=60)),
        memory_stall_percent: rng.chance(700).then_some(0),
        disk_free_mib: rng.chance(900).then(|| rng.between(10_000..=500_000)),
        slowed: None,
    }
}

/// The same one later: mostly as good, and sometimes short of something, or right at an edge.
pub(super) fn later(rng: &mut Rng, machine: &Reading) -> Reading {
    let mut reading = machine.clone();
    match rng.below(10) {
        0 | 1 => reading.available_mib = Some(rng.between(0..=1500)),
        2 | 3 => reading.cpu_percent = Some(rng.small(70..=100)),
        4 | 5 => reading.disk_free_mib = Some(rng.between(0..=800)),
        6 => reading.memory_stall_percent = Some(rng.small(0..=100)),
        7 => reading.agents_mib = rng.between(0..=20_000),
        8 => reading.slowed = Some("the model API is overloaded".into()),
        _ => {}
    }
    reading
}
