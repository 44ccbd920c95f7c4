import { expect, test } from 'vitest';
import { isCombo, isComposing, keyNames } from './keys';
import { picturesIn } from './paste';
import { segments } from './segments';
import { GLOBAL, SHEET } from './shortcuts';
import { patchOpacity, veilGeometry } from './veil';
import { fit, isMeant, keepInside, middle, nudge, regionOf, toPicture, zoomAt } from './view';

const key = (init: KeyboardEventInit) => new KeyboardEvent('keydown', init);

test('marks cut a text without losing any of it', () => {
  const text = 'a cat and a cat';
  const parts = segments(text, [
    [12, 15],
    [2, 5],
    [3, 6],
    [14, 99],
    [7, 7],
  ]);
  expect(parts.map((p) => p.text).join('')).toBe(text);
  expect(parts.filter((p) => p.marked).map((p) => p.text)).toEqual(['cat ', 'cat']);
});

test('marks count as JavaScript does, also behind characters of two units', () => {
  expect(segments('😀猫', [[2, 3]])).toEqual([
    { text: '😀', marked: false },
    { text: '猫', marked: true },
  ]);
});

test('combinations need exactly their keys', () => {
  expect(isCombo(key({ key: 'n', ctrlKey: true }), 'Mod+N', 'linux')).toBe(true);
  expect(isCombo(key({ key: 'n', metaKey: true }), 'Mod+N', 'macos')).toBe(true);
  expect(isCombo(key({ key: 'n', ctrlKey: true }), 'Mod+N', 'macos')).toBe(false);
  expect(isCombo(key({ key: 'n', ctrlKey: true, altKey: true }), 'Mod+N', 'linux')).toBe(false);
  expect(isCombo(key({ key: 'N', ctrlKey: true, shiftKey: true }), 'Mod+N', 'linux')).toBe(false);
  expect(isCombo(key({ key: 'C', ctrlKey: true, shiftKey: true }), 'Mod+Shift+C', 'linux')).toBe(
    true,
  );
  // On many keyboards plus and slash need Shift.
  expect(isCombo(key({ key: '+', ctrlKey: true, shiftKey: true }), 'Mod+Plus', 'linux')).toBe(true);
  expect(isCombo(key({ key: '/', ctrlKey: true, shiftKey: true }), 'Mod+/', 'linux')).toBe(true);
  expect(isCombo(key({ key: 'ArrowUp', altKey: true }), 'Alt+Up', 'windows')).toBe(true);
});

test('no combination means two things', () => {
  const combos = GLOBAL.map(([combo]) => combo);
  expect(new Set(combos).size).toBe(combos.length);
});

test('the sheet shows every key that works everywhere', () => {
  const shown = SHEET.flatMap((group) => group.keys.flatMap(([, ...combos]) => combos));
  const actions = new Set(GLOBAL.map(([, action]) => action));
  for (const action of actions) {
    const combos = GLOBAL.filter(([, a]) => a === action).map(([combo]) => combo);
    expect(
      combos.some((combo) => shown.includes(combo)),
      action,
    ).toBe(true);
  }
});

test('keys are called as on the keyboard', () => {
  expect(keyNames('Mod+Shift+C', 'macos')).toEqual(['⌘', '⇧', 'C']);
  expect(keyNames('Mod+Plus', 'windows')).toEqual(['Ctrl', '+']);
});

test('a key of an input method is not a command', () => {
  expect(isComposing(key({ key: 'Enter', isComposing: true }))).toBe(true);
  expect(isComposing(key({ key: 'Enter', keyCode: 229 }))).toBe(true);
  expect(isComposing(key({ key: 'Enter' }))).toBe(false);
});

test('patches clear in order and completely', () => {
  expect(patchOpacity(0, 0)).toBe(1);
  expect(patchOpacity(575, 0)).toBe(1);
  for (let i = 1; i < 576; i++) {
    expect(patchOpacity(i, 200)).toBeGreaterThanOrEqual(patchOpacity(i - 1, 200));
  }
  expect(patchOpacity(100, 200)).toBe(0);
  expect(patchOpacity(201, 200)).toBe(1);
});

test('the grid lies on the padded square, not on the picture', () => {
  // A picture of 3:2 shown whole: the square sticks out above and below.
  const wide = veilGeometry({ width: 300, height: 200 }, { width: 600, height: 400 });
  expect(wide).toEqual({ side: 300, left: 0, top: -50 });
  // The same in a square chip, cut at the sides.
  const chip = veilGeometry({ width: 56, height: 56 }, { width: 600, height: 400 });
  expect(chip.side).toBeCloseTo(84);
  expect([chip.left, chip.top]).toEqual([expect.closeTo(-14), expect.closeTo(-14)]);
});

const frame = { width: 400, height: 300 };
const picture = { width: 1000, height: 500 };

test('the whole picture fits and lies in the middle', () => {
  const view = fit(frame, picture, 10);
  expect(view.scale).toBeCloseTo(0.38);
  expect(view.x).toBeCloseTo(10);
  expect(view.y).toBeCloseTo((300 - 190) / 2);
});

test('enlarging keeps what lies under the pointer', () => {
  const view = fit(frame, picture);
  const before = toPicture(view, picture, 123, 140);
  const after = toPicture(zoomAt(view, 3, 123, 140, 0.01), picture, 123, 140);
  expect(after[0]).toBeCloseTo(before[0]);
  expect(after[1]).toBeCloseTo(before[1]);
});

test('a picture does not leave its frame', () => {
  const far = keepInside({ scale: 1, x: -9999, y: 9999 }, frame, picture);
  expect(far).toEqual({ scale: 1, x: -600, y: 0 });
  const small = keepInside({ scale: 0.1, x: -9999, y: 0 }, frame, picture);
  expect(small.x).toBeCloseTo(150);
});

test('an area has ordered corners within the picture', () => {
  const region = regionOf(
    toPicture({ scale: 1, x: 0, y: 0 }, picture, 300, 900),
    toPicture({ scale: 1, x: 0, y: 0 }, picture, -20, 100),
  );
  expect(region).toEqual({ x1: 0, y1: 100, x2: 300, y2: 500 });
  expect(isMeant(region, picture)).toBe(true);
  expect(isMeant({ x1: 0, y1: 0, x2: 5, y2: 200 }, picture)).toBe(false);
});

test('keys move and resize an area within the picture', () => {
  const start = middle(picture);
  const moved = nudge(start, 9999, -9999, false, picture);
  expect(moved).toEqual({ x1: 500, y1: 0, x2: 1000, y2: 250 });
  const larger = nudge(start, 9999, 10, true, picture);
  expect(larger).toEqual({ ...start, x2: 1000, y2: start.y2 + 10 });
  const least = nudge(start, -9999, -9999, true, picture);
  expect(least.x2).toBeGreaterThan(least.x1);
});

test('a paste brings pictures, unless text is meant', () => {
  const file = new File(['x'], 'a.png', { type: 'image/png' });
  const other = new File(['x'], 'a.pdf', { type: 'application/pdf' });
  const data = (text: string, files: File[]) =>
    ({ files, getData: () => text }) as unknown as DataTransfer;
  expect(picturesIn(data('', [file, other]))).toEqual([file]);
  expect(picturesIn(data('copied words', [file]))).toEqual([]);
  expect(picturesIn(null)).toEqual([]);
});
