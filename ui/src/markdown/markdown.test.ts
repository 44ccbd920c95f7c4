import { expect, test } from 'vitest';
import { HOSTILE } from '../ipc/mock/replies';
import { sanitise } from './sanitise';
import { MarkdownStream, MOST_CHARACTERS, type Rendered } from './stream';

const SAMPLES: Record<string, string> = {
  prose: 'One paragraph.\n\nAnother with **bold**, `code`\nand a second line.\n\n\n\nA third.',
  lists: '- a\n- b\n\n  more of b\n- c\n\n1. one\n2. two\n\n3. three\n\nEnd.',
  ordered: '1. one\n\n2. two\n\n3. three',
  code: 'Text\n\n```js\nlet a = 1;\n\nlet b = 2;\n```\n\nafter',
  quote: '> one\n> two\n\n> three\n\nend',
  table: '| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\nafter',
  headings: '# One\n\nTwo\n---\n\n### Three\ntext',
  boxes: 'First [0.10, 0.20, 0.30, 0.40].\n\nThen [0.5, 0.5, 1, 1] and [1, 2].',
  chinese: '图中有**两只**猫。\n\n1. 一只是黑色\n2. 一只是白色',
};

function html(rendered: Rendered): string {
  return rendered.kind === 'markdown' ? rendered.blocks.join('') : rendered.pieces.join('');
}

function whole(text: string): string {
  return html(new MarkdownStream(true).update(text));
}

/** Text as it would come, `size` characters at a time; looks at each state. */
function streamed(text: string, size: number, look: (state: string) => void): string {
  const stream = new MarkdownStream(true);
  for (let end = size; ; end += size) {
    const state = html(stream.update(text.slice(0, end)));
    look(state);
    if (end >= text.length) return state;
  }
}

