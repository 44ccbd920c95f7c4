// Cutting a text into what is marked and what is not.

export interface Segment {
  text: string;
  marked: boolean;
}

/** The parts of `text`; marks may overlap, touch or lie outside. */
export function segments(text: string, marks: readonly (readonly [number, number])[]): Segment[] {
  const parts: Segment[] = [];
  let at = 0;
  for (const [from, to] of [...marks].sort((a, b) => a[0] - b[0])) {
    const start = Math.max(at, from);
    const end = Math.min(text.length, to);
    if (end <= start) continue;
    if (start > at) parts.push({ text: text.slice(at, start), marked: false });
    const last = parts.at(-1);
    if (last?.marked) last.text += text.slice(start, end);
    else parts.push({ text: text.slice(start, end), marked: true });
    at = end;
  }
  if (at < text.length) parts.push({ text: text.slice(at), marked: false });
  return parts;
}
