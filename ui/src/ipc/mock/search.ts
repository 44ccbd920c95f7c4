// Searching the mock's threads: every word must be there; newest first; 50 at a time.
import type { Message, SearchHit, SearchPage } from '../bindings';
import type { Tree } from './tree';

const PAGE = 50;

export function search(tree: Tree, query: string, cursor: string | null): SearchPage {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return { hits: [], next: null };
  const hits: SearchHit[] = [];
  const titled = new Set<number>();
  for (const message of tree.messages.values()) {
    if (!holdsAll(message.text, words) || !tree.threads.has(message.thread)) continue;
    titled.add(message.thread);
    hits.push(hit(tree, message, words));
  }
  for (const { summary } of tree.threads.values()) {
    if (titled.has(summary.id) || !holdsAll(summary.title, words)) continue;
    hits.push({
      thread: summary.id,
      title: summary.title,
      titleMarks: marks(summary.title, words),
      thumbnail: summary.thumbnail,
      message: null,
      role: null,
      at: summary.updatedAt,
      snippet: '',
      marks: [],
    });
  }
  hits.sort((a, b) => b.at - a.at);
  const from = Number(cursor ?? 0);
  return {
    hits: hits.slice(from, from + PAGE),
    next: hits.length > from + PAGE ? String(from + PAGE) : null,
  };
}

function hit(tree: Tree, message: Message & { thread: number }, words: string[]): SearchHit {
  const { summary } = tree.branch(message.thread);
  const line = message.text.replace(/\s+/g, ' ');
  const first = Math.max(0, Math.min(...words.map((w) => line.toLowerCase().indexOf(w))));
  const from = Math.max(0, first - 24);
  const snippet = (from ? '…' : '') + line.slice(from, from + 120);
  return {
    thread: summary.id,
    title: summary.title,
    titleMarks: marks(summary.title, words),
    thumbnail: summary.thumbnail,
    message: message.id,
    role: message.role,
    at: message.at,
    snippet,
    marks: marks(snippet, words),
  };
}

function holdsAll(text: string, words: string[]): boolean {
  const lower = text.toLowerCase();
  return words.every((w) => lower.includes(w));
}

function marks(text: string, words: string[]): [number, number][] {
  const lower = text.toLowerCase();
  const found: [number, number][] = [];
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) {
      found.push([at, at + word.length]);
    }
  }
  return found.sort((a, b) => a[0] - b[0]);
}
