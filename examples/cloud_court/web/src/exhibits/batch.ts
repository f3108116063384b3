/** A batch is checked before a byte of it is sent: sizes and types, by the court's published limits. */
export interface Limits {
  max_file_bytes: number
  max_parts: number
  allowed_types: Record<string, string>
}

export type Verdict =
  { kind: 'good' } | { kind: 'split'; parts: number } | { kind: 'too_large'; most: number } | { kind: 'type' } | { kind: 'empty' }

/** A file that somebody picked, what is to be said of it, and whether it shall be split. */
export interface Picked {
  file: File
  verdict: Verdict
  split: boolean
}

export const extensionOf = (name: string): string => (name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '')

export function checkFile(name: string, size: number, limits: Limits): Verdict {
  if (!(extensionOf(name) in limits.allowed_types)) return { kind: 'type' }
  if (size === 0) return { kind: 'empty' }
  if (size <= limits.max_file_bytes) return { kind: 'good' }
  const parts = Math.ceil(size / limits.max_file_bytes)
  return parts <= limits.max_parts ? { kind: 'split', parts } : { kind: 'too_large', most: limits.max_parts * limits.max_file_bytes }
}

/** Where each part begins and ends; together they are the file, byte for byte. */
export function cut(size: number, limit: number): [number, number][] {
  const parts: [number, number][] = []
  for (let begin = 0; begin < size; begin += limit) parts.push([begin, Math.min(size, begin + limit)])
  return parts
}
