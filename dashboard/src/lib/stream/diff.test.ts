import { describe, expect, test } from 'vitest';
import { changes, numbered, tally } from './diff';

describe('an edit', () => {
  test('is lines that stay, go and come', () => {
    const lines = changes('a\nlet x = one;\nb\n', 'a\nlet x = two;\nb\nc');
    expect(lines.map((line) => `${line.is} ${line.text}`)).toEqual([
      'same a',
      'removed let x = one;',
      'added let x = two;',
      'same b',
      'added c',
    ]);
    expect(lines[1]?.parts?.filter((part) => part.changed)).toEqual([{ text: 'one', changed: true }]);
    expect(lines[2]?.parts?.map((part) => part.text).join('')).toBe('let x = two;');
    expect(tally(lines)).toEqual({ added: 2, removed: 1 });
  });

  test('of lines that have nothing in common shows no words', () => {
    const lines = changes('alpha beta', 'something else entirely');
    expect(lines.every((line) => line.parts === undefined)).toBe(true);
  });

  test('has the numbers of the lines that are there now, where it is known where it begins', () => {
    const lines = changes('a\nold\nb\n', 'a\nnew\nmore\nb\n');
    expect(numbered(lines, 7).map((line) => [line.number, line.text])).toEqual([[7, 'a'], [undefined, 'old'], [8, 'new'], [9, 'more'], [10, 'b']]);
    expect(numbered(lines, undefined)).toEqual(lines);
  });

  test('knows new files, emptied files and none', () => {
    expect(changes('', 'a\nb\n').map((line) => line.is)).toEqual(['added', 'added']);
    expect(changes('a\n', '').map((line) => line.is)).toEqual(['removed']);
    expect(changes('', '')).toEqual([]);
    expect(changes('a', 'a\n').map((line) => line.is)).toEqual(['same']);
  });

  test('that is too far from what was is shown as all gone and all new', () => {
    const text = (word: string) => Array.from({ length: 4000 }, (_, at) => `${word} ${at}`).join('\n');
    expect(tally(changes(text('a'), text('b')))).toEqual({ added: 4000, removed: 4000 });
  });
});
