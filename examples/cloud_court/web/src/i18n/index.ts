/** Every text by key: Chinese first, English at a switch. */
import { createI18n } from 'vue-i18n'
import zh from './zh.json'

export type Language = 'zh' | 'en'

const stored = localStorage.getItem('language')

export const i18n = createI18n({
  legacy: false,
  locale: 'zh' as Language,
  fallbackLocale: 'zh',
  messages: { zh } as unknown as Record<Language, typeof zh>,
})

export async function speak(language: Language): Promise<void> {
  if (language === 'en') i18n.global.setLocaleMessage('en', (await import('./en.json')).default)
  i18n.global.locale.value = language
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  localStorage.setItem('language', language)
}

if (stored === 'en') void speak('en')
