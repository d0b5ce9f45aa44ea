//! What is told, as JSON and as variables.

use std::path::{Path, PathBuf};

use gadugi_core::needs::{Need, NeedKind};
use gadugi_core::{RunId, RunReport, RunState, Timestamp};
use gadugi_sys::clock::rfc3339;
use serde::Serialize;
use uuid::Uuid;

use super::Kind;
use crate::text::is_unprintable;

/// Characters of a line for people.
const LINE: usize = 300;

/// One notification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Message {
    pub(super) schema: u32,
    /// The same whenever the same is told again.
    pub(super) id: String,
    pub(super) kind: &'static str,
    /// The last event that it is told from.
    pub(super) seq: u64,
    pub(super) at: String,
    /// The name of the repository's folder, and where it is.
    pub(super) repository: String,
    pub(super) project_root: String,
    pub(super) run: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_name: Option<String>,
    /// What wants a person: `conflict`, `rejected`, `suspect`, `budget`, `auth`, `paused`, `failed`, `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) need: Option<&'static str>,
    /// Everything in one line.
    pub(super) text: String,
    /// When it goes on by itself, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// What can be done about it: `retry`, `cancel`, `pause`, `resume`, `land`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<&'static str>,
    /// What a run came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<Report>,
    #[serde(skip)]
    pub(super) of: Kind,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    tasks: usize,
    succeeded: usize,
    failed: usize,
    wall_seconds: f64,
    task_seconds: f64,
    speedup: f64,
    cost_usd: f64,
    tokens: u64,
    branch: String,
    kept: Vec<String>,
}

/// Whose engine it is that tells.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    root: PathBuf,
}

impl Stage {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A run is over.
    pub(super) fn finished(&self, run: &RunState, seq: u64, at: Timestamp) -> Message {
        let report = Report::of(&run.report(at));
        let kind = if report.succeeded == report.tasks { Kind::Done } else { Kind::Failed };
        let text = format!(
            "{} of {} tasks succeeded in {} (speed-up {:.1}, ${:.2})",
            report.succeeded,
            report.tasks,
            length(report.wall_seconds),
            report.speedup,
            report.cost_usd,
        );
        let actions = if report.succeeded > 0 { vec!["land"] } else { Vec::new() };
        Message {
            report: Some(report),
            actions,
            ..self.message(kind, &run.id, &["over", &seq.to_string()], &text, (seq, at))
        }
    }

    /// Something new wants a person. None where nobody is told of such things: what a person did themselves, what goes with the
    /// end of a run, which is told.
    pub(super) fn need(&self, run: &RunState, need: &Need, seq: u64, at: Timestamp) -> Option<Message> {
        let kind = match need.kind {
            NeedKind::Failed => Kind::Failed,
            NeedKind::Limit => Kind::Limit,
            NeedKind::Paused if !is_of_a_dead_engine(run) => return None,
            NeedKind::Auth
            | NeedKind::Paused
            | NeedKind::Budget
            | NeedKind::Suspect
            | NeedKind::Conflict
            | NeedKind::Rejected => Kind::NeedsPerson,
            NeedKind::Held | NeedKind::Kept | NeedKind::Land => return None,
        };
        let name = need.task.as_ref().and_then(|task| run.plan.task(task)).map(|task| plain(&task.name));
        let text = match &need.task {
            Some(task) => format!("{task}: {}: {}", need.kind.word(), need.detail),
            None => format!("{}: {}", need.kind.word(), need.detail),
        };
        let moment = |at: Option<Timestamp>| at.map(|at| at.0.to_string()).unwrap_or_default();
        let task = need.task.as_ref().map(ToString::to_string);
        let marks =
            [need.kind.word(), task.as_deref().unwrap_or_default(), &moment(need.since), &moment(need.until)];
        let message = self.message(kind, &run.id, &marks, &text, (seq, at));
        Some(Message {
            task,
            task_name: name,
            need: Some(need.kind.word()),
            until: need.until.map(rfc3339),
            actions: need.remedies().iter().map(|remedy| remedy.word()).collect(),
            ..message
        })
    }

    fn message(
        &self,
        kind: Kind,
        run: &RunId,
        marks: &[&str],
        text: &str,
        (seq, at): (u64, Timestamp),
    ) -> Message {
        let repository = self.root.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        // Neither ids nor moments have line breaks in them.
        let name = format!("{}\n{run}\n{}", kind.word(), marks.join("\n"));
        Message {
            schema: 1,
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string(),
            kind: kind.word(),
            seq,
            at: rfc3339(at),
            text: plain(&format!("{repository}: {run}: {text}")),
            repository: plain(&repository),
            project_root: plain(&self.root.to_string_lossy()),
            run: run.to_string(),
            task: None,
            task_name: None,
            need: None,
            until: None,
            actions: Vec::new(),
            report: None,
            of: kind,
        }
    }
}

impl Report {
    fn of(report: &RunReport) -> Self {
        Self {
            tasks: report.tasks.len(),
            succeeded: report.succeeded,
            failed: report.failed,
            wall_seconds: report.wall.as_seconds(),
            task_seconds: report.task_time.as_seconds(),
            speedup: (report.speedup() * 100.0).round() / 100.0,
            cost_usd: report.usage.cost_usd(),
            tokens: report.usage.tokens(),
            branch: report.branch.clone(),
            kept: report.kept.iter().map(|(path, _)| path.clone()).collect(),
        }
    }
}

impl Message {
    /// As JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        // Plain values always become text.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The same for programs that read no JSON.
    pub(super) fn variables(&self) -> [(&'static str, String); 7] {
        [
            ("GADUGI_NOTIFY_KIND", self.kind.to_owned()),
            ("GADUGI_NOTIFY_ID", self.id.clone()),
            ("GADUGI_NOTIFY_SEQ", self.seq.to_string()),
            ("GADUGI_NOTIFY_REPOSITORY", self.project_root.clone()),
            ("GADUGI_NOTIFY_RUN", self.run.clone()),
            ("GADUGI_NOTIFY_TASK", self.task.clone().unwrap_or_default()),
            ("GADUGI_NOTIFY_TEXT", self.text.clone()),
        ]
    }
}

fn is_of_a_dead_engine(run: &RunState) -> bool {
    use gadugi_core::{PauseCause, RunStatus};
    matches!(run.status, RunStatus::Paused { cause: PauseCause::EngineLost, .. })
}

/// Words of others in one line of bounded length, without what steers terminals or reorders and hides text.
fn plain(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_unprintable(*c)).collect();
    let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(LINE) {
        line.truncate(at);
        line.push('…');
    }
    line
}

fn length(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
