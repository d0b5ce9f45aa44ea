// Output that was made for a terminal: its colours become names of styles, whatever else it says to a terminal is dropped, and what
// is left goes through `plain` as all words of an agent do.

import { plain } from '../plain';

/** Words in one style. */
export interface Run {
  text: string;
  /** Names of styles (`red`, `bold`, …), of those in Ansi.svelte; empty: as the words around it. */
  style: string;
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
const STYLE = /\u001b\[([0-9;:]{0,64})m/g;

interface Pen {
  colour: string;
  ground: string;
  marks: Set<string>;
}

const MARKS: Record<number, string> = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'struck' };
const UNMARKS: Record<number, string[]> = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['struck'] };

/** The nearest of the eight colours. */
function nearest(red: number, green: number, blue: number): string {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 40) return most < 64 ? 'black' : 'white';
  const middle = (most + least) / 2;
  return COLOURS[(red > middle ? 1 : 0) | (green > middle ? 2 : 0) | (blue > middle ? 4 : 0)] ?? 'white';
}

function indexed(number: number): string {
  if (number < 16) return COLOURS[number % 8] ?? 'white';
  if (number >= 232) return number < 240 ? 'black' : 'white';
  const at = number - 16;
  const part = (value: number) => (value % 6) * 51;
  return nearest(part(Math.floor(at / 36)), part(Math.floor(at / 6)), part(at));
}

/** The colour that follows a 38 or 48, and how many numbers say it. */
function extended(codes: readonly number[], at: number): [string, number] {
  if (codes[at + 1] === 5) return [indexed(codes[at + 2] ?? 0), 2];
  if (codes[at + 1] === 2) return [nearest(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0), 4];
  return ['', 1];
}

function colour(pen: Pen, code: number): void {
  const name = COLOURS[code % 10] ?? '';
  if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) pen.colour = name;
  else if ((code >= 40 && code < 48) || (code >= 100 && code < 108)) pen.ground = name === '' ? '' : `on-${name}`;
  else if (code === 39) pen.colour = '';
  else if (code === 49) pen.ground = '';
}

function obey(pen: Pen, words: string): void {
  const codes = words.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    const mark = MARKS[code];
    if (code === 0) Object.assign(pen, { colour: '', ground: '', marks: new Set<string>() });
    else if (mark !== undefined) pen.marks.add(mark);
    else if (UNMARKS[code] !== undefined) for (const one of UNMARKS[code]) pen.marks.delete(one);
    else if (code === 38 || code === 48) {
      const [name, used] = extended(codes, at);
      if (code === 38) pen.colour = name;
      else pen.ground = name === '' ? '' : `on-${name}`;
      at += used;
    } else colour(pen, code);
  }
}

/** What a line says in the end, where it was written over (bars that fill). */
function written(text: string): string {
  if (!text.includes('\r')) return text;
  return text
    .replace(/\r+\n/g, '\n')
    .split('\n')
    .map((line) => {
      const parts = line.split('\r').filter((part) => part !== '');
      return parts.at(-1) ?? '';
    })
    .join('\n');
}

/** The words with their styles. */
export function ansi(text: string): Run[] {
  const said = written(text);
  if (!said.includes('\u001b')) return [{ text: plain(said), style: '' }];
  const runs: Run[] = [];
  const pen: Pen = { colour: '', ground: '', marks: new Set() };
  let from = 0;
  const add = (to: number) => {
    const words = plain(said.slice(from, to));
    if (words !== '') runs.push({ text: words, style: [pen.colour, pen.ground, ...pen.marks].filter((name) => name !== '').join(' ') });
  };
  for (const match of said.matchAll(STYLE)) {
    add(match.index);
    obey(pen, match[1] ?? '');
    from = match.index + match[0].length;
  }
  add(said.length);
  return runs;
}
