/** Who is asked into a consultation hears of it, whatever he looks at. */
import { ask, http, of } from '../api/client'
import { onHearingNews } from '../api/live'
import type { HearingStore } from './store'

export function onInvited({ id, hearing }: HearingStore, show: () => void): void {
  let invited = false
  onHearingNews(id, ['consultation'], async () => {
    const rooms = await ask(http.GET('/api/hearings/{hearing_id}/consultations', of(id)))
    const me = hearing.value?.me?.id
    const before = invited
    invited = rooms.some((room) => room.members.some((each) => each.person_id === me && each.state === 'invited'))
    if (invited && !before) show()
  })
}
