//! What a step uses is on record while it runs, and afterwards.

mod stage;

use std::fs;

use serde_json::Value;
use stage::{Stage, until};

#[test]
fn what_a_step_uses_is_in_the_registry_while_it_runs_and_in_the_records_afterwards() {
    // On a disk: what lies in memory is written to none.
    let mut stage = Stage::within(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    stage.keep_ledger();
    let wait = "run sh -c 'head -c 8388608 /dev/zero > blob; until test -e \"$LEDGER.go\"; do sleep 0.02; done; rm blob'";
    stage.prompt("one", "", &format!("{wait}\nwrite one.txt done"));
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");

    let registry = stage.root.join(".gadugi/monitoring/process_registry.json");
    let usage = || {
        let all: Value = serde_json::from_slice(&fs::read(&registry).ok()?).ok()?;
        let usage = all["processes"][0]["resource_usage"].clone();
        (usage["disk_used_mb"].as_f64() >= Some(8.0) && usage["disk_write_mb"].as_f64() >= Some(8.0))
            .then_some(usage)
    };
    until("what it wrote and takes of the disk is in the registry", || usage().is_some());
    let usage = usage().unwrap();
    // The shim, the agent, the script and its tool.
    assert!(usage["pids"].as_u64() >= Some(3) && usage["num_threads"].as_u64() >= Some(3), "{usage}");
    assert!(usage["memory_mb"].as_f64() > Some(1.0) && usage["cpu_percent"].is_f64(), "{usage}");
    assert_eq!(
        (&usage["container"], &usage["net_in_mb"]),
        (&Value::Bool(false), &Value::Null),
        "no gate: {usage}"
    );

    fs::write(stage.home.join("ledger.go"), "").unwrap();
    let ran = run.end();
    ran.ends_with(0);
    let end = ran.events().into_iter().find(|event| event["type"] == "step-ended").unwrap();
    assert!(end["end"]["taken"]["pids_peak"].as_u64() >= Some(3), "{end}");
    assert!(end["end"]["taken"]["disk_written_bytes"].as_u64() >= Some(8 << 20), "{end}");

    let export = stage.gadugi(&["export", "--output", "-"]).ends_with(0).stdout.clone();
    let export: Value = serde_json::from_str(&export).unwrap();
    let of_one = export["figures"].as_array().unwrap().iter().find(|step| step["task"] == "one").unwrap();
    let points = of_one["points"].as_array().unwrap();
    assert_eq!((&of_one["attempt"], &of_one["step"]), (&1.into(), &1.into()));
    assert!(points.iter().any(|point| point["disk_write_bytes"].as_u64() >= Some(8 << 20)), "{points:?}");
    assert!(points.iter().all(|point| point["pids"].as_u64() >= Some(1)), "{points:?}");
    let times: Vec<&str> = points.iter().map(|point| point["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let last = points.last().unwrap();
    assert!(
        last["tokens"].is_null() || last["tokens"].as_u64() > Some(0),
        "nothing known is no number: {last}"
    );

    let machine = export["machine"].as_array().unwrap();
    assert!(machine.iter().any(|reading| reading["steps"] == 1), "{machine:?}");
    let plausible = |reading: &Value| {
        reading["cpus"].as_f64() > Some(0.0)
            && reading["memory_total_mb"].as_u64()
                > reading["agents_memory_mb"]["max"].as_f64().map(|mb| mb as u64)
            && reading["disk_free_mb"].as_u64() > Some(0)
    };
    assert!(machine.iter().all(plausible), "{machine:?}");
}
