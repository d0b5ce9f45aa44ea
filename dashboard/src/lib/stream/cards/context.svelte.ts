// What cards share: what is unfolded (a card that scrolls away and comes back is as it was), whole entries, links.

import { getContext, setContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import type { Entry } from '../../wire';
import type { Place } from '../rows';

export interface Cards {
  /** What was folded or unfolded by hand, by the card's number and the part of it. */
  readonly folds: SvelteMap<string, boolean>;
  /** An entry with nothing cut. */
  whole(place: Place): Promise<Entry>;
  /** Before a card is folded or unfolded: it stays where it is. */
  hold(number: number): void;
  /** Copies the link to an entry. */
  link(place: Place): void;
}

const KEY = Symbol('cards');

export function provide(cards: Cards): void {
  setContext(KEY, cards);
}

export function cards(): Cards {
  return getContext<Cards>(KEY);
}

/** Something that can be folded. */
export class Fold {
  readonly #cards = cards();
  readonly #key: () => string;
  readonly #number: () => number;
  readonly #byDefault: () => boolean;

  constructor(number: () => number, part: string, byDefault: () => boolean = () => false) {
    this.#number = number;
    this.#key = () => `${number()}:${part}`;
    this.#byDefault = byDefault;
  }

  get open(): boolean {
    return this.#cards.folds.get(this.#key()) ?? this.#byDefault();
  }

  toggle(): void {
    this.#cards.hold(this.#number());
    this.#cards.folds.set(this.#key(), !this.open);
  }
}

/** An entry, and all of it once that is wanted. */
export class Whole {
  #all: Entry | null = $state.raw(null);
  /** Why it could not be had, in words. */
  trouble: string = $state('');
  readonly #known: () => Entry | undefined;
  readonly #place: () => Place | undefined;
  /** What is known of the entry. */
  readonly entry: Entry | undefined = $derived.by(() => this.#all ?? this.#known());

  constructor(known: () => Entry | undefined, place: () => Place | undefined, wanted: () => boolean) {
    this.#known = known;
    this.#place = place;
    const shared = cards();
    $effect(() => {
      const entry = this.#known();
      const at = this.#place();
      if (!wanted() || at === undefined || (entry !== undefined && entry.cut !== true)) return;
      let here = true;
      this.trouble = '';
      shared.whole(at).then(
        (all) => {
          if (here) this.#all = all;
        },
        (error: unknown) => {
          if (here) this.trouble = error instanceof Error ? error.message : String(error);
        },
      );
      return () => (here = false);
    });
  }
}
