//! What follows from the edges of a plan.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use common::*;
use gadugi_core::{EdgeReason, Plan, PlanError, TaskId, find_cycle};
use proptest::prelude::*;

fn names(ids: &[TaskId]) -> Vec<&str> {
    ids.iter().map(TaskId::as_str).collect()
}

fn with_seconds(mut plan: Plan, seconds: &[f64]) -> Plan {
    for (task, seconds) in plan.tasks.iter_mut().zip(seconds) {
        task.estimate.seconds = *seconds;
    }
    plan
}

/// A diamond: `a` before `b` and `c`, both before `d`; and `e` alone.
fn diamond() -> Plan {
    let edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")];
    with_seconds(plan(&["a", "b", "c", "d", "e"], &edges), &[10.0, 20.0, 50.0, 5.0, 30.0])
}

/// `t0` before `t1` before …, given backwards.
fn chain(length: usize) -> Plan {
    let ids: Vec<String> = (0..length).map(|at| format!("t{at:05}")).collect();
    let edges: Vec<(&str, &str)> = ids.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let backwards: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    plan(&backwards, &edges)
}

#[test]
fn stages_hold_what_waits_only_for_earlier_ones() {
    let stages = diamond().stages();
    let stages: Vec<Vec<&str>> = stages.iter().map(|stage| names(stage)).collect();
    assert_eq!(stages, [vec!["a", "e"], vec!["b", "c"], vec!["d"]]);
}

#[test]
fn the_critical_path_is_the_chain_that_takes_longest() {
    assert_eq!(names(&diamond().critical_path()), ["a", "c", "d"]);
    assert_eq!(names(&plan(&[], &[]).critical_path()), Vec::<&str>::new());
}

#[test]
fn seconds_on_so_many_slots() {
    let plan = diamond();
    assert_eq!(plan.sequential_seconds(), 115.0);
    assert_eq!(plan.parallel_seconds(1), 115.0);
    // a and e; c, which takes longest, from 10 to 60; b from 30, when e is over; d.
    assert_eq!(plan.parallel_seconds(2), 65.0);
    assert_eq!(plan.parallel_seconds(3), 65.0);
    assert_eq!(plan.parallel_seconds(100), 65.0);
    assert_eq!(plan.parallel_seconds(0), 115.0, "no slots are one");
}

#[test]
fn a_higher_priority_comes_first_when_slots_are_few() {
    let mut plan = with_seconds(plan(&["a", "b", "c"], &[]), &[10.0, 10.0, 20.0]);
    assert_eq!(plan.parallel_seconds(2), 20.0);
    plan.tasks[0].priority = 1;
    plan.tasks[1].priority = 1;
    assert_eq!(plan.parallel_seconds(2), 30.0);
}

#[test]
fn a_plan_that_goes_one_by_one_takes_as_long_as_all_its_tasks() {
    let plan = Plan { sequential_because: Some("the analysis failed".into()), ..diamond() };
    assert_eq!(plan.parallel_seconds(8), 115.0);
}

#[test]
fn a_good_plan_is_good() {
    assert_eq!(diamond().check(), Ok(()));
    assert_eq!(plan(&[], &[]).check(), Ok(()));
    let mut twice = diamond();
    twice.edges.push(edge("a", "b", EdgeReason::SameFile));
    assert_eq!(twice.check(), Ok(()), "two reasons for one edge are no defect");
    assert_eq!(twice.stages(), diamond().stages());
}

#[test]
fn what_is_wrong_with_a_plan_is_named() {
    let plans = [
        (plan(&["a", "b", "a"], &[]), "two tasks are called a"),
        (plan(&["a"], &[("a", "ghost")]), "an edge names ghost, which is no task of this plan"),
        (plan(&["a"], &[("ghost", "a")]), "an edge names ghost, which is no task of this plan"),
        (plan(&["a"], &[("a", "a")]), "the tasks wait for each other: a -> a"),
        (plan(&["a", "b"], &[("a", "b"), ("b", "a")]), "the tasks wait for each other: a -> b -> a"),
        // The first waits for the second, and so on.
        (
            plan(&["x", "a", "b", "c"], &[("x", "a"), ("c", "b"), ("b", "a"), ("a", "c")]),
            "the tasks wait for each other: a -> b -> c -> a",
        ),
    ];
    for (plan, said) in plans {
        assert_eq!(plan.check().map_err(|error| error.to_string()), Err(said.to_owned()));
    }
}

#[test]
fn a_cycle_leaves_no_order() {
    let plan = plan(&["a", "b"], &[("a", "b"), ("b", "a")]);
    assert_eq!(plan.order(), None);
    assert!(plan.stages().is_empty() && plan.critical_path().is_empty());
    assert_eq!(plan.parallel_seconds(2), 0.0, "nothing can begin, and it ends nevertheless");
}

