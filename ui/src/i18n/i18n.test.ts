import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { bytes, duration, roughly } from './format';
import { en } from './en';
import { i18n, isKey, localeOf, t } from './i18n.svelte';
import type { Entry, Key } from './messages';
import { zhCN } from './zh-CN';

afterEach(() => {
  i18n.locale = 'en';
});

const keys = Object.keys(en) as Key[];
const forms = (entry: Entry) => (typeof entry === 'string' ? [entry] : [entry.one, entry.other]);
const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

test('both languages have every key, filled', () => {
  expect(Object.keys(zhCN).sort()).toEqual([...keys].sort());
  for (const key of keys) {
    for (const text of [...forms(en[key]), ...forms(zhCN[key])])
      expect(text.trim(), key).not.toBe('');
    expect(typeof zhCN[key], key).toBe(typeof en[key]);
  }
});

test('both languages fill in the same things', () => {
  for (const key of keys) {
    const ours = new Set(forms(en[key]).flatMap(blanks));
    const theirs = new Set(forms(zhCN[key]).flatMap(blanks));
    // A text for one thing may leave its number out.
    ours.delete('n');
    theirs.delete('n');
    expect([...theirs].sort(), key).toEqual([...ours].sort());
  }
});

test('Chinese has full-width punctuation and no spaces between characters', () => {
  for (const key of keys) {
    for (const text of forms(zhCN[key])) {
      expect(text, key).not.toMatch(/[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]/);
      expect(text, key).not.toMatch(/[\u4e00-\u9fff] [\u4e00-\u9fff]/);
      expect(text, key).not.toMatch(/\.\.\./);
    }
  }
});

// The words of the identity, as its table has them.
const GLOSSARY: [Key, string, string][] = [
  ['nav.chats', 'Chats', '对话'],
  ['composer.style', 'Answer style', '回答方式'],
  ['style.chat', 'Free chat', '自由对话'],
  ['style.short', 'Short answer', '简短回答'],
  ['style.caption', 'One sentence', '一句话描述'],
  ['style.detailed', 'Full description', '详细描述'],
  ['style.choice', 'Multiple choice', '选择题'],
  ['style.box', 'Find in picture', '在图中找出'],
  ['style.region', 'Ask about this area', '询问此区域'],
  ['style.json', 'Fill in a form', '填写表格'],
  ['style.check', 'Check a statement', '核对说法'],
  ['composer.decline', 'May say "can\'t tell"', '看不清时直说'],
  ['chat.interrupted', 'Interrupted', '已中断'],
  ['picture.seen', 'What the model sees', '模型看到的画面'],
  ['picture.ask', 'Ask about this area', '询问此区域'],
  ['settings.practice', 'Practice model', '体验模型'],
  ['device.graphicsCard', 'Graphics card', '显卡'],
  ['device.processor', 'Processor', '处理器'],
  ['app.tagline', 'Face to face with your pictures.', '与图片，面对面。'],
  ['app.promise', 'Everything stays on this computer.', '一切都留在这台电脑上。'],
];

test.each(GLOSSARY)('%s has the words of the glossary', (key, english, chinese) => {
  expect(en[key]).toBe(english);
  expect(zhCN[key]).toBe(chinese);
});

test('every error code has a sentence and a next step', () => {
  const bindings = readFileSync('src/ipc/bindings.ts', 'utf8');
  const union = /export type ErrorCode = ([^;]+);/.exec(bindings)?.[1] ?? '';
  const codes = [...union.matchAll(/"(\w+)"/g)].map((m) => m[1]);
  expect(codes.length).toBeGreaterThan(20);
  for (const code of codes) {
    expect(isKey(`error.${code}`), code).toBe(true);
    expect(isKey(`error.${code}.hint`), code).toBe(true);
  }
});

test('a number chooses between one and several', () => {
  expect(t('threads.hits', { n: 1 })).toBe('1 place');
  expect(t('threads.hits', { n: 3 })).toBe('3 places');
  i18n.locale = 'zh-CN';
  expect(t('threads.hits', { n: 1 })).toBe('1 处');
});

test('what is filled in is not filled in again', () => {
  expect(t('threads.deleted', { title: '{n} $& {title}' })).toBe('Deleted “{n} $& {title}”');
});

test('any Chinese is Simplified Chinese, anything else English', () => {
  expect(localeOf('zh-Hans-CN')).toBe('zh-CN');
  expect(localeOf('ZH')).toBe('zh-CN');
  expect(localeOf('fr-FR')).toBe('en');
});

test('sizes and times are as exact as they deserve', () => {
  expect(bytes(999)).toBe('999 B');
  expect(bytes(4_700_000_000)).toBe('4.7 GB');
  expect(bytes(26_700_000_000)).toBe('27 GB');
  expect(bytes(999_900)).toBe('1 MB');
  expect(bytes(Number.NaN)).toBe('0 B');
  expect(roughly(0.2)).toBe('1 s');
  expect(roughly(47)).toBe('45 s');
  expect(roughly(600)).toBe('10 min');
  expect(duration(0.84)).toBe('0.8 s');
  expect(duration(125)).toBe('2 min 5 s');
});
