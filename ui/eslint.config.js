import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

// What a message holds is not to be trusted. HTML enters the page in one place, behind the
// sanitiser (src/markdown/Markdown.svelte); these rules keep it so.
const htmlSinks = [
  {
    selector:
      'AssignmentExpression > MemberExpression.left[property.name=/^(innerHTML|outerHTML|srcdoc)$/]',
    message: 'Show text as text. HTML enters only through markdown/Markdown.svelte.',
  },
  {
    selector:
      'CallExpression[callee.property.name=/^(insertAdjacentHTML|createContextualFragment|parseFromString|setHTMLUnsafe)$/]',
    message: 'Show text as text. HTML enters only through markdown/Markdown.svelte.',
  },
  {
    selector: 'CallExpression[callee.object.name="document"][callee.property.name=/^write/]',
    message: 'Show text as text. HTML enters only through markdown/Markdown.svelte.',
  },
  {
    selector: 'CallExpression[callee.object.name="window"][callee.property.name="open"]',
    message: 'Links go through state/links.svelte.ts, which asks first.',
  },
  {
    selector: 'CallExpression[callee.name=/^(fetch|eval|XMLHttpRequest|WebSocket|EventSource)$/]',
    message: 'The page makes no requests; everything comes from the backend.',
  },
  {
    selector:
      'NewExpression[callee.name=/^(Function|XMLHttpRequest|WebSocket|EventSource|Image)$/]',
    message: 'The page makes no requests; everything comes from the backend.',
  },
];

export default ts.config(
  { ignores: ['dist', 'dist-mock', 'node_modules', 'shots', 'src/ipc/bindings.ts'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, __MOCK__: 'readonly' } },
    rules: {
      'no-restricted-syntax': ['error', ...htmlSinks],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@tauri-apps/*'], message: 'Only src/ipc talks to the shell.' },
            { group: ['**/ipc/mock/*'], message: 'Only src/ipc chooses the backend.' },
          ],
        },
      ],
      'svelte/no-at-html-tags': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-definitions': 'off',
      'no-undef': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: {
      parserOptions: { extraFileExtensions: ['.svelte'], parser: ts.parser, svelteConfig },
    },
  },
  {
    files: ['src/ipc/**'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['tests/**', '**/*.test.ts', 'tools/**'],
    languageOptions: { globals: globals.node },
    rules: { 'no-restricted-imports': 'off', 'no-restricted-syntax': 'off' },
  },
);
