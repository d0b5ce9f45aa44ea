use gadugi_core::{AttemptId, RunId, TaskId};
use tokio::sync::mpsc::Receiver;
use tokio::time::advance;

use super::*;

fn lane() -> (Arc<Lane>, Receiver<Notice>) {
    let (notices, receiver) = Notices::channel();
    (Arc::new(Lane::new("a#1".into(), notices)), receiver)
}

fn step(task: &str) -> StepId {
    let attempt = AttemptId { run: RunId::new("run"), task: TaskId::new(task), attempt: 1 };
    StepId { attempt, step: 1 }
}

fn late() -> Instant {
    Instant::now() + Duration::from_secs(100_000)
}

async fn turns(lane: &Arc<Lane>, task: &str, count: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for _ in 0..count {
        turns.push(lane.turn(&step(task), late()).await.unwrap());
    }
    turns
}

/// Lets everything that can go on go on.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn window(lane: &Lane) -> usize {
    lane.shared.lock().window
}

#[tokio::test(start_paused = true)]
async fn a_refusal_halves_what_was_in_flight_once_for_all_of_it() {
    let (lane, mut notices) = lane();
    let flying = turns(&lane, "a", 40).await;
    flying[0].refused(SlowReason::RateLimited, Some(Duration::from_secs(3)));
    assert_eq!(window(&lane), 20);
    flying[1].refused(SlowReason::Overloaded, None);
    flying[2].refused(SlowReason::RateLimited, Some(Duration::from_secs(1)));
    assert_eq!(window(&lane), 20, "they left under the same window");
    let said = notices.recv().await.unwrap();
    let Notice::Slowed { window: 20, pause, reason: SlowReason::RateLimited, .. } = said else {
        panic!("{said:?}")
    };
    assert_eq!(pause, Duration::from_secs(3));
    assert!(notices.try_recv().is_err());

    // Nothing leaves before the pause is over, and then no more than the window has room for.
    drop(flying);
    let began = Instant::now();
    let mut again = turns(&lane, "a", 20).await;
    assert!((2900..3100).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let (other, soon) = (step("b"), Instant::now() + Duration::from_secs(1));
    assert!(matches!(lane.turn(&other, soon).await, Err(Kept::TooLong)));
    again[0].refused(SlowReason::Overloaded, None);
    assert_eq!(window(&lane), 10);
    again.clear();
}

#[tokio::test(start_paused = true)]
async fn successes_widen_it_by_one_each_window_until_it_is_eased() {
    let (lane, mut notices) = lane();
    let flying = turns(&lane, "a", 8).await;
    flying[0].refused(SlowReason::Overloaded, None);
    drop(flying);
    assert_eq!(window(&lane), 4);
    let mut requests = 0;
    while window(&lane) < 8 {
        let turn = lane.turn(&step("a"), late()).await.unwrap();
        turn.accepted(None);
        requests += 1;
    }
    assert_eq!(requests, 4 + 5 + 6 + 7);
    assert!(matches!(notices.recv().await, Some(Notice::Slowed { .. })));
    assert!(matches!(notices.recv().await, Some(Notice::Eased { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_nobody_named_doubles_up_to_a_bound() {
    let (lane, _notices) = lane();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let turn = lane.turn(&step("a"), late()).await.unwrap();
        pauses.push(turn.refused(SlowReason::Overloaded, None).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    lane.turn(&step("a"), late()).await.unwrap().accepted(None);
    let turn = lane.turn(&step("a"), late()).await.unwrap();
    assert_eq!(turn.refused(SlowReason::Overloaded, None).as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_for_much_keeps_nobody_waiting() {
    let (lane, _notices) = lane();
    let flying = turns(&lane, "greedy", 8).await;
    flying[0].refused(SlowReason::RateLimited, Some(Duration::from_secs(1)));
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    let wait = |task: &'static str| {
        let (lane, sender) = (Arc::clone(&lane), sender.clone());
        tokio::spawn(async move {
            let turn = lane.turn(&step(task), late()).await.unwrap();
            sender.send((task, turn)).unwrap();
        })
    };
    (0..50).for_each(|_| drop(wait("greedy")));
    settle().await;
    wait("b");
    wait("c");
    settle().await;
    drop(flying);
    advance(Duration::from_secs(2)).await;
    settle().await;
    // The window is four wide: b and c have theirs although fifty came before them.
    let mut first = Vec::new();
    let mut held = Vec::new();
    while let Ok((task, turn)) = order.try_recv() {
        first.push(task);
        held.push(turn);
    }
    assert_eq!(first.len(), 4);
    assert_eq!(first.iter().filter(|task| **task == "greedy").count(), 2, "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn one_step_has_its_share_and_no_more() {
    let (lane, _notices) = lane();
    let mut flying = turns(&lane, "a", STEP_WIDEST).await;
    let soon = Instant::now() + Duration::from_secs(1);
    assert!(matches!(lane.turn(&step("a"), soon).await, Err(Kept::TooLong)));
    drop(lane.turn(&step("b"), soon).await.unwrap());
    flying.pop();
    assert!(lane.turn(&step("a"), late()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_gone_takes_no_turn() {
    let (lane, _notices) = lane();
    let flying = turns(&lane, "a", 2).await;
    flying[0].refused(SlowReason::RateLimited, Some(Duration::from_secs(1)));
    let gone: Vec<_> = (0..10)
        .map(|_| {
            let lane = Arc::clone(&lane);
            tokio::spawn(async move { lane.turn(&step("b"), late()).await.is_ok() })
        })
        .collect();
    settle().await;
    gone.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    drop(flying);
    let turn = lane.turn(&step("c"), late()).await.unwrap();
    assert_eq!(lane.shared.lock().in_flight, 1);
    drop(turn);
    let state = lane.shared.lock();
    assert!(state.in_flight == 0 && state.steps.is_empty() && state.ring.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_turns_all_away_but_one_a_minute() {
    let (lane, _notices) = lane();
    let now = Timestamp(0);
    let limited = Limited {
        until: Some(Timestamp(600_000)),
        reason: "limit".into(),
        status: StatusCode::TOO_MANY_REQUESTS,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    let turn = lane.turn(&step("a"), late()).await.unwrap();
    turn.refused(SlowReason::RateLimited, Some(Duration::from_secs(1)));
    let waiting = Arc::clone(&lane);
    let waiting = tokio::spawn(async move { waiting.turn(&step("b"), late()).await.is_ok() });
    settle().await;
    turn.limited(&limited, now);
    drop(turn);
    assert!(!waiting.await.unwrap(), "who waited is told");
    assert!(matches!(lane.turn(&step("c"), late()).await, Err(Kept::Limited(_))));
    advance(Duration::from_secs(61)).await;
    let probe = lane.turn(&step("c"), late()).await.unwrap();
    assert!(matches!(lane.turn(&step("d"), late()).await, Err(Kept::Limited(_))));
    drop(probe);
    advance(Duration::from_secs(600)).await;
    assert!(lane.turn(&step("d"), late()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_nothing_is_left() {
    let (lane, mut notices) = lane();
    lane.turn(&step("a"), late()).await.unwrap().accepted(Some(Duration::from_secs(20)));
    let began = Instant::now();
    drop(lane.turn(&step("b"), late()).await.unwrap());
    assert!(began.elapsed() >= Duration::from_secs(20));
    let said = notices.recv().await;
    assert!(matches!(said, Some(Notice::Slowed { reason: SlowReason::Exhausted, .. })), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_with_something_left_again_is_eased() {
    let (lane, mut notices) = lane();
    let flying = turns(&lane, "a", 2).await;
    flying[0].accepted(Some(Duration::from_secs(1)));
    assert!(matches!(notices.recv().await, Some(Notice::Slowed { .. })));
    flying[1].accepted(None);
    assert!(notices.try_recv().is_err(), "it still rests");
    drop(flying);
    lane.turn(&step("a"), late()).await.unwrap().accepted(None);
    assert!(matches!(notices.try_recv(), Ok(Notice::Eased { .. })));
    lane.turn(&step("a"), late()).await.unwrap().accepted(None);
    assert!(notices.try_recv().is_err(), "it is said once");
}
