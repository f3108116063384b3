import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../src/i18n/en.json'
import zh from '../src/i18n/zh.json'

type Tree = { [key: string]: string | Tree }

const flat = (tree: Tree, before = ''): Map<string, string> =>
  new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === 'string' ? [[before + key, value] as const] : [...flat(value, `${before}${key}.`)],
    ),
  )

const texts = { zh: flat(zh), en: flat(en) }
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(vue|ts)$/.test(name) && !name.endsWith('schema.d.ts'))
  .map((name) => ({ name, text: readFileSync(join('src', name), 'utf8') }))
const slots = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((each) => each[1]!).sort()

describe('texts', () => {
  it('have the same keys and the same slots in both languages', () => {
    expect([...texts.en.keys()].sort()).toEqual([...texts.zh.keys()].sort())
    for (const [key, text] of texts.zh) expect(slots(texts.en.get(key)!), key).toEqual(slots(text))
  })

  it('stand there for each key that a page names', () => {
    const missing: string[] = []
    for (const { name, text } of sources) {
      for (const [, plain] of text.matchAll(/\bt\(\s*'([\w.]+)'/g)) if (!texts.zh.has(plain!)) missing.push(`${name}: ${plain}`)
      for (const [, stem] of text.matchAll(/\bt\([^`)]*`([\w.]+\.)\$\{/g)) {
        if (![...texts.zh.keys()].some((key) => key.startsWith(stem!))) missing.push(`${name}: ${stem}*`)
      }
    }
    expect(missing).toEqual([])
  })

  it('are not written into pages: no Chinese outside comments but the formal words of the court', () => {
    const found = sources.flatMap(({ name, text }) =>
      text
        .split('\n')
        .filter((line) => /[\u4e00-\u9fff]/.test(line) && !/法庭纪律|^\s*(\/\*\*|\*|\/\/)|'中文'|[（：、）]/.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })
})
