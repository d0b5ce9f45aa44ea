import { describe, expect, test } from 'vitest';
import { inline, markdown } from './markdown';

describe('words with structure', () => {
  test('are blocks', () => {
    const text = '# Title\nOne\ntwo\n\n- first\n  - `inner`\n2. second\n\n```rust\nfn a() {}\n\n```\n> said\n---\n| a | b |\n|---|---|\nend';
    expect(markdown(text)).toEqual([
      { is: 'heading', level: 1, words: [{ text: 'Title', as: 'text' }] },
      { is: 'paragraph', words: [{ text: 'One\ntwo', as: 'text' }] },
      { is: 'item', depth: 0, mark: '•', words: [{ text: 'first', as: 'text' }] },
      { is: 'item', depth: 1, mark: '•', words: [{ text: 'inner', as: 'code' }] },
      { is: 'item', depth: 0, mark: '2.', words: [{ text: 'second', as: 'text' }] },
      { is: 'code', language: 'rust', text: 'fn a() {}\n' },
      { is: 'quote', words: [{ text: 'said', as: 'text' }] },
      { is: 'rule' },
      { is: 'code', language: '', text: '| a | b |\n|---|---|' },
      { is: 'paragraph', words: [{ text: 'end', as: 'text' }] },
    ]);
  });

  test('keep what is not closed, and what is no structure', () => {
    expect(markdown('```\nopen')).toEqual([{ is: 'code', language: '', text: 'open' }]);
    expect(inline('a ** b `c')).toEqual([{ text: 'a ** b `c', as: 'text' }]);
    expect(inline('src/*.rs snake_case_name *x*')).toEqual([{ text: 'src/*.rs snake_case_name *x*', as: 'text' }]);
    expect(inline('[x](javascript:alert(1)) <img onerror=x>')).toEqual([{ text: '[x](javascript:alert(1)) <img onerror=x>', as: 'text' }]);
  });

  test('have code and strong words', () => {
    expect(inline('a `b*` **c** ``d`e``')).toEqual([
      { text: 'a ', as: 'text' },
      { text: 'b*', as: 'code' },
      { text: ' ', as: 'text' },
      { text: 'c', as: 'strong' },
      { text: ' ', as: 'text' },
      { text: 'd`e', as: 'code' },
    ]);
  });

  test('lose nothing but marks, whatever is written', () => {
    const hostile = ['`'.repeat(5000) + 'x', '**'.repeat(5000), '`a'.repeat(5000), ('`'.repeat(3) + '\n').repeat(999), '- '.repeat(3000)];
    for (const text of hostile) expect(markdown(text).length).toBeGreaterThan(0);
  });
});
