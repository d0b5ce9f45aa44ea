//! What is wrong with prompts and requests.

use gadugi_analysis::request::RequestError;
use gadugi_analysis::{AnalysisError, InputError, PromptError, WhyError};

use super::{Problem, Stop};

impl From<PromptError> for Problem {
    fn from(error: PromptError) -> Self {
        let request = |code, hint| Self::request(code, &error, hint);
        match &error {
            PromptError::Missing { .. } => request("no-such-prompt", None),
            PromptError::NoFolder => request(
                "no-prompts",
                Some("name prompt files, or put them into prompts/ (gadugi demo shows how)"),
            ),
            PromptError::NoPromptsIn { .. } => request("no-prompts", None),
            PromptError::NotAFile { .. } => request("not-a-file", None),
            PromptError::LeavesRepository { .. } => {
                request("leaves-repository", Some("copy the file into the repository"))
            }
            PromptError::Empty { .. } | PromptError::OnlyFrontMatter { .. } => request("empty-prompt", None),
            PromptError::NotUtf8 { .. } => request("not-utf8", Some("save it as UTF-8")),
            PromptError::TooLarge { .. } => {
                request("prompt-too-large", Some("say less, and name files instead of quoting them"))
            }
            PromptError::Unreadable { .. } => request("unreadable-prompt", None),
        }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        let code = match error {
            InputError::Prompt(error) => return error.into(),
            InputError::FrontMatter(_) => "bad-front-matter",
            InputError::DuplicateId { .. } => "duplicate-id",
            InputError::UnknownDependency { .. } => "unknown-dependency",
            InputError::DependencyNotPlanned { .. } => "dependency-not-planned",
            InputError::AmbiguousDependency { .. } => "ambiguous-dependency",
            InputError::DependsOnItself { .. } => "depends-on-itself",
        };
        let hint = match &error {
            InputError::DependencyNotPlanned { prompt, .. } => Some(format!("name {prompt} too")),
            _ => None,
        };
        Self::request(code, &error, hint.as_deref())
    }
}

impl From<AnalysisError> for Stop {
    fn from(error: AnalysisError) -> Self {
        let problem = match error {
            AnalysisError::Input(errors) => {
                return Self::Problems(errors.into_iter().map(Problem::from).collect());
            }
            AnalysisError::Cycle(_) => {
                Problem::request("dependency-cycle", error, Some("take one depends_on of the circle away"))
            }
            AnalysisError::Inference { .. } => Problem::request(
                "analysis-failed",
                error,
                Some("without --no-fallback the tasks are taken one after another"),
            ),
            AnalysisError::External { .. } => Problem::environment(
                "own-program",
                error,
                Some("without --no-fallback the built-in rules stand in for it"),
            ),
            AnalysisError::Plan(_) => Problem::internal(&error),
        };
        problem.into()
    }
}

impl From<WhyError> for Stop {
    fn from(error: WhyError) -> Self {
        let code = match error {
            WhyError::Unknown { .. } => "unknown-task",
            WhyError::Ambiguous { .. } => "ambiguous-task",
            WhyError::Same(_) => "same-task",
        };
        Problem::request(code, error, Some("--why takes two tasks: ids, prompts, or beginnings of ids"))
            .into()
    }
}

impl From<Vec<PromptError>> for Stop {
    fn from(errors: Vec<PromptError>) -> Self {
        Self::Problems(errors.into_iter().map(Problem::from).collect())
    }
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        let hint = Some("after a line \"Execute these prompts:\", one name a line: - parser.md");
        match error {
            RequestError::Repository(error) => Problem::from(error).into(),
            RequestError::TooLarge(_) => Problem::request("request-too-large", error, None).into(),
            RequestError::NothingNamed => Problem::request("nothing-named", error, hint).into(),
            RequestError::NothingLeft(_) => Problem::request("no-such-prompt", error, None).into(),
        }
    }
}
