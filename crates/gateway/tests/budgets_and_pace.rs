//! What is metered, what may leave, and when.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::upstream::{Act, EVENTS, Upstream, event, head, whole};
use common::{Stage, ask, connect, soon, text};
use gadugi_gateway::{Metered, Notice, SlowReason, metered_in_log};
use gadugi_testkit::model_api::{Fault, Meets, ModelApi, USAGE_PER_TURN};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// An answer that says that it used so much.
fn answer(input: u64, output: u64) -> String {
    let usage = json!({"input_tokens": input, "output_tokens": output});
    json!({"type": "message", "model": "claude-sonnet-4-5", "content": [], "usage": usage}).to_string()
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn what_passes_is_metered_and_logged() {
    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    assert_eq!(client.ask(&ask(false)).await.0, 200);
    assert_eq!(client.ask(&ask(true)).await.0, 200);
    let count = client.request_to("POST", "/v1/messages/count_tokens", &ask(false));
    assert_eq!(client.tell(count).await.0, 200);
    let log = stage.log(3).await;
    assert!(stage.notices.try_recv().is_err(), "nothing is amiss");
    let metered = stage.gateway.metered(&client.step).unwrap();
    let usage = metered.usage();
    assert_eq!(usage.input_tokens, 2 * USAGE_PER_TURN.input_tokens);
    assert_eq!(usage.output_tokens, 2 * USAGE_PER_TURN.output_tokens);
    assert_eq!(usage.cache_read_tokens, 2 * USAGE_PER_TURN.cache_read_tokens);
    assert_eq!(usage.cache_write_tokens, 2 * USAGE_PER_TURN.cache_write_tokens);
    // 1000 at $3, 50 at $15, 200 at $0.30, 30 at $3.75 a million.
    assert_eq!(usage.cost_microusd, (2.0 * (3000.0 + 750.0 + 60.0 + 112.5)) as u64);
    assert_eq!((metered.requests, metered.models["claude-sonnet-4-5-20250929"].answers), (3, 2));
    assert!(metered.bytes_in > 300 && metered.bytes_out > 300);

    let (line, last) = (&log[1], &log[2]);
    let whose = ["run", "task", "attempt", "step", "kind", "model", "status"].map(|name| line[name].clone());
    let model = json!("claude-sonnet-4-5-20250929");
    assert_eq!(whose, [json!("run"), json!("a"), json!(1), json!(1), json!("messages"), model, json!(200)]);
    let counts = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens"];
    assert_eq!(counts.map(|name| line[name].as_u64().unwrap()), [1000, 50, 200, 30]);
    assert!(line["ms"].is_u64() && line["at"].is_string() && line["whole"] == true && line["sent"] == 1);
    assert_eq!((&last["kind"], &last["input_tokens"]), (&json!("count-tokens"), &json!(0)));
    // An engine that died reads back what its log says.
    assert_eq!(metered_in_log(&stage.log_path(), &client.step).unwrap(), metered);
    assert_eq!(metered_in_log(&stage.log_path(), &common::step("b")).unwrap(), Metered::default());
}

#[tokio::test]
async fn what_the_model_api_says_of_limits_is_known() {
    let stage = Stage::new();
    let upstream = Upstream::start(|_, _| {
        let said = [
            JSON[0],
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.25"),
        ];
        whole(200, &said, answer(1, 1))
    })
    .await;
    let client = stage.admit("a", &upstream.url()).await;
    assert_eq!(stage.gateway.limits(), []);
    assert_eq!(client.ask(&ask(false)).await.0, 200);
    let limits = stage.gateway.limits();
    let [five_hour, requests] = &limits[..] else { panic!("{limits:?}") };
    assert_eq!((five_hour.kind.as_str(), five_hour.used), ("five-hour", Some(0.25)));
    assert_eq!(
        (requests.kind.as_str(), requests.limit, requests.remaining),
        ("requests", Some(50), Some(49))
    );
    assert!(requests.account.starts_with("127.0.0.1:"), "{}", requests.account);
    let said = format!("{limits:?}");
    assert!(!said.contains(common::SECRET) && !said.contains(client.token.reveal()), "{said}");
}

#[tokio::test]
async fn the_log_is_turned_and_holds_no_bodies() {
    let stage = Stage::with(|options| options.log_bytes = 2000);
    let api = ModelApi::start().unwrap();
    let client = stage.admit("a", &api.base_url()).await;
    for _ in 0..8 {
        assert_eq!(client.ask(&ask(false)).await.0, 200);
    }
    soon(stage.gateway.revoke(&client.step)).await.unwrap();
    let turned = stage.folder.path().join("gateway.jsonl.1");
    let lengths = [stage.log_path(), turned.clone()].map(|path| std::fs::metadata(path).unwrap().len());
    assert!(lengths.iter().all(|length| (1..=2000).contains(length)), "{lengths:?}");
    let text = std::fs::read_to_string(stage.log_path()).unwrap() + &std::fs::read_to_string(turned).unwrap();
    assert!(!text.contains("hello") && !text.contains(client.token.reveal()));
}

#[tokio::test]
async fn asking_in_vain_does_not_turn_the_log() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    assert_eq!(client.ask(&ask(false)).await.0, 200);
    let mut sender = connect(&client.socket).await;
    for _ in 0..2100 {
        let response =
            soon(sender.send_request(client.request_to("GET", "/v1/files", &Value::Null))).await.unwrap();
        assert_eq!(response.status(), 404);
        text(response).await;
    }
    assert_eq!(client.ask(&ask(false)).await.0, 200);
    let metered = soon(stage.gateway.revoke(&client.step)).await.unwrap();
    assert_eq!(std::fs::read_to_string(stage.log_path()).unwrap().lines().count(), 2002);
    let logged = metered_in_log(&stage.log_path(), &client.step).unwrap();
    assert_eq!(logged.models, metered.models);
}

