// The types of the window's words: a key that does not exist, a missing blank or one too many is
// a compiler error, in both languages.
import type { en } from './en';

type English = typeof en;
export type Key = keyof English;

/** The blanks of a text: `'{n} of {m}'` has `'n' | 'm'`. */
type Blanks<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Blanks<Rest>
  : never;

/** A text, or one for a single thing and one for several. */
export type Entry = string | { readonly one: string; readonly other: string };

type TextOf<E> = E extends string ? E : E extends { one: infer A; other: infer B } ? A | B : never;
type BlanksOf<K extends Key> = Blanks<Extract<TextOf<English[K]>, string>>;

/** What must be given along with a key. */
export type Fill<K extends Key> = [BlanksOf<K>] extends [never]
  ? English[K] extends string
    ? []
    : [{ n: number }]
  : [Record<BlanksOf<K>, string | number> & (English[K] extends string ? unknown : { n: number })];

/** A whole language. */
export type Messages = { readonly [K in Key]: English[K] extends string ? string : Entry };
