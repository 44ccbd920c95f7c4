// Looking at a picture: how it is enlarged and moved, as numbers.
import type { Region } from '../ipc';

export interface Size {
  width: number;
  height: number;
}

/** `scale` enlarges the picture's pixels; `x`, `y` is where its top left corner lies in the frame. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

const MOST = 16;

/** The whole picture in the frame, never larger than four times its size. */
export function fit(frame: Size, picture: Size, margin = 0): View {
  const scale = Math.min(
    (frame.width - 2 * margin) / picture.width,
    (frame.height - 2 * margin) / picture.height,
    4,
  );
  return centred(frame, picture, Math.max(scale, 0.001));
}

/** Enlarged by `factor`, so that what lies at the point stays there. */
export function zoomAt(view: View, factor: number, x: number, y: number, least: number): View {
  const scale = Math.min(MOST, Math.max(least, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
}

/** Moved back so that the picture does not leave the frame; centred where it is smaller. */
export function keepInside(view: View, frame: Size, picture: Size): View {
  const { scale } = view;
  const along = (at: number, room: number, size: number) =>
    size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
  return {
    scale,
    x: along(view.x, frame.width, picture.width * scale),
    y: along(view.y, frame.height, picture.height * scale),
  };
}

function centred(frame: Size, picture: Size, scale: number): View {
  return {
    scale,
    x: (frame.width - picture.width * scale) / 2,
    y: (frame.height - picture.height * scale) / 2,
  };
}

/** A point of the frame in the picture's pixels, within the picture. */
export function toPicture(view: View, picture: Size, x: number, y: number): [number, number] {
  const clamp = (v: number, most: number) => Math.min(most, Math.max(0, v));
  return [
    clamp((x - view.x) / view.scale, picture.width),
    clamp((y - view.y) / view.scale, picture.height),
  ];
}

/** The area between two corners, in whole pixels. */
export function regionOf(a: readonly [number, number], b: readonly [number, number]): Region {
  return {
    x1: Math.floor(Math.min(a[0], b[0])),
    y1: Math.floor(Math.min(a[1], b[1])),
    x2: Math.ceil(Math.max(a[0], b[0])),
    y2: Math.ceil(Math.max(a[1], b[1])),
  };
}

/** Whether an area is large enough to be meant: a hundredth of the picture's longer side. */
export function isMeant(region: Region, picture: Size): boolean {
  const least = Math.max(2, Math.max(picture.width, picture.height) / 100);
  return region.x2 - region.x1 >= least && region.y2 - region.y1 >= least;
}

/** An area moved (`resize` false) or its lower right corner moved, kept within the picture. */
export function nudge(region: Region, dx: number, dy: number, resize: boolean, p: Size): Region {
  const clamp = (v: number, least: number, most: number) => Math.min(most, Math.max(least, v));
  if (resize) {
    return {
      ...region,
      x2: clamp(region.x2 + dx, region.x1 + 2, p.width),
      y2: clamp(region.y2 + dy, region.y1 + 2, p.height),
    };
  }
  const mx = clamp(dx, -region.x1, p.width - region.x2);
  const my = clamp(dy, -region.y1, p.height - region.y2);
  return { x1: region.x1 + mx, y1: region.y1 + my, x2: region.x2 + mx, y2: region.y2 + my };
}

/** The middle quarter of a picture: what marking with the keyboard begins with. */
export function middle(p: Size): Region {
  return regionOf([p.width * 0.25, p.height * 0.25], [p.width * 0.75, p.height * 0.75]);
}
