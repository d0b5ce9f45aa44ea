import { describe, expect, test } from 'vitest';
import { BLOCK, RawBlocks, lines } from './raw';
import { seeded } from './synthetic';

const encode = (text: string) => new TextEncoder().encode(text);

function host(text: () => Uint8Array) {
  return {
    bytes: async (offset: number, most: number) => {
      await Promise.resolve();
      return { bytes: text().subarray(offset, offset + most), size: text().length, ended: true };
    },
  };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe('bytes of a stream', () => {
  test('are the same text, block by block, wherever lines end', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const random = seeded(seed);
      const words: string[] = [];
      for (let length = 0; length < 6 * BLOCK; ) {
        const line = 'ä'.repeat(Math.floor(random() ** 4 * 9000)) + words.length;
        words.push(line);
        length += line.length;
      }
      const bytes = encode(`${words.join('\n')}\n`);
      const raw = new RawBlocks(host(() => bytes), () => {});
      await raw.look();
      raw.want(0, raw.count);
      await settled();
      const shown = Array.from({ length: raw.count }, (_, at) => raw.block(at)?.text ?? '').filter((text) => text !== '');
      expect(shown.join('\n').split('\n')).toEqual(words);
    }
  });

  test('have lines that begin exactly at a block once', () => {
    const bytes = encode(`${'x'.repeat(BLOCK - 1)}\nsecond\n`);
    expect(lines(bytes, 0).text).toBe('x'.repeat(BLOCK - 1));
    expect(lines(bytes.subarray(BLOCK - 1), 1).text).toBe('second');
  });

  test('of one endless line are cut, and shown once', () => {
    const bytes = encode('x'.repeat(BLOCK * 6));
    expect(lines(bytes.subarray(0, BLOCK * 4), 0)).toMatchObject({ cut: true });
    expect(lines(bytes.subarray(BLOCK - 1, BLOCK * 5), 1)).toEqual({ text: '', cut: false });
  });

  test('that come later are read anew where a line was not complete', async () => {
    let text = encode('one\ntw');
    const raw = new RawBlocks(host(() => text), () => {});
    await raw.look();
    raw.want(0, 1);
    await settled();
    expect(raw.block(0)?.text).toBe('one\ntw');
    text = encode('one\ntwo\nthree\n');
    await raw.look();
    expect(raw.block(0)).toBeUndefined();
    raw.want(0, 1);
    await settled();
    expect(raw.block(0)?.text).toBe('one\ntwo\nthree');
  });
});
