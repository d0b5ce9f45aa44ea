//! The way from a loopback port to the gateway's socket.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Fixture, PATIENCE, assert_nothing_left, code, next_line, patiently, to_end};
use gadugi_core::{StepExit, StopForce};
use gadugi_exec::{PORT_MARK, Relay, StepFollower, StepOrder};

const MIB: usize = 1024 * 1024;

/// A step that waits, and the port of its relay.
struct Stage {
    fixture: Fixture,
    follower: StepFollower,
    port: u16,
    socket: PathBuf,
}

fn with_relay(fixture: &Fixture, socket: &Path, script: &str) -> StepOrder {
    let mut order = fixture.script(script);
    order.env.push(("GATEWAY".into(), format!("http://127.0.0.1:{PORT_MARK}/").into()));
    order.env.push(("PORT".into(), PORT_MARK.into()));
    order.env.push(("OTHER".into(), PORT_MARK.into()));
    let port_in = ["GATEWAY", "PORT", "NOT_SET", "", "A=B"].map(|name| gadugi_exec::Text(name.into()));
    order.relay = Some(Relay { socket: gadugi_exec::Text(socket.into()), port_in: port_in.into() });
    order
}

impl Stage {
    async fn new() -> Self {
        let fixture = Fixture::new();
        let socket = fixture.path("gateway.sock");
        Self::at(fixture, socket).await
    }

    async fn at(fixture: Fixture, socket: PathBuf) -> Self {
        let fifo = fixture.path("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let order = with_relay(&fixture, &socket, "echo $PORT; read x < ../fifo; echo over");
        let mut follower = fixture.executor.launch(&order).await.unwrap();
        let port = next_line(&mut follower).await.parse().unwrap();
        Self { fixture, follower, port, socket }
    }

    fn gateway(&self) -> UnixListener {
        // The last one's socket is still there after it died.
        let _ = fs::remove_file(&self.socket);
        UnixListener::bind(&self.socket).unwrap()
    }

    fn client(&self) -> TcpStream {
        patient_tcp(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap())
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.follower.process().pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Processor time of the shim, clock ticks.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.follower.process().pid)).unwrap();
        let mut fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11);
        let mut next = || fields.next().unwrap().parse::<u64>().unwrap();
        next() + next()
    }

    async fn finish(mut self) {
        fs::write(self.fixture.path("fifo"), "\n").unwrap();
        let (lines, ended) = to_end(&mut self.follower).await;
        assert_eq!((lines.len(), ended.exit), (1, code(0)));
    }
}

