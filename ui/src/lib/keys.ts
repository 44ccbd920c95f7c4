// Keys: what they are called on each system, and which one was pressed.
import type { Platform } from '../ipc';

/** A combination: `Mod` is Ctrl, or Command on macOS. */
export type Combo = string;

const MAC: Record<string, string> = { Mod: '⌘', Shift: '⇧', Alt: '⌥', Enter: '↩', Esc: 'esc' };
const OTHER: Record<string, string> = { Mod: 'Ctrl' };
const BOTH: Record<string, string> = { Up: '↑', Down: '↓', Left: '←', Right: '→' };

/** The keys of a combination as they are written on the keyboard. */
export function keyNames(combo: Combo, platform: Platform): string[] {
  const names = platform === 'macos' ? MAC : OTHER;
  return combo.split('+').map((key) => names[key] ?? BOTH[key] ?? (key === 'Plus' ? '+' : key));
}

/** Whether `event` is `combo`. Letters are compared as typed, whatever the keyboard's layout. */
export function isCombo(event: KeyboardEvent, combo: Combo, platform: Platform): boolean {
  const parts = combo.split('+');
  const key = parts.at(-1) ?? '';
  const mod = platform === 'macos' ? event.metaKey : event.ctrlKey;
  const otherMod = platform === 'macos' ? event.ctrlKey : event.metaKey;
  if (mod !== parts.includes('Mod') || otherMod) return false;
  if (event.altKey !== parts.includes('Alt')) return false;
  // Shift may be needed to type a sign; with letters and named keys it counts.
  const sign = key === 'Plus' || /^[^a-z0-9]$/i.test(key);
  if (!sign && event.shiftKey !== parts.includes('Shift')) return false;
  return namesOf(key).includes(event.key.toLowerCase());
}

function namesOf(key: string): string[] {
  switch (key) {
    case 'Plus':
      return ['+', '='];
    case 'Esc':
      return ['escape'];
    case 'Up':
    case 'Down':
    case 'Left':
    case 'Right':
      return [`arrow${key.toLowerCase()}`];
    default:
      return [key.toLowerCase()];
  }
}

/** Whether the key belongs to an input method that is putting a character together. */
export function isComposing(event: KeyboardEvent): boolean {
  // WebKit sends the key that ends the composition afterwards, as 229.
  return event.isComposing || event.keyCode === 229;
}
