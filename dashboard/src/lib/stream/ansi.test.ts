import { describe, expect, test } from 'vitest';
import { ansi } from './ansi';

describe('output for a terminal', () => {
  test('without codes is one run', () => {
    expect(ansi('a\nb')).toEqual([{ text: 'a\nb', style: '' }]);
  });

  test('keeps its colours as names', () => {
    expect(ansi('\u001b[1;31merror\u001b[0m: no')).toEqual([
      { text: 'error', style: 'red bold' },
      { text: ': no', style: '' },
    ]);
    expect(ansi('\u001b[38;5;196mx\u001b[39my\u001b[48;2;0;200;0mz\u001b[m')).toEqual([
      { text: 'x', style: 'red' },
      { text: 'y', style: '' },
      { text: 'z', style: 'on-green' },
    ]);
    expect(ansi('\u001b[92;4mg\u001b[24mh')).toEqual([
      { text: 'g', style: 'green underline' },
      { text: 'h', style: 'green' },
    ]);
  });

  test('loses whatever else it says to a terminal', () => {
    expect(ansi('\u001b[2J\u001b[Hx\u001b]0;title\u0007\u001b[31my')).toEqual([
      { text: 'x', style: '' },
      { text: 'y', style: 'red' },
    ]);
  });

  test('shows what a line says in the end', () => {
    expect(ansi('10%\r50%\r100%\ndone\r\n')).toEqual([{ text: '100%\ndone\n', style: '' }]);
  });

  test('shows what turns writing round', () => {
    expect(ansi('\u001b[31ma\u202Eb\u001b[0m')).toEqual([{ text: 'a⟨U+202E⟩b', style: 'red' }]);
  });

  test('of hostile length is read once', () => {
    const text = '\u001b['.repeat(200_000);
    expect(ansi(text).map((run) => run.text).join('').length).toBeLessThanOrEqual(text.length * 2);
  });
});
