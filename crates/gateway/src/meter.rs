//! What an answer used, read while it passes.
//!
//! A stream says it twice: `message_start` has what was read and a first count of what is written, each `message_delta`
//! has the counts so far. They are joined as Claude Code joins them, so that both come to the same. An answer that breaks
//! off before its last count has said too little; what was written until then is guessed from its length.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use serde::Deserialize;

use crate::metered::Tokens;

/// A line of a stream that is longer than this is not read for usage (those that have it are short).
const LONGEST_LINE: usize = 512 << 10;

/// An answer as one object that is larger than this is not read for usage.
const LARGEST_OBJECT: usize = 16 << 20;

/// What is in a `data:` line of a piece of text besides the text, about.
const AROUND_A_DELTA: usize = 100;

/// Bytes of text that make a token, about. Few, so that a guess is too high rather than too low.
const BYTES_OF_A_TOKEN: u64 = 3;

/// What an answer came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The model that answered.
    pub(crate) model: Option<String>,
    pub(crate) tokens: Tokens,
    /// Whether the vendor said all of it. Else what was written is guessed.
    pub(crate) whole: bool,
    /// Whether anything at all was said.
    pub(crate) said: bool,
    /// `overloaded_error` or the like, from within a stream.
    pub(crate) error: Option<String>,
}

/// How a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Events,
    Object,
}

/// Reads an answer's usage out of its bytes, in whatever pieces they come.
pub(crate) enum Meter {
    Plain(Body),
    Gzip(Box<MultiGzDecoder<Body>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Body>>),
    /// In a form that cannot be read.
    Blind,
}

impl Meter {
    /// For a body of that form, under that `content-encoding`.
    pub(crate) fn new(form: Form, encoding: Option<&str>) -> Self {
        let body = Body::new(form);
        match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Self::Plain(body),
            Some("gzip" | "x-gzip") => Self::Gzip(Box::new(MultiGzDecoder::new(body))),
            Some("br") => Self::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(body, 4096))),
            Some(_) => Self::Blind,
        }
    }

    /// The next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let fed = match self {
            Self::Plain(body) => body.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Brotli(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Blind => Ok(()),
        };
        if fed.is_err() {
            // What was read before the damage counts.
            self.seal();
        }
    }

    fn seal(&mut self) {
        let body = match self {
            Self::Plain(body) => std::mem::replace(body, Body::new(Form::Events)),
            Self::Gzip(decoder) => std::mem::replace(decoder.get_mut(), Body::new(Form::Events)),
            Self::Brotli(decoder) => std::mem::replace(decoder.get_mut(), Body::new(Form::Events)),
            Self::Blind => return,
        };
        *self = Self::Plain(Body { deaf: true, ..body });
    }

    /// What it came to so far. `ended`: whether the body came to its end.
    pub(crate) fn reading(&mut self, ended: bool) -> Reading {
        match self {
            Self::Plain(body) => body.reading(ended),
            Self::Gzip(decoder) => {
                let _ = decoder.try_finish();
                decoder.get_mut().reading(ended)
            }
            Self::Brotli(decoder) => {
                let _ = decoder.flush();
                decoder.get_mut().reading(ended)
            }
            Self::Blind => Reading::default(),
        }
    }
}

