/** Sizes, times and hashes as people read them. */
import { i18n } from '../i18n'

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  const unit = size < 1024 ** 2 ? 1 : 2
  const value = size / 1024 ** unit
  // what is over a limit by one byte must not look as large as the limit
  const digits = Number.isInteger(value) ? 0 : Math.abs(value - Math.round(value)) < 0.05 && value > 10 ? 6 : 1
  return `${value.toFixed(digits)} ${unit === 1 ? 'KB' : 'MB'}`
}

const tag = (): string => (i18n.global.locale.value === 'zh' ? 'zh-CN' : 'en-GB')

export const day = (iso: string): string =>
  new Date(iso).toLocaleDateString(tag(), { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short' })

export const clock = (iso: string): string => new Date(iso).toLocaleTimeString(tag(), { hour: '2-digit', minute: '2-digit' })

export const moment = (iso: string): string => `${day(iso)} ${clock(iso)}`

export function lasted(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return parts.map((each) => String(each).padStart(2, '0')).join(':')
}

export const short = (sha256: string): string => `${sha256.slice(0, 8)}…${sha256.slice(-8)}`

/** A time of this device as `datetime-local` shows it. */
export function localInput(date: Date): string {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(0, 16)
}
