//! `gadugi resume [RUN]`.

use clap::Args;
use gadugi_core::Target;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, RunView};
use gadugi_sys::env;

use crate::args::Global;
use crate::commands::runs;
use crate::commands::targets::{Meant, meant};
use crate::decompose;
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{self, Board, Signals, Start, ViewArgs};
use crate::output;
use crate::page::PageArgs;
use crate::place::{Place, block_on};

/// What is taken up.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run, which is followed to its end; or tasks of it that were paused [default: the latest run that is
    /// paused or interrupted, else the latest that goes on]
    #[arg(value_name = "RUN|TASK")]
    what: Vec<String>,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) fn run(global: &Global, args: &ResumeArgs) -> Done {
    if env::get(env::ATTEMPT).is_some() {
        let message = "gadugi resume inside a task of gadugi is refused: agents start no runs";
        return Err(Problem::request("inside-attempt", message, None).into());
    }
    let place = Place::find(global)?;
    block_on(resume(&place, args))
}

async fn resume(place: &Place, args: &ResumeArgs) -> Done {
    let nothing = || {
        output::say("nothing to resume");
        Ok(Exit::Success)
    };
    let Some(mut client) = place.engine_with_records().await? else { return nothing() };
    let view = match &args.what[..] {
        [] => match latest_unfinished(&mut client).await? {
            Some(view) => view,
            None => return nothing(),
        },
        words => {
            let mut all = meant(&mut client, words).await?;
            match (all.pop(), all.is_empty()) {
                (Some(Meant { view, target: Target::All }), true) => view,
                (Some(last), _) => {
                    all.push(last);
                    let page = args.page.open(&mut client).await?;
                    page.iter().for_each(|page| page.announce(args.view.manner()));
                    return release(&mut client, &all).await;
                }
                (None, _) => return nothing(),
            }
        }
    };
    let signals = Signals::new()?;
    let page = if view.status == "finished" { None } else { args.page.open(&mut client).await? };
    page.iter().for_each(|page| page.announce(args.view.manner()));
    match view.status.as_str() {
        "finished" => {
            output::say(&format!("{} is over; nothing to resume", view.run));
            return Ok(Exit::Success);
        }
        status if status == "paused" || view.tasks.iter().any(|task| task.held) => {
            follow::take_up(&mut client, &view.run).await?;
        }
        // It goes on as it is: following is all that is left to do.
        _ => {}
    }
    let (run, after, board) = (view.run.clone(), view.seq, Board::from_view(&view));
    let start = Start { client, run, after, board, signals, page };
    if view.tasks.iter().any(|task| task.question.is_some()) {
        return decompose::resumed(place, start, args.view).await;
    }
    follow::to_the_end(place, start, args.view).await
}

/// Several are let go on together, and none is followed.
async fn release(client: &mut Client, all: &[Meant]) -> Done {
    for meant in all {
        let (run, target) = (meant.run(), meant.target.clone());
        let environment = Some(follow::environment());
        match client.ask(&Request::Resume { run, target, environment }).await? {
            Reply::Accepted { run, tasks } => {
                output::result(&format!("{run}: {} on\n", goes(tasks)))?;
                if meant.view.status == "paused" && meant.target != Target::All {
                    output::say(&format!("the run itself is paused: gadugi resume {run}"));
                }
            }
            other => return Err(Problem::unexpected(&other).into()),
        }
    }
    Ok(Exit::Success)
}

fn goes(tasks: usize) -> String {
    if tasks == 1 { "1 task goes".to_owned() } else { format!("{tasks} tasks go") }
}

/// What a person means who names no run: one that waits to be taken up, else one that goes on and can be followed.
async fn latest_unfinished(client: &mut Client) -> Result<Option<Box<RunView>>, Stop> {
    match runs::latest(client, |view| view.status == "paused").await? {
        Some(view) => Ok(Some(view)),
        None => runs::latest(client, |view| view.status != "finished").await,
    }
}
