//! What the builder says, put together: at which step it is, and the last lines that it wrote.

use std::collections::{BTreeMap, VecDeque};

use bollard::models::BuildInfo;

use super::{BuildNews, lines_of};

/// How many of the last lines are kept.
const TAIL: usize = 12;

/// The longest line that is kept, characters.
const LONGEST: usize = 500;

/// The builder's words so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    step: Option<String>,
    tail: VecDeque<String>,
    /// The beginning of a line whose end has not come.
    begun: String,
    /// `ARG NAME=VALUE` before the first `FROM`.
    defaults: BTreeMap<String, String>,
}

impl Transcript {
    /// Takes up one message and tells what it means.
    pub(super) fn add(&mut self, info: &BuildInfo, news: &mut impl FnMut(BuildNews)) {
        if let Some(text) = lines_of(info) {
            self.begun.push_str(text);
            while let Some(end) = self.begun.find('\n') {
                let rest = self.begun.split_off(end + 1);
                let line = std::mem::replace(&mut self.begun, rest);
                // Of a line that was redrawn the last state.
                let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
                self.line(&line, news);
            }
        }
        if let Some(status) = &info.status {
            match (&info.id, &info.progress_detail) {
                (Some(layer), detail) => {
                    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
                    let bytes = detail
                        .as_ref()
                        .and_then(|detail| Some((number(detail.current)?, number(detail.total)?)));
                    news(BuildNews::Pull { layer: layer.clone(), status: status.clone(), bytes });
                }
                (None, _) => self.line(status, news),
            }
        }
    }

    fn line(&mut self, line: &str, news: &mut impl FnMut(BuildNews)) {
        if line.is_empty() {
            return;
        }
        // The builder's own colour for what comes from standard error.
        let line = line.replace("\u{1b}[91m", "").replace("\u{1b}[0m", "");
        if line.is_empty() {
            return;
        }
        let line: String = line.chars().take(LONGEST).collect();
        if let Some((number, of, instruction)) = step(&line) {
            self.begin(instruction);
            news(BuildNews::Step { number, of, instruction: instruction.to_owned() });
            return;
        }
        // The builder's own marks between the steps.
        if line.starts_with(" ---> ") || line.starts_with("Removing intermediate container ") {
            return;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        news(BuildNews::Line(line));
    }

    fn begin(&mut self, instruction: &str) {
        if let Some(argument) = instruction.strip_prefix("ARG ")
            && let Some((name, value)) = argument.split_once('=')
        {
            self.defaults.insert(name.trim().to_owned(), value.trim_matches(['"', '\'']).to_owned());
        }
        self.tail.clear();
        self.step = Some(instruction.to_owned());
    }

    /// The last lines.
    pub(super) fn tail(&self) -> &VecDeque<String> {
        &self.tail
    }

    /// The image of the `FROM` that the builder is at.
    pub(super) fn base_image(&self, arguments: &BTreeMap<String, String>) -> Option<String> {
        let words = self.step.as_deref()?.strip_prefix("FROM ")?.split_whitespace();
        let image = words.filter(|word| !word.starts_with("--")).nth(0)?;
        let mut image = image.to_owned();
        for (name, default) in &self.defaults {
            let value = arguments.get(name).unwrap_or(default);
            image = image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        Some(image)
    }

    /// The step that it was at, and the last lines.
    pub(super) fn end(mut self) -> (Option<String>, Vec<String>) {
        let rest = std::mem::take(&mut self.begun);
        self.line(rest.trim_end(), &mut |_| {});
        (self.step, self.tail.into())
    }
}

/// `Step 3/22 : RUN …`, and Podman's `STEP 3/22: RUN …`.
fn step(line: &str) -> Option<(u32, u32, &str)> {
    let rest = line.strip_prefix("Step ").or_else(|| line.strip_prefix("STEP "))?;
    let (numbers, instruction) = rest.split_once(':')?;
    let (number, of) = numbers.trim().split_once('/')?;
    Some((number.parse().ok()?, of.parse().ok()?, instruction.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[&str]) -> (Transcript, Vec<BuildNews>) {
        let mut transcript = Transcript::default();
        let mut told = Vec::new();
        for text in texts {
            let info = BuildInfo { stream: Some((*text).into()), ..BuildInfo::default() };
            transcript.add(&info, &mut |news| told.push(news));
        }
        (transcript, told)
    }

    #[test]
    fn steps_and_lines_are_told_apart() {
        let (transcript, told) = told(&[
            "Step 1/2 : RUN make all",
            "\n",
            " ---> Running in 0123\n",
            "one\nhal",
            "f\n10%\r50%\r100%\n",
            "\u{1b}[91mE: no\n\u{1b}[0m",
            "\u{1b}[0m\n",
        ]);
        let step = BuildNews::Step { number: 1, of: 2, instruction: "RUN make all".into() };
        let lines = ["one", "half", "100%", "E: no"].map(|line| BuildNews::Line(line.into()));
        assert_eq!(told, [vec![step], lines.to_vec()].concat());
        let (step, tail) = transcript.end();
        assert_eq!((step.as_deref(), tail.len()), (Some("RUN make all"), 4));
        assert_eq!(super::step("STEP 2/3: COPY a b"), Some((2, 3, "COPY a b")));
    }

    #[test]
    fn the_base_is_named_as_it_is_looked_for() {
        let named = |texts: &[&str], given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            told(texts).0.base_image(&given)
        };
        let usual = ["Step 1/9 : ARG BASE=debian:12\n", "Step 2/9 : FROM ${BASE}\n"];
        assert_eq!(named(&usual, &[]).as_deref(), Some("debian:12"));
        assert_eq!(named(&usual, &[("BASE", "other:1")]).as_deref(), Some("other:1"));
        let platform = ["Step 1/9 : FROM --platform=linux/amd64 a/b:c AS build\n"];
        assert_eq!(named(&platform, &[]).as_deref(), Some("a/b:c"));
        assert_eq!(named(&["Step 2/9 : RUN x\n"], &[]), None);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let many: String = (0..50).map(|number| format!("{number}\n")).collect();
        let (transcript, told) = told(&["Step 1/1 : RUN seq\n", &many]);
        assert_eq!(told.len(), 51);
        let (_, tail) = transcript.end();
        assert_eq!((tail.len(), tail.first().map(String::as_str)), (TAIL, Some("38")));
    }
}
