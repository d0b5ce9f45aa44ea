// The one place where words of an agent (titles, paths, output, errors) become words on the page. They are only ever shown as
// text; here, what would make text look like something else is made visible: control characters, the codes of terminals, and the
// marks that turn the direction of writing round.

// C0 and C1 controls but tab and newline, the bidi marks and overrides, invisible separators, the byte order mark, tags. The joiners
// (U+200C, U+200D) stay: scripts and emoji need them.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

// Sequences that colour or move a terminal's cursor, titles of windows, links of terminals: they have no meaning here.
const TERMINAL =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[PX^_][^\u001b]*\u001b\\|[ -/]*[0-~])/g;

function shown(mark: string): string {
  const code = mark.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code); // the pictures of control characters
  if (code === 0x7f) return '\u2421';
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
}

/** Text that is harmless to show over several lines: newlines and tabs stay. */
export function plain(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(TERMINAL, '').replace(HIDDEN, shown);
}

/** Text that is harmless to show in one line. */
export function plainLine(text: string): string {
  return plain(text).replace(/[\n\t]+/g, ' ');
}
