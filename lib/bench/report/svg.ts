// Owns the writing of SVG: elements as escaped text, and the style of pictures in light and dark mode.

type Attributes = Readonly<Record<string, string | number>>;

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

// Numbers are rounded to hundredths of a pixel, which is finer than the eye sees.
function attribute(value: string | number): string {
  return typeof value === 'number' ? `${Number(value.toFixed(2))}` : escape(value);
}

/** An element of SVG or HTML. `children` are elements, not text: `escape` text. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${attribute(value)}"`);
  return children.length === 0 ? `<${name}${words.join('')}/>` : `<${name}${words.join('')}>${children.join('')}</${name}>`;
}

/** Text at a position. */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escape(text));
}

// Okabe and Ito's colours, which the colour-blind can tell apart, darkened or lightened for the ground they are on. Drivers of one
// family share a dash, so colour is not all that tells them apart.
const SERIES: readonly [driver: string, light: string, dark: string, dash: string][] = [
  ['view', '#b8006f', '#f28cc8', 'none'],
  ['sync', '#0065a3', '#5cb8f0', 'none'],
  ['async', '#00785a', '#3fd0a4', 'none'],
  ['striped', '#1f4fd1', '#93b4ff', 'none'],
  ['fs', '#8a6d00', '#e6c229', '7 3'],
  ['direct', '#b84700', '#ff8f4d', '7 3'],
  ['filehandle', '#7a3fb5', '#c39bf0', '7 3'],
  ['filehandle-direct', '#a3352e', '#f29a94', '7 3'],
  ['fio-libpmem', '#3d6b00', '#9ad04f', '2 3'],
  ['fio-dev-dax', '#3d6b00', '#9ad04f', '2 3'],
  ['fio-mmap', '#5a5a5a', '#b0b0b0', '2 3'],
  ['fio-psync', '#b84700', '#ff8f4d', '2 3'],
  ['fio-io_uring', '#006d75', '#4fd0da', '2 3'],
  ['fio-libaio', '#7a3fb5', '#c39bf0', '2 3'],
];

function colours(which: 'light' | 'dark'): string {
  const [ink, faint, ground] = which === 'light' ? ['#1b1f24', '#d5d9df', '#ffffff'] : ['#e8eaed', '#3a3f47', '#14171c'];
  const series = SERIES.map(([driver, light, dark]) => `--${driver}:${which === 'light' ? light : dark}`);
  return `--ink:${ink};--faint:${faint};--ground:${ground};${series.join(';')}`;
}

/** The style of pages and of separate pictures. */
export const STYLE = [
  `:root{color-scheme:light dark;${colours('light')}}`,
  `@media (prefers-color-scheme:dark){:root{${colours('dark')}}}`,
  'svg.plot{font:12px system-ui,sans-serif;fill:var(--ink);background:var(--ground)}',
  '.plot .title{font-weight:600;font-size:14px}',
  '.plot .grid{stroke:var(--faint);stroke-width:1;fill:none}',
  '.plot .one{stroke:var(--ink);stroke-width:1;fill:none}',
  '.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}',
  '.plot .range{stroke:var(--ink);stroke-width:1.5;fill:none}',
  ...SERIES.map(([driver, , , dash]) => `.plot .line.${driver},.plot .key.${driver}{stroke:var(--${driver});stroke-dasharray:${dash}}`),
  ...SERIES.map(([driver]) => `.plot .mark.${driver}{fill:var(--${driver})}`),
].join('\n');

/** A picture. `title` becomes its text for screen readers. */
export function picture(width: number, height: number, title: string, ...children: readonly string[]): string {
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', class: 'plot', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': title },
    ...children,
  );
}

/** The picture as a separate file. */
export function standalone(svg: string): string {
  return svg.replace('>', `><style>${STYLE}</style>`);
}
