// Every key in one table: what the sheet shows is what App.svelte obeys.
import type { MenuAction } from '../ipc';
import type { Combo } from './keys';

/** Keys that work wherever the cursor is, and the menu item that each stands for. */
export const GLOBAL: readonly (readonly [Combo, MenuAction])[] = [
  ['Mod+N', 'newChat'],
  ['Mod+K', 'search'],
  ['Mod+F', 'search'],
  ['Mod+O', 'addPictures'],
  ['Mod+,', 'settings'],
  ['Mod+/', 'shortcuts'],
  ['F1', 'shortcuts'],
  ['Mod+B', 'sidebar'],
  ['Mod+Plus', 'textLarger'],
  ['Mod+-', 'textSmaller'],
  ['Mod+0', 'textNormal'],
];

export interface SheetGroup {
  title: string;
  /** A name under `shortcuts.`, then its combinations. */
  keys: readonly (readonly [string, ...Combo[]])[];
}

export const SHEET: readonly SheetGroup[] = [
  {
    title: 'shortcuts.general',
    keys: [
      ['newChat', 'Mod+N'],
      ['search', 'Mod+K'],
      ['previousChat', 'Alt+Up'],
      ['nextChat', 'Alt+Down'],
      ['rename', 'F2'],
      ['deleteChat', 'Delete'],
      ['sidebar', 'Mod+B'],
      ['settings', 'Mod+,'],
      ['larger', 'Mod+Plus'],
      ['smaller', 'Mod+-'],
      ['normal', 'Mod+0'],
      ['sheet', 'Mod+/', 'F1'],
    ],
  },
  {
    title: 'shortcuts.writing',
    keys: [
      ['send', 'Enter'],
      ['newLine', 'Shift+Enter'],
      ['addPictures', 'Mod+O'],
      ['paste', 'Mod+V'],
      ['editLast', 'Up'],
      ['stop', 'Esc'],
      ['copyAnswer', 'Mod+Shift+C'],
      ['composer', 'Mod+L'],
    ],
  },
  {
    title: 'shortcuts.picture',
    keys: [
      ['zoom', 'Plus', '-'],
      ['fit', '0'],
      ['pan', 'Left', 'Up', 'Right', 'Down'],
      ['close', 'Esc'],
    ],
  },
];
