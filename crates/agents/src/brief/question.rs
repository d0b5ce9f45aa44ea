//! The header of a question: what is asked, how the answer must look, and what was wrong with the one before.

use std::fmt::Write as _;

use super::{TaskBrief, line};

/// What is asked of an agent: how a prompt divides into tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The JSON schema of the answer.
    pub schema: String,
    /// Tasks at most.
    pub most: u32,
    /// Files that gadugi's own analysis connects with the prompt: path, and the words that say so.
    pub files: Vec<(String, String)>,
    /// What was wrong with the answer before this one, each for itself.
    pub wrong: Vec<String>,
}

/// Files that the header names before it counts the rest.
const FILES: usize = 40;

pub(super) fn sections(text: &mut String, brief: &TaskBrief, question: &Question) {
    task(text, brief);
    wanted(text, question.most);
    files(text, &question.files);
    answer(text, &question.schema);
    if !question.wrong.is_empty() {
        again(text, &question.wrong);
    } else if brief.resumed {
        text.push_str(RESUMED);
    }
}

fn task(text: &mut String, brief: &TaskBrief) {
    let _ = writeln!(text, "# A question of gadugi run {}\n", line(brief.run.as_str()));
    text.push_str(
        "You are the TaskAnalyzer. Gadugi started you to split one prompt into tasks that agents can do side by side. You \
         look and answer; you change nothing, and nothing that you might change is ever taken.\n\n",
    );
    let _ = writeln!(text, "- Prompt: {} ({})", line(brief.task.as_str()), line(&brief.title));
    let _ = writeln!(text, "- Attempt: {}", brief.attempt);
    let _ =
        writeln!(text, "- Workspace: {} (the repository, your working directory)", line(&brief.workspace));
    let _ = writeln!(text, "- Commit: {}", line(brief.base.as_str()));
}

fn wanted(text: &mut String, most: u32) {
    let _ = write!(
        text,
        "\n## What is wanted\n\n\
         The prompt below, as tasks: at most {most}, fewer where fewer do. Look into the repository first.\n\n\
         - Each task is done by another agent, in a workspace of its own, which reads your words for it and nothing else: \
         not this prompt, not the other tasks. Say all that it must know. Leave out nothing that the prompt asks for.\n\
         - Each can be finished, tested and merged by itself, and `done` says how one sees that it is.\n\
         - Tasks run at the same time unless one names the other in `depends_on`. Name those without which it cannot begin, \
         and no others: every needless one makes the run longer.\n\
         - `touches` names all files that it will write, new ones, tests and documents too. Two tasks that write one file \
         conflict: divide the files, or let one wait for the other.\n\
         - Where the prompt is one task, or its parts would only wait for each other, say so in `whole`: that is a good \
         answer.\n",
    );
}

fn files(text: &mut String, files: &[(String, String)]) {
    if files.is_empty() {
        return;
    }
    text.push_str(
        "\n## Files\n\nWhat gadugi connects with the prompt by its words (a guess; look for yourself):\n\n",
    );
    for (path, why) in files.iter().take(FILES) {
        let _ = writeln!(text, "- {}: {}", line(path), line(why));
    }
    if files.len() > FILES {
        let _ = writeln!(text, "- and {} more", files.len() - FILES);
    }
}

fn answer(text: &mut String, schema: &str) {
    let _ = write!(
        text,
        "\n## The answer\n\nYour last message is one JSON object and nothing else: no prose, no fence. It is held against \
         this schema:\n\n```json\n{}\n```\n",
        schema.trim()
    );
}

fn again(text: &mut String, wrong: &[String]) {
    text.push_str("\n## Your answer will not do\n\nThis is wrong with your last one:\n\n");
    for one in wrong {
        let _ = writeln!(text, "- {}", line(one));
    }
    text.push_str("\nGive the whole answer once more, with that mended. There is no third time.\n");
}

const RESUMED: &str = "\n## You are taken up again\n\n\
    Your process ended before you had answered, and this continues the same conversation. An API error at its end is no \
    word of yours: the connection failed then and works again. Go on, and answer.\n";

#[cfg(test)]
mod tests {
    use super::super::{PROMPT_FOLLOWS, TaskBrief, stdin_text, tests::brief};
    use super::*;

    fn asked(question: Question) -> TaskBrief {
        TaskBrief { question: Some(question), ..brief() }
    }

    fn question() -> Question {
        Question {
            schema: "{\"type\": \"object\"}\n".into(),
            most: 12,
            files: vec![("src/a.rs".into(), "Fix `src/a.rs`".into())],
            wrong: vec![],
        }
    }

    #[test]
    fn the_header_says_what_is_asked() {
        insta::assert_snapshot!(stdin_text(&asked(question())));
    }

    #[test]
    fn an_answer_that_will_not_do_comes_back_with_the_reasons() {
        let wrong = vec!["a waits for b\nGADUGI-PHASE: 5".to_owned()];
        let text = stdin_text(&TaskBrief {
            note: Some("in three".into()),
            resumed: true,
            ..asked(Question { wrong, ..question() })
        });
        assert!(text.contains("\n- a waits for b GADUGI-PHASE: 5\n"), "{text}");
        assert!(!text.contains("You are taken up again") && text.contains("in three"));
        let resumed = stdin_text(&TaskBrief { resumed: true, ..asked(question()) });
        assert!(resumed.contains("You are taken up again"));
    }

    #[test]
    fn the_prompt_ends_the_text_word_for_word_here_too() {
        let prompt = "\u{feff}# Ü\r\n----- x -----\n";
        let files = (0..900).map(|n| (format!("src/{n}.rs"), "x\n\n# y".to_owned())).collect();
        let text =
            stdin_text(&TaskBrief { prompt: prompt.into(), ..asked(Question { files, ..question() }) });
        let (header, rest) = text.split_once(&format!("\n{PROMPT_FOLLOWS}\n\n")).unwrap();
        assert_eq!(rest, prompt);
        assert!(header.contains("and 860 more") && header.len() < 8000, "{}", header.len());
    }
}
