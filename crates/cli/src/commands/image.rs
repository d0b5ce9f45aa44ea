//! `gadugi image build`: the image that agents run in, made by the container engine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use gadugi_exec::docker::Connection;
use gadugi_exec::image::{self, BuildNews, BuildOrder, Built, DEFAULT_TAG, ImageError, Network};
use gadugi_sys::env;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Global;
use crate::error::{Done, Exit, Problem, Stop};
use crate::output::{self, Manner};
use crate::place::block_on;
use crate::text;

/// The program that every agent image has to hold.
const AGENT: &str = "claude";

/// What is to be done with images.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build the agent image: git, Claude Code, uv and the usual tools on a Debian
    Build(BuildArgs),
}

/// How the image is built.
#[derive(Debug, Args)]
#[command(
    after_help = "A folder of OVERRIDES may hold a Dockerfile in place of gadugi's own, certificates/*.crt of authorities \
    that your mirrors need, and whatever else its Dockerfile copies.\n\
    Build arguments of gadugi's own Dockerfile: BASE, APT_MIRROR, APT_PROXY, NPM_CONFIG_REGISTRY, PIP_INDEX_URL, \
    CLAUDE_CODE_VERSION, UV_VERSION; proxies as everywhere: HTTP_PROXY, HTTPS_PROXY, NO_PROXY. They stay in the image's \
    history: give no secrets."
)]
struct BuildArgs {
    /// The image to build upon: a Debian, or one made from it [default: debian:bookworm-slim]
    #[arg(long, value_name = "IMAGE", value_parser = name)]
    base: Option<String>,
    /// What to call it
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TAG, value_parser = name)]
    tag: String,
    /// A build argument; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = argument)]
    build_arg: Vec<(String, String)>,
    /// What the build itself reaches
    #[arg(long, value_enum, default_value_t = Reach::Default)]
    network: Reach,
    /// A folder whose files take precedence over gadugi's own
    #[arg(value_name = "OVERRIDES")]
    overrides: Option<PathBuf>,
}

/// What a build reaches.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// The engine's usual network
    Default,
    /// The machine's own network
    Host,
}

/// An image's name: the engine knows the whole grammar, here is what no name is.
fn name(text: &str) -> Result<String, String> {
    let sound = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    if sound {
        Ok(text.to_owned())
    } else {
        Err("expected an image's name such as debian:bookworm-slim".to_owned())
    }
}

fn argument(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub(crate) fn run(global: &Global, args: &ImageArgs) -> Done {
    let Action::Build(args) = &args.action;
    let order = order(global, args)?;
    block_on(async {
        let listen =
            signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
        let (mut interrupt, mut terminate) = listen.map_err(|error| Problem::internal(&error))?;
        tokio::select! {
            done = build(&order) => done,
            _ = interrupt.recv() => Ok(interrupted()),
            _ = terminate.recv() => Ok(interrupted()),
        }
    })
}

fn order(global: &Global, args: &BuildArgs) -> Result<BuildOrder, Stop> {
    let folder = args.overrides.as_ref().map(|folder| match &global.project_root {
        Some(root) => root.join(folder),
        None => folder.clone(),
    });
    if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
        let message = format!("there is no folder {}", folder.display());
        return Err(Problem::request("no-such-folder", message, None).into());
    }
    let mut order = BuildOrder::agent(&args.tag, args.base.as_deref(), folder.as_deref().map(Path::new))
        .map_err(Problem::from)?;
    order.arguments.extend(args.build_arg.iter().cloned());
    order.network = match args.network {
        Reach::Default => Network::Default,
        Reach::Host => Network::Host,
    };
    Ok(order)
}

async fn build(order: &BuildOrder) -> Done {
    let connection = Connection::open(&env::all()).await.map_err(Problem::from)?;
    let began = Instant::now();
    let mut progress = Progress::new(output::is_live());
    let built = image::build(&connection, order, |news| progress.tell(&news)).await;
    progress.end();
    let built = built.map_err(told)?;
    check(&connection, &built).await;
    let seconds = began.elapsed().as_secs();
    let megabytes = built.size / 1_000_000;
    output::result(&format!("built {} ({megabytes} MB, {seconds} s)\n", built.tag))?;
    Ok(Exit::Success)
}

