/** What the court tells everybody of itself. */
import { computed, reactive } from 'vue'
import { i18n } from '../i18n'
import { ask, http, type Schemas } from './client'

export const court = reactive<{ is: Schemas['CourtOut'] | null; ahead: number }>({ is: null, ahead: 0 })

/** Its name, discipline and declaration in the page's language. */
export const words = computed(() => court.is?.translations[i18n.global.locale.value] ?? court.is)

export async function readCourt(): Promise<Schemas['CourtOut']> {
  if (!court.is) {
    court.is = await ask(http.GET('/api/court'))
    court.ahead = Date.parse(court.is.now) - Date.now()
  }
  return court.is
}

/** The court's time in milliseconds, whatever this device's clock says. */
export const courtNow = (): number => Date.now() + court.ahead
