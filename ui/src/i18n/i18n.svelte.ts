// The language of the window. `t` is read inside templates and effects, so that a change of
// language redraws every word at once, without a restart.
import { en } from './en';
import type { Entry, Fill, Key, Messages } from './messages';
import { zhCN } from './zh-CN';

export type Locale = 'en' | 'zh-CN';

const languages: Record<Locale, Messages> = { en, 'zh-CN': zhCN };

let locale = $state<Locale>('en');
const plurals: Record<Locale, Intl.PluralRules> = {
  en: new Intl.PluralRules('en'),
  'zh-CN': new Intl.PluralRules('zh-CN'),
};

export const i18n = {
  get locale(): Locale {
    return locale;
  },
  set locale(next: Locale) {
    locale = next;
  },
};

/** The system's language as one of ours: Chinese where it is Chinese, else English. */
export function localeOf(tag: string): Locale {
  return /^zh\b/i.test(tag) ? 'zh-CN' : 'en';
}

/** The text of `key` in the window's language. */
export function t<K extends Key>(key: K, ...fill: Fill<K>): string {
  const blanks: Record<string, string | number> = fill[0] ?? {};
  return fillIn(choose(languages[locale][key], blanks['n']), blanks);
}

/** Whether there is such a text: for keys that come from outside, such as error codes. */
export function isKey(key: string): key is Key {
  return Object.hasOwn(en, key);
}

/** A text that needs nothing filled in, by a key that is put together at run time. */
export function plain(key: Key): string {
  return choose(languages[locale][key], undefined);
}

function choose(entry: Entry, n: string | number | undefined): string {
  if (typeof entry === 'string') return entry;
  return plurals[locale].select(Number(n ?? 0)) === 'one' ? entry.one : entry.other;
}

function fillIn(text: string, blanks: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = blanks[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? value.toLocaleString(locale) : value;
  });
}