const TAGS = new Set(
  'p br hr strong em s code pre ul ol li blockquote h3 h4 h5 h6 table thead tbody tr th td div a button'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set('class role tabindex title type start data-url data-box'.split(' '));

/** What may not stand in a message: it could act or ask for something. */
function dangersIn(markup: string): string[] {
  const page = document.createElement('template');
  page.innerHTML = markup;
  const found: string[] = [];
  for (const element of page.content.querySelectorAll('*')) {
    if (!TAGS.has(element.localName)) found.push(element.outerHTML);
    for (const { name, value } of element.attributes) {
      const bad = name === 'data-url' && !value.startsWith('https://');
      if (bad || !ATTRIBUTES.has(name)) found.push(`${name}=${value}`);
    }
  }
  return found;
}

function expectInert(markup: string): void {
  expect(dangersIn(markup)).toEqual([]);
}

test.each(Object.entries(SAMPLES))('%s ends the same, in pieces or whole', (_name, text) => {
  const goal = whole(text).replace(/\s+/g, ' ');
  for (const size of [3, 11]) {
    const end = streamed(text, size, () => undefined);
    expect(end.replace(/\s+/g, ' ')).toBe(goal);
  }
});

test.each([4, 9, 64])('a hostile answer is inert at every moment, %i at a time', (size) => {
  const found = new Set<string>();
  streamed(HOSTILE, size, (state) => {
    for (const danger of dangersIn(state)) found.add(danger);
  });
  expect([...found]).toEqual([]);
});

test('what an answer says is shown, not obeyed', () => {
  const page = document.createElement('div');
  page.innerHTML = whole(HOSTILE);
  const said = page.textContent;
  expect(said).toContain('<script>window.hacked = true</script>');
  expect(said).toContain('onerror=');
  expect(said).toContain('javascript:alert(1)');
  expect(said).toContain('http://203.0.113.7/pixel?q=secret');
  const links = [...page.querySelectorAll('[data-url]')].map((a) => a.getAttribute('data-url'));
  // Only https, and the picture among them has become a link.
  expect(links).toContain('https://example.com/page');
  expect(links).toContain('https://example.com/pixel.png');
  expect(links.every((url) => url?.startsWith('https://example.com'))).toBe(true);
  expect('hacked' in window).toBe(false);
});

test('the sanitiser lets nothing through that the renderer does not make', () => {
  const attacks = [
    '<img src=x onerror=alert(1)>',
    '<a href="https://example.com" onclick="x()">y</a>',
    '<a data-url="javascript:alert(1)">y</a>',
    '<svg><script>alert(1)</script></svg>',
    '<math><mtext><table><mglyph><style><img src onerror=alert(1)>',
    '<iframe srcdoc="<script>1</script>"></iframe>',
    '<form action="https://example.com"><button formaction="https://example.com">x</button></form>',
    '<div style="background:url(https://example.com/x)">x</div>',
    '<p class="scrim dialog">x</p>',
    '<input autofocus onfocus=alert(1)>',
  ];
  for (const attack of attacks) {
    const clean = sanitise(attack);
    expectInert(clean);
    expect(clean).not.toContain('scrim');
  }
});

test('a line of a megabyte is plain text in small pieces', () => {
  const rendered = new MarkdownStream(false).update('x'.repeat(1_000_000));
  expect(rendered.kind).toBe('plain');
  if (rendered.kind !== 'plain') return;
  expect(Math.max(...rendered.pieces.map((p) => p.length))).toBeLessThanOrEqual(4000);
  expect(rendered.pieces.join('')).toHaveLength(1_000_000);
});

test('a megabyte that comes in pieces keeps the pieces that are full', () => {
  const stream = new MarkdownStream(false);
  let text = 'x'.repeat(30_000);
  const before = stream.update(text);
  for (let i = 0; i < 40; i++) text += 'y'.repeat(25_000);
  const after = stream.update(text);
  expect(after.kind).toBe('plain');
  if (before.kind !== 'plain' || after.kind !== 'plain') return;
  expect(after.pieces.slice(0, 7)).toEqual(before.pieces.slice(0, 7));
  expect(after.pieces.join('')).toBe(text);
});

test.each([
  ['quotes', '>'.repeat(100_000)],
  ['spaced quotes', '> '.repeat(100_000)],
  ['lists', '- '.repeat(100_000)],
  ['numbered lists', '1. '.repeat(20_000)],
])('a hundred thousand nested %s are plain text', (_name, text) => {
  expect(new MarkdownStream(false).update(`${text} deep`).kind).toBe('plain');
});

test('very many lines are plain text beyond a limit', () => {
  const text = 'line\n'.repeat(MOST_CHARACTERS / 5 + 1);
  expect(new MarkdownStream(false).update(text).kind).toBe('plain');
});

test.each([
  ['brackets', '['.repeat(15_000)],
  ['stars', '*a '.repeat(6_000)],
  ['backticks', '`a'.repeat(8_000)],
  ['autolinks', '<'.repeat(15_000)],
])('many open %s come to an end', (_name, text) => {
  expectInert(html(new MarkdownStream(false).update(text)));
});

test('a text that takes too long is given up for plain text', () => {
  let clock = 0;
  const stream = new MarkdownStream(false, () => (clock += 100));
  const text = 'word '.repeat(2_000);
  expect(stream.update(text).kind).toBe('markdown');
  expect(stream.update(`${text}more`).kind).toBe('plain');
});

test('finished blocks are not rendered again', () => {
  const stream = new MarkdownStream(false);
  const first = stream.update('One.\n\nTwo.\n\nThree');
  const second = stream.update('One.\n\nTwo.\n\nThree and more.\n\nFour');
  if (first.kind !== 'markdown' || second.kind !== 'markdown') throw new Error('markdown');
  expect(second.blocks[0]).toBe(first.blocks[0]);
  expect(second.blocks.length).toBeGreaterThan(first.blocks.length);
});

test('a text that is another one starts anew', () => {
  const stream = new MarkdownStream(false);
  stream.update('One.\n\nTwo.');
  expect(html(stream.update('Other.'))).toBe('<p>Other.</p>\n');
});

test('boxes are counted through the whole message, also while it grows', () => {
  const page = document.createElement('div');
  page.innerHTML = streamed(SAMPLES['boxes'] ?? '', 4, () => undefined);
  const boxes = [...page.querySelectorAll('[data-box]')];
  expect(boxes.map((box) => box.textContent)).toEqual(['1', '2']);
  expect(boxes.map((box) => box.getAttribute('data-box'))).toEqual(['0', '1']);
  expect(page.textContent).toContain('[1, 2]');
});

test('without a picture four numbers are four numbers', () => {
  const rendered = new MarkdownStream(false).update('[0.1, 0.2, 0.3, 0.4]');
  expect(html(rendered)).toContain('[0.1, 0.2, 0.3, 0.4]');
});

test('headings of an answer stand below those of the page', () => {
  expect(whole('# One')).toContain('<h3>One</h3>');
  expect(whole('###### Six')).toContain('<h6>Six</h6>');
});
