//! Real Claude Code through the gateway, to a scripted model API: what it used is metered to the unit, and it ends at once,
//! with a clear message, where the gateway refuses.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::upstream::{Upstream, whole};
use common::{Client, Stage};
use gadugi_gateway::{Account, Credential, Notice, Permit, Secret};
use gadugi_testkit::claude;
use gadugi_testkit::model_api::{Fault, Meets, ModelApi};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;
use tokio::time::timeout;

const SCRIPT: &str = "Work.\n\n```model\n\
    {\"tool\": \"Bash\", \"input\": {\"command\": \"echo hello > greeting.txt\"}}\n\
    [{\"text\": \"half way\"}, {\"tool\": \"Bash\", \"input\": {\"command\": \"cat greeting.txt\"}}]\n\
    {\"text\": \"all done\"}\n```\n";

/// A port of loopback that leads to a socket. As the shim's relay does, it holds connections while nobody answers there.
async fn relay(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut gateway = loop {
                    match UnixStream::connect(&socket).await {
                        Ok(gateway) => break gateway,
                        Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                };
                copy_bidirectional(&mut stream, &mut gateway).await
            });
        }
    });
    url
}

struct Ran {
    code: Option<i32>,
    result: Value,
    took: Duration,
}

async fn run(client: &Client, folder: &Path, arguments: &[&str]) -> Ran {
    let home = folder.join("home");
    std::fs::create_dir_all(home.join("w")).unwrap();
    let url = relay(client.socket.clone()).await;
    let mut command = Command::new(claude::program().unwrap_or_else(|missing| panic!("{missing}")));
    command
        .args(["-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"])
        .args(arguments);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("IS_SANDBOX", "1");
    command.envs(claude::environment(&url, &home)).env("ANTHROPIC_API_KEY", client.token.reveal());
    command.current_dir(home.join("w")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    let began = std::time::Instant::now();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).await.unwrap();
    let output = timeout(Duration::from_secs(120), child.wait_with_output())
        .await
        .expect("it goes on and on")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let result = lines.rfind(|line| line["type"] == "result");
    let result = result.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    Ran { code: output.status.code(), result, took: began.elapsed() }
}

/// Tokens of each model as Claude Code says, and as the gateway does.
fn both(ran: &Ran, stage: &Stage, client: &Client) -> [Value; 2] {
    let theirs = ran.result["modelUsage"].as_object().unwrap().iter().map(|(model, used)| {
        let count = |name: &str| used[name].as_u64().unwrap();
        let counts = [
            "inputTokens",
            "outputTokens",
            "cacheReadInputTokens",
            "cacheCreationInputTokens",
            "webSearchRequests",
        ];
        let micros = (used["costUSD"].as_f64().unwrap() * 1e6).round();
        // `[1m]` is its own mark for a long context; the vendor never sees it.
        (model.trim_end_matches("[1m]").to_owned(), json!([counts.map(count), micros]))
    });
    let metered = stage.gateway.metered(&client.step).unwrap();
    let ours = metered.models.iter().map(|(model, used)| {
        let t = &used.tokens;
        let counts = [t.input, t.output, t.cache_read, t.cache_write(), t.web_searches];
        (model.clone(), json!([counts, used.costs.microusd() as f64]))
    });
    [theirs.collect(), ours.collect()]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_used_is_metered_to_the_unit() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    let ran = run(&client, stage.folder.path(), &[]).await;
    assert_eq!((ran.code, &ran.result["is_error"]), (Some(0), &json!(false)), "{}", ran.result);
    assert_eq!(ran.result["num_turns"], 3);
    let [theirs, ours] = both(&ran, &stage, &client);
    assert!(!theirs.as_object().unwrap().is_empty());
    assert_eq!(theirs, ours);
    let cost = (ran.result["total_cost_usd"].as_f64().unwrap() * 1e6).round() as u64;
    assert_eq!(stage.gateway.metered(&client.step).unwrap().usage().cost_microusd, cost);
}

