//! What a request asks for, as far as it bears on what it costs.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::ledger::Ask;
use crate::prices::Price;

/// The answer that is set aside for where a request does not say how long it may be (the API refuses it anyway).
const USUAL_ANSWER: u64 = 64_000;

/// Text without a blank that is longer than this, and all of whose letters are those of base64, is no prose: it is a picture or
/// a document.
const LONG_RUN: usize = 4096;

/// What such a run comes to at least, and how many of its bytes make a token beyond that.
const RUN_TOKENS: u64 = 2000;
const RUN_BYTES_OF_A_TOKEN: u64 = 20;

/// A request. A field that stands in it twice makes it none: two readers could take different ones.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    model: String,
    max_tokens: Option<u64>,
    thinking: Option<Thinking>,
    speed: Option<String>,
    #[serde(default)]
    messages: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    budget_tokens: Option<u64>,
}

impl Asked {
    /// Reads a body. `Err` says what is amiss.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let asked: Self = serde_json::from_slice(body)
            .map_err(|error| format!("the request is not understood: {error}"))?;
        let model = &asked.model;
        if model.is_empty() || model.len() > 200 || model.chars().any(char::is_control) {
            return Err("model: not the name of one".to_owned());
        }
        if asked.messages.is_none() {
            return Err("messages: Field required".to_owned());
        }
        Ok(asked)
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn fast(&self) -> bool {
        self.speed.as_deref() == Some("fast")
    }

    /// What it may cost.
    pub(super) fn ask(&self, price: Price, body: &[u8]) -> Ask {
        let has = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
        // What is not put into a cache is read plainly; what it is put into it for is said by each block.
        let reading = if has(b"\"1h\"") {
            price.cache_write_1h
        } else if has(b"\"cache_control\"") {
            price.cache_write_5m
        } else {
            price.input
        };
        let (bytes, besides) = weigh(body);
        Ask {
            price,
            bytes,
            besides,
            reading: reading.max(price.input),
            max_tokens: self.max_tokens.unwrap_or(USUAL_ANSWER),
            thinking: self.thinking.as_ref().and_then(|thinking| thinking.budget_tokens).unwrap_or(0),
        }
    }
}

/// Bytes of text, and tokens of what is no text.
fn weigh(body: &[u8]) -> (u64, u64) {
    let (mut bytes, mut besides) = (body.len() as u64, 0);
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    for run in body.split(|byte| !base64(byte)).filter(|run| run.len() > LONG_RUN) {
        let length = run.len() as u64;
        bytes -= length;
        besides += RUN_TOKENS + length / RUN_BYTES_OF_A_TOKEN;
    }
    (bytes, besides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bears_on_the_cost_is_read() {
        let body = br#"{"model":"m","max_tokens":100,"thinking":{"type":"enabled","budget_tokens":60},"speed":"fast",
            "messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}"#;
        let asked = Asked::read(body).unwrap();
        let price = Price::of_millidollars(1000, 5000);
        let ask = asked.ask(price, body);
        assert_eq!((ask.max_tokens, ask.thinking, ask.reading), (100, 60, price.cache_write_5m));
        assert!(asked.fast() && ask.bytes == body.len() as u64 && ask.besides == 0);
        let hour = String::from_utf8_lossy(body).replace("ephemeral\"", "ephemeral\",\"ttl\":\"1h\"");
        assert_eq!(asked.ask(price, hour.as_bytes()).reading, price.cache_write_1h);
    }

    #[test]
    fn a_picture_is_no_prose() {
        let body = format!(r#"{{"model":"m","messages":[],"data":"{}"}}"#, "A".repeat(1_000_000));
        let ask = Asked::read(body.as_bytes()).unwrap().ask(Price::of_millidollars(1, 1), body.as_bytes());
        assert_eq!((ask.besides, ask.max_tokens), (52_000, USUAL_ANSWER));
        assert!(ask.bytes < 100);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_no_request() {
        for body in [
            "",
            "[]",
            r#"{"messages":[]}"#,
            r#"{"model":"m"}"#,
            r#"{"model":"","messages":[]}"#,
            r#"{"model":"m","max_tokens":1,"messages":[],"max_tokens":64000}"#,
            r#"{"model":"m","max_tokens":-1,"messages":[]}"#,
            r#"{"model":"m","messages":[]} {}"#,
        ] {
            assert!(Asked::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
