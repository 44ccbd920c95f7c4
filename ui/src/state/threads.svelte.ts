// The list of threads and the search in everything that was said.
import { midnightBefore, month, when } from '../i18n/format';
import { t } from '../i18n/i18n.svelte';
import { call, type SearchHit, type ThreadId, type ThreadPage, type ThreadSummary } from '../ipc';
import { report, show } from './toasts.svelte';

const PAGE = 200;
const DAY = 86_400_000;

export interface Group {
  title: string;
  threads: ThreadSummary[];
}

class Threads {
  all = $state.raw<ThreadSummary[]>([]);
  total = $state(0);
  query = $state('');
  hits = $state.raw<SearchHit[]>([]);
  hitsNext = $state<string | null>(null);
  searching = $state(false);
  private next: string | null = null;
  private loading = false;
  private timer = 0;
  private asked = 0;

  readonly groups = $derived(group(this.all, Date.now()));

  begin(page: ThreadPage): void {
    this.all = page.threads;
    this.next = page.next;
    this.total = page.total;
    if (this.query) this.search(this.query);
  }

  /** Gets the next part of the list; called when its end comes into sight. */
  async more(): Promise<void> {
    if (this.loading || this.next === null) return;
    this.loading = true;
    try {
      const page = await call('thread_list', { cursor: this.next, limit: PAGE });
      const known = new Set(this.all.map((thread) => thread.id));
      this.all = [...this.all, ...page.threads.filter((thread) => !known.has(thread.id))];
      this.next = page.next;
      this.total = page.total;
    } catch (thrown) {
      report(thrown);
    } finally {
      this.loading = false;
    }
  }

  /** A thread is new or changed: it goes where it belongs. */
  changed(thread: ThreadSummary): void {
    const rest = this.all.filter((other) => other.id !== thread.id);
    if (rest.length === this.all.length) this.total += 1;
    const at = rest.findIndex((other) => before(thread, other));
    // Past the end of what is loaded it comes with its own part of the list.
    if (at < 0 && this.next !== null) this.all = rest;
    else this.all = rest.toSpliced(at < 0 ? rest.length : at, 0, thread);
  }

  removed(id: ThreadId): void {
    const rest = this.all.filter((thread) => thread.id !== id);
    if (rest.length < this.all.length) this.total -= 1;
    this.all = rest;
    this.hits = this.hits.filter((hit) => hit.thread !== id);
  }

  find(id: ThreadId): ThreadSummary | undefined {
    return this.all.find((thread) => thread.id === id);
  }

  /** The thread above or below in the list. */
  neighbour(id: ThreadId | null, step: 1 | -1): ThreadId | undefined {
    const at = this.all.findIndex((thread) => thread.id === id);
    return this.all[at < 0 ? (step > 0 ? 0 : this.all.length - 1) : at + step]?.id;
  }

  async rename(thread: ThreadSummary, title: string): Promise<void> {
    if (title.trim() === thread.title) return;
    await call('thread_rename', { thread: thread.id, title: title.trim() }).catch(report);
  }

  async pin(thread: ThreadSummary): Promise<void> {
    await call('thread_pin', { thread: thread.id, pinned: !thread.pinned }).catch(report);
  }

  /** Deletes a thread and offers to bring it back. `undone` runs when it came back. */
  async remove(thread: ThreadSummary, undone: () => void): Promise<boolean> {
    try {
      await call('thread_delete', { thread: thread.id });
    } catch (thrown) {
      report(thrown);
      return false;
    }
    this.removed(thread.id);
    show({
      kind: 'info',
      text: t('threads.deleted', { title: titleOf(thread) }),
      stay: 12_000,
      action: {
        label: t('common.undo'),
        run: () => {
          call('thread_restore', { thread: thread.id }).then(undone, report);
        },
      },
    });
    return true;
  }

  /** Searches when typing pauses. */
  search(query: string): void {
    this.query = query;
    clearTimeout(this.timer);
    if (!query.trim()) {
      this.hits = [];
      this.hitsNext = null;
      this.searching = false;
      return;
    }
    this.searching = true;
    this.timer = window.setTimeout(() => void this.lookUp(null), 120);
  }

  async moreHits(): Promise<void> {
    if (this.hitsNext !== null && !this.searching) await this.lookUp(this.hitsNext);
  }

  private async lookUp(cursor: string | null): Promise<void> {
    const mine = ++this.asked;
    this.searching = true;
    try {
      const page = await call('search', { query: this.query.trim(), cursor });
      if (mine !== this.asked) return;
      this.hits = cursor === null ? page.hits : [...this.hits, ...page.hits];
      this.hitsNext = page.next;
    } catch (thrown) {
      report(thrown);
    } finally {
      if (mine === this.asked) this.searching = false;
    }
  }
}

export const threads = new Threads();

/** What a thread is called. */
export function titleOf(thread: { title: string }): string {
  return thread.title || t('threads.untitled');
}

/** Today's threads, yesterday's, ...: pinned ones first. Empty groups are left out. */
export function group(all: readonly ThreadSummary[], now: number): Group[] {
  const midnight = midnightBefore(now);
  const groups: Group[] = [];
  for (const thread of all) {
    const title = thread.pinned ? t('threads.pinned') : nameOfDay(thread.updatedAt, midnight);
    const last = groups.at(-1);
    if (last?.title === title) last.threads.push(thread);
    else groups.push({ title, threads: [thread] });
  }
  return groups;
}

function nameOfDay(at: number, midnight: number): string {
  if (at >= midnight) return t('threads.today');
  if (at >= midnight - DAY) return t('threads.yesterday');
  if (at >= midnight - 7 * DAY) return t('threads.week');
  if (at >= midnight - 30 * DAY) return t('threads.month');
  return month(at);
}

export function timeOf(at: number): string {
  return when(at, Date.now());
}

function before(a: ThreadSummary, b: ThreadSummary): boolean {
  if (a.pinned !== b.pinned) return a.pinned;
  return a.updatedAt > b.updatedAt;
}
