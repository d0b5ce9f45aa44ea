//! Asking the engine, beside the screen: one that does not answer keeps nobody from looking, scrolling and leaving.

use gadugi_core::RunId;
use gadugi_engine::client::Client;
use gadugi_engine::layout::Layout;
use gadugi_engine::protocol::{Reply, Request, RunView};
use tokio::sync::mpsc;

use crate::error::Problem;
use crate::programs;

/// Answers that wait to be shown. One look is under way at a time, and people press keys a few times a second.
const WAITING: usize = 16;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Heard {
    /// How the run stands.
    View(Box<RunView>),
    /// Nobody is there to be asked, or it is about to leave: who follows the run knows more.
    Nobody,
    /// A wish was granted: what is said about it.
    Granted(String),
    /// It was not.
    Refused(String),
}

/// Who asks.
pub(super) struct Asker {
    layout: Layout,
    to: mpsc::Sender<Heard>,
}

impl Asker {
    /// Who asks the engine there, and where the answers come.
    pub(super) fn new(layout: Layout) -> (Self, mpsc::Receiver<Heard>) {
        let (to, heard) = mpsc::channel(WAITING);
        (Self { layout, to }, heard)
    }

    /// Asks how a run stands. On a connection of its own, so that a screen that rests keeps no engine from leaving.
    pub(super) fn look(&self, run: &RunId) {
        let (layout, to) = (self.layout.clone(), self.to.clone());
        let request = Request::Status { run: Some(run.to_string()) };
        tokio::spawn(async move {
            let heard = match Client::connect(&layout).await {
                Ok(Some(mut client)) => match client.ask(&request).await {
                    Ok(Reply::Run(view)) => Heard::View(view),
                    _ => Heard::Nobody,
                },
                _ => Heard::Nobody,
            };
            // Where the screen is gone, so is the wish to know.
            let _ = to.send(heard).await;
        });
    }

    /// Asks for something to be done, of an engine that is started where none lives.
    pub(super) fn wish(&self, request: Request, granted: String) {
        let (layout, to) = (self.layout.clone(), self.to.clone());
        tokio::spawn(async move {
            let asked = async {
                let mut client = Client::connect_or_start(&layout, &programs::own()?).await?;
                client.ask(&request).await.map_err(Problem::from)
            };
            let heard = match asked.await {
                Ok(_) => Heard::Granted(granted),
                Err(problem) => Heard::Refused(problem.render(false, false)),
            };
            let _ = to.send(heard).await;
        });
    }
}