fn patient_tcp(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn accept(gateway: &UnixListener) -> UnixStream {
    let (stream, _) = gateway.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn all(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn exactly(mut stream: impl Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Bytes that differ wherever they might be mixed up.
fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let words = (0..u32::try_from(length / 4).unwrap()).map(|n| (n ^ seed).wrapping_mul(2_654_435_761) >> 3);
    words.flat_map(u32::to_le_bytes).collect()
}

/// A gateway that answers each connection with all that it said, once it has said all.
fn echo(gateway: UnixListener) {
    thread::spawn(move || {
        while let Ok((mut stream, _)) = gateway.accept() {
            thread::spawn(move || {
                let said = all(&mut stream);
                // Whoever asked may be gone.
                let _ = stream.write_all(&said);
            });
        }
    });
}

#[tokio::test]
async fn the_port_is_in_the_variables_that_were_named() {
    let fixture = Fixture::new();
    let order = with_relay(&fixture, Path::new("/no/such"), "echo $GATEWAY; echo $PORT; echo $OTHER");
    let (lines, ended) = fixture.run(&order).await;
    let lines: Vec<_> = lines.into_iter().map(common::text).collect();
    let port: u16 = lines[1].parse().unwrap();
    assert_eq!((lines[0].as_str(), lines[2].as_str()), (&*format!("http://127.0.0.1:{port}/"), PORT_MARK));
    assert_eq!(ended.exit, code(0));
    let spec = fs::read_to_string(order.dir.join("spec.json")).unwrap();
    assert!(!spec.contains("127.0.0.1"), "{spec}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_can_say_all_and_still_listen() {
    let stage = Stage::new().await;
    let gateway = stage.gateway();
    let (question, answer) = (bytes(3 * MIB, 1), bytes(2 * MIB, 2));

    // The client has said all before the gateway begins.
    let mut client = stage.client();
    let (expected, reply) = (question.clone(), answer.clone());
    let served = thread::spawn(move || {
        let mut stream = accept(&gateway);
        assert!(all(&mut stream) == expected, "the end of what the client says is told");
        stream.write_all(&reply).unwrap();
        gateway
    });
    client.write_all(&question).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(all(&mut client) == answer);
    let gateway = served.join().unwrap();

    // The gateway has said all before the client begins, and listens.
    let mut client = stage.client();
    let mut stream = accept(&gateway);
    stream.write_all(&answer).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(all(&mut client) == answer, "the end of what the gateway says is told");
    let said = question.clone();
    let told = thread::spawn(move || client.write_all(&said).map(|()| drop(client)));
    assert!(all(&mut stream) == question);
    told.join().unwrap().unwrap();
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_yet_is_waited_for() {
    let stage = Stage::new().await;
    let question = bytes(MIB, 3);
    let mut clients = [stage.client(), stage.client(), stage.client()];
    for client in &mut clients {
        let mut half = client.try_clone().unwrap();
        let question = question.clone();
        thread::spawn(move || half.write_all(&question).and_then(|()| half.shutdown(Shutdown::Write)));
    }
    // A file that nobody listens at is what a gateway that was killed leaves.
    drop(stage.gateway());
    assert_eq!(UnixStream::connect(&stage.socket).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    echo(stage.gateway());
    for client in clients {
        assert!(all(client) == question);
    }
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_ends_its_connections_and_the_next_one_gets_new_ones() {
    let stage = Stage::new().await;
    let gateway = stage.gateway();
    let mut idle = stage.client();
    let mut busy = stage.client();
    busy.write_all(b"half a question").unwrap();
    let streams = [accept(&gateway), accept(&gateway)];
    for mut stream in streams {
        stream.write_all(b"half an answer").unwrap();
    }
    assert_eq!(exactly(&mut idle, 14), b"half an answer");
    drop(gateway);
    // What it said arrives, and then the end, though it never read the question.
    assert_eq!(all(&mut busy), b"half an answer");
    assert_eq!(all(&mut idle), b"");

    let mut next = stage.client();
    next.write_all(b"again").unwrap();
    next.shutdown(Shutdown::Write).unwrap();
    echo(stage.gateway());
    assert_eq!(all(next), b"again");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_is_still_asking() {
    let stage = Stage::new().await;
    let gateway = stage.gateway();
    let mut client = stage.client();
    let mut half = client.try_clone().unwrap();
    let asking = thread::spawn(move || {
        let chunk = bytes(MIB, 4);
        // Until it is told that nobody listens, 64 MiB at most.
        (0..64).try_for_each(|_| half.write_all(&chunk))
    });
    let mut stream = accept(&gateway);
    exactly(&mut stream, 100);
    stream.write_all(b"401").unwrap();
    drop(stream);
    assert_eq!(exactly(&mut client, 3), b"401");
    drop(client);
    // Either way: what it sent was dropped for a while.
    let _ = asking.join().unwrap();
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_it_takes_wait_and_are_served() {
    let stage = Stage::new().await;
    // 256 at once; the others wait in the listener's queue.
    let clients: Vec<_> = (0..300).map(|_| stage.client()).collect();
    echo(stage.gateway());
    let clients: Vec<_> = clients
        .into_iter()
        .zip(0_u32..)
        .map(|(mut client, number)| {
            thread::spawn(move || {
                let said = bytes(40_000, number);
                client.write_all(&said).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                assert!(all(client) == said, "connection {number}");
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let peak = stage.status("VmHWM");
    assert!(peak < 12 * 1024, "{peak} KiB");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_writer_and_fills_no_memory() {
    const LENGTH: usize = 64 * MIB;
    let stage = Stage::new().await;
    let gateway = stage.gateway();
    let mut client = stage.client();
    let mut stream = accept(&gateway);
    // A second of no progress at all is a stall.
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let answer = bytes(LENGTH, 5);
    let mut written = 0;
    let stalled = loop {
        match stream.write(&answer[written..]) {
            Ok(length) => written += length,
            Err(error) => break error,
        }
        assert!(written < LENGTH, "nobody reads, and all was taken");
    };
    assert_eq!(stalled.kind(), ErrorKind::WouldBlock);

    // It waits without spinning: another second like that costs it next to nothing.
    let before = stage.ticks();
    assert_eq!(stream.write(&answer[written..]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let spent = stage.ticks() - before;
    assert!(spent <= 5, "{spent} of 100 clock ticks");

    let rest = answer[written..].to_vec();
    let writer = thread::spawn(move || {
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&rest).map(|()| drop(stream))
    });
    assert!(all(&mut client) == answer);
    writer.join().unwrap().unwrap();
    let peak = stage.status("VmHWM");
    assert!(peak < 3 * 1024, "{peak} KiB");
    stage.finish().await;
}

/// Sends and reads as fast as it can, until the other side ends it.
fn flood(stream: TcpStream) {
    let mut half = stream.try_clone().unwrap();
    thread::spawn(move || io::copy(&mut half, &mut io::sink()));
    let mut stream = stream;
    thread::spawn(move || {
        let chunk = bytes(64 * 1024, 6);
        while stream.write_all(&chunk).is_ok() {}
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_full_of_traffic_delays_no_stop_and_ends_with_the_step() {
    let mut stage = Stage::new().await;
    let gateway = stage.gateway();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = gateway.accept() {
            let mut half = stream.try_clone().unwrap();
            thread::spawn(move || io::copy(&mut stream, &mut half));
        }
    });
    let mut quiet = stage.client();
    (0..8).for_each(|_| flood(stage.client()));
    quiet.write_all(b"x").unwrap();
    assert_eq!(exactly(&mut quiet, 1), b"x");

    let asked = Instant::now();
    assert!(stage.follower.stopper().stop(StopForce::Grace));
    let (_, ended) = to_end(&mut stage.follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(15), true));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let mut rest = Vec::new();
    assert!(matches!(quiet.read_to_end(&mut rest), Ok(0) | Err(_)), "it is closed");
    let error = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_may_lie_deeper_than_an_address_is_long() {
    let fixture = Fixture::new();
    let deep = fixture.path(&"deep/".repeat(30));
    fs::create_dir_all(&deep).unwrap();
    let socket = deep.join("gateway.sock");
    assert!(socket.as_os_str().len() > 150);
    let stage = Stage::at(fixture, socket).await;
    let mut client = stage.client();
    client.write_all(b"deep").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    // Bound where its address is short, and moved.
    let near = stage.fixture.path("near.sock");
    let gateway = UnixListener::bind(&near).unwrap();
    fs::rename(&near, &stage.socket).unwrap();
    echo(gateway);
    assert_eq!(all(client), b"deep");
    stage.finish().await;
}

#[tokio::test]
async fn the_step_inherits_nothing_of_the_relay() {
    let fixture = Fixture::new();
    let order = with_relay(&fixture, Path::new("/no/such"), "ls /proc/self/fd");
    let (lines, _) = fixture.run(&order).await;
    let lines: Vec<_> = lines.into_iter().map(common::text).collect();
    assert_eq!(lines, ["0", "1", "2", "3"], "the fourth is the listing itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_with_a_relay_is_light() {
    let stage = Stage::new().await;
    echo(stage.gateway());
    for number in 0..50 {
        let (mut client, said) = (stage.client(), bytes(100_000, number));
        client.write_all(&said[..1000]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(all(client) == said[..1000]);
    }
    let peak = stage.status("VmHWM");
    assert!(peak < 2304, "{peak} KiB");
    stage.finish().await;
}

#[tokio::test]
async fn without_a_loopback_interface_nothing_is_started() {
    let fixture = Fixture::new();
    let order = with_relay(&fixture, Path::new("/no/such"), "echo started");
    fs::create_dir_all(&order.dir).unwrap();
    let spec = serde_json::json!({
        "argv": ["/bin/true"], "env_names": [], "cwd": "/", "stdin": null, "attempt": order.attempt, "grace_ms": 1000,
        "lease_ms": 0, "relay": {"socket": "/no/such", "port_in": []},
    });
    fs::write(order.dir.join("spec.json"), spec.to_string()).unwrap();
    // A network of its own, whose loopback interface is down. Without root, with a user namespace of its own.
    let flags = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let mut command = Command::new("unshare");
    command.arg(flags).arg(fixture.shim()).arg(&order.dir);
    let status = patiently(tokio::task::spawn_blocking(move || command.status())).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    let StepExit::NotStarted(words) = ended.exit else { panic!("{ended:?}") };
    assert!(words.contains("loopback"), "{words}");
    assert_eq!(lines.len(), 0);
    assert_nothing_left(&order);
}
