// The structure that agents give their words (headings, lists, code), as data that components draw: no HTML is ever made of it, and
// nothing in it becomes a link. Only what is common is known; all else stays as it was written. Each character is looked at a bounded
// number of times, whatever somebody writes.

/** Words within a block. */
export interface Inline {
  text: string;
  as: 'text' | 'code' | 'strong';
}

export type Block =
  | { is: 'paragraph' | 'quote'; words: Inline[] }
  | { is: 'heading'; level: number; words: Inline[] }
  | { is: 'item'; depth: number; mark: string; words: Inline[] }
  | { is: 'code'; language: string; text: string }
  | { is: 'rule' };

/** Words longer than this are shown as they are: characters. */
export const LONGEST = 200_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const ITEM = /^(\s{0,16})([-*+]|\d{1,6}[.)])\s+(.*)$/;
const RULE = /^ {0,3}(?:(?:-[ ]?){3,40}|(?:\*[ ]?){3,40}|(?:_[ ]?){3,40})$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE = /^\s*\|.*\|\s*$/;

/** Code in backticks and strong words. */
export function inline(text: string): Inline[] {
  const out: Inline[] = [];
  let from = 0;
  let at = 0;
  const closed = new Map<string, boolean>();
  const put = (words: string, as: Inline['as']) => {
    if (words !== '') out.push({ text: words, as });
  };
  while (at < text.length) {
    const mark = opening(text, at);
    if (mark === '') {
      at += 1;
      continue;
    }
    const end = closed.get(mark) === false ? -1 : text.indexOf(mark, at + mark.length);
    // Once a mark is not closed from here on, it is not closed further on either: it is not looked for again.
    if (end < 0) closed.set(mark, false);
    const words = end < 0 ? '' : text.slice(at + mark.length, end);
    if (words.trim() === '') {
      at += mark.length;
      continue;
    }
    put(text.slice(from, at), 'text');
    put(mark === '**' ? words : words.trim(), mark === '**' ? 'strong' : 'code');
    at = end + mark.length;
    from = at;
  }
  put(text.slice(from), 'text');
  return out;
}

function opening(text: string, at: number): string {
  const sign = text[at];
  if (sign === '*') return text[at + 1] === '*' ? '**' : '';
  if (sign !== '`') return '';
  let to = at;
  while (text[to] === '`') to += 1;
  return text.slice(at, to);
}

/** The blocks of a text. */
export function markdown(text: string): Block[] {
  if (text.length > LONGEST) return [{ is: 'code', language: '', text }];
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push({ is: 'paragraph', words: inline(paragraph.join('\n')) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const fence = FENCE.exec(line);
    const table = TABLE.test(line);
    if (fence !== null || table) {
      flush();
      const end = fence !== null ? fenced(lines, at, fence[1] ?? '```') : tabled(lines, at);
      const body = fence !== null ? lines.slice(at + 1, end) : lines.slice(at, end);
      blocks.push({ is: 'code', language: fence?.[2] ?? '', text: body.join('\n') });
      at = fence !== null ? end : end - 1;
      continue;
    }
    if (line.trim() === '') flush();
    else if (!block(line, blocks, flush)) paragraph.push(line);
  }
  flush();
  return blocks;
}

/** The line that closes a fence, or the end. */
function fenced(lines: readonly string[], from: number, mark: string): number {
  for (let at = from + 1; at < lines.length; at += 1) {
    const line = (lines[at] ?? '').trim();
    if (line.startsWith(mark) && line.replaceAll(mark[0] ?? '`', '') === '') return at;
  }
  return lines.length;
}

function tabled(lines: readonly string[], from: number): number {
  let at = from;
  while (at < lines.length && TABLE.test(lines[at] ?? '')) at += 1;
  return at;
}

/** A block of one line. */
function block(line: string, blocks: Block[], flush: () => void): boolean {
  const heading = HEADING.exec(line);
  const rule = heading === null && RULE.test(line);
  const item = rule ? null : ITEM.exec(line);
  const quote = QUOTE.exec(line);
  if (heading === null && !rule && item === null && quote === null) return false;
  flush();
  if (heading !== null) blocks.push({ is: 'heading', level: heading[1]?.length ?? 1, words: inline(heading[2] ?? '') });
  else if (rule) blocks.push({ is: 'rule' });
  else if (item !== null) {
    const sign = item[2] ?? '-';
    const mark = /\d/.test(sign) ? sign : '•';
    blocks.push({ is: 'item', depth: Math.min(4, Math.floor((item[1]?.length ?? 0) / 2)), mark, words: inline(item[3] ?? '') });
  } else blocks.push({ is: 'quote', words: inline(quote?.[1] ?? '') });
  return true;
}
