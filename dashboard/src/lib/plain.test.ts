import { describe, expect, test } from 'vitest';
import { plain, plainLine } from './plain';

describe('words of an agent', () => {
  test('lose the codes of terminals', () => {
    expect(plain('\u001b[31mred\u001b[0m \u001b]0;title\u0007x \u001b]8;;http://e\u001b\\link\u001b]8;;\u001b\\')).toBe('red x link');
  });

  test('show control characters and what turns writing round', () => {
    expect(plain('a\u0000b\u0008c\u007f')).toBe('a\u2400b\u2408c\u2421');
    expect(plain('user\u202Etxt.exe')).toBe('user⟨U+202E⟩txt.exe');
    expect(plain('\u2066x\u2069\u200b\ufeff')).toBe('⟨U+2066⟩x⟨U+2069⟩⟨U+200B⟩⟨U+FEFF⟩');
  });

  test('keep lines and tabs where there is room, and are one line where there is not', () => {
    expect(plain('a\r\nb\tc')).toBe('a\nb\tc');
    expect(plainLine('a\n\nb\tc')).toBe('a b c');
  });

  test('leave markup as it is: it is text', () => {
    expect(plain('<script>alert(1)</script>')).toBe('<script>alert(1)</script>');
  });
});
