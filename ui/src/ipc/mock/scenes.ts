// Pictures of the mock: drawn here, so that the page can be looked at without any file.
import type { Picture } from '../bindings';

interface Scene {
  picture: Picture;
  svg: string;
}

const sky = (id: string, from: string, to: string) =>
  `<linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1"><stop stop-color="${from}"/><stop offset="1" stop-color="${to}"/></linearGradient>`;

const HARBOUR = `<defs>${sky('a', '#f7c59f', '#f4845f')}${sky('b', '#3d6b8c', '#17324d')}</defs>
<rect width="1200" height="800" fill="url(#a)"/><circle cx="820" cy="360" r="74" fill="#fff1d0"/>
<path d="M0 420 180 330 330 400 520 300 760 420 980 350 1200 430V480H0Z" fill="#7d5a74"/>
<rect y="460" width="1200" height="340" fill="url(#b)"/>
<path d="M740 470h160l-30 330h-100z" fill="#ffd9a0" opacity=".35"/>
<path d="M250 610h300l-46 70H300z" fill="#c8553d"/><path d="M268 610h264l-4 14H272z" fill="#fff" opacity=".8"/>
<path d="M392 250v350" stroke="#4a3428" stroke-width="10"/><path d="M404 262 540 590H404z" fill="#fdf3e3"/>
<path d="M380 300 290 590h90z" fill="#f0dcc0"/><path d="M880 560h150l-24 36H900z" fill="#2b4a5e"/>
<path d="M950 440v118" stroke="#3a2a20" stroke-width="6"/><path d="M956 448 1010 548h-54z" fill="#e9eff2"/>
<g fill="none" stroke="#fff" stroke-opacity=".25" stroke-width="4"><path d="M60 690q40-14 80 0t80 0"/><path d="M640 740q40-14 80 0t80 0"/><path d="M980 660q30-10 60 0t60 0"/></g>`;

const DOG = `<defs>${sky('c', '#bfe3ee', '#e8f4f2')}</defs><rect width="900" height="1200" fill="url(#c)"/>
<rect y="520" width="900" height="180" fill="#5fa8b8"/><path d="M0 640q225-40 450 0t450 0v560H0Z" fill="#ecd9b0"/>
<circle cx="690" cy="860" r="58" fill="#e63946"/><path d="M650 820q40 30 80 78" stroke="#fff" stroke-width="9" fill="none"/>
<g fill="#8a5a34"><ellipse cx="370" cy="880" rx="170" ry="112"/><rect x="246" y="930" width="46" height="150" rx="22"/><rect x="330" y="950" width="46" height="140" rx="22"/><rect x="430" y="944" width="46" height="142" rx="22"/><circle cx="500" cy="740" r="92"/><path d="M220 850q-90-60-70-150 40 60 110 90z"/></g>
<path d="M430 690q-50 20-44 120 50-10 74-70zM560 680q60 26 50 122-52-14-70-70z" fill="#5e3b20"/>
<ellipse cx="528" cy="778" rx="48" ry="36" fill="#c99a6b"/><circle cx="540" cy="762" r="14" fill="#26170c"/><circle cx="478" cy="722" r="9" fill="#1b1008"/><circle cx="548" cy="716" r="9" fill="#1b1008"/><path d="M410 812h180" stroke="#1d6f6f" stroke-width="20"/>`;

const TABLE = `<rect width="1000" height="1000" fill="#e9e3da"/><rect y="560" width="1000" height="440" fill="#a9744f"/>
<path d="M0 600h1000M0 720h1000M0 860h1000" stroke="#8e5e3d" stroke-width="6"/>
<ellipse cx="500" cy="700" rx="330" ry="70" fill="#6d8f9c"/><path d="M170 690q330 190 660 0-40 190-330 190T170 690Z" fill="#8fb3c0"/>
<circle cx="380" cy="620" r="98" fill="#d33f36"/><path d="M384 528q6-44 40-58" stroke="#5b3a1e" stroke-width="10" fill="none"/><path d="M398 520q50-50 86-16-40 34-86 16z" fill="#5d8f3b"/>
<circle cx="590" cy="606" r="104" fill="#f29f3d"/><circle cx="590" cy="606" r="104" fill="none" stroke="#d9832a" stroke-width="5"/><path d="M690 640q130 20 140-150 24 190-90 216-60 8-84-30z" fill="#f3cf4b"/>
<rect x="70" y="260" width="180" height="330" rx="16" fill="#fff"/><rect x="70" y="340" width="180" height="150" fill="#0f6b6b"/><text x="160" y="430" font-family="sans-serif" font-size="46" font-weight="700" text-anchor="middle" fill="#fff">MILK</text>`;

const STREET = `<rect width="1400" height="788" fill="#c9d6df"/><rect x="0" y="120" width="420" height="520" fill="#a65d57"/><rect x="420" y="60" width="360" height="580" fill="#d9b28c"/><rect x="780" y="160" width="620" height="480" fill="#74808a"/>
<g fill="#f5f1e6"><rect x="60" y="180" width="90" height="120"/><rect x="220" y="180" width="90" height="120"/><rect x="60" y="360" width="90" height="120"/><rect x="220" y="360" width="90" height="120"/><rect x="480" y="130" width="80" height="110"/><rect x="620" y="130" width="80" height="110"/><rect x="480" y="310" width="80" height="110"/><rect x="620" y="310" width="80" height="110"/></g>
<rect y="640" width="1400" height="148" fill="#4c5156"/><path d="M0 714h1400" stroke="#e9e2c8" stroke-width="8" stroke-dasharray="70 50"/>
<rect x="860" y="300" width="240" height="90" rx="8" fill="#1e6e3c"/><text x="980" y="360" font-family="sans-serif" font-size="46" font-weight="700" text-anchor="middle" fill="#fff">BAKERY</text>
<g fill="none" stroke="#16324a" stroke-width="12"><circle cx="330" cy="650" r="70"/><circle cx="560" cy="650" r="70"/><path d="M330 650 400 540h120l40 110M400 540l60 110h-130M520 540l-60 110M505 510h50"/></g><path d="M380 528h50" stroke="#16324a" stroke-width="16"/>`;

function scene(
  n: number,
  name: string,
  width: number,
  height: number,
  bytes: number,
  body: string,
) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${body}</svg>`;
  const id = n.toString(16).repeat(64).slice(0, 64);
  return { picture: { id, name, width, height, bytes, warnings: [] }, svg } satisfies Scene;
}

export const SCENES = {
  harbour: scene(1, 'harbour.jpg', 1200, 800, 2_412_000, HARBOUR),
  dog: scene(2, 'IMG_2041.jpg', 900, 1200, 3_180_000, DOG),
  table: scene(3, 'breakfast.png', 1000, 1000, 1_120_000, TABLE),
  street: scene(4, 'street.webp', 1400, 788, 640_000, STREET),
} as const;

/** Everything of a picture, or the padded square that the model sees, as an address. */
export function sceneUrl(id: string, seen: boolean): string | undefined {
  const found: Scene | undefined = Object.values(SCENES).find((s) => s.picture.id === id);
  if (!found) return undefined;
  return svgUrl(seen ? padded(found.svg, found.picture) : found.svg);
}

function padded(inner: string, { width, height }: Picture): string {
  const side = Math.max(width, height);
  const x = (side - width) / 2;
  const y = (side - height) / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" width="336" height="336"><rect width="${side}" height="${side}" fill="#7a7468"/><g transform="translate(${x} ${y})">${inner}</g></svg>`;
}

function svgUrl(svg: string): string {
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
