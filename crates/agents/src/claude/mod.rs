//! Claude Code: its command line, and its `stream-json` output.
//!
//! Checked against version 2.1.197; `fixtures/claude/` holds what that version wrote.

mod args;
mod command;
mod parser;
mod transcript;

pub(crate) use command::command_line;
pub(crate) use parser::{Parser, mended, result_of};
pub(crate) use transcript::entries;