#[tokio::test]
async fn a_budget_is_never_overspent_by_many_at_once() {
    // Each answer uses all that it may: 1000 tokens at $15 a million.
    let upstream = Upstream::start(|_, _| whole(200, &JSON, answer(40, 1000))).await;
    let mut stage = Stage::new();
    let budget = 100_000;
    let client = stage.admit_with("a", &upstream.url(), |permit| permit.budget_microusd = Some(budget)).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (request, socket) = (client.request(&ask(false)), client.socket.clone());
        asking.spawn(async move {
            let response = soon(connect(&socket).await.send_request(request)).await.unwrap();
            (response.status().as_u16(), text(response).await)
        });
    }
    let answers = asking.join_all().await;
    let passed = answers.iter().filter(|(status, _)| *status == 200).count();
    // 15,120 each: six, and the rest bears a shorter one that says it used as much as it was asked for at first.
    assert!((6..=7).contains(&passed), "{passed}");
    let shortest = upstream.seen().iter().map(|seen| seen.json()["max_tokens"].as_u64().unwrap()).min();
    assert!(passed == 6 || shortest.unwrap() < 1000);
    let refused = answers.iter().find(|(status, _)| *status != 200).unwrap();
    let body: Value = serde_json::from_str(&refused.1).unwrap();
    assert_eq!((refused.0, &body["error"]["type"]), (400, &json!("billing_error")));
    assert!(matches!(stage.notice().await, Notice::BudgetRefused { budget_microusd: 100_000, .. }));
    assert!(stage.notices.try_recv().is_err(), "it is said once");
    // Whoever takes in the step's end knows it, and so does an engine that comes after one that was killed.
    stage.log(30).await;
    assert!(metered_in_log(&stage.log_path(), &client.step).unwrap().over_budget);
    assert!(soon(stage.gateway.revoke(&client.step)).await.unwrap().over_budget);
}

#[tokio::test]
async fn what_was_spent_before_counts_and_the_rest_bears_a_shorter_answer() {
    let upstream = Upstream::start(|_, _| whole(200, &JSON, answer(10, 20))).await;
    let stage = Stage::new();
    let before = stage.admit("a", &upstream.url()).await;
    assert_eq!(before.ask(&ask(false)).await.0, 200);
    let already = soon(stage.gateway.revoke(&before.step)).await.unwrap();
    assert_eq!(already.costs().microusd(), 330);
    let after = stage
        .admit_with("a", &upstream.url(), |permit| {
            (permit.already, permit.budget_microusd) = (already, Some(10_000));
        })
        .await;
    assert_eq!(after.ask(&ask(false)).await.0, 200);
    let sent = upstream.seen()[1].json();
    let max_tokens = sent["max_tokens"].as_u64().unwrap();
    assert!((500..645).contains(&max_tokens), "{max_tokens}");
    let mut expected = ask(false);
    expected["max_tokens"] = max_tokens.into();
    assert_eq!(sent, expected, "nothing else of the request is changed");
    assert_eq!(stage.gateway.metered(&after.step).unwrap().costs().microusd(), 660);
    let mut long = ask(false);
    long["thinking"] = json!({"type": "enabled", "budget_tokens": 900});
    assert_eq!(after.ask(&long).await.0, 400, "it could not even think");
}

#[tokio::test]
async fn a_hiccup_is_waited_out_before_the_first_byte() {
    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    api.misbehave(Fault::Status { status: 429, retry_after: Some(1), message: None }, Meets::First(1));
    api.misbehave(Fault::Status { status: 529, retry_after: Some(0), message: None }, Meets::First(2));
    let client = stage.admit("a", &api.base_url()).await;
    let began = Instant::now();
    let (status, events) = client.ask(&ask(true)).await;
    assert!(status == 200 && events.contains("message_stop"));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let said = stage.notice().await;
    assert!(matches!(&said, Notice::Slowed { window: 1, reason: SlowReason::RateLimited, .. }), "{said:?}");
    let log = stage.log(1).await;
    assert_eq!((&log[0]["sent"], &log[0]["status"]), (&json!(4), &json!(200)));
    assert!(log[0]["waited_ms"].as_u64().unwrap() >= 900);
}

