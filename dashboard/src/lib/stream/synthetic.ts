// Streams that no agent wrote: for tests, and for trying the page with more entries than any agent writes in a day. The same seed
// gives the same stream.

import type { Entry, EntryKind } from '../wire';

const WORDS =
  'the parser reads a token and gives back what it stands for unless the input ends before the quote is closed which is an error of its own'.split(
    ' ',
  );

/** Numbers from 0 to 1 that look random and are the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

class Writer {
  readonly entries: Entry[] = [];
  readonly #random: () => number;
  #offset = 0;
  #ids = 0;
  readonly #open: string[] = [];

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  words(many: number): string {
    return Array.from({ length: many }, () => WORDS[Math.floor(this.#random() * WORDS.length)] ?? '').join(' ');
  }

  lines(many: number): string {
    return Array.from({ length: many }, (_, at) => `${at + 1}  ${this.words(3 + Math.floor(this.#random() * 12))}`).join('\n');
  }

  line(...said: Partial<Entry>[]): void {
    const length = 80 + Math.floor(this.#random() * 400);
    const offset = this.#offset;
    this.#offset += length;
    const at = new Date(Date.UTC(2026, 0, 1) + this.entries.length * 250).toISOString();
    said.forEach((words, index) => {
      const kind: EntryKind = words.kind ?? 'text';
      this.entries.push({ offset, end: this.#offset, index, at, title: '', is_error: false, ...words, kind });
    });
  }

  step(): void {
    const dice = this.#random();
    if (this.#open.length > 0 && dice < 0.38) this.#answer();
    else if (dice < 0.62) this.#use();
    else if (dice < 0.8) this.line({ kind: 'text', title: this.words(6), text: this.#prose() });
    else if (dice < 0.88) this.line({ kind: 'thinking', title: 'Thinking', text: this.lines(4) });
    else if (dice < 0.96) this.line({ kind: 'raw', title: 'line', text: `\u001b[32mok\u001b[0m ${this.words(9)}` });
    else if (dice < 0.98) this.line({ kind: 'error', title: 'Overloaded', text: this.words(8), is_error: true });
    else this.line({ kind: 'note', title: 'Retry 1 of 10 in 2 s', text: this.words(6) });
  }

  #prose(): string {
    const dice = this.#random();
    if (dice < 0.5) return this.words(10 + Math.floor(this.#random() * 60));
    if (dice < 0.8) return `## ${this.words(4)}\n\n- ${this.words(8)}\n- **${this.words(3)}** \`${this.words(2)}\`\n\n${this.words(30)}`;
    return `${this.words(20)}\n\n\`\`\`rust\nfn main() {\n    println!("${this.words(4)}");\n}\n\`\`\`\n\n${this.words(12)}`;
  }

  #use(): void {
    this.#ids += 1;
    const id = `use-${this.#ids}`;
    this.#open.push(id);
    const dice = this.#random();
    const path = `src/${WORDS[Math.floor(this.#random() * WORDS.length)] ?? 'a'}.rs`;
    if (dice < 0.2) {
      const old = this.lines(3);
      const edit = { path, created: false, hunks: [{ old, new: old.replace('the', 'one').replace('2 ', '2 new ') }] };
      this.line({ kind: 'edit', id, title: `Edit ${path}`, edit });
    } else if (dice < 0.25) {
      const todo = ['Read', 'Write', 'Test'].map((text, at) => ({
        text: `${text} ${path}`,
        status: at === 0 ? ('completed' as const) : at === 1 ? ('in_progress' as const) : ('pending' as const),
      }));
      this.line({ kind: 'todo', id, title: '3 items', todo });
    } else {
      const title = dice < 0.6 ? `Read ${path}` : `Bash cargo test ${path}`;
      this.line({ kind: 'tool', id, title, input: `{\n  "path": "${path}"\n}` });
    }
  }

  #answer(): void {
    const id = this.#open.splice(Math.floor(this.#random() * this.#open.length), 1)[0];
    const failed = this.#random() < 0.1;
    const text = this.lines(1 + Math.floor(this.#random() * 20));
    this.line({ kind: 'result', id, title: failed ? 'failed' : 'done', text, is_error: failed });
  }
}

/** This many entries, or one or two more. */
export function synthetic(many: number, seed = 1): Entry[] {
  const writer = new Writer(seed);
  while (writer.entries.length < many) {
    if (writer.entries.length % 97 === 96) writer.line({ kind: 'text', text: writer.words(9) }, { kind: 'phase', title: 'Phase 5: Implementation' });
    else writer.step();
  }
  return writer.entries;
}
