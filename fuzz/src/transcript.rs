//! An agent's output as people read it: lines that become entries.

use gadugi_agents::AgentKind;
use gadugi_agents::transcript::{Entry, Language, Said, entries};

/// Whatever the lines hold: no line is fatal, each says the same again, costs no more than its size, and what is plain is shown as
/// it came.
pub fn transcript(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let said = entries(Language::Agent(AgentKind::Claude), line);
        assert_eq!(
            said,
            entries(Language::Agent(AgentKind::Claude), line),
            "a line says something else the second time"
        );
        assert!(said.len() <= 1 + line.len() && said.len() <= 1_001, "{} entries", said.len());
        // Escapes of the debug form, indentation, and the words of the form itself.
        let size = format!("{said:?}").len();
        assert!(size <= 400 * (said.len() + 1) + 80 * line.len(), "{size} bytes of {}", line.len());
        let blank = line.iter().all(u8::is_ascii_whitespace);
        let is_object = line.trim_ascii_start().starts_with(b"{");
        assert!(blank || is_object || matches!(&said[..], [Entry { said: Said::Raw(_), .. }]), "{said:?}");

        let [Entry { said: Said::Raw(text), .. }] = &entries(Language::Plain, line)[..] else {
            panic!("a plain line is something else");
        };
        let shown = line.strip_suffix(b"\r").unwrap_or(line);
        assert_eq!(*text, String::from_utf8_lossy(shown));
    }
}
