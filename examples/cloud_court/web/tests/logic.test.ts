import { describe, expect, it, vi } from 'vitest'
import { inTurn } from '../src/parts/turn'
import { build, parse, pathOf } from '../src/exhibits/annotations'
import { checkFile, cut } from '../src/exhibits/batch'
import { scoreNetwork } from '../src/entry/checks'

vi.hoisted(() => {
  Object.assign(globalThis, { location: { href: 'http://court.test/#/' } })
})

const limits = { max_file_bytes: 100, max_parts: 4, allowed_types: { pdf: 'application/pdf', jpg: 'image/jpeg' } }

describe('a batch', () => {
  it('is judged by size and type before it is sent', () => {
    expect(checkFile('a.PDF', 100, limits)).toEqual({ kind: 'good' })
    expect(checkFile('a.pdf', 101, limits)).toEqual({ kind: 'split', parts: 2 })
    expect(checkFile('a.pdf', 400, limits)).toEqual({ kind: 'split', parts: 4 })
    expect(checkFile('a.pdf', 401, limits)).toEqual({ kind: 'too_large', most: 400 })
    expect(checkFile('a.exe', 1, limits)).toEqual({ kind: 'type' })
    expect(checkFile('pdf', 1, limits)).toEqual({ kind: 'type' })
    expect(checkFile('a.pdf', 0, limits)).toEqual({ kind: 'empty' })
  })

  it('is cut without a gap, no part over the limit', () => {
    for (const size of [1, 99, 100, 101, 399, 400]) {
      const parts = cut(size, 100)
      expect(parts[0]![0]).toBe(0)
      expect(parts.at(-1)![1]).toBe(size)
      parts.forEach(([begin, end], n) => {
        expect(end - begin).toBeLessThanOrEqual(100)
        if (n) expect(begin).toBe(parts[n - 1]![1])
      })
    }
  })
})

describe('an annotation', () => {
  const row = (made: object) => ({
    id: 'urn:court:annotation:1',
    created: '2026-03-02T01:00:00Z',
    creator: { id: 'urn:court:person:p1' },
    ...made,
  })

  it('comes back as it was drawn', () => {
    const box = { x: 10, y: 20.5, w: 30, h: 5.25 }
    expect(parse(row(build('/f', 3, { box }, '此处')))).toMatchObject({ page: 3, box, text: '此处', person: 'p1' })
    const path = pathOf([
      [1, 2],
      [3.456, 4],
    ])
    expect(parse(row(build('/f', 1, { path }, '')))).toMatchObject({ page: 1, box: null, path: 'M1 2 L3.46 4' })
  })

  it('of another form, or with markup in it, is not drawn', () => {
    expect(parse(row({ target: '/f' }))).toBeNull()
    const evil = { selector: { value: 'page=1', refinedBy: { value: '<svg><path d="M0 0" onload="x()"/></svg>' } } }
    expect(parse(row({ target: evil }))).toBeNull()
  })
})

describe('a network', () => {
  it('is scored by its round trip', () => {
    expect(scoreNetwork([20, 30, 40]).points).toBe(25)
    expect(scoreNetwork([20, 500, 600]).points).toBeLessThan(15)
    expect(scoreNetwork([]).points).toBe(0)
  })
})

describe('readings in turn', () => {
  it('let no older answer come last, and everybody who asks meanwhile sees one that began afterwards', async () => {
    const answers: ((value: string) => void)[] = []
    const seen: string[] = []
    const read = inTurn(async () => seen.push(await new Promise<string>((answer) => answers.push(answer))))
    const first = read()
    const second = read()
    const third = read()
    expect(answers.length).toBe(1)
    answers[0]!('old')
    await first
    await Promise.resolve()
    expect(answers.length).toBe(2)
    answers[1]!('new')
    await Promise.all([second, third])
    expect(seen).toEqual(['old', 'new'])
    const last = read()
    answers[2]!('newest')
    await last
    expect(seen.at(-1)).toBe('newest')
  })

  it('go on after one that failed', async () => {
    let times = 0
    const read = inTurn(async () => {
      times += 1
      if (times === 1) throw new Error('away')
    })
    const failed = read()
    const next = read()
    await expect(failed).rejects.toThrow('away')
    await next
    expect(times).toBe(2)
  })
})
