//! For `cargo xtask bench container`: at each line of its input starts one trivial step in a container, as steps are started,
//! and prints how many milliseconds passed until its first line of output was there.
//!
//! `first-output IMAGE FOLDER`, with the container engine that the environment leads to.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use gadugi_core::Millis;
use gadugi_exec::{
    ContainerOrder, DockerExecutor, Limits, Mount, PORT_MARK, Relay, StepNews, StepOrder, Text,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, folder] = &arguments[..] else { return Err("first-output IMAGE FOLDER".into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(image, Path::new(folder)))
}

async fn serve(image: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let executor = DockerExecutor::connect(&gadugi_sys::env::all(), folder).await?;
    let (mut out, input) = (std::io::stdout(), std::io::stdin());
    executor.image(image).await?;
    writeln!(out, "ready")?;
    for (number, line) in input.lock().lines().enumerate() {
        line?;
        let order = order(&executor, image, folder, number)?;
        let began = Instant::now();
        let mut follower = executor.launch(&order).await?;
        let first = follower.next().await;
        let took = began.elapsed();
        if !matches!(first, Some(StepNews::Line(_))) {
            return Err(format!("no output: {first:?}").into());
        }
        follower.ended().await;
        writeln!(out, "{:.3}", took.as_secs_f64() * 1000.0)?;
        out.flush()?;
    }
    Ok(())
}

/// With everything that a step of an agent has: mounts, limits, and the way to a gateway.
fn order(
    executor: &DockerExecutor,
    image: &str,
    folder: &Path,
    number: usize,
) -> Result<StepOrder, Box<dyn Error>> {
    let user = executor.user_for((0, 0));
    let own = |name: &str| {
        let path = folder.join(name);
        gadugi_sys::files::create_private_dir(&path)?;
        if let Some((uid, gid)) = user.outside {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
        }
        Ok::<_, std::io::Error>(path)
    };
    let mount = |source, target: &str| Mount { source, target: target.into(), read_only: false };
    let mounts = vec![
        mount(own("work")?, "/workspace"),
        mount(own("home")?, "/gadugi/home"),
        mount(own("tmp")?, "/tmp"),
    ];
    let dir = folder.join("steps").join(number.to_string());
    let instance = format!("bench-{}", std::process::id());
    let container = ContainerOrder {
        image: image.to_owned(),
        name: format!("gadugi-{instance}-{number}"),
        labels: BTreeMap::from([("gadugi.instance".to_owned(), instance)]),
        user: user.inside,
        mounts,
        gate: dir.join("gate"),
        memory_bytes: Some(1 << 30),
        cpus_permille: Some(2000),
        pids: Some(512),
        overlays: Vec::new(),
    };
    let relay = Relay {
        socket: Text("/gadugi/gate/gateway.sock".into()),
        port_in: vec![Text("ANTHROPIC_BASE_URL".into())],
    };
    Ok(StepOrder {
        argv: ["sh", "-c", "echo here"].map(Into::into).into(),
        env: vec![("ANTHROPIC_BASE_URL".into(), format!("http://127.0.0.1:{PORT_MARK}").into())],
        cwd: "/workspace".into(),
        stdin: None,
        attempt: format!("{}/bench/{number}", folder.display()),
        grace: Millis::seconds(10),
        lease: Millis::seconds(600),
        limits: Limits { output_bytes: Some(1 << 20), ..Limits::default() },
        relay: Some(relay),
        container: Some(container),
        dir,
    })
}
