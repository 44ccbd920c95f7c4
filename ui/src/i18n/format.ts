// Numbers, sizes, times and dates as people of the window's language write them.
import { i18n, t } from './i18n.svelte';

const UNITS = ['kB', 'MB', 'GB', 'TB'] as const;

/** `4.7 GB`: powers of 1000, as every current system counts. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 1000) return `${Math.max(0, Math.round(count) || 0)} B`;
  let value = count;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < UNITS.length - 1);
  const digits = value < 9.95 ? 1 : 0;
  return `${value.toLocaleString(i18n.locale, { maximumFractionDigits: digits })} ${UNITS[unit]}`;
}

/** `6 s`, `2 min`, `3 h`: as exact as an estimate deserves. */
export function roughly(seconds: number): string {
  const s = Math.max(1, seconds);
  if (s < 10) return t('unit.seconds', { n: Math.round(s) });
  if (s < 90) return t('unit.seconds', { n: Math.round(s / 5) * 5 });
  if (s < 5400) return t('unit.minutes', { n: Math.round(s / 60) });
  return t('unit.hours', { n: Math.round(s / 3600) });
}

/** `0.8 s`, `14 s`, `2 min 5 s`: measured, not estimated. */
export function duration(seconds: number): string {
  if (seconds < 10) return t('unit.seconds', { n: Math.round(seconds * 10) / 10 });
  if (seconds < 100) return t('unit.seconds', { n: Math.round(seconds) });
  const whole = Math.round(seconds);
  return t('unit.minutesSeconds', { m: Math.floor(whole / 60), s: whole % 60 });
}

/** `3.2`, `41`. */
export function rate(perSecond: number): string {
  const digits = perSecond < 10 ? 1 : 0;
  return perSecond.toLocaleString(i18n.locale, { maximumFractionDigits: digits });
}

/** `14:05` today, else `3 Nov`, with the year when it is another. */
export function when(at: number, now: number): string {
  const date = new Date(at);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) {
    return date.toLocaleTimeString(i18n.locale, { hour: '2-digit', minute: '2-digit' });
  }
  const sameYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleDateString(i18n.locale, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  });
}

/** The whole date and time. */
export function moment(at: number): string {
  return new Date(at).toLocaleString(i18n.locale, { dateStyle: 'long', timeStyle: 'short' });
}

/** `November 2026`, `2026年11月`. */
export function month(at: number): string {
  return new Date(at).toLocaleDateString(i18n.locale, { year: 'numeric', month: 'long' });
}

/** When the day of `at` began here. */
export function midnightBefore(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