#[tokio::test]
async fn one_refusal_slows_all_of_the_account_and_nobody_else() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let elsewhere = ModelApi::start().unwrap();
    let one = stage.admit("a", &api.base_url()).await;
    let other = stage.admit("b", &api.base_url()).await;
    let stranger = stage.admit("c", &elsewhere.base_url()).await;
    api.misbehave(Fault::Status { status: 529, retry_after: Some(2), message: None }, Meets::First(1));
    let mut sender = connect(&one.socket).await;
    let first = tokio::spawn(sender.send_request(one.request(&ask(false))));
    common::until(|| (api.requests().len() == 1).then_some(())).await;
    common::until(|| api.requests()[0].met_fault.then_some(())).await;
    let began = Instant::now();
    assert_eq!(stranger.ask(&ask(false)).await.0, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "another account goes on");
    assert_eq!(other.ask(&ask(false)).await.0, 200);
    assert_eq!(soon(first).await.unwrap().unwrap().status(), 200);
    let at: Vec<i64> = api.requests().iter().map(|request| request.at.0).collect();
    assert!(at.len() == 3 && at[1] - at[0] >= 1900, "{at:?}");
}

#[tokio::test]
async fn what_lasts_too_long_is_the_agents_to_wait_out() {
    let stage = Stage::with(|options| options.patience = Duration::from_millis(500));
    let api = ModelApi::start().unwrap();
    api.misbehave(Fault::Status { status: 529, retry_after: Some(40), message: None }, Meets::Every);
    let client = stage.admit("a", &api.base_url()).await;
    let response = client.send(client.request(&ask(true))).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (529, &"40".parse().unwrap())
    );
    assert!(text(response).await.contains("overloaded_error"));
    let response = client.send(client.request(&ask(true))).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-should-retry"]),
        (529, &"true".parse().unwrap())
    );
    assert_eq!(api.requests().len(), 1, "nothing was sent while it is held");
}

#[tokio::test]
async fn a_usage_limit_is_told_to_each_that_asks_and_asked_for_once() {
    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    api.misbehave(Fault::UsageLimit { resets_in: 3000 }, Meets::First(1));
    let (one, other) = (stage.admit("a", &api.base_url()).await, stage.admit("b", &api.base_url()).await);
    let mut resets = Vec::new();
    for client in [&one, &other] {
        let response = client.send(client.request(&ask(true))).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["x-should-retry"], "false");
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("anthropic-ratelimit-unified-status"), "rejected");
        let seconds: i64 = header("retry-after").parse().unwrap();
        assert!((2900..=3001).contains(&seconds), "{seconds}");
        resets.push(header("anthropic-ratelimit-unified-reset"));
    }
    assert_eq!(api.requests().len(), 1);
    for client in [&one, &other] {
        let said = stage.notice().await;
        let Notice::UsageLimited { step, until: Some(until), reason, .. } = said else { panic!("{said:?}") };
        assert_eq!((&step, (until.0 / 1000).to_string()), (&client.step, resets[0].clone()));
        assert!(reason.contains("rate limit"), "{reason}");
    }
    // Who brings a credential wants it tried.
    api.behave();
    stage.gateway.supply(&one.step, common::account(&api.base_url())).await.unwrap();
    assert_eq!(one.ask(&ask(false)).await.0, 200);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_metered_as_far_as_it_went() {
    let never = Arc::new(Notify::new());
    let upstream = Upstream::start(move |number, _| {
        let usage = json!({"input_tokens": 500, "output_tokens": 1});
        let message = json!({"model": "claude-sonnet-4-5", "usage": usage});
        let start = event(&json!({"type": "message_start", "message": message}));
        let words = json!({"type": "text_delta", "text": "word ".repeat(100)});
        let delta = event(&json!({"type": "content_block_delta", "index": 0, "delta": words}));
        let mut acts = vec![Act::Say(head(200, &EVENTS)), Act::Say(start), Act::Say(delta)];
        if number == 1 {
            acts.push(Act::Wait(Arc::clone(&never)));
        }
        acts
    })
    .await;
    let stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let response = client.send(client.request(&ask(true))).await;
    text(response).await;
    let line = &stage.log(1).await[0];
    assert_eq!((&line["input_tokens"], &line["whole"]), (&json!(500), &json!(false)));
    assert!((150..200).contains(&line["output_tokens"].as_u64().unwrap()), "{line}");
    // A client that goes ends the request upstream, and what it got is counted.
    let mut sender = connect(&client.socket).await;
    let mut response = soon(sender.send_request(client.request(&ask(true)))).await.unwrap();
    soon(http_body_util::BodyExt::frame(response.body_mut())).await.unwrap().unwrap();
    drop((response, sender));
    stage.log(2).await;
    assert!(stage.gateway.metered(&client.step).unwrap().tokens().input >= 500);
}
