// Markdown of answers as HTML. An answer is not to be trusted: no HTML of its own, no picture, no
// address that the page itself would follow. What comes out goes through sanitise.ts all the same.
import MarkdownIt from 'markdown-it';

/** What is counted through one message while it is rendered piece by piece. */
export interface RenderState {
  /** Boxes met so far. */
  boxes: number;
  /** Whether `[x1, y1, x2, y2]` is an area of a picture. */
  areas: boolean;
}

const NUMBER = String.raw`\s*([01](?:\.\d*)?|\.\d+)\s*`;
const BOX = new RegExp(String.raw`\[${NUMBER},${NUMBER},${NUMBER},${NUMBER}\]`, 'y');

const md = new MarkdownIt({
  html: false,
  // A model's single line break is meant.
  breaks: true,
  linkify: true,
});
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
// Definitions may stand far from their use, and a message is rendered in pieces.
md.disable(['reference']);
md.options.maxNesting = 24;
// Anything but https stays as it was typed.
md.validateLink = (url) => /^https:\/\/[^\s\\]+$/i.test(url);

/** HTML of a piece of a message that begins and ends between blocks. */
export function toHtml(source: string, state: RenderState): string {
  return md.render(source, { state });
}

/** Where the last block of `source` begins: what lies before will not change any more. */
export function lastBlockStart(source: string): number {
  let line = 0;
  for (const token of md.parse(source, {})) {
    if (token.level === 0 && token.map) line = Math.max(line, token.map[0]);
  }
  let at = 0;
  for (; line > 0; line--) at = source.indexOf('\n', at) + 1;
  return at;
}

// Addresses are not put into `href`, `src` or the like: nothing can prefetch, drag or follow them
// without state/links.svelte.ts, which asks.
function linkOpen(url: string): string {
  return `<a class="link" role="link" tabindex="0" data-url="${md.utils.escapeHtml(url)}" title="${md.utils.escapeHtml(url)}">`;
}

md.renderer.rules['link_open'] = (tokens, i) => linkOpen(String(tokens[i]?.attrGet('href') ?? ''));
md.renderer.rules['link_close'] = () => '</a>';
md.renderer.rules['image'] = (tokens, i) => {
  const token = tokens[i];
  const url = String(token?.attrGet('src') ?? '');
  return `${linkOpen(url)}${md.utils.escapeHtml(token?.content.trim() || url)}</a>`;
};

// Headings of an answer stand below those of the page.
md.renderer.rules['heading_open'] = (tokens, i) => `<h${headingLevel(tokens[i]?.tag)}>`;
md.renderer.rules['heading_close'] = (tokens, i) => `</h${headingLevel(tokens[i]?.tag)}>\n`;

function headingLevel(tag = 'h1'): number {
  return Math.min(6, Number(tag.slice(1)) + 2);
}

md.renderer.rules['table_open'] = () => '<div class="table" role="region" tabindex="0"><table>\n';
md.renderer.rules['table_close'] = () => '</table></div>\n';
for (const cell of ['th', 'td']) {
  md.renderer.rules[`${cell}_open`] = (tokens, i) => {
    const align = /text-align:(\w+)/.exec(String(tokens[i]?.attrGet('style') ?? ''))?.[1];
    return align ? `<${cell} class="${align}">` : `<${cell}>`;
  };
}

// `[0.21, 0.30, 0.66, 0.72]` is a place in the picture: a button that shows it.
md.inline.ruler.before('link', 'box', (state, silent) => {
  if (!stateIn(state.env)?.areas || state.src.charCodeAt(state.pos) !== 0x5b) return false;
  BOX.lastIndex = state.pos;
  const match = BOX.exec(state.src);
  if (!match?.slice(1).every((n) => Number(n) <= 1)) return false;
  if (!silent) {
    const token = state.push('box', '', 0);
    token.content = match[0];
  }
  state.pos += match[0].length;
  return true;
});
md.renderer.rules['box'] = (tokens, i, _options, env) => {
  const number = countBox(stateIn(env));
  const written = md.utils.escapeHtml(tokens[i]?.content ?? '');
  return `<button type="button" class="area" data-box="${number - 1}" title="${written}">${number}</button>`;
};

function stateIn(env: unknown): RenderState | undefined {
  return (env as { state?: RenderState } | undefined)?.state;
}

function countBox(state: RenderState | undefined): number {
  return state ? ++state.boxes : 1;
}
