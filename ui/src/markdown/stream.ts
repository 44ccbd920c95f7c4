// A growing answer as blocks of HTML. Blocks that are finished are rendered once and stay; only
// the last one is rendered again as text arrives, so the cost of a piece of text does not grow with
// what stands before it. What would take Markdown too long is shown as plain text.
import { lastBlockStart, toHtml, type RenderState } from './render';
import { sanitise } from './sanitise';

/** Characters beyond which a message is plain text: some thirty times the longest answer. */
export const MOST_CHARACTERS = 200_000;
/** Characters of a line beyond which it is not prose. */
export const MOST_IN_LINE = 20_000;
/** Characters of a piece of plain text: small enough to lay out, large enough to be few. */
const PLAIN_PIECE = 4_000;
/** Milliseconds that rendering the last block may take before Markdown is given up. */
const PATIENCE = 80;

export type Rendered =
  { kind: 'markdown'; blocks: readonly string[] } | { kind: 'plain'; pieces: readonly string[] };

export class MarkdownStream {
  private text = '';
  private settled = 0;
  private frozen: string[] = [];
  private state: RenderState;
  private plain = false;
  private pieces: string[] = [];
  private longestLineChecked = 0;

  constructor(
    areas: boolean,
    private now: () => number = () => performance.now(),
  ) {
    this.state = { boxes: 0, areas };
  }

  /** What to show for `text`, which usually is the last one with more at its end. */
  update(text: string): Rendered {
    if (!text.startsWith(this.text)) this.reset();
    this.text = text;
    if (!this.plain && this.isTooMuch()) this.plain = true;
    if (this.plain) return { kind: 'plain', pieces: this.cut() };
    const began = this.now();
    // A line of only `2` or `-` may become the next item of the list before it.
    const undecided = /(?:^|\n)[ \t]*(?:\d{1,9}[.)]?|[-+*_=]+)[ \t]*$/.test(this.text);
    const start = undecided ? 0 : lastBlockStart(this.text.slice(this.settled));
    if (start > 0) this.freeze(this.settled + start);
    // The last block counts its boxes from here, each time anew.
    const tail = sanitise(toHtml(this.text.slice(this.settled), { ...this.state }));
    if (this.now() - began > PATIENCE) {
      // Slow once may be the machine; it is for the next piece to find out that it is the text.
      this.plain = this.text.length - this.settled > MOST_IN_LINE / 4;
    }
    return { kind: 'markdown', blocks: tail ? [...this.frozen, tail] : [...this.frozen] };
  }

  private reset(): void {
    this.settled = 0;
    this.frozen = [];
    this.state = { boxes: 0, areas: this.state.areas };
    this.plain = false;
    this.pieces = [];
    this.longestLineChecked = 0;
  }

  /** Renders for good what ends at `end`; one block each, so that none is touched again. */
  private freeze(end: number): void {
    const html = sanitise(toHtml(this.text.slice(this.settled, end), this.state));
    if (html) this.frozen.push(html);
    this.settled = end;
  }

  private isTooMuch(): boolean {
    if (this.text.length > MOST_CHARACTERS) return true;
    const fresh = this.text.slice(this.longestLineChecked);
    if (/^[ \t]*(?:(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))[ \t]*){25}/m.test(fresh)) return true;
    if (fresh.length - (fresh.lastIndexOf('\n') + 1) > MOST_IN_LINE) return true;
    if (fresh.split('\n').some((line) => line.length > MOST_IN_LINE)) return true;
    this.longestLineChecked += fresh.lastIndexOf('\n') + 1;
    return false;
  }

  private cut(): readonly string[] {
    const full = Math.floor(this.text.length / PLAIN_PIECE);
    while (this.pieces.length > full) this.pieces.pop();
    for (let i = this.pieces.length; i < full; i++) {
      this.pieces.push(this.text.slice(i * PLAIN_PIECE, (i + 1) * PLAIN_PIECE));
    }
    const rest = this.text.slice(full * PLAIN_PIECE);
    return rest ? [...this.pieces, rest] : this.pieces;
  }
}