/// Refusals at which it has to end at once.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_once_where_the_budget_is_used_up() {
    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage
        .admit_with("a", &api.base_url(), |permit: &mut Permit| permit.budget_microusd = Some(1000))
        .await;
    let ran = run(&client, stage.folder.path(), &[]).await;
    assert_eq!((ran.code, &ran.result["is_error"]), (Some(1), &json!(true)), "{}", ran.result);
    let words = ran.result["result"].as_str().unwrap();
    println!("{words} {:?} {}", ran.took, ran.result);
    assert!(words.starts_with("API Error: 400 gadugi: the budget of this step is used up"), "{words}");
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    assert!(matches!(
        stage.notice().await,
        Notice::BudgetRefused { spent_microusd: 0, budget_microusd: 1000, .. }
    ));
    assert!(api.scripted_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_once_where_the_credential_is_refused() {
    let mut stage = Stage::new();
    let upstream = Upstream::start(|_, _| {
        let body = json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}});
        whole(401, &[("content-type", "application/json")], body.to_string())
    })
    .await;
    let client = stage.admit("a", &upstream.url()).await;
    let ran = run(&client, stage.folder.path(), &[]).await;
    println!("{:?} {}", ran.took, ran.result);
    assert_eq!((ran.code, &ran.result["api_error_status"]), (Some(1), &json!(401)), "{}", ran.result);
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    assert!(matches!(stage.notice().await, Notice::AuthRefused { status: 401, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_a_usage_limit_and_never_of_a_hiccup() {
    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    api.misbehave(Fault::Status { status: 429, retry_after: Some(1), message: None }, Meets::First(1));
    api.misbehave(Fault::Status { status: 529, retry_after: None, message: None }, Meets::First(1));
    let client = stage.admit("a", &api.base_url()).await;
    let ran = run(&client, stage.folder.path(), &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.result);
    assert_eq!(both(&ran, &stage, &client)[0], both(&ran, &stage, &client)[1]);
    assert!(matches!(stage.notice().await, Notice::Slowed { .. }));

    let (mut stage, api) = (Stage::new(), ModelApi::start().unwrap());
    api.misbehave(Fault::UsageLimit { resets_in: 3600 }, Meets::First(1));
    let client = stage.admit("a", &api.base_url()).await;
    let ran = run(&client, stage.folder.path(), &[]).await;
    println!("{:?} {}", ran.took, ran.result);
    assert_eq!((ran.code, &ran.result["api_error_status"]), (Some(1), &json!(429)), "{}", ran.result);
    let Notice::UsageLimited { until: Some(until), .. } = stage.notice().await else { panic!() };
    let now = gadugi_sys::clock::now();
    assert!((3500..3700).contains(&((until.0 - now.0) / 1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_up_again_where_the_credential_comes_late() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let (client, permit) = stage.permit("a", None);
    stage.gateway.admit(permit).await.unwrap();
    let gateway = stage.gateway.clone();
    let (step, url) = (client.step.clone(), api.base_url());
    let supplied = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let subscription =
            Account::new(&url, Credential::Subscription(Secret::new("sk-subscription"))).unwrap();
        gateway.supply(&step, subscription).await
    });
    let ran = run(&client, stage.folder.path(), &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.result);
    assert!(supplied.await.unwrap().unwrap());
    assert!(api.requests().iter().all(|request| request.key.as_deref() == Some("sk-subscription")));
}

#[test]
fn it_survives_a_gateway_that_dies_in_the_middle_of_an_answer() {
    let api = ModelApi::start().unwrap();
    api.misbehave(Fault::Silent { events: Some(3) }, Meets::First(1));
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = [(); 2].map(|()| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    let mut old = first.block_on(async { Stage::new() });
    let (client, mut permit) = old.permit("a", Some(common::account(&api.base_url())));
    permit.socket = folder.path().join("gateway.sock");
    let client = Client { socket: permit.socket.clone(), ..client };
    first.block_on(old.gateway.admit(permit)).unwrap();
    let working =
        Client { step: client.step.clone(), socket: client.socket.clone(), token: client.token.clone() };
    let home = folder.path().to_owned();
    let agent = second.spawn(async move { run(&working, &home, &[]).await });
    // It is in the middle of its first answer, and everything of the gateway's is gone at once.
    second.block_on(common::until(|| (api.scripted_requests().len() == 1).then_some(())));
    first.shutdown_background();
    old.notices.close();
    // The next one knows the hash, and what the log says.
    second.block_on(async {
        let stage = Stage::new();
        let (_, mut permit) = stage.permit("a", None);
        (permit.token_sha256, permit.socket) = (client.token.sha256.clone(), client.socket.clone());
        stage.gateway.admit(permit).await.unwrap();
        stage.gateway.supply(&client.step, common::account(&api.base_url())).await.unwrap();
        let ran = agent.await.unwrap();
        assert_eq!((ran.code, &ran.result["is_error"]), (Some(0), &json!(false)), "{}", ran.result);
        assert_eq!(api.scripted_requests().len(), 4, "one more than it took");
        assert!(stage.gateway.revoke(&client.step).await.unwrap().tokens().output > 0);
    });
}
