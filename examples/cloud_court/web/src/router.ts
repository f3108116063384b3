/** Pages, each loaded when it is needed; all but a few ask who is logged in. */
import { createRouter, createWebHashHistory } from 'vue-router'
import { session, whoAmI } from './api/client'
import { i18n } from './i18n'
import Landing from './pages/Landing.vue'

export const router = createRouter({
  history: createWebHashHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', name: 'landing', component: Landing, meta: { open: true } },
    { path: '/login', name: 'login', component: () => import('./pages/Login.vue'), meta: { open: true } },
    { path: '/register', name: 'register', component: () => import('./pages/Register.vue'), meta: { open: true } },
    { path: '/join/:number/:code', name: 'join', component: () => import('./pages/Login.vue'), meta: { open: true } },
    { path: '/demo/:role', name: 'as', component: () => import('./pages/PlayRole.vue'), meta: { open: true } },
    { path: '/handoff/:token', name: 'handoff', component: () => import('./pages/TakeOver.vue'), meta: { open: true } },
    { path: '/guide', name: 'guide', component: () => import('./pages/Guide.vue'), meta: { open: true } },
    { path: '/self-test', name: 'test', component: () => import('./pages/SelfTest.vue'), meta: { open: true } },
    { path: '/search', name: 'search', component: () => import('./pages/Search.vue'), meta: { open: true } },
    { path: '/standins', name: 'standins', component: () => import('./pages/Standins.vue'), meta: { open: true } },
    { path: '/hearings', name: 'hearings', component: () => import('./pages/Hearings.vue') },
    { path: '/hearings/:id', name: 'hearing', component: () => import('./pages/HearingRoom.vue') },
    { path: '/hearings/:id/record', name: 'record', component: () => import('./pages/HearingRecord.vue') },
    { path: '/cases', name: 'cases', component: () => import('./pages/Cases.vue') },
    { path: '/cases/:id', name: 'case', component: () => import('./pages/CasePage.vue') },
    { path: '/filings', name: 'filings', component: () => import('./pages/Filings.vue') },
    { path: '/board', name: 'board', component: () => import('./pages/Board.vue') },
    { path: '/:rest(.*)*', name: 'lost', component: () => import('./pages/Lost.vue'), meta: { open: true } },
  ],
})

router.beforeEach(async (to) => {
  const asked = whoAmI()
  if (to.meta.open) return (asked.catch(() => undefined), true)
  try {
    return (await asked) ? true : { name: 'login', query: { to: to.fullPath } }
  } catch {
    session.cut = true
    return false
  }
})
router.onError(() => (session.cut = true)) // a page that has not come

router.afterEach((to, from) => {
  document.title = `${i18n.global.t(`title.${String(to.name)}`)} · ${i18n.global.t('app.name')}`
  if (to.name !== from.name) requestAnimationFrame(() => document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true }))
})
