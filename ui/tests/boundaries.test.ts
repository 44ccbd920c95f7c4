// Rules about the source that a reader would otherwise have to check.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const sources = files('src').filter((file) => /\.(ts|svelte|css)$/.test(file));
const text = (file: string) => readFileSync(file, 'utf8');

test('only src/ipc talks to the shell', () => {
  const users = sources.filter((file) => text(file).includes("'@tauri-apps"));
  expect(users).toEqual(['src/ipc/tauri.ts']);
});

test('HTML enters the page in one place', () => {
  const users = sources.filter((file) => text(file).includes('{@html'));
  expect(users).toEqual(['src/markdown/Markdown.svelte']);
});

test('no style or page names an address elsewhere', () => {
  const pages = ['index.html', ...sources.filter((file) => /\.(css|svelte)$/.test(file))];
  for (const file of pages) expect(text(file), file).not.toMatch(/https?:\/\/|url\(|@import/);
});

test('colours are named in one place', () => {
  const components = sources.filter(
    (file) => file.endsWith('.svelte') || file.endsWith('base.css'),
  );
  for (const file of components) {
    expect(text(file), file).not.toMatch(/:\s*[^;{]*#[0-9a-f]{3,8}\b[^;{]*;/i);
  }
});

test('every source file says why it exists', () => {
  for (const file of sources) {
    if (file.endsWith('bindings.ts') || file.endsWith('.test.ts') || file.endsWith('main.ts'))
      continue;
    expect(text(file).trimStart(), file).toMatch(/^(\/\/|\/\*|<!--)/);
  }
});

test('no file has grown beyond four hundred lines', () => {
  for (const file of [...sources, ...files('tests')]) {
    if (file.endsWith('bindings.ts')) continue;
    const most = /(en|zh-CN)\.ts$/.test(file) || file.includes('.test.') ? 600 : 400;
    expect(text(file).split('\n').length, file).toBeLessThanOrEqual(most);
  }
});

test('the lock file names packages, not hosts', () => {
  expect(text('package-lock.json').includes('"resolved"')).toBe(false);
  expect(text('package-lock.json').includes('registry.')).toBe(false);
});