/// A body without an encoding.
pub(crate) struct Body {
    form: Form,
    /// The line, or the object, so far.
    held: Vec<u8>,
    /// The line is too long to be held, so this much of it is counted and no more.
    skipped: usize,
    usage: Usage,
    model: Option<String>,
    started: bool,
    counted: bool,
    error: Option<String>,
    /// Bytes of what was written, without what stands around it.
    text: u64,
    /// Reads nothing more.
    deaf: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Message>,
    usage: Option<Usage>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Message {
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Creation>,
    server_tool_use: Option<ServerTools>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Creation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct ServerTools {
    web_search_requests: Option<u64>,
}

impl Usage {
    /// Takes up what is said later: counts of what was read only where they are above zero, as some events say zero for
    /// what they do not know.
    fn join(&mut self, later: &Self) {
        fn some(count: Option<u64>) -> Option<u64> {
            count.filter(|count| *count > 0)
        }
        let split = later.cache_creation.unwrap_or_default();
        let halves =
            split.ephemeral_5m_input_tokens.unwrap_or(0) + split.ephemeral_1h_input_tokens.unwrap_or(0);
        self.input_tokens = some(later.input_tokens).or(self.input_tokens);
        self.cache_read_input_tokens = some(later.cache_read_input_tokens).or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = some(later.cache_creation_input_tokens)
            .or(some(Some(halves)))
            .or(self.cache_creation_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        if halves > 0 {
            self.cache_creation = Some(split);
        }
        if let Some(tools) = later.server_tool_use.filter(|tools| tools.web_search_requests.is_some()) {
            self.server_tool_use = Some(tools);
        }
    }

    fn tokens(&self) -> Tokens {
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let hour =
            self.cache_creation.and_then(|split| split.ephemeral_1h_input_tokens).unwrap_or(0).min(written);
        Tokens {
            input: self.input_tokens.unwrap_or(0),
            output: self.output_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: written - hour,
            cache_write_1h: hour,
            web_searches: self.server_tool_use.and_then(|tools| tools.web_search_requests).unwrap_or(0),
        }
    }
}

impl Body {
    fn new(form: Form) -> Self {
        Self {
            form,
            held: Vec::new(),
            skipped: 0,
            usage: Usage::default(),
            model: None,
            started: false,
            counted: false,
            error: None,
            text: 0,
            deaf: false,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.deaf {
            return;
        }
        if self.form == Form::Object {
            if self.held.len() + bytes.len() > LARGEST_OBJECT {
                (self.deaf, self.held) = (true, Vec::new());
            } else {
                self.held.extend_from_slice(bytes);
            }
            return;
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, next) = (&rest[..end], &rest[end + 1..]);
            if self.held.is_empty() && self.skipped == 0 {
                self.line(line);
            } else {
                self.hold(line);
                let held = std::mem::take(&mut self.held);
                if self.skipped == 0 {
                    self.line(&held);
                } else {
                    self.written(self.skipped);
                }
                self.skipped = 0;
                // The room is kept for the next line that comes in pieces, if it is not much.
                if held.capacity() <= 64 << 10 {
                    self.held = held;
                    self.held.clear();
                }
            }
            rest = next;
        }
        self.hold(rest);
    }

    fn hold(&mut self, part: &[u8]) {
        if self.skipped > 0 || self.held.len() + part.len() > LONGEST_LINE {
            self.skipped += self.held.len() + part.len();
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(part);
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        // Most lines are pieces of text, and only these are many.
        let has = |word: &[u8]| data.windows(word.len()).any(|window| window == word);
        let short = &data[..data.len().min(64)];
        if short.windows(21).any(|window| window == b"\"content_block_delta\"") {
            return self.written(data.len());
        }
        if !has(b"\"message_") && !has(b"\"error\"") {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event>(data) else { return };
        match event.kind.as_str() {
            "message_start" => {
                self.started = true;
                let message = event.message.unwrap_or(Message { model: None, usage: None });
                self.model = message.model.or(self.model.take());
                if let Some(usage) = message.usage {
                    self.usage.join(&usage);
                }
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.counted = true;
                    self.usage.join(&usage);
                }
            }
            "error" => self.error = Some(event.error.and_then(|error| error.kind).unwrap_or_default()),
            _ => {}
        }
    }

    fn written(&mut self, length: usize) {
        self.counted = false;
        self.text += length.saturating_sub(AROUND_A_DELTA).max(1) as u64;
    }

    fn reading(&mut self, ended: bool) -> Reading {
        if self.form == Form::Object {
            return self.object(ended);
        }
        if !self.held.is_empty() && ended {
            let held = std::mem::take(&mut self.held);
            self.line(&held);
        }
        let mut tokens = self.usage.tokens();
        // A count that came behind the last of the text is all that there is.
        let whole = self.started && self.counted && self.error.is_none();
        if !whole && !self.counted {
            tokens.output = tokens.output.max(self.text.div_ceil(BYTES_OF_A_TOKEN));
        }
        Reading {
            model: self.model.clone(),
            tokens,
            whole,
            said: self.started || self.counted,
            error: self.error.clone(),
        }
    }

    fn object(&mut self, ended: bool) -> Reading {
        let message = ended.then(|| serde_json::from_slice::<Message>(&self.held).ok()).flatten();
        let Some(Message { model, usage: Some(usage) }) = message else { return Reading::default() };
        let mut joined = Usage::default();
        joined.join(&usage);
        Reading { model, tokens: joined.tokens(), whole: true, said: true, error: None }
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
