//! A shell line as simple commands: lists of words without their quotes and redirections.

/// What a line holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Simple commands, each its words.
    pub(super) commands: Vec<Vec<String>>,
    /// The insides of `$(…)` and backticks.
    pub(super) substitutions: Vec<String>,
}

pub(super) fn simple_commands(line: &str) -> Parsed {
    let mut lexer = Lexer { chars: line.chars().collect(), ..Lexer::default() };
    lexer.run();
    lexer.parsed
}

#[derive(Debug, Default)]
struct Lexer {
    chars: Vec<char>,
    at: usize,
    parsed: Parsed,
    current: Vec<String>,
    /// `case`s that are open.
    cases: usize,
    /// Between `in` or `;;` and the `)` of a `case`: words are patterns.
    pattern: bool,
    /// The next word is where a redirection goes.
    redirect: bool,
    /// Here-documents whose text begins behind the next newline.
    heredocs: Vec<String>,
    /// The next word ends a here-document.
    heredoc: bool,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn run(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.at += 1;
                    self.flush();
                    self.skip_heredocs();
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c if c.is_whitespace() => self.at += 1,
                ';' | '|' | '&' | '(' | ')' => self.separator(c),
                '<' | '>' => self.redirection(),
                _ => self.word(),
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.redirect = false;
        let words = std::mem::take(&mut self.current);
        if !words.is_empty() {
            self.parsed.commands.push(words);
        }
    }

    fn separator(&mut self, c: char) {
        self.at += 1;
        self.flush();
        match c {
            ';' if self.peek() == Some(';') && self.cases > 0 => {
                self.at += 1;
                self.pattern = true;
            }
            ')' => self.pattern = false,
            _ => {}
        }
    }

    fn redirection(&mut self) {
        // The descriptor in `2>x` stands right before the sign.
        let digits = |word: &String| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        if self.at > 0 && self.chars[self.at - 1].is_ascii_digit() && self.current.last().is_some_and(digits)
        {
            self.current.pop();
        }
        let sign = self.next();
        if self.peek() == Some('(') {
            return;
        }
        let here = sign == Some('<') && self.peek() == Some('<');
        while self.peek().is_some_and(|c| "<>&|-".contains(c)) {
            self.at += 1;
        }
        self.redirect = true;
        self.heredoc = here;
    }

    fn word(&mut self) {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() || ";|&()<>".contains(c) => break,
                '\\' => {
                    self.at += 1;
                    word.extend(self.next().filter(|c| *c != '\n'));
                }
                '\'' => self.single_quoted(&mut word),
                '"' => self.double_quoted(&mut word),
                '$' | '`' => self.expansion(&mut word),
                _ => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        self.take_word(word);
    }

    fn take_word(&mut self, word: String) {
        if std::mem::take(&mut self.redirect) {
            if std::mem::take(&mut self.heredoc) {
                self.heredocs.push(word);
            }
            return;
        }
        let ends_case = word == "esac" && self.cases > 0 && self.current.is_empty();
        if ends_case {
            self.cases -= 1;
            self.pattern = false;
            return;
        }
        if self.pattern {
            return;
        }
        self.current.push(word);
        if let [.., case, _, inn] = self.current.as_slice()
            && case == "case"
            && inn == "in"
        {
            self.current.clear();
            self.cases += 1;
            self.pattern = true;
        }
    }

    fn single_quoted(&mut self, word: &mut String) {
        self.at += 1;
        while let Some(c) = self.next().filter(|c| *c != '\'') {
            word.push(c);
        }
    }

    fn double_quoted(&mut self, word: &mut String) {
        self.at += 1;
        while let Some(c) = self.peek().filter(|c| *c != '"') {
            match c {
                '\\' => {
                    self.at += 1;
                    word.extend(self.next());
                }
                '$' | '`' => self.expansion(word),
                _ => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
    }

    /// `$name`, `${…}`, `$(…)`, backticks.
    fn expansion(&mut self, word: &mut String) {
        let sign = self.next();
        // What comes of it is not known; the word is at least not the bare name that stands beside it.
        word.push('$');
        match (sign, self.peek()) {
            (Some('`'), _) => {
                let inside = self.until_backtick();
                self.parsed.substitutions.push(inside);
            }
            (_, Some('(')) => {
                let inside = self.until_closed('(', ')');
                self.parsed.substitutions.push(inside);
            }
            (_, Some('{')) => {
                let inside = self.until_closed('{', '}');
                word.push_str(&inside);
            }
            _ => {}
        }
    }

    fn until_backtick(&mut self) -> String {
        let mut inside = String::new();
        while let Some(c) = self.next().filter(|c| *c != '`') {
            let c = if c == '\\' { self.next() } else { Some(c) };
            inside.extend(c);
        }
        inside
    }

    /// The text up to the sign that closes the one that stands here; quoted ones do not count.
    fn until_closed(&mut self, open: char, close: char) -> String {
        let mut inside = String::new();
        let mut depth = 0_usize;
        let mut quote = None;
        while let Some(c) = self.next() {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(q), c) if q == c => quote = None,
                (Some('\''), _) => {}
                (_, '\\') => {
                    inside.push(c);
                    inside.extend(self.next());
                    continue;
                }
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => depth -= 1,
                _ => {}
            }
            if depth == 0 && quote.is_none() {
                break;
            }
            inside.push(c);
        }
        // The opening sign itself was pushed first.
        inside.chars().skip(1).collect()
    }

    fn skip_heredocs(&mut self) {
        for end in std::mem::take(&mut self.heredocs) {
            while self.at < self.chars.len() {
                let rest = &self.chars[self.at..];
                let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
                let line: String = rest[..length].iter().collect();
                self.at = (self.at + length + 1).min(self.chars.len());
                if line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }
}
