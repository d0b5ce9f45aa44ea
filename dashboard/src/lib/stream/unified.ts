// The diff of a whole task, as git writes it, in files and lines. It may have a million lines: each is a number here (where it begins
// in the text), and becomes an object only while it is looked at.

export type FileChange = 'changed' | 'added' | 'deleted' | 'renamed' | 'mode';

export interface DiffFile {
  path: string;
  /** Where it was, if elsewhere. */
  from: string;
  change: FileChange;
  binary: boolean;
  added: number;
  removed: number;
  /** The number of its first line in {@link Unified.lines}, behind its header. */
  first: number;
  /** The line after its last. */
  end: number;
}

export type DiffLineKind = 'hunk' | 'same' | 'added' | 'removed' | 'note';

export interface DiffLine {
  is: DiffLineKind;
  text: string;
  /** Its number in the old file; 0: it has none. */
  old: number;
  /** Its number in the new file; 0: it has none. */
  now: number;
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** A path as git quotes it, or as it is. */
export function unquoted(path: string): string {
  if (!path.startsWith('"') || !path.endsWith('"') || path.length < 2) return path;
  const bytes: number[] = [];
  const inner = path.slice(1, -1);
  const encoder = new TextEncoder();
  for (let at = 0; at < inner.length; at += 1) {
    const octal = inner[at] === '\\' ? /^[0-7]{3}/.exec(inner.slice(at + 1, at + 4)) : null;
    if (octal !== null) {
      bytes.push(parseInt(octal[0], 8));
      at += 3;
    } else if (inner[at] === '\\') {
      at += 1;
      const sign = inner[at] ?? '';
      bytes.push(...encoder.encode({ n: '\n', t: '\t', r: '\r' }[sign] ?? sign));
    } else {
      const point = String.fromCodePoint(inner.codePointAt(at) ?? 0);
      bytes.push(...encoder.encode(point));
      at += point.length - 1;
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function side(path: string): string {
  // git ends a path that holds blanks with a tab.
  const name = unquoted(path.replace(/\t$/, ''));
  return name === '/dev/null' ? '' : name.replace(/^[ab]\//, '');
}

/** The path of a file that has no `---` and `+++` lines: `a/x b/x`. */
function bothSides(words: string): string {
  const half = words.slice(0, (words.length - 1) / 2);
  return side(half);
}

export class Unified {
  readonly files: DiffFile[] = [];
  readonly #text: string;
  readonly #starts: number[] = [];
  readonly #olds: number[] = [];
  readonly #nows: number[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#read();
  }

  /** Lines of all files, without their headers. */
  get lines(): number {
    return this.#starts.length;
  }

  line(number: number): DiffLine {
    const start = this.#starts[number] ?? 0;
    const end = this.#text.indexOf('\n', start);
    const raw = this.#text.slice(start, end < 0 ? undefined : end);
    const old = this.#olds[number] ?? 0;
    const now = this.#nows[number] ?? 0;
    if (old === 0 && now === 0) return { is: raw.startsWith('@@') ? 'hunk' : 'note', text: raw, old, now };
    const is = old === 0 ? 'added' : now === 0 ? 'removed' : 'same';
    return { is, text: raw.slice(1), old, now };
  }

  #read(): void {
    let file: DiffFile | null = null;
    let old = 0;
    let now = 0;
    // Lines of the hunk that are still to come: within it, a line that looks like a header is none.
    let olds = 0;
    let nows = 0;
    for (let at = 0; at < this.#text.length; ) {
      const newline = this.#text.indexOf('\n', at);
      const end = newline < 0 ? this.#text.length : newline;
      const sign = this.#text[at] ?? '';
      const hunk = olds === 0 && nows === 0 && sign === '@' ? HUNK.exec(this.#text.slice(at, Math.min(end, at + 100))) : null;
      if (olds === 0 && nows === 0 && this.#text.startsWith('diff --git ', at)) {
        file = this.#open(this.#text.slice(at + 11, end));
      } else if (file !== null && hunk !== null) {
        [old, now] = [Number(hunk[1]), Number(hunk[3])];
        [olds, nows] = [Number(hunk[2] ?? 1), Number(hunk[4] ?? 1)];
        this.#push(at, 0, 0, file);
      } else if (file !== null && (olds > 0 || nows > 0) && (sign === '+' || sign === '-' || sign === ' ')) {
        const [was, is] = [sign === '+' ? 0 : old, sign === '-' ? 0 : now];
        this.#push(at, was, is, file);
        if (sign !== '+') [old, olds] = [old + 1, olds - 1];
        if (sign !== '-') [now, nows] = [now + 1, nows - 1];
        if (sign === '+') file.added += 1;
        if (sign === '-') file.removed += 1;
      } else if (file !== null && sign === '\\') this.#push(at, 0, 0, file);
      else if (file !== null) header(file, this.#text.slice(at, end));
      at = end + 1;
    }
  }

  #open(words: string): DiffFile {
    const file: DiffFile = {
      path: bothSides(words),
      from: '',
      change: 'changed',
      binary: false,
      added: 0,
      removed: 0,
      first: this.lines,
      end: this.lines,
    };
    this.files.push(file);
    return file;
  }

  #push(start: number, old: number, now: number, file: DiffFile): void {
    this.#starts.push(start);
    this.#olds.push(old);
    this.#nows.push(now);
    file.end = this.lines;
  }
}

function header(file: DiffFile, line: string): void {
  if (line.startsWith('+++ ')) file.path = side(line.slice(4)) || file.path;
  else if (line.startsWith('--- ')) file.path = side(line.slice(4)) || file.path;
  else if (line.startsWith('rename to ')) file.path = unquoted(line.slice(10));
  else if (line.startsWith('rename from ')) [file.from, file.change] = [unquoted(line.slice(12)), 'renamed'];
  else if (line.startsWith('new file')) file.change = 'added';
  else if (line.startsWith('deleted file')) file.change = 'deleted';
  else if (line.startsWith('new mode') && file.change === 'changed') file.change = 'mode';
  else if (line.startsWith('Binary files ') || line.startsWith('GIT binary patch')) file.binary = true;
}
