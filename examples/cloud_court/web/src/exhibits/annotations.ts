/** Annotations as the W3C's Web Annotation Data Model has them: on a page, in percent of it, over an original that stays as it is. */
export interface Box {
  x: number
  y: number
  w: number
  h: number
}

export interface Mark {
  id: string
  person: string
  created: string
  page: number
  box: Box | null
  path: string
  text: string
}

interface Selector {
  type?: string
  value?: string
  refinedBy?: Selector
}

const PDF = 'http://tools.ietf.org/rfc/rfc3778'
const MEDIA = 'http://www.w3.org/TR/media-frags/'
const round = (value: number): number => Math.round(value * 100) / 100

/** What is sent: a box with a comment, or a line drawn by hand (an SVG path in a view of 100 by 100). */
export function build(source: string, page: number, drawn: { box?: Box; path?: string }, text: string) {
  const refinedBy: Selector & { conformsTo?: string } = drawn.box
    ? {
        type: 'FragmentSelector',
        conformsTo: MEDIA,
        value: `xywh=percent:${[drawn.box.x, drawn.box.y, drawn.box.w, drawn.box.h].map(round).join(',')}`,
      }
    : { type: 'SvgSelector', value: `<svg viewBox="0 0 100 100"><path d="${drawn.path ?? ''}"/></svg>` }
  return {
    motivation: text ? ('commenting' as const) : ('highlighting' as const),
    body: text ? [{ type: 'TextualBody', value: text, format: 'text/plain' }] : [],
    target: { source, selector: { type: 'FragmentSelector', conformsTo: PDF, value: `page=${page}`, refinedBy } },
  }
}

/** What came, as it is drawn; null for what another tool wrote in a form that is not drawn here. Nothing of it is taken as markup. */
export function parse(annotation: Record<string, unknown>): Mark | null {
  const target = annotation.target as { selector?: Selector } | undefined
  const page = /^page=(\d{1,5})$/.exec(target?.selector?.value ?? '')
  const inner = target?.selector?.refinedBy
  if (!page || typeof inner?.value !== 'string') return null
  const box = /^xywh=percent:([\d.]+),([\d.]+),([\d.]+),([\d.]+)$/.exec(inner.value)
  const path = /<path d="([MLml0-9 .,-]*)"\/>/.exec(inner.value)
  if (!box && !path) return null
  const [x, y, w, h] = (box ?? []).slice(1).map(Number)
  const body = annotation.body as { value?: unknown }[] | undefined
  const creator = annotation.creator as { id?: unknown } | undefined
  return {
    id: String(annotation.id ?? ''),
    person: String(creator?.id ?? '').replace('urn:court:person:', ''),
    created: String(annotation.created ?? ''),
    page: Number(page[1]),
    box: box ? { x: x!, y: y!, w: w!, h: h! } : null,
    path: path?.[1] ?? '',
    text: String(body?.[0]?.value ?? ''),
  }
}

/** Points in percent as a path. */
export const pathOf = (points: readonly (readonly [number, number])[]): string =>
  points.map(([x, y], n) => `${n ? 'L' : 'M'}${round(x)} ${round(y)}`).join(' ')
