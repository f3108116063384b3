/** Ask for a reason, or whether one is sure. */
import { i18n } from '../i18n'

const box = async () => (await import('./box')).ElMessageBox

/** Its own close button has an English name; Cancel and Escape do the same. */
const buttons = () => ({
  showClose: false,
  confirmButtonText: i18n.global.t('common.ok'),
  cancelButtonText: i18n.global.t('common.cancel'),
})

/** What was written; null: given up. */
export async function askText(title: string, text: string, required = true): Promise<string | null> {
  const messageBox = await box()
  try {
    const answer = await messageBox.prompt(text, title, {
      ...buttons(),
      inputType: 'textarea',
      inputPlaceholder: text, // which is also the field's name
      inputValidator: (value: string) => !required || Boolean(value?.trim()) || i18n.global.t('common.required'),
    })
    return 'value' in answer ? String(answer.value ?? '').trim() : ''
  } catch {
    return null
  }
}

export async function isSure(title: string, text: string): Promise<boolean> {
  const messageBox = await box()
  return messageBox.confirm(text, title, { ...buttons(), type: 'warning' }).then(
    () => true,
    () => false,
  )
}
