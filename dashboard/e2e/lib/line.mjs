// How a scenario and the test that started it talk: one JSON value a line, both ways.
//
// The test's first line is what the scenario is given. From then on the scenario asks (`{"ask": WHAT, …}`), the test does it and
// answers with one line; the last line is `{"done": …}` or `{"failed": WORDS}`. The end of the input is the end of the scenario:
// whoever started it is gone.

import { createInterface } from 'node:readline';

export class Line {
  #lines = [];
  #waiting = [];
  #over = false;
  /** Called where the input ends. */
  onend = () => {};

  constructor() {
    const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
    lines.on('line', (line) => {
      const value = JSON.parse(line);
      const first = this.#waiting.shift();
      if (first) first.resolve(value);
      else this.#lines.push(value);
    });
    lines.on('close', () => {
      this.#over = true;
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error('the test is gone'));
      this.onend();
    });
  }

  /** The next line of the test. */
  read() {
    if (this.#lines.length > 0) return Promise.resolve(this.#lines.shift());
    if (this.#over) return Promise.reject(new Error('the test is gone'));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Asks for something and waits until it is done; the answer. */
  async ask(what, more = {}) {
    await this.write({ ask: what, ...more });
    const answer = await this.read();
    if (answer.error !== undefined) throw new Error(`${what}: ${answer.error}`);
    return answer.ok;
  }

  /** Says something; done when it is on its way whole, which a process that ends must wait for. */
  write(value) {
    return new Promise((resolve) => process.stdout.write(`${JSON.stringify(value)}\n`, resolve));
  }
}
