// Going from one thread to another: conversation, composer and picture go together.
import type { MessageId, Start, ThreadId, ThreadSummary } from '../ipc';
import { app } from './app.svelte';
import { composer, NOTHING } from './composer.svelte';
import { conversation } from './conversation.svelte';
import { pane } from './pane.svelte';
import { threads } from './threads.svelte';

/** Opens a thread, at `message` if a search led there. */
export async function openThread(
  thread: ThreadId,
  message: MessageId | null = null,
): Promise<void> {
  app.view = 'chat';
  if (app.narrow) app.listOpen = false;
  if (conversation.thread === thread && message === null && !conversation.error) return;
  keepNewDraft();
  if (conversation.thread !== thread) {
    composer.load(thread, NOTHING);
    pane.close();
  }
  const opened = await conversation.open(thread, message);
  if (opened && conversation.thread === thread) composer.load(thread, opened.draft);
}

/** An empty composer, with what was typed in it before. */
export function startNewChat(): void {
  app.view = 'chat';
  if (app.narrow) app.listOpen = false;
  if (conversation.thread === null && !conversation.error) return;
  conversation.close();
  pane.close();
  composer.load(null, composer.fresh);
}

/** The thread above or below the open one. */
export function openNeighbour(step: 1 | -1): void {
  const next = threads.neighbour(conversation.thread, step);
  if (next !== undefined) void openThread(next);
}

/** Deletes a thread; if it is the open one, an empty composer takes its place. */
export async function deleteThread(thread: ThreadSummary): Promise<void> {
  const wasOpen = conversation.thread === thread.id;
  const gone = await threads.remove(thread, () => {
    if (wasOpen) void openThread(thread.id);
  });
  if (gone && wasOpen) startNewChat();
}

/** Shows what a start, or everything having changed, brought. */
export async function begin(start: Start): Promise<void> {
  threads.begin(start.threads);
  composer.fresh = start.draft;
  pane.close();
  if (start.open !== null) {
    await openThread(start.open);
    return;
  }
  conversation.close();
  composer.load(null, start.draft);
}

/** Keeps what stands in a new chat's composer, to come back to. */
function keepNewDraft(): void {
  if (conversation.thread !== null) return;
  composer.fresh = composer.current();
}