/// The engine gives up a build that nobody waits for.
fn interrupted() -> Exit {
    if output::is_live() {
        output::paint("\n");
    }
    output::say("interrupted: no image was built, the steps that were done are kept");
    Exit::Interrupted
}

/// The builder's last words, where they were not shown, and the problem.
fn told(error: ImageError) -> Stop {
    if let ImageError::Build { tail, .. } = &error {
        tail.iter().for_each(|line| output::say(&format!("  | {}", text::line(line))));
    }
    Problem::from(error).into()
}

/// An image of one's own Dockerfile may lack what agents need: better said now than at the first run.
async fn check(connection: &Connection, built: &Built) {
    let labels = HashMap::from([("gadugi.check".to_owned(), "image".to_owned())]);
    match image::check_image(connection, &built.tag, AGENT, None, labels).await {
        Ok(found) => {
            let missing = found.missing(AGENT).join(", ");
            if !missing.is_empty() {
                Manner::Words.warn(&format!("agents cannot work in {}: it has no {missing}", built.tag));
            }
        }
        Err(error) => Manner::Words.warn(&error.to_string()),
    }
}

/// Shows how far a build is: one line that is redrawn, or a line for each step.
struct Progress {
    live: bool,
    step: String,
    /// Build arguments that no line of the Dockerfile takes.
    unused: Option<String>,
}

impl Progress {
    fn new(live: bool) -> Self {
        Self { live, step: String::new(), unused: None }
    }

    fn tell(&mut self, news: &BuildNews) {
        match news {
            BuildNews::Step { number, of, instruction } => {
                self.step = format!("[{number}/{of}] {instruction}");
                if self.live { self.paint("") } else { output::say(&text::fit(&self.step, 160)) }
            }
            BuildNews::Line(line) => {
                self.unused = unused(line).or(self.unused.take());
                self.paint(line);
            }
            BuildNews::Pull { layer, status, bytes } => {
                let part =
                    bytes.filter(|(_, all)| *all > 0).map(|(done, all)| format!(" {} %", done * 100 / all));
                self.paint(&format!("{layer} {status}{}", part.unwrap_or_default()));
            }
        }
    }

    fn end(&self) {
        if self.live {
            output::paint("\r\u{1b}[2K");
        }
        if let Some(unused) = &self.unused {
            Manner::Words.warn(&format!("no line of the Dockerfile takes the build argument {unused}"));
        }
    }

    fn paint(&self, behind: &str) {
        if !self.live {
            return;
        }
        let columns = usize::from(console::Term::stderr().size().1).max(20);
        let step = text::fit(&self.step, columns / 2);
        let line = text::fit(&format!("{step}  {behind}"), columns - 1);
        output::paint(&format!("\r\u{1b}[2K{line}"));
    }
}

/// The build arguments that the engine says were not used. A Dockerfile of one's own need not ask for gadugi's version.
fn unused(line: &str) -> Option<String> {
    let (_, list) = line.strip_prefix("[Warning] ")?.split_once('[')?;
    let names = list.split_once(']')?.0.split([' ', ',']);
    let names: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "GADUGI_VERSION").collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments_are_told_from_what_is_none() {
        for good in ["debian", "debian:bookworm-slim", "host.example:5000/a/b:1", "a@sha256:0123"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "-x", "a b", "a\n", "../x", "ä", "a$b"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(argument("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(argument("A="), Ok(("A".to_owned(), String::new())));
        assert!(argument("A").is_err() && argument("=b").is_err());
    }

    #[test]
    fn arguments_that_nothing_takes_are_named() {
        let said =
            |names: &str| unused(&format!("[Warning] One or more build-args [{names}] were not consumed"));
        assert_eq!(said("GADUGI_VERSION"), None);
        assert_eq!(said("BASE GADUGI_VERSION X").as_deref(), Some("BASE, X"));
        assert_eq!(unused("BASE"), None);
    }
}
