/** One hearing and its people, for every part of its page; read again when the court says that they changed. */
import {
  computed,
  inject,
  onScopeDispose,
  provide,
  ref,
  shallowRef,
  watch,
  type ComputedRef,
  type InjectionKey,
  type Ref,
  type ShallowRef,
} from 'vue'
import { useI18n } from 'vue-i18n'
import { ask, http, of, type Hearing, type Person, type Schemas } from '../api/client'
import { courtNow } from '../api/court'
import { onHearingNews } from '../api/live'
import { explain } from '../parts/act'
import { inTurn } from '../parts/turn'

export interface HearingStore {
  id: string
  hearing: ShallowRef<Hearing | null>
  people: ShallowRef<Person[]>
  failed: Ref<string>
  isHost: ComputedRef<boolean>
  isJudge: ComputedRef<boolean>
  read: () => Promise<void>
  /** Whether somebody waits to be let in, or to be called. */
  waits: (person: Person) => boolean
  nameOf: (person: string | null | undefined) => string
  act: (body: Partial<Schemas['ActAsked']> & Pick<Schemas['ActAsked'], 'act'>) => Promise<void>
}

const KEY: InjectionKey<HearingStore> = Symbol('hearing')
const REREAD = 15_000
const SLACK = 50

export function provideHearing(id: string): HearingStore {
  const { t } = useI18n()
  const hearing = shallowRef<Hearing | null>(null)
  const people = shallowRef<Person[]>([])
  const failed = ref('')

  let due = 0
  /** What the waiting room says changes with time, too: at the moment that the court has named. */
  watch(
    () => hearing.value?.waiting_until,
    (until) => {
      clearTimeout(due)
      if (until) due = window.setTimeout(() => void read(), Math.max(0, Date.parse(until) - courtNow()) + SLACK)
    },
  )

  const read = inTurn(async () => {
    try {
      hearing.value = await ask(http.GET('/api/hearings/{hearing_id}', of(id)))
      failed.value = ''
    } catch (error) {
      failed.value = explain(error)
      return
    }
    const staff = ['clerk', 'judge', 'technician'].includes(hearing.value.role)
    people.value = hearing.value.me || staff ? await ask(http.GET('/api/hearings/{hearing_id}/people', of(id))) : []
  })

  void read()
  onHearingNews(id, ['hearing', 'people', 'recording', 'alert'], read)
  const timer = window.setInterval(() => void read().catch(() => undefined), REREAD)
  onScopeDispose(() => (clearInterval(timer), clearTimeout(due)))

  const store: HearingStore = {
    id,
    hearing,
    people,
    failed,
    isHost: computed(() => ['judge', 'clerk'].includes(hearing.value?.role ?? '')),
    isJudge: computed(() => hearing.value?.role === 'judge'),
    read,
    waits(person) {
      const early = ['scheduled', 'waiting'].includes(hearing.value?.state ?? '')
      const lacks = early ? !person.admitted : person.role === 'witness' && !person.called
      return lacks && !person.present && Boolean(person.declared) && !person.dismissed
    },
    nameOf(person) {
      const found = people.value.find((each) => each.id === person)
      return found ? t('common.named', { name: found.name, role: t(`role.${found.role}`) }) : t('common.somebody')
    },
    async act(body) {
      const asked = { phase: '', reason: '', ...body } as Schemas['ActAsked']
      hearing.value = await ask(http.POST('/api/hearings/{hearing_id}/acts', { ...of(id), body: asked }))
    },
  }
  provide(KEY, store)
  return store
}

export const useHearing = (): HearingStore => inject(KEY)!
