// The last gate before HTML enters the page: the same for an answer that is being written and for
// one from last year. Only what render.ts produces passes.
import DOMPurify, { type Config } from 'dompurify';

const TAGS =
  'p br hr strong em s code pre ul ol li blockquote h3 h4 h5 h6 table thead tbody tr th td div a button';
const ATTRIBUTES = 'class role tabindex title type start data-url data-box';
const CLASSES = new Set(['link', 'area', 'table', 'left', 'right', 'center']);

const CONFIG: Config = {
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: ATTRIBUTES.split(' '),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  KEEP_CONTENT: true,
};

let purifier: ReturnType<typeof DOMPurify> | undefined;

function create(): ReturnType<typeof DOMPurify> {
  const purify = DOMPurify(window);
  purify.addHook('uponSanitizeAttribute', (_node, data) => {
    if (data.attrName === 'data-url' && !data.attrValue.startsWith('https://'))
      data.keepAttr = false;
    if (data.attrName === 'class' && !CLASSES.has(data.attrValue)) data.keepAttr = false;
    if (data.attrName === 'type' && data.attrValue !== 'button') data.keepAttr = false;
  });
  return purify;
}

/** `html` without anything that could act or ask for something. */
export function sanitise(html: string): string {
  purifier ??= create();
  return purifier.sanitize(html, CONFIG);
}
