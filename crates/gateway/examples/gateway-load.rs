//! The parts of `cargo xtask bench gateway`, each a process of its own: an upstream that says events at a fixed rate, a
//! gateway, and clients that look how old each event is when it comes.
//!
//! `gateway-load upstream RATE` prints its address; `gateway-load gateway URL FOLDER STEPS` prints `ready` (sockets `N.sock`
//! and tokens `N.token` are in the folder); both serve until their standard input ends. `gateway-load clients COUNT SECONDS
//! URL|URL#TOKEN-FILE|FOLDER` prints `{"events", "median_us", "p99_us"}`; `gateway-load stall COUNT SECONDS FOLDER` opens streams that
//! never end, reads none of them, prints `stalled` when it has done so for so long, and goes when its standard input ends.

use std::error::Error;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gadugi_core::{AttemptId, RunId, StepId, TaskId};
use gadugi_gateway::{Account, Credential, Gateway, Metered, Options, Permit, Secret, Token};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A piece of text as models say them, some forty letters.
const WORDS: &str = "a few words of what a model would say";

fn main() -> Fallible {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments[..] {
            ["upstream", rate] => upstream(rate.parse()?).await,
            ["gateway", url, folder, steps] => gateway(url, Path::new(folder), steps.parse()?).await,
            ["clients", count, seconds, whereto] => clients(count.parse()?, seconds.parse()?, whereto).await,
            ["stall", count, seconds, folder] => stall(count.parse()?, seconds.parse()?, folder).await,
            _ => Err("usage: see the head of the source".into()),
        }
    })
}

/// Nanoseconds on a clock that all processes of the machine share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn say(line: &str) -> Fallible {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Until whoever started it has had enough.
async fn until_closed() {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(read).await;
}

async fn upstream(rate: u64) -> Fallible {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("http://{}", listener.local_addr()?))?;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(stream_events(stream, rate));
        }
    };
    tokio::select! {
        served = serve => served,
        () = until_closed() => Ok(()),
    }
}

/// One answer: events at the rate, or as fast as they go where the model is called `flood`, until nobody listens.
async fn stream_events(mut stream: TcpStream, rate: u64) -> Fallible {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await?;
    let flood = String::from_utf8_lossy(&request[..length]).contains("claude-flood");
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        .await?;
    let period = Duration::from_nanos(1_000_000_000 / rate);
    // Streams do not speak all at the same moment.
    let first = Instant::now() + period.mul_f64((now() % 997) as f64 / 997.0);
    let mut ticks = interval_at(first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        if !flood {
            ticks.tick().await;
        }
        let event = format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"stamp\":{},\"delta\":\
             {{\"type\":\"text_delta\",\"text\":\"{WORDS}\"}}}}\n\n",
            now()
        );
        stream.write_all(event.as_bytes()).await?;
    }
}

async fn gateway(url: &str, folder: &Path, steps: u32) -> Fallible {
    let (gateway, mut notices) = Gateway::start(Options::new(folder.join("log.jsonl")))?;
    tokio::spawn(async move { while notices.recv().await.is_some() {} });
    for number in 0..steps {
        let token = Token::mint().ok_or("no randomness")?;
        std::fs::write(folder.join(format!("{number}.token")), token.reveal())?;
        let task = TaskId::new(format!("task-{number}"));
        let attempt = AttemptId { run: RunId::new("bench"), task, attempt: 1 };
        let account = Account::new(url, Credential::ApiKey(Secret::new("sk-test-local")))?;
        let permit = Permit {
            step: StepId { attempt, step: 1 },
            socket: folder.join(format!("{number}.sock")),
            socket_owner: None,
            token_sha256: token.sha256,
            account: Some(account),
            budget_microusd: None,
            already: Metered::default(),
            network: Vec::new(),
        };
        gateway.admit(permit).await?;
    }
    say("ready")?;
    until_closed().await;
    gateway.close().await;
    Ok(())
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A stream that has begun: directly, or by way of the gateway's N-th socket.
async fn begin(whereto: &str, number: usize, model: &str) -> Fallible<BufReader<Box<dyn Wire>>> {
    let (mut wire, key): (Box<dyn Wire>, String) = match whereto.strip_prefix("http://") {
        Some(rest) => {
            let (address, key) = match rest.split_once('#') {
                Some((address, file)) => (address, std::fs::read_to_string(file)?),
                None => (rest, "none".to_owned()),
            };
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            (Box::new(stream), key)
        }
        None => {
            let folder = PathBuf::from(whereto);
            let key = std::fs::read_to_string(folder.join(format!("{number}.token")))?;
            (Box::new(UnixStream::connect(folder.join(format!("{number}.sock"))).await?), key)
        }
    };
    let body = format!("{{\"model\":\"{model}\",\"max_tokens\":1000,\"stream\":true,\"messages\":[]}}");
    let length = body.len();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n"
    );
    wire.write_all((head + &body).as_bytes()).await?;
    let mut reader = BufReader::new(wire);
    let mut status = String::new();
    reader.read_line(&mut status).await?;
    if status.starts_with("HTTP/1.1 200") { Ok(reader) } else { Err(status.into()) }
}

async fn clients(count: usize, seconds: u64, whereto: &str) -> Fallible {
    let begun = Arc::new(AtomicU64::new(0));
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..count {
        let (whereto, begun) = (whereto.to_owned(), Arc::clone(&begun));
        streams.spawn(async move {
            let mut reader = begin(&whereto, number, "claude-sonnet-4-5").await?;
            begun.fetch_add(1, Ordering::SeqCst);
            // All of them are there before anything is measured.
            while begun.load(Ordering::SeqCst) < count as u64 {
                sleep(Duration::from_millis(20)).await;
            }
            listen(&mut reader, Duration::from_secs(seconds)).await
        });
    }
    let mut ages = Vec::new();
    while let Some(stream) = streams.join_next().await {
        ages.extend(stream??);
    }
    ages.sort_unstable();
    let at = |share: usize| ages.get(ages.len() * share / 100).copied().unwrap_or(0) as f64 / 1000.0;
    let (events, median, p99) = (ages.len(), at(50), at(99));
    say(&format!("{{\"events\":{events},\"median_us\":{median},\"p99_us\":{p99}}}"))
}

/// How old each event was when it came, nanoseconds. The first second does not count: what was said while others were
/// still on their way lies in the buffers.
async fn listen(reader: &mut BufReader<Box<dyn Wire>>, length: Duration) -> Fallible<Vec<u64>> {
    let begin = Instant::now() + Duration::from_secs(1);
    let end = begin + length;
    let mut ages = Vec::new();
    let mut line = String::new();
    while Instant::now() < end {
        line.clear();
        if timeout(Duration::from_secs(10), reader.read_line(&mut line)).await?? == 0 {
            return Err("a stream ended".into());
        }
        let stamp =
            line.split_once("\"stamp\":").and_then(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok());
        if let Some(stamp) = stamp.filter(|_| Instant::now() >= begin) {
            ages.push(now().saturating_sub(stamp));
        }
    }
    Ok(ages)
}

async fn stall(count: usize, seconds: u64, folder: &str) -> Fallible {
    let mut held = Vec::new();
    for number in 0..count {
        held.push(begin(folder, number, "claude-flood").await?);
    }
    sleep(Duration::from_secs(seconds)).await;
    say("stalled")?;
    until_closed().await;
    Ok(())
}
