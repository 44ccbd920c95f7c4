// Links in answers: nothing is opened before the person has seen where it leads.
import { call } from '../ipc';
import { report } from './toasts.svelte';

export const links = $state<{ asking: string | null }>({ asking: null });

/** Asks whether `url` is to be opened. Anything but https is ignored. */
export function askToOpen(url: string): void {
  if (/^https:\/\//i.test(url)) links.asking = url;
}

/** The person said yes. */
export async function open(url: string): Promise<void> {
  links.asking = null;
  await call('link_open', { url }).catch(report);
}
