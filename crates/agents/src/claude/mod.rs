//! Claude Code: its command line, and its `stream-json` output.
//!
//! Checked against version 2.1.197; `fixtures/claude/` holds what that version wrote.

mod args;
mod command;
mod parser;

pub(crate) use command::command_line;
pub(crate) use parser::{Parser, result_of};
