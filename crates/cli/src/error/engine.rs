//! What the engine refuses, and what keeps it from being asked.

use gadugi_engine::client::ClientError;
use gadugi_engine::protocol::{Failure, TaskNotFound};

use super::{Exit, Problem, Stop};

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let exit = match failure.code.as_str() {
            "unknown-run" | "no-runs" | "unknown-task" | "run-over" | "not-paused" | "not-retryable"
            | "bad-plan" | "bad-request" | "nothing-to-land" | "not-delegated" => Exit::BadRequest,
            "land-refused" => Exit::Failure,
            _ => Exit::Environment,
        };
        Self { code: failure.code, exit, message: failure.message, hint: failure.hint }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Refused(failure) => failure.into(),
            ClientError::NotStarted(failure) => Self {
                code: "engine-not-started".into(),
                exit: Exit::Environment,
                message,
                hint: failure.hint.or_else(|| Some("gadugi doctor".into())),
            },
            ClientError::OtherVersion { .. } => Self::environment(
                "engine-version",
                message,
                Some("use the gadugi that started it, or let its run end"),
            ),
            ClientError::Gone => {
                Self::environment("engine-gone", message, Some("ask again; see .gadugi/engine.log"))
            }
            ClientError::Unexpected(_) => {
                Self::environment("engine-protocol", message, Some("see .gadugi/engine.log"))
            }
            ClientError::Io { .. } => Self::environment("engine-io", message, Some("gadugi doctor")),
        }
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Problem::from(error).into()
    }
}

impl From<TaskNotFound> for Problem {
    fn from(error: TaskNotFound) -> Self {
        let code = match error {
            TaskNotFound::Unknown { .. } => "unknown-task",
            TaskNotFound::Ambiguous { .. } => "ambiguous-task",
        };
        Self::request(code, error, None)
    }
}

impl From<TaskNotFound> for Stop {
    fn from(error: TaskNotFound) -> Self {
        Problem::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_their_code_and_get_an_exit() {
        for (code, exit) in [
            ("unknown-run", Exit::BadRequest),
            ("bad-plan", Exit::BadRequest),
            ("land-refused", Exit::Failure),
            ("agent-missing", Exit::Environment),
            ("store", Exit::Environment),
            ("something-new", Exit::Environment),
        ] {
            let failure = Failure { code: code.into(), message: "m".into(), hint: Some("h".into()) };
            let problem = Problem::from(ClientError::Refused(failure));
            let expected = Problem { code: code.into(), exit, message: "m".into(), hint: Some("h".into()) };
            assert_eq!(problem, expected);
        }
        assert_eq!(Problem::from(ClientError::Gone).exit, Exit::Environment);
    }
}
