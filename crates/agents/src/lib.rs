//! One adapter for each coding-agent CLI: what to start, and what its output means.
//!
//! A [`Delegation`] turns a [`TaskBrief`] into the text that an agent gets on stdin and into an [`AgentLaunch`],
//! the one value that can start an agent; a [`StreamReader`] turns the lines that come back into
//! [`AgentEvent`]s and, at the end, into one class of `gadugi_core::EndClass`. Each CLI has a folder of its own
//! (`claude/`, `scripted/`); what ends mean stands in one table (`class.rs`).
//!
//! **Never in here:** an async runtime, a process that is started, a file that is opened, a decision about what
//! happens next. Only the scripted agent acts, and it runs in a process of its own.

mod brief;
mod check;
mod class;
mod claude;
mod definitions;
mod delegation;
mod event;
mod kind;
pub mod scripted;
mod shell;
mod stream;
pub mod transcript;

pub use brief::{Question, Sibling, TaskBrief};
pub use check::{CheckLaunch, check_launch};
pub use definitions::{
    DEFINITIONS, Definition, ORCHESTRATOR_AGENT, ORCHESTRATOR_COMMAND, ORCHESTRATOR_COMMAND_PATH, Role,
    TASK_ANALYZER, WORKFLOW_MANAGER, Whose,
};
pub use delegation::{AgentLaunch, Delegation, DelegationRefused, LaunchOptions};
pub use event::{AgentEvent, one_line};
pub use kind::{AgentKind, UnknownAgent};
pub use shell::shell_word;
pub use stream::{StreamReader, last_words};
