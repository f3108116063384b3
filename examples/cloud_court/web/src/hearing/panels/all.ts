/** The panels beside the picture, each loaded when it is needed. */
import { defineAsyncComponent } from 'vue'

export const PANELS = {
  court: defineAsyncComponent(() => import('./CourtPanel.vue')),
  exhibits: defineAsyncComponent(() => import('../../exhibits/ExhibitPanel.vue')),
  transcript: defineAsyncComponent(() => import('../../transcript/TranscriptPanel.vue')),
  people: defineAsyncComponent(() => import('./PeoplePanel.vue')),
  invite: defineAsyncComponent(() => import('./InvitePanel.vue')),
  consult: defineAsyncComponent(() => import('./ConsultPanel.vue')),
  record: defineAsyncComponent(() => import('./RecordPanel.vue')),
  sound: defineAsyncComponent(() => import('./SoundPanel.vue')),
}
export type PanelName = keyof typeof PANELS
