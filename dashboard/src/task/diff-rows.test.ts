import { describe, expect, test } from 'vitest';
import { DiffRows, HEADER, NONE } from './diff-rows';

function file(name: string, lines: string[]): string {
  const removed = lines.filter((line) => line[0] !== '+').length;
  const added = lines.filter((line) => line[0] !== '-').length;
  return `diff --git a/${name} b/${name}\n--- a/${name}\n+++ b/${name}\n@@ -1,${removed} +1,${added} @@\n${lines.join('\n')}\n`;
}

describe('the rows of a diff', () => {
  const long = Array.from({ length: 1000 }, (_, at) => `+line ${at}`);
  const rows = () => new DiffRows(file('a.rs', [' x', '-let a = one;', '+let a = two;', ' y']) + file('long.txt', long));

  test('are headers and lines; long files are folded', () => {
    const diff = rows();
    expect(diff.count).toBe(1 + 5 + 1);
    expect(diff.row(0)).toMatchObject({ file: 0, line: HEADER });
    expect(diff.row(6)).toMatchObject({ file: 1, line: HEADER });
    expect(diff.header(1)).toBe(6);
  });

  test('come and go with their file', () => {
    const diff = rows();
    diff.toggle(1);
    expect(diff.count).toBe(1 + 5 + 1 + 1001);
    diff.toggle(0);
    expect(diff.count).toBe(1 + 1 + 1001);
    expect(diff.header(1)).toBe(1);
    expect(diff.diff.line(diff.row(2).line).is).toBe('hunk');
    diff.all(false);
    expect(diff.count).toBe(2);
  });

  test('side by side have what was beside what is, and every line once', () => {
    const diff = new DiffRows(file('a.rs', [' x', '-a', '-b', '+A', ' y', '+new', '-gone', '+came', '+more']));
    diff.sides = true;
    const text = (line: number) => (line < 0 ? line : diff.diff.line(line).text);
    const rows = Array.from({ length: diff.count }, (_, at) => diff.row(at)).slice(2).map(({ line, now }) => [text(line), text(now)]);
    expect(rows).toEqual([['x', 'x'], ['a', 'A'], ['b', NONE], ['y', 'y'], [NONE, 'new'], ['gone', 'came'], [NONE, 'more']]);
    diff.sides = false;
    expect(diff.count).toBe(1 + 1 + 9);
    diff.sides = true;
    diff.toggle(0);
    expect(diff.count).toBe(1);
  });

  test('show the words that differ', () => {
    const diff = rows();
    const parts = (line: number) => diff.parts(line)?.filter((part) => part.changed).map((part) => part.text);
    expect(parts(2)).toEqual(['one']);
    expect(parts(3)).toEqual(['two']);
    expect(parts(1)).toBeUndefined();
    expect(diff.parts(900)).toBeUndefined();
  });
});
