//! `gadugi dashboard`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use gadugi_engine::client::Client;
use gadugi_sys::env;

use crate::args::Global;
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::Signals;
use crate::output::{self, Manner};
use crate::page::{self, Page};
use crate::place::{Place, block_on};

/// Engines that may go away in a row, each soon after it began.
const LOSSES: u32 = 3;
/// One that lived longer than this did not go away soon.
const SOON: Duration = Duration::from_secs(10);

/// Where the page is shown.
#[derive(Debug, Args)]
pub(crate) struct DashboardArgs {
    /// Listen there: 8080, 127.0.0.1:0, 0.0.0.0:8080 [default: where it was last, else any free port of this machine's own]
    #[arg(long, value_name = "ADDR", value_parser = page::address)]
    listen: Option<SocketAddr>,
    /// The link as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(global: &Global, args: &DashboardArgs) -> Done {
    if env::get(env::ATTEMPT).is_some() {
        let message =
            "gadugi dashboard inside a task of gadugi is refused: agents look at runs and do not steer them";
        return Err(Problem::request("inside-attempt", message, None).into());
    }
    let place = Place::find(global)?;
    block_on(hold(&place, args))
}

/// Keeps the page open until the user asks for its end: an engine stays for as long as somebody is connected to it.
async fn hold(place: &Place, args: &DashboardArgs) -> Done {
    let manner = Manner::json(args.json);
    // Heard from here on: what comes before the link is said ends the command too.
    let mut signals = Signals::new()?;
    let mut client = place.engine().await?;
    let mut page = Page::open(&mut client, args.listen).await?;
    page.warn(manner);
    say(&page, args)?;
    manner.tell("Ctrl-C ends the page; runs go on");
    let mut losses = 0;
    loop {
        let since = Instant::now();
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Exit::Interrupted),
            () = client.gone() => {}
        }
        losses = if since.elapsed() > SOON { 1 } else { losses + 1 };
        if losses > LOSSES {
            let (gone, hint) = ("the engine goes away again and again", Some("see .gadugi/engine.log"));
            return Err(Problem::environment("engine-gone", gone, hint).into());
        }
        manner.tell("the engine went away; starting another");
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Exit::Interrupted),
            again = reopen(place, &mut page) => client = again?,
        }
    }
}

async fn reopen(place: &Place, page: &mut Page) -> Result<Client, Stop> {
    let mut client = place.engine().await?;
    page.open_again(&mut client).await?;
    Ok(client)
}

fn say(page: &Page, args: &DashboardArgs) -> Result<(), Stop> {
    if args.json { output::result_json(&page.json()) } else { output::result(&format!("{}\n", page.link)) }
}
