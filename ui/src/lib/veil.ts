// The signature: a picture in the patches that the model looks at, clearing row by row as they are
// seen. The model sees the padded square, so the grid lies on that and not on the picture.

export interface VeilGeometry {
  /** Side of the padded square on the screen. */
  side: number;
  /** Where the square begins relative to the element. */
  left: number;
  top: number;
}

/** Where the padded square lies when a picture of `width` x `height` covers a box, centred. */
export function veilGeometry(
  box: { width: number; height: number },
  picture: { width: number; height: number },
): VeilGeometry {
  const scale = Math.max(box.width / picture.width, box.height / picture.height) || 1;
  const side = Math.max(picture.width, picture.height) * scale;
  return { side, left: (box.width - side) / 2, top: (box.height - side) / 2 };
}

/** Patches that fade at the same time. */
const FADING = 30;

/** How opaque patch `i` is when `shown` patches are seen. */
export function patchOpacity(i: number, shown: number): number {
  return Math.min(1, Math.max(0, (i - shown) / FADING + 1));
}

/** The picture drawn into one pixel a patch. */
export function pixelate(
  image: CanvasImageSource,
  picture: { width: number; height: number },
  grid: number,
): HTMLCanvasElement {
  const small = document.createElement('canvas');
  small.width = small.height = grid;
  const side = Math.max(picture.width, picture.height);
  const w = (picture.width / side) * grid;
  const h = (picture.height / side) * grid;
  const context = small.getContext('2d');
  if (context) {
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, (grid - w) / 2, (grid - h) / 2, w, h);
  }
  return small;
}

/** Draws the patches that are not seen yet. `small` holds one pixel a patch. */
export function drawVeil(
  context: CanvasRenderingContext2D,
  small: HTMLCanvasElement | null,
  geometry: VeilGeometry,
  grid: number,
  shown: number,
  paper: string,
): void {
  const { side, left, top } = geometry;
  const patch = side / grid;
  const gap = patch > 5 ? 1 : 0.5;
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = false;
  for (let i = Math.max(0, Math.floor(shown) - FADING); i < grid * grid; i++) {
    const opacity = patchOpacity(i, shown);
    if (opacity <= 0) continue;
    const column = i % grid;
    const row = Math.floor(i / grid);
    const x = left + column * patch;
    const y = top + row * patch;
    const size = patch - gap;
    context.globalAlpha = opacity;
    if (small) context.drawImage(small, column, row, 1, 1, x, y, size, size);
    context.globalAlpha = opacity * (small ? 0.42 : 0.85);
    context.fillStyle = paper;
    context.fillRect(x, y, size, size);
  }
  context.globalAlpha = 1;
}