/// Ten times as many tasks may not take a hundred times as long; the bound is loose, since machines are busy.
#[test]
fn five_thousand_tasks_in_one_chain() {
    let measure = |plan: &Plan| {
        let began = Instant::now();
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(plan.stages().len(), plan.tasks.len());
        assert_eq!(plan.critical_path().len(), plan.tasks.len());
        assert_eq!(plan.parallel_seconds(8), plan.sequential_seconds());
        began.elapsed().as_secs_f64()
    };
    let (small, large) = (chain(500), chain(5000));
    // What is slow by nature is slow each time; one undisturbed pair is enough.
    let ratio = || measure(&large) / measure(&small);
    let ratios: Vec<f64> = (0..15).map(|_| ratio()).collect();
    assert!(ratios.iter().any(|ratio| *ratio < 40.0), "{ratios:?} times as long for ten times as many");
}

#[test]
fn a_cycle_behind_five_thousand_innocent_tasks_is_found_at_once() {
    let mut plan = chain(5000);
    plan.tasks.extend([planned("z1"), planned("z2")]);
    plan.edges.extend([edge("z1", "z2", EdgeReason::Declared), edge("z2", "z1", EdgeReason::Declared)]);
    let began = Instant::now();
    let cycle = find_cycle(&plan.tasks, &plan.edges).expect("a cycle");
    assert_eq!(names(&cycle), ["z1", "z2"]);
    // Looking at the whole chain again from each of its tasks would take minutes.
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let mut ring = chain(5000);
    ring.edges.push(edge("t04999", "t00000", EdgeReason::Declared));
    assert!(matches!(ring.check(), Err(PlanError::Cycle(cycle)) if cycle.len() == 5000));
}

/// Up to twenty tasks and any edges between them, cycles too.
fn any_plan() -> impl Strategy<Value = Plan> {
    (1..20_usize).prop_flat_map(|count| {
        let edges = proptest::collection::vec((0..count, 0..count), 0..30);
        let seconds = proptest::collection::vec(1..100_u32, count);
        (Just(count), edges, seconds).prop_map(|(count, edges, seconds)| {
            let ids: Vec<String> = (0..count).map(|at| format!("t{at}")).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let edges: Vec<(&str, &str)> = edges.iter().map(|(from, to)| (ids[*from], ids[*to])).collect();
            let seconds: Vec<f64> = seconds.into_iter().map(f64::from).collect();
            with_seconds(plan(&ids, &edges), &seconds)
        })
    })
}

/// The same without cycles: an edge that leads backwards is turned, and the tasks are given in any order.
fn any_good_plan() -> impl Strategy<Value = Plan> {
    any_plan().prop_flat_map(|mut plan| {
        let place: BTreeMap<TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        plan.edges.retain(|edge| edge.from != edge.to);
        for edge in &mut plan.edges {
            if place[&edge.from] > place[&edge.to] {
                std::mem::swap(&mut edge.from, &mut edge.to);
            }
        }
        Just(plan.tasks.clone()).prop_shuffle().prop_map(move |tasks| Plan { tasks, ..plan.clone() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_has_an_order_or_a_cycle_that_is_one(plan in any_plan()) {
        let has = |from: &TaskId, to: &TaskId| plan.edges.iter().any(|edge| edge.from == *from && edge.to == *to);
        match find_cycle(&plan.tasks, &plan.edges) {
            None => {
                let order = plan.order().expect("an order where there is no cycle");
                let place: BTreeMap<&TaskId, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
                prop_assert_eq!(place.len(), plan.tasks.len());
                for edge in &plan.edges {
                    prop_assert!(place[&edge.from] < place[&edge.to]);
                }
            }
            Some(cycle) => {
                prop_assert!(plan.order().is_none());
                let distinct: BTreeSet<&TaskId> = cycle.iter().collect();
                prop_assert_eq!(distinct.len(), cycle.len());
                for (at, id) in cycle.iter().enumerate() {
                    prop_assert!(has(&cycle[(at + 1) % cycle.len()], id), "{:?} waits for nothing next", id);
                }
            }
        }
    }

    #[test]
    fn stages_and_times_agree_with_the_edges(plan in any_good_plan(), slots in 1..6_usize) {
        prop_assert!(plan.order().is_some());
        let stages = plan.stages();
        let stage: BTreeMap<&TaskId, usize> =
            stages.iter().enumerate().flat_map(|(at, ids)| ids.iter().map(move |id| (id, at))).collect();
        prop_assert_eq!(stage.len(), plan.tasks.len());
        for (id, before) in plan.predecessors() {
            let earliest = before.iter().map(|from| stage[*from] + 1).max().unwrap_or(0);
            prop_assert_eq!(stage[id], earliest, "each task stands in the earliest stage it can");
        }
        let path = plan.critical_path();
        for pair in path.windows(2) {
            prop_assert!(plan.edges.iter().any(|edge| edge.from == pair[0] && edge.to == pair[1]));
        }
        let length: f64 = path.iter().filter_map(|id| plan.task(id)).map(|task| task.estimate.seconds).sum();
        let all = plan.sequential_seconds();
        let took = plan.parallel_seconds(slots);
        prop_assert!(took >= length && took * slots as f64 >= all && took <= all, "{} {} {}", took, length, all);
        prop_assert_eq!(plan.parallel_seconds(plan.tasks.len()), length, "with a slot for each, the longest chain");
    }
}
